"""What a task search is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..executors.processes import ScorerSettings
from ..proxy.presets import Preset
from ..scoring.gennas import check_kind
from ..search.evolution import POPULATION, TOURNAMENT
from ..spaces import load_space
from .significance import CONFIDENCE
from .space import TaskSpace, task_space


@dataclass(frozen=True)
class Transfer:
    """Architectures of another table: where else a task is tried, or searched by as well."""

    space: str
    table: str
    metric: str | None = None

    @classmethod
    def parse(cls, text: str) -> Transfer:
        """``SPACE:TABLE`` or ``SPACE:TABLE:METRIC``; InputError if it is neither."""
        fields = text.split(":")
        if len(fields) not in (2, 3) or not all(fields):
            raise InputError(f"cannot read {text!r}: another table is SPACE:TABLE or SPACE:TABLE:METRIC")
        return cls(*fields)


COMMAND = "task-search"


@dataclass(frozen=True)
class TaskSearchSettings:
    """``base`` gives the fidelity and the stage weights; ``labelled`` architectures are drawn by ``seed``.

    ``validate``: others, whose labels the search never sees; ``transfer``: see :class:`Transfer`, on as many
    architectures as ``validate`` (all of the table if 0). ``also``: other tables of which as many architectures
    are labelled; fitness is then the mean of the rhos. ``name``: of the preset that is written. ``baseline``: a
    random search with as many tasks beside it. ``compare``: directories of other task searches for the picture.
    ``confidence``: see :func:`.guard.kept_start`; 0 always takes the best on the labels.
    """

    space: str
    base: Preset
    metric: str
    labelled: int = 20
    seed: int = 0
    algorithm: str = "evolution"
    population: int = POPULATION
    tournament: int = TOURNAMENT
    objective: str = "rho"
    warm_start: tuple[Preset, ...] = ()
    search_fidelity: bool = False
    search_weights: bool = False
    race: bool = True
    device: str = "cpu"
    images: str | None = None
    validate: int = 0
    transfer: tuple[Transfer, ...] = ()
    also: tuple[Transfer, ...] = ()
    name: str = "searched"
    baseline: bool = False
    compare: tuple[str, ...] = ()
    confidence: float = CONFIDENCE

    def config(self, table: str) -> dict[str, Any]:
        """What a resumed search must share."""
        return {
            "command": COMMAND,
            "space": self.space,
            "table": table,
            "metric": self.metric,
            "labelled": self.labelled,
            "seed": self.seed,
            "base": self.base.name,
            "base_digest": self.base.digest(),
            "algorithm": self.algorithm,
            "population": self.population,
            "tournament": self.tournament,
            "objective": self.objective,
            "warm_start": [f"{preset.name} {preset.digest()}" for preset in self.warm_start],
            "search_fidelity": self.search_fidelity,
            "search_weights": self.search_weights,
            "race": self.race,
            "device": self.device,
            "images": self.images,
            **({"also": [vars(place) for place in self.also]} if self.also else {}),
        }

    def task_space(self) -> TaskSpace:
        """The space that is searched; SpecError if the base is not for this kind of networks."""
        check_kind(load_space(self.space), self.base)
        return task_space(self.base, self.search_fidelity, self.search_weights)

    def scorer(self, preset: Preset, space: str | None = None) -> ScorerSettings:
        """The preset bound to the space (or another one), with the seed and images of the search."""
        return ScorerSettings(space or self.space, preset, self.seed, self.device, self.images)
