"""How well scores rank architectures: rank correlations, retrieval, regret, with bootstrap intervals.

Conventions, everywhere in this module:

* ``scores`` and ``truth`` are equally long, higher is better, and a correlation keeps its sign: a ranking
  that is upside down scores -1.
* A failed score (None, NaN or -inf) ranks below every other one; failed scores are tied with each other.
* A pair whose truth is missing (None, NaN or infinite) is left out.
* Where a tie crosses the border of a top-k set, each tied architecture is equally likely to be inside, and
  the *expected* value over those choices is returned: deterministic, and independent of the order of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata

from .errors import InputError

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the retrieval rates, paper Table 9
TOP_FRACTION = 0.1  # what counts as truly good in precision_at
TOP = 10
RESAMPLES = 1000
RESAMPLE_BUDGET = 5_000_000  # resamples x architectures, so that whole benchmarks take seconds
PAIRS = 2000  # architectures up to which matrices of all pairs are made: 16 MB each


@dataclass(frozen=True)
class Evaluation:
    """A ranking against ground truth; accuracies and regrets are in the unit of the truth."""

    n: int  #: architectures compared, failed ones included
    failures: int  #: of them, scores that were None, NaN or -inf
    missing_truth: int  #: architectures left out because their truth is missing
    spearman: float
    spearman_interval: tuple[float, float]  #: bootstrap 95 %
    kendall: float  #: tau-b
    kendall_interval: tuple[float, float]  #: bootstrap 95 %
    retrieval: dict[str, float]  #: "10%" -> rate, see :func:`retrieval`
    precision_at_10: float  #: see :func:`precision_at`; at n where there are fewer than 10
    regret: float  #: of the best-scored architecture
    top1: float  #: truth of the best-scored architecture
    best_of_top10: float  #: best truth among the 10 best-scored
    best: float  #: best truth of all
    ties: float  #: share of the pairs of architectures whose scores are equal

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for ``json.dumps(..., allow_nan=False)``; an undefined interval end is None."""
        record = dataclasses.asdict(self)
        for name in ("spearman_interval", "kendall_interval"):
            record[name] = [float(end) if np.isfinite(end) else None for end in record[name]]
        return record


