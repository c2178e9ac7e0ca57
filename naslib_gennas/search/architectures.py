"""Search an architecture space with a scorer as fitness; ground truth is for the report only."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from ..progress import progress
from ..runs import Run
from ..scoring import Scorer
from .evolution import POPULATION, TOURNAMENT, random_search, regularized_evolution

ALGORITHMS = ("evolution", "random")


def search_architectures(
    scorer: Scorer,
    run: Run,
    steps: int = 450,
    algorithm: str = "evolution",
    population: int = POPULATION,
    tournament: int = TOURNAMENT,
    max_seconds: float | None = None,
) -> list[dict[str, Any]]:
    """Evaluate ``steps`` architectures (or until ``max_seconds`` have passed), one record each.

    A resumed run replays its recorded steps from the seed without computing anything and goes on from there.
    Architectures seen before, isomorphic ones included, cost nothing. Raises InputError for bad settings.
    """
    _check(steps, algorithm, population, tournament)
    space, rng = scorer.space, np.random.default_rng(scorer.seed)
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

    if algorithm == "random":
        stream = random_search(space.sample, evaluate, rng)
    else:
        stream = regularized_evolution(space.sample, space.mutate, evaluate, rng, population, tournament)
    started = time.monotonic()
    for step, _ in enumerate(progress(itertools.islice(stream, steps), steps, "searching")):
        if step >= recorded:
            run.append({"step": step, **latest})
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


def _check(steps: int, algorithm: str, population: int, tournament: int) -> None:
    if algorithm not in ALGORITHMS:
        raise InputError(f"no search algorithm is called {algorithm!r}; there are: {', '.join(ALGORITHMS)}")
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}")
    if population < 1 or not 1 <= tournament <= population:
        raise InputError(f"need population >= tournament >= 1, got {population} and {tournament}")
