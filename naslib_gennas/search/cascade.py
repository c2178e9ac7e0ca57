"""A cheap score looks at many architectures, the dear one at the few that it keeps."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import InputError
from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..runs.run import Record, Run
from ..scoring.gennas import GenNASScorer
from ..scoring.protocol import BaseScorer, Scorer
from ..scoring.score import Score
from ..spaces.base import SearchSpace
from .architectures import Engine
from .evolution import Evaluate, regularized_evolution

KEPT = "5%"


@dataclass(frozen=True)
class Keep:
    """How much passes the screen: a ``share`` above 0 and at most 1, or so many (``count``).

    >>> Keep.parse("5%").of(4930), Keep.parse("96").of(4930), Keep.parse("5%").siblings()
    (247, 96, 20)
    """

    share: Optional[float] = None
    count: Optional[int] = None

    @classmethod
    def parse(cls, text: str) -> Keep:
        """``5%``, or a number of architectures; InputError for anything else."""
        try:
            keep = cls(share=float(text[:-1]) / 100) if text.endswith("%") else cls(count=int(text))
        except ValueError:
            raise InputError(f"--keep is a share such as 5% or a number of architectures, got {text!r}") from None
        if keep.share is not None and not 0 < keep.share <= 1:
            raise InputError(f"--keep must be above 0 % and at most 100 %, got {text}")
        if keep.count is not None and keep.count < 1:
            raise InputError(f"--keep must be at least 1 architecture, got {text}")
        return keep

    def of(self, total: int) -> int:
        """How many of ``total`` are kept, at least one of them."""
        wanted = math.ceil(total * self.share) if self.share is not None else self.count or 1
        return max(1, min(wanted, total))

    def siblings(self) -> int:
        """Of how many the best is kept; InputError unless it is a share."""
        if self.share is None:
            raise InputError("in an evolution --keep is the share of the children that is trained, such as 5%")
        return max(1, round(1 / self.share))


class Screen:
    """Scores by a cheap scorer, each a record of ``run``; what it holds is not computed again."""

    def __init__(self, scorer: Scorer, run: Run):
        self.scorer, self._run = scorer, run
        self.known = {score.key: score for score in map(Score.from_record, run.records)}

    def values(self, archs: Iterable[Any]) -> list[float]:
        """Higher is better; minus infinity where there is no score."""
        archs = list(archs)
        keys = [self.scorer.key(arch) for arch in archs]
        new = {key: arch for key, arch in zip(keys, archs) if key not in self.known}
        for score in self.scorer.score_many(new.values()):
            self._run.append(score.as_record())
            self.known[score.key] = score
        return [_value(self.known[key]) for key in keys]

    def best_of(self, archs: Sequence[Any], tried: Collection[str] = ()) -> Any:
        """The first of the highest, of those whose keys are not among the ``tried``, if there are such."""
        fresh = [arch for arch in archs if self.scorer.key(arch) not in tried] or archs
        return fresh[int(np.argmax(self.values(fresh)))]

    def kept(self, archs: Iterable[Any], keep: Keep, executor: Optional[Executor] = None) -> list[Any]:
        """The best of ``archs``, those that share a score once, the best first; equal ones in their order.

        executor: where they are scored; None is this process.
        """
        unique = {self.scorer.key(arch): arch for arch in archs}
        texts = [str(arch) for arch in unique.values()]
        scores = score_all([self.scorer], texts, self._run, executor, label="screening")[self.scorer.measure]
        self.known.update((score.key, score) for score in scores)
        order = np.argsort([-_value(score) for score in scores], kind="stable")[: keep.of(len(unique))]
        listing = list(unique.values())
        return [listing[place] for place in order]


def _value(score: Score) -> float:
    return -math.inf if score.value is None else score.value


class Remembered(BaseScorer):
    """A scorer whose scores are known."""

    def __init__(self, scorer: GenNASScorer, scores: Iterable[Score]):
        self.scorer, self.space, self.measure = scorer, scorer.space, scorer.measure
        self._known = {score.key: score for score in scores}

    def identity(self) -> Record:
        return self.scorer.identity()

    def compute(self, arch: Any, key: str) -> Score:
        return self._known[key].of(str(arch))


def listed(archs: Sequence[Any]) -> Engine:
    """A search that looks at ``archs``, in their order."""

    def engine(
        space: SearchSpace, evaluate: Evaluate, seed: int, algorithm: str, population: int, tournament: int
    ) -> Iterator[tuple[Any, float]]:
        for arch in archs:
            yield arch, evaluate(arch)

    return engine


def screened_evolution(screen: Screen, children: int) -> Engine:
    """Evolution in which every newcomer is the best of ``children``, by the screen: only that one is trained.

    Of children, all are mutations of one parent, which the training has chosen: the screen cannot lead the search
    further than one step, so that its bias does not add up. What was trained is not chosen again as long as there are
    others: of few neighbours it would always be the same.
    """

    def engine(
        space: SearchSpace, evaluate: Evaluate, seed: int, algorithm: str, population: int, tournament: int
    ) -> Iterator[tuple[Any, float]]:
        tried: set[str] = set()

        def chosen(archs: Sequence[Any]) -> Any:
            best = screen.best_of(archs, tried)
            tried.add(screen.scorer.key(best))
            return best

        def sample(rng: np.random.Generator) -> Any:
            return chosen([space.sample(rng) for _ in range(children)])

        def mutate(parent: Any, rng: np.random.Generator) -> Any:
            return chosen([space.mutate(parent, rng) for _ in range(children)])

        rng = np.random.default_rng(seed)
        return regularized_evolution(sample, mutate, evaluate, rng, population, tournament)

    return engine