def evaluate(scores: Sequence[float | None], truth: Sequence[float | None], seed: int = 0) -> Evaluation:
    """Everything this module measures, at once.

    The intervals rest on 1,000 resamples, fewer (at least 200) beyond 5,000 architectures.
    InputError for fewer than 3 architectures, constant truth, or scores that are constant or all failed.
    """
    s, t = _checked(scores, truth)
    samples = int(min(RESAMPLES, max(RESAMPLES // 5, RESAMPLE_BUDGET // len(t))))
    k = min(TOP, len(t))
    spearman_interval, kendall_interval = _correlation_intervals(s, t, samples, seed)
    return Evaluation(
        n=len(t),
        failures=int(np.isneginf(s).sum()),
        missing_truth=len(truth) - len(t),
        spearman=_spearman(s, t),
        spearman_interval=spearman_interval,
        kendall=_kendall(s, t),
        kendall_interval=kendall_interval,
        retrieval={f"{fraction:.0%}": retrieval(s, t, fraction) for fraction in FRACTIONS},
        precision_at_10=precision_at(s, t, k),
        regret=regret(s, t),
        top1=_expected_best(s, t, 1),
        best_of_top10=_expected_best(s, t, k),
        best=float(t.max()),
        ties=_tied_pairs(s),
    )


def spearman(scores: Sequence[float | None], truth: Sequence[float | None]) -> float:
    """Spearman's rho: Pearson's correlation of the average ranks, in [-1, 1]."""
    return _spearman(*_checked(scores, truth))


def kendall(scores: Sequence[float | None], truth: Sequence[float | None]) -> float:
    """Kendall's tau-b, in [-1, 1]."""
    return _kendall(*_checked(scores, truth))


def retrieval(scores: Sequence[float | None], truth: Sequence[float | None], fraction: float) -> float:
    """The retrieving rate of the paper's A.3.4: |GT@TopK n Pred@TopK| / |GT@TopK|, in [0, 1].

    The top K are ``fraction`` (in (0, 1]) of the architectures, rounded to the nearest number, at least one.
    """
    s, t = _checked(scores, truth)
    if not 0 < fraction <= 1:
        raise InputError(f"the fraction of a retrieval rate must lie in (0, 1]; got {fraction}")
    k = _share(fraction, len(t))
    return float(_membership(s, k) @ _membership(t, k) / k)


def precision_at(scores: Sequence[float | None], truth: Sequence[float | None], k: int) -> float:
    """Share of the ``k`` best-scored architectures that are truly good, in [0, 1].

    Truly good are the best 10 % by truth, or the best ``k`` where that is more, so that a perfect ranking
    reaches 1 at any number of architectures.
    """
    s, t = _checked(scores, truth)
    _check_k(k, len(t))
    return float(_membership(s, k) @ _membership(t, max(k, _share(TOP_FRACTION, len(t)))) / k)


def regret(scores: Sequence[float | None], truth: Sequence[float | None], k: int = 1) -> float:
    """Best truth of all minus the best truth among the ``k`` best-scored: 0 is perfect, never negative."""
    s, t = _checked(scores, truth)
    return float(t.max() - _expected_best(s, t, k))


def best_so_far(values: Sequence[float | None]) -> list[float]:
    """The highest of the values up to each, from the first that is not None.

    >>> best_so_far([None, 2.0, 1.0, None, 3.0])
    [2.0, 2.0, 2.0, 3.0]
    """
    curve: list[float] = []
    for value in values:
        if value is not None and (not curve or value > curve[-1]):
            curve.append(value)
        elif curve:
            curve.append(curve[-1])
    return curve


def bootstrap_interval(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    scores: Sequence[float | None],
    truth: Sequence[float | None],
    level: float = 0.95,
    samples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap over architectures: (low, high) of ``statistic(scores, truth)``.

    Pairs are drawn with replacement from a generator of its own. Resamples on which the statistic is not
    defined (InputError or NaN: a constant draw, for instance) are left out; (nan, nan) if none remains.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of an interval must lie in (0, 1); got {level}")
    if samples < 1:
        raise InputError(f"a bootstrap needs at least one resample; got samples={samples}")
    s, t = _checked(scores, truth)
    rng = np.random.default_rng(seed)
    values = np.empty(samples)
    for i in range(samples):
        rows = rng.integers(len(t), size=len(t))
        try:
            values[i] = statistic(s[rows], t[rows])
        except InputError:
            values[i] = np.nan
    return _percentiles(values, level)


def bootstrap_differences(
    scores: Sequence[float | None],
    others: Sequence[float | None],
    truth: Sequence[float | None],
    samples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """(samples,) Spearman's rho of ``scores`` minus that of ``others``, on the same resamples of the architectures.

    In [-2, 2]; 0 where one of the two is not defined. The share above 0 says how surely ``scores`` ranks better (paired
    bootstrap). Raises InputError if scores or truth give no ranking.
    """
    s, t = _checked(scores, truth)
    o, _ = _checked(others, truth)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(t), size=len(t)) for _ in range(samples))
    return np.nan_to_num([_spearman(s[rows], t[rows]) - _spearman(o[rows], t[rows]) for rows in drawn])


def _percentiles(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _correlation_intervals(s, t, samples: int, seed: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """:func:`bootstrap_interval` of Spearman's rho and Kendall's tau, the same numbers many times faster.

    A resample is a vector w of how often each architecture was drawn. With a[i, j] = sign(s_i - s_j) and b
    likewise, the centred ranks in it are a w / 2, and tau-b is w'(a b)w / sqrt(w'|a|w w'|b|w).
    """
    n = len(t)
    if n > PAIRS:
        intervals = (bootstrap_interval(f, s, t, samples=samples, seed=seed) for f in (_spearman, _kendall))
        return tuple(intervals)
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(samples)]
    w = np.stack(drawn).astype(np.float32)  # (samples, n); all products below are whole numbers under 2^24
    a, b = (np.sign(r[:, None] - r[None, :]).astype(np.float32) for r in (rankdata(s), rankdata(t)))

    def total(x, y) -> np.ndarray:
        return np.einsum("kn,kn,kn->k", w, x, y, dtype=np.float64)

    one, ranks_s, ranks_t = np.ones_like(w), w @ a, w @ b
    with np.errstate(invalid="ignore"):  # 0 / 0 where a resample is constant
        rho = total(ranks_s, ranks_t) / np.sqrt(total(ranks_s, ranks_s) * total(ranks_t, ranks_t))
        tau = total(w @ (a * b), one) / np.sqrt(total(w @ np.abs(a), one) * total(w @ np.abs(b), one))
    return _percentiles(np.clip(rho, -1, 1)), _percentiles(tau)


def _checked(scores, truth) -> tuple[np.ndarray, np.ndarray]:
    """Both as float arrays (n,): missing truth dropped, failed scores -inf; InputError if nothing to rank."""
    s, t = (np.array([np.nan if v is None else v for v in values], dtype=float) for values in (scores, truth))
    if len(s) != len(t):
        raise InputError(f"there are {len(s)} scores for {len(t)} true values; give one for each")
    known = np.isfinite(t)
    s, t = s[known], t[known]
    if len(t) < 3:
        raise InputError(f"a correlation needs at least 3 architectures with known truth; got {len(t)}")
    s[np.isnan(s)] = -np.inf
    if np.isneginf(s).all():
        raise InputError(f"all {len(s)} scores failed, so there is no ranking to evaluate")
    for name, values in (("true values", t), ("scores", s)):
        if (values == values[0]).all():
            raise InputError(f"all {len(values)} {name} are equal ({values[0]:g}), so there is no ranking")
    return s, t


def _spearman(s: np.ndarray, t: np.ndarray) -> float:
    a, b = rankdata(s), rankdata(t)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / norm, -1, 1)) if norm else float("nan")


def _kendall(s: np.ndarray, t: np.ndarray) -> float:
    return float(kendalltau(rankdata(s, "dense"), rankdata(t, "dense")).statistic)


def _share(fraction: float, n: int) -> int:
    return max(1, int(fraction * n + 0.5))


def _check_k(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise InputError(f"k must lie between 1 and the {n} architectures; got {k}")


def _membership(values: np.ndarray, k: int) -> np.ndarray:
    """(n,) probability that each entry is among the ``k`` highest; sums to ``k``."""
    border = np.partition(values, -k)[-k]
    above, tied = values > border, values == border
    return above + tied * ((k - above.sum()) / tied.sum())


def _expected_best(s: np.ndarray, t: np.ndarray, k: int) -> float:
    """Expected best truth among the ``k`` best-scored.

    Above the border everybody is in; of the m tied on it, d are drawn. The j-th lowest of the m (j = d..m) is
    the best drawn with probability C(j-1, d-1) / C(m, d), the last of which is d/m.
    """
    _check_k(k, len(t))
    border = np.partition(s, -k)[-k]
    sure, tied = t[s > border], np.sort(t[s == border])
    m, d = len(tied), k - len(sure)
    probability = np.zeros(m)
    probability[m - 1] = d / m
    for j in range(m - 1, d - 1, -1):  # C(j-1, d-1) = C(j, d-1) (j-d+1) / j
        probability[j - 1] = probability[j] * (j - d + 1) / j
    return float(probability @ np.maximum(tied, sure.max(initial=-np.inf)))


def _tied_pairs(s: np.ndarray) -> float:
    counts = np.unique(s, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1)).sum() / (len(s) * (len(s) - 1)))
