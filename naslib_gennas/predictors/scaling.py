"""Numbers to normal scores by their rank among reference architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

POINTS = 201  # of a distribution that are kept


@dataclass(frozen=True)
class RankScale:
    """A monotone map under which the reference has about a standard normal distribution; beyond it, a straight line.

    values: distinct and ascending, two or more. scores: of each.

    >>> scale = RankScale.of([1.0, 2.0, 3.0, 4.0, 100.0])
    >>> scale.to_score(np.array([3.0, 4.0, 100.0, 0.0])).round(2).tolist()
    [0.0, 0.6, 1.46, -2.33]
    >>> scale.to_value(np.array([0.0, 0.6])).round(1).tolist()
    [3.0, 4.1]
    """

    values: tuple[float, ...]
    scores: tuple[float, ...]

    @classmethod
    def of(cls, reference: Sequence[float] | Array) -> RankScale | None:
        """None for numbers that are all alike; NaN is left out."""
        from scipy.stats import norm

        known = np.sort(np.asarray(reference, dtype=float))
        known = known[np.isfinite(known)]
        if len(known) == 0 or np.ptp(known) <= 1e-9 * max(1.0, abs(known[-1])):
            return None
        if len(known) > POINTS:
            known = np.quantile(known, (np.arange(POINTS) + 0.5) / POINTS)
        distinct, first, counts = np.unique(known, return_index=True, return_counts=True)
        if len(distinct) == 1:
            return None
        scores = norm.ppf((first + counts / 2) / len(known))
        deviation = np.sqrt(np.average(scores**2, weights=counts) - np.average(scores, weights=counts) ** 2)
        scores = (scores - np.average(scores, weights=counts)) / deviation
        return cls(tuple(distinct.tolist()), tuple(scores.tolist()))

    def to_score(self, values: Array) -> Array:
        """Any shape; NaN stays."""
        return _through(values, np.array(self.values), np.array(self.scores))

    def to_value(self, scores: Array) -> Array:
        """The other way round."""
        return _through(scores, np.array(self.scores), np.array(self.values))


def _through(x: Array, from_points: Array, to_points: Array) -> Array:
    """Piecewise linear; beyond the ends with the mean slope of the last quarter there."""
    quarter = max(1, (len(from_points) - 1) // 4)
    slopes = (to_points[quarter:] - to_points[:-quarter]) / (from_points[quarter:] - from_points[:-quarter])
    below, above = np.minimum(x - from_points[0], 0.0), np.maximum(x - from_points[-1], 0.0)
    found: Array = np.interp(x, from_points, to_points) + slopes[0] * below + slopes[-1] * above
    return found
