"""Search an architecture space with a scorer as fitness; ground truth is for the report only."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from typing import Any, Callable

import numpy as np

from ..errors import InputError, RunError
from ..progress import progress
from ..runs.run import Run
from ..scoring.gennas import Scorer
from ..spaces import SearchSpace
from .evolution import POPULATION, TOURNAMENT, Evaluate, random_search, regularized_evolution

ENGINES = ("own", "naslib")
ALGORITHMS = ("evolution", "random")  # of our own engine


def search_architectures(
    scorer: Scorer,
    run: Run,
    steps: int = 450,
    algorithm: str = "evolution",
    population: int = POPULATION,
    tournament: int = TOURNAMENT,
    max_seconds: float | None = None,
    engine: str = "own",
) -> list[dict[str, Any]]:
    """Evaluate ``steps`` architectures (or until ``max_seconds`` have passed), one record each.

    A resumed run replays its recorded steps from the seed without computing anything and goes on from there.
    Architectures seen before, isomorphic ones included, cost nothing. ``engine``: ``own``, or ``naslib`` for
    NASLib's optimizers, which offer ``local`` search as well. Raises InputError for bad settings.
    """
    _check(steps, population, tournament)
    space = scorer.space
    remembered = {record["key"]: record for record in run.records}
    recorded = len(run.records)
    latest: dict[str, Any] = {}

    def evaluate(arch) -> float:
        nonlocal latest
        key = space.score_key(arch)
        if key in remembered:
            latest = {**remembered[key], "arch": str(arch), "seconds": 0.0}
        else:
            latest = remembered[key] = scorer.score(arch).as_record()
        return math.nan if latest["score"] is None else latest["score"]

    stream = _engine(engine)(space, evaluate, scorer.seed, algorithm, population, tournament)
    started = time.monotonic()
    for step, _ in enumerate(progress(itertools.islice(stream, steps), steps, "searching")):
        if step >= recorded:
            run.append({"step": step, **latest})
        elif run.records[step]["arch"] != latest["arch"]:
            raise RunError(
                f"step {step} of the run was {run.records[step]['arch']} and repeats as {latest['arch']}: another "
                "version made it, so it cannot be continued; choose another --out"
            )
        if max_seconds is not None and time.monotonic() - started > max_seconds:
            break
    return run.records


def best_records(records: list[dict[str, Any]], count: int = 10) -> list[dict[str, Any]]:
    """The ``count`` highest scores among non-isomorphic architectures, best first."""
    unique = {record["key"]: record for record in reversed(records) if record["score"] is not None}
    return sorted(unique.values(), key=lambda record: -record["score"])[:count]


def best_so_far(records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For every step, the record with the highest score up to it."""
    best = None
    for record in records:
        if record["score"] is not None and (best is None or record["score"] > best["score"]):
            best = record
        if best is not None:
            yield best


def _engine(name: str) -> Callable[..., Iterator[tuple[Any, float]]]:
    if name == "naslib":
        from ..plugin.search import naslib_search

        return naslib_search
    if name != "own":
        raise InputError(f"no search engine is called {name!r}; there are: {', '.join(ENGINES)}")
    return _own_search


def _own_search(space: SearchSpace, evaluate: Evaluate, seed: int, algorithm: str, population: int, tournament: int):
    rng = np.random.default_rng(seed)
    if algorithm == "random":
        return random_search(space.sample, evaluate, rng)
    if algorithm == "evolution":
        return regularized_evolution(space.sample, space.mutate, evaluate, rng, population, tournament)
    raise InputError(f"no search algorithm is called {algorithm!r}; there are: {', '.join(ALGORITHMS)}")


def _check(steps: int, population: int, tournament: int) -> None:
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}")
    if population < 1 or not 1 <= tournament <= population:
        raise InputError(f"need population >= tournament >= 1, got {population} and {tournament}")
