"""Which architectures to label next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from .scaling import Array
from .spectrum_predictor import SpectrumPredictor

PROMISING = 0.1  # share of the candidates among which a first batch is spread


def first_batch(predictor: SpectrumPredictor, candidates: Sequence[Any], count: int) -> list[Any]:
    """``count`` of ``candidates`` before any label is known: half of them spread over the promising, half over all.

    Promising are the best tenth by the label-free scores. Each is the one farthest from those taken, by the scaled
    features. InputError for fewer candidates than ``count``.
    """
    _check(candidates, count)
    x, promise = predictor.survey(candidates)
    head = np.argsort(-promise, kind="stable")[: max(count, round(PROMISING * len(candidates)))]
    taken = [int(head[0])]
    while len(taken) < count:
        pool = head if len(taken) < (count + 1) // 2 else np.arange(len(candidates))
        distances = _nearest(x[pool], x[taken])
        distances[np.isin(pool, taken)] = -1.0
        taken.append(int(pool[int(np.argmax(distances))]))
    return [candidates[place] for place in taken]


def next_batch(predictor: SpectrumPredictor, candidates: Sequence[Any], count: int) -> list[Any]:
    """``count`` unlabelled ones of ``candidates`` by a fitted predictor: the largest expected improvement of the best
    label, each after the ones before it are labelled as expected.

    Mockus, "On Bayesian methods for seeking the extremum", 1975; Ginsbourger et al., "Kriging is well-suited to
    parallelize optimization", 2010 (the kriging believer).
    """
    labelled = predictor.labelled_keys
    fresh = [arch for arch in candidates if predictor.space.score_key(arch) not in labelled]
    _check(fresh, count)
    x = predictor.read(fresh)
    good = np.isfinite(x).all(axis=1)
    believer = predictor.believer()
    taken: list[int] = []
    for _ in range(count):
        gain = np.full(len(fresh), -np.inf)
        gain[good] = believer.improvement(x[good])
        gain[taken] = -np.inf
        best = int(np.argmax(gain))
        taken.append(best)
        believer = believer.after(x[best])
    return [fresh[place] for place in taken]


def _check(candidates: Sequence[Any], count: int) -> None:
    if count < 1:
        raise InputError(f"at least 1 architecture can be suggested, got {count}")
    if len(candidates) < count:
        raise InputError(
            f"{count} architectures are to be suggested, but only {len(candidates)} candidates have no label"
        )


def _nearest(x: Array, taken: Array) -> Array:
    """(n,): squared distance to the nearest of ``taken``."""
    squared = (x**2).sum(1)[:, None] + (taken**2).sum(1) - 2 * x @ taken.T
    nearest: Array = squared.min(axis=1)
    return nearest
