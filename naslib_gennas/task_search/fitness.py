"""The fitness of a task: Spearman's rho on a few labelled architectures, and when a task is stopped early.

A task meets the labelled architectures in parts, each spread over all ranks; after each it is stopped if an upper 95 %
confidence limit of its rho on all of them lies below the bar. A stopped task keeps the rho of its part as fitness.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Optional, Protocol

import numpy as np

from ..errors import InputError
from ..evaluation import spearman
from ..proxy.presets import Preset
from ..scoring.score import Score
from .labels import check_labels
from .record import Ranking, TaskStatus, joined

PARTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the labelled architectures, after which a task may be stopped
FEWEST_IN_PART = 6
CONFIDENCE_Z = 1.645  # one-sided 95 %
SPEARMAN_VARIANCE = 1.06  # of Fisher's z of a rank correlation, times n - 3 (Fieller et al., 1957)

Bar = Callable[[Ranking], float]
"""What a task has to reach, given its ranking so far."""


class Fitness(Protocol):
    """Ranks labelled architectures by a task, and stops once the task is unlikely to reach ``bar``."""

    def __call__(self, task: Preset, bar: Bar) -> Ranking: ...


class TaskFitness:
    """Spearman's rho of a task on labelled architectures.

    Args:
        texts, labels: the architectures in the order in which a task meets them (:func:`.labels.spread`), and their
            ground truth, higher is better.
        scores: the scores of texts by a task, such as :class:`.scorer.TaskScores`.
        race: whether hopeless tasks are stopped early.

    Raises:
        InputError: fewer than 5 labels, labels that are not finite or all equal.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[float],
        scores: Callable[[Preset, Sequence[str]], list[Score]],
        race: bool = True,
    ):
        check_labels(labels)
        self.texts, self.labels = list(texts), [float(label) for label in labels]
        self._scores = scores
        self._parts = parts(self.labels) if race else [len(self.labels)]

    def __call__(self, task: Preset, bar: Bar) -> Ranking:
        started = time.perf_counter()
        scores: list[Score] = []
        for part in self._parts:
            scores += self._scores(task, self.texts[len(scores) : part])
            found = self._ranking(task, scores, time.perf_counter() - started)
            if found.rho is None or upper_limit(found.rho, part, len(self.labels)) < bar(found):
                break
        return found

    def _ranking(self, task: Preset, scores: list[Score], seconds: float) -> Ranking:
        values = [score.value for score in scores]
        rho = _rho(values, self.labels[: len(scores)])
        complete: TaskStatus = "ok" if len(scores) == len(self.labels) else "stopped"
        return Ranking(
            status="failed" if rho is None else complete,
            rho=rho,
            scored=len(scores),
            work=_work(task, scores),
            seconds=seconds,
            message=next((score.message for score in scores if score.status != "ok"), ""),
            scores=values,
        )


class JointFitness:
    """The mean of the rhos on labelled architectures of several spaces.

    The spaces are taken in order; a task is stopped once the mean could not reach the bar even if every later
    space were ranked perfectly.
    """

    def __init__(self, members: Sequence[TaskFitness]):
        self._members = list(members)

    def __call__(self, task: Preset, bar: Bar) -> Ranking:
        found: list[Ranking] = []
        for later, member in zip(reversed(range(len(self._members))), self._members):
            found.append(member(task, self._needed(bar, list(found), later)))
            if found[-1].status != "ok":
                break
        return joined(found)

    def _needed(self, bar: Bar, before: list[Ranking], later: int) -> Bar:
        """What the next space must reach, with ``later`` perfect ones after it."""
        known = sum(ranking.rho for ranking in before if ranking.rho is not None)
        return lambda new: len(self._members) * bar(joined([*before, new])) - known - later


def parts(labels: Sequence[float]) -> list[int]:
    """Numbers of architectures after which a task is looked at, ascending; the last is all of them.

    >>> parts([float(n) for n in range(20)])
    [6, 8, 10, 12, 14, 16, 18, 20]
    """
    total = len(labels)
    sizes = {max(FEWEST_IN_PART, math.ceil(share * total)) for share in PARTS}
    return sorted(n for n in sizes if n < total and len(set(labels[:n])) > 1) + [total]


def upper_limit(rho: float, n: int, total: int) -> float:
    """Upper 95 % confidence limit of rho on ``total`` architectures, from that on a random ``n`` >= 4 of them.

    Normal in Fisher's z with variance 1.06 / (n - 3), times (total - n) / (total - 1) as ``n`` are no longer open.
    For a part that is spread over the ranks it is on the safe side.
    """
    if n == total:
        return rho
    deviation = math.sqrt(SPEARMAN_VARIANCE / (n - 3) * (total - n) / (total - 1))
    return math.tanh(math.atanh(max(-1 + 1e-9, min(1 - 1e-9, rho))) + CONFIDENCE_Z * deviation)


def _rho(scores: Sequence[Optional[float]], labels: Sequence[float]) -> Optional[float]:
    try:
        return spearman(scores, labels)
    except InputError:  # all failed or all equal: no ranking
        return None


def _work(task: Preset, scores: Sequence[Score]) -> float:
    """Mean number of steps x parameters, times the numbers in one input image or sequence batch."""
    fidelity = task.fidelity
    size = fidelity.input_size**2 if task.kind == "cnn" else fidelity.length
    costs = [score.details.get("steps", 0) * score.details.get("parameters", 0) for score in scores]
    return float(np.mean(costs)) * size * fidelity.batch_size
