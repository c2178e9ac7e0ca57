"""What the networks have to be beside good: limits, further objectives, and where they will run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Optional

from ..runs.run import Record, Run
from ..spaces.base import SearchSpace
from .architectures import Engine, Step
from .costs import LATENCY, Deployment, cost_of, digest_of
from .limits import Admitted, Gate, Limit, admitted, by_validity, within
from .multi import front, nsga2


@dataclass(frozen=True)
class Demands:
    """``limits``, ``objectives`` (costs that are minimised beside the score), and where the networks will run.

    >>> Demands((Limit.parse("params<=4M"),), ("flops",)).quantities()
    ['params', 'flops']
    """

    limits: tuple[Limit, ...] = ()
    objectives: tuple[str, ...] = ()
    deployment: Deployment = Deployment()

    def quantities(self) -> list[str]:
        """The costs that have to be known."""
        return list(dict.fromkeys([*(limit.quantity for limit in self.limits), *self.objectives]))

    def config(self) -> Record:
        """For the configuration of a run; nothing where nothing is demanded. TableError for a latency table that is
        not there."""
        if not self.quantities():
            return {}
        there = {**asdict(self.deployment), "latency_digest": digest_of(self.deployment.latency_table)}
        return {"limits": list(map(str, self.limits)), "objectives": list(self.objectives), "deployment": there}


NO_DEMANDS = Demands()


class Demanded:
    """Demands at work in a search of ``space``: the costs of architectures, and the gate that lets them pass.

    Latencies that are measured are kept inside ``run``; ``close`` ends that. Raises what
    :func:`.costs.cost_of` and :class:`.limits.Gate` raise.
    """

    def __init__(self, demands: Demands, space: SearchSpace, run: Run):
        self.space = space
        self._measured = run.inside(LATENCY, demands.config()) if LATENCY in demands.quantities() else None
        self.costs = {name: cost_of(name, space, demands.deployment, self._measured) for name in demands.quantities()}
        self.gate = Gate(demands.limits, self.costs)
        self.objectives = {name: self.costs[name] for name in demands.objectives}

    def close(self) -> None:
        if self._measured is not None:
            self._measured.close()

    def limited(self, engine: Engine, draws_itself: bool = False) -> Engine:
        """``engine``, or NSGA-II for several objectives, kept to the limits.

        draws_itself: whether the engine draws architectures as it likes, and not from the space that it is given.
        """
        engine = nsga2(self.objectives) if self.objectives else engine
        if not self.gate.limits:
            return engine
        return by_validity(engine, self.gate) if draws_itself else within(engine, self.gate)

    def admitted(self) -> SearchSpace:
        """The space, or of it what keeps to the limits."""
        return Admitted(self.space, self.gate) if self.gate.limits else self.space  # type: ignore[return-value]

    def passing(self, archs: Iterable[Any]) -> list[Any]:
        """Those that keep to the limits; InputError if none does."""
        return admitted(archs, self.gate) if self.gate.limits else list(archs)

    def of(self, text: str) -> dict[str, Optional[float]]:
        """The costs of an architecture: in ones, or milliseconds; None where one is not known."""
        arch = self.space.parse(text)
        return {name: cost(arch) for name, cost in self.costs.items()}

    def front(self, steps: Iterable[Step]) -> list[Step]:
        """What no other step beats in score and all objectives; nothing without objectives."""
        return front(list(steps), self.space, self.objectives) if self.objectives else []
