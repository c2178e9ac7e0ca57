"""Several objectives: NSGA-II, and the front of what it found. Sorting and crowding are pymoo's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, MissingPackageError
from ..spaces.base import SearchSpace
from .architectures import Engine, Step
from .costs import Cost
from .evolution import Evaluate

SCORE = "score"
FAILED = 1e30  # an objective of what has no score, or no known cost

Floats = npt.NDArray[np.float64]


def parse_objectives(text: str) -> list[str]:
    """The costs beside the score: ``score,latency:pixel3`` -> ``["latency:pixel3"]``; InputError without ``score``.

    >>> parse_objectives("score,params")
    ['params']
    """
    names = [name.strip() for name in text.split(",")]
    if SCORE not in names or len(set(names)) != len(names) or len(names) < 2 or not all(names):
        raise InputError(f"--objective is score and one or more costs, each once, such as score,flops; got {text!r}")
    return [name for name in names if name != SCORE]


def nsga2(costs: Mapping[str, Cost]) -> Engine:
    """Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002, with mutations for children.

    The score is maximised, ``costs`` are minimised. MissingPackageError without pymoo.
    """
    survival = _survival()

    def engine(
        space: SearchSpace, evaluate: Evaluate, seed: int, algorithm: str, population: int, tournament: int
    ) -> Iterator[tuple[Any, float]]:
        rng = np.random.default_rng(seed)
        alive: Any = None
        while True:
            made = []
            for _ in range(population):
                arch = space.sample(rng) if alive is None else space.mutate(_parent(alive, tournament, rng), rng)
                fitness = evaluate(arch)
                made.append((arch, [_worst(-fitness), *(_worst(cost(arch)) for cost in costs.values())]))
                yield arch, fitness
            alive = survival(alive, made, population, rng)

    return engine


def _worst(value: float | None) -> float:
    return FAILED if value is None or not math.isfinite(value) else value


def _parent(alive: Any, tournament: int, rng: np.random.Generator) -> Any:
    """The best of a few by front, then by distance to its neighbours on it."""
    places = rng.choice(len(alive), size=min(tournament, len(alive)), replace=False)
    best = min(places, key=lambda i: (alive[i].get("rank"), -alive[i].get("crowding")))
    return alive[best].get("X")


def _survival() -> Any:
    try:
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
    except ImportError:
        raise MissingPackageError(
            "several objectives need pymoo; pip install 'naslib_gennas[multi]', or pip install pymoo"
        ) from None

    def survive(alive: Any, made: list[tuple[Any, list[float]]], count: int, rng: np.random.Generator) -> Any:
        archs = np.empty(len(made), dtype=object)
        archs[:] = [arch for arch, _ in made]
        fresh = Population.new("X", archs, "F", np.array([values for _, values in made]))
        merged = fresh if alive is None else Population.merge(alive, fresh)
        return RankAndCrowding().do(Problem(), merged, n_survive=count, random_state=rng)

    return survive


def front(steps: Sequence[Step], space: SearchSpace, costs: Mapping[str, Cost]) -> list[Step]:
    """The steps that no other one beats in score and all costs, the highest score first; an architecture once.

    Networks that are cut, which cost least, are left out. Architectures that share a score can differ in costs; of
    those that are equal in all, the first is kept. Needs pymoo, as :func:`nsga2`.
    """
    scored = [step for step in steps if step.score.value is not None and not space.is_cut(space.parse(step.score.arch))]
    unique = {step.score.arch: step for step in reversed(scored)}
    known = sorted(unique.values(), key=lambda step: (-float(step.score.value or 0.0), step.number))
    if not known:
        return []
    rows = np.stack([_objectives(step, space, costs) for step in known])
    _, different = np.unique(rows, axis=0, return_index=True)
    return [known[i] for i in sorted(different[_first_front(rows[different])])]


def _objectives(step: Step, space: SearchSpace, costs: Mapping[str, Cost]) -> Floats:
    arch = space.parse(step.score.arch)
    return np.array([-float(step.score.value or 0.0), *(_worst(cost(arch)) for cost in costs.values())])


def _first_front(rows: Floats) -> npt.NDArray[np.int64]:
    """Rows (n, objectives), all minimised, that no other row dominates."""
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    found: npt.NDArray[np.int64] = NonDominatedSorting().do(rows, only_non_dominated_front=True)
    return found
