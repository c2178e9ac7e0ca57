"""Is the best task better than the one that the search started from, beyond chance?

The best of hundreds of tasks on 20 labels often ranks other architectures worse than the task that the search started
from. So the start is kept unless the best one beats it in enough bootstrap resamples of the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..errors import InputError
from ..evaluation import bootstrap_differences
from .record import TaskRecord, by_space
from .search import best_task

CONFIDENCE = 0.975


@dataclass(frozen=True)
class KeptStart:
    """The best task of those started from, beside the best of all.

    Attributes:
        step, rho: of the start.
        probability: share of bootstrap resamples of the labels in which the best task of all has the higher rho (mean
            rho of several spaces); 0.5 if it is the start itself.
        kept: whether the probability is below the confidence asked for, so that the start stays.
    """

    step: int
    rho: Optional[float]
    probability: float
    kept: bool


def check_confidence(confidence: float) -> None:
    """InputError unless it lies in [0, 1]."""
    if not 0 <= confidence <= 1:
        raise InputError(f"the confidence must lie between 0 and 1, got {confidence}")


def kept_start(
    records: Sequence[TaskRecord], starts: int, labels: Sequence[Sequence[float]], confidence: float, seed: int = 0
) -> Optional[KeptStart]:
    """The best of the ``starts`` first records; None if no start was scored on all labels.

    labels: those of each space, in the order of the scores.
    """
    known = [record for record in records[:starts] if record.status == "ok"]
    if not known:
        return None
    start, best = max(known, key=lambda record: record.value), best_task(records)
    better = probability_better(best.scores, start.scores, labels, seed)
    return KeptStart(start.step, start.rho, better, better < confidence)


def probability_better(
    scores: Sequence[Optional[float]],
    others: Sequence[Optional[float]],
    labels: Sequence[Sequence[float]],
    seed: int = 0,
) -> float:
    """Share of resamples in which ``scores``, of all spaces one after another, has the higher rho; half of the ties."""
    sizes = [len(place) for place in labels]
    places = zip(by_space(scores, sizes), by_space(others, sizes), labels)
    gain = np.mean([bootstrap_differences(ours, theirs, truth, seed=seed) for ours, theirs, truth in places], axis=0)
    return float(np.mean(gain > 0) + np.mean(gain == 0) / 2)
