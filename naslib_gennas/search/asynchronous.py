"""Evolution that does not wait: every worker always has a candidate, made of what is known when it is free.

With one candidate at a time it is :func:`.architectures.search_architectures`, step by step. With several, the order in
which scores arrive decides, so that two runs of a seed differ; a run that is continued goes on from what it has.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..executors.protocol import Executor, at_work
from ..executors.scores import ScoreJob, ScoreWork
from ..runs.run import Run
from ..scoring.protocol import Scorer
from ..scoring.score import Score
from .architectures import ALGORITHMS, SearchSettings, Step
from .evolution import Evolution
from .warm_starts import Started


@dataclass(frozen=True)
class _OneByOne:
    """Work whose jobs are never known in advance, so that none are prepared together."""

    work: ScoreWork

    def __call__(self, job: ScoreJob) -> list[Score]:
        return self.work(job)

    def lost(self, job: ScoreJob, error: Exception) -> list[Score]:
        return self.work.lost(job, error)

    def parts(self, job: ScoreJob) -> Sequence[ScoreJob]:
        return self.work.parts(job)


def search_asynchronously(
    scorer: Scorer, run: Run, settings: SearchSettings, executor: Executor, space: Any = None
) -> list[Step]:
    """The steps of a search by ``scorer`` in the order in which they are done, each a record of ``run``.

    executor: it has as many candidates at a time as it takes jobs ahead. space: the scorer's, or what stands for it.
    Architectures seen before, isomorphic ones included, cost nothing. InputError for another algorithm than evolution
    and random search.
    """
    return _Search(scorer, run, settings, space or scorer.space).steps_by(executor)


class _Search:
    """What is known, what is in flight, and who waits for it."""

    def __init__(self, scorer: Scorer, run: Run, settings: SearchSettings, space: Any):
        if settings.algorithm not in ALGORITHMS:
            raise InputError(f"an asynchronous search is by {' or '.join(ALGORITHMS)}, not by {settings.algorithm}")
        self.scorer, self.run, self.settings = scorer, run, settings
        self.space = Started(space, settings.starts) if settings.starts and not run.records else space
        self.steps = [Step.from_record(record) for record in run.records]
        self.remembered = {step.score.key: step.score for step in self.steps}
        self.waiting: dict[str, list[Any]] = {}
        known = len(self.steps)
        rng = np.random.default_rng([settings.seed, known] if known else settings.seed)
        population = math.inf if settings.algorithm == "random" else settings.population
        self.evolution = Evolution(self.space.sample, self.space.mutate, rng, population, settings.tournament)
        self.evolution.asked = known
        for step in self.steps:
            self.evolution.tell(scorer.space.parse(step.score.arch), _fitness(step.score))

    def steps_by(self, executor: Executor) -> list[Step]:
        left = self.settings.steps - len(self.steps)
        steps = self._recorded(executor)
        for _ in self.run.progress(steps, max(0, left), "searching", lambda: at_work(executor)):
            pass
        return self.steps

    def _recorded(self, executor: Executor) -> Iterator[Step]:
        """New steps; some are recorded while further jobs are asked for."""
        told = len(self.steps)
        for scores in executor.map(_OneByOne(ScoreWork([self.scorer])), self._jobs()):
            for score in scores:
                self._arrived(score)
            yield from self.steps[told:]
            told = len(self.steps)
        yield from self.steps[told:]

    def _jobs(self) -> Iterator[ScoreJob]:
        started, most = time.monotonic(), self.settings.max_seconds
        while self.evolution.asked < self.settings.steps:
            if most is not None and time.monotonic() - started > most:
                return
            arch = self.evolution.ask()
            key = self.scorer.key(arch)
            if key in self.remembered:
                self._record(arch, self.remembered[key].again(str(arch)))
            elif key in self.waiting:
                self.waiting[key].append(arch)
            else:
                self.waiting[key] = [arch]
                yield str(arch), (self.scorer.measure,)

    def _arrived(self, score: Score) -> None:
        first, *others = self.waiting.pop(score.key)
        self.remembered[score.key] = score
        self._record(first, score)
        for arch in others:
            self._record(arch, score.again(str(arch)))

    def _record(self, arch: Any, score: Score) -> None:
        step = Step(len(self.steps), score)
        self.run.append(step.as_record())
        self.steps.append(step)
        self.evolution.tell(arch, _fitness(score))


def _fitness(score: Score) -> float:
    return math.nan if score.value is None else score.value
