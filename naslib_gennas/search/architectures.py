"""Search an architecture space with a scorer as fitness; ground truth is for the report only."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np

from ..errors import InputError, RunError
from ..runs.run import Record, Run
from ..scoring.protocol import Scorer
from ..scoring.score import Score
from ..spaces.base import SearchSpace
from .evolution import POPULATION, TOURNAMENT, Evaluate, random_search, regularized_evolution
from .warm_starts import Started

ALGORITHMS = ("evolution", "random")  # of our own engine

Engine = Callable[[SearchSpace, Evaluate, int, str, int, int], Iterator[tuple[Any, float]]]
"""(space, evaluate, seed, algorithm, population, tournament) -> (architecture, fitness) for ever."""


@dataclass(frozen=True)
class SearchSettings:
    """How long a search is and by which rules.

    Attributes:
        steps: architectures evaluated, seen ones included.
        algorithm: ``evolution``, ``random``, or what else the engine offers.
        seed: of the draws of the search.
        max_seconds: after which no further step is begun.
        starts: architectures of the space that are drawn before random ones.
        asynchronous: whether candidates do not wait for each other, see :mod:`.asynchronous`.

    Raises InputError for values that cannot be.
    """

    steps: int = 450
    algorithm: str = "evolution"
    population: int = POPULATION
    tournament: int = TOURNAMENT
    seed: int = 0
    max_seconds: Optional[float] = None
    starts: tuple[Any, ...] = ()
    asynchronous: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps must be at least 1, got {self.steps}")
        if self.population < 1 or not 1 <= self.tournament <= self.population:
            raise InputError(f"need population >= tournament >= 1, got {self.population} and {self.tournament}")


@dataclass(frozen=True)
class Step:
    """The ``number`` of a step, from 0, and the score of the architecture that it looked at."""

    number: int
    score: Score

    def as_record(self) -> Record:
        return {"step": self.number, **self.score.as_record()}

    @classmethod
    def from_record(cls, record: Record) -> Step:
        return cls(record["step"], Score.from_record({key: record[key] for key in record if key != "step"}))


def own_engine(
    space: SearchSpace, evaluate: Evaluate, seed: int, algorithm: str, population: int, tournament: int
) -> Iterator[tuple[Any, float]]:
    """Our evolution and random search; InputError for another algorithm."""
    rng = np.random.default_rng(seed)
    if algorithm == "random":
        return random_search(space.sample, evaluate, rng)
    if algorithm == "evolution":
        return regularized_evolution(space.sample, space.mutate, evaluate, rng, population, tournament)
    raise InputError(f"no search algorithm is called {algorithm!r}; there are: {', '.join(ALGORITHMS)}")


def search_architectures(scorer: Scorer, run: Run, settings: SearchSettings, engine: Engine = own_engine) -> list[Step]:
    """The steps of a search by ``scorer``, each a record of ``run``.

    A resumed run replays its recorded steps from the seed without computing anything and goes on from there.
    Architectures seen before, isomorphic ones included, cost nothing; failed ones rank last. Raises InputError for
    an algorithm that the engine lacks, RunError for records that the seed does not give.
    """
    known = [Step.from_record(record) for record in run.records]
    remembered = {step.score.key: step.score for step in known}
    steps: list[Step] = []

    def evaluate(arch: Any) -> float:
        key = scorer.key(arch)
        if key not in remembered:
            remembered[key] = score = scorer.score(arch)
        else:
            score = remembered[key].again(str(arch))
        steps.append(Step(len(steps), score))
        return math.nan if score.value is None else score.value

    space: Any = Started(scorer.space, settings.starts) if settings.starts else scorer.space
    stream = engine(space, evaluate, settings.seed, settings.algorithm, settings.population, settings.tournament)
    started = time.monotonic()
    wanted = itertools.islice(stream, settings.steps)
    for number, _ in enumerate(run.progress(wanted, settings.steps, "searching")):
        if number >= len(known):
            run.append(steps[number].as_record())
        else:
            _check_replay(known[number], steps[number])
            steps[number] = known[number]
        if settings.max_seconds is not None and time.monotonic() - started > settings.max_seconds:
            break
    return steps


def best_steps(steps: Sequence[Step], count: int = 10) -> list[Step]:
    """The ``count`` highest scores among non-isomorphic architectures, best first."""
    unique = {step.score.key: step for step in reversed(steps) if step.score.value is not None}
    return sorted(unique.values(), key=_value, reverse=True)[:count]


def _value(step: Step) -> float:
    return -math.inf if step.score.value is None else step.score.value


def _check_replay(before: Step, now: Step) -> None:
    if before.score.arch != now.score.arch:
        raise RunError(
            f"step {before.number} of the run was {before.score.arch} and repeats as {now.score.arch}: another "
            "version made it, so it cannot be continued; choose another --out"
        )
