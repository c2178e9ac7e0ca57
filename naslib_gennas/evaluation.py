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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional, Union

import numpy as np
import numpy.typing as npt

from .errors import InputError

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the retrieval rates, paper Table 9
TOP_FRACTION = 0.1  # what counts as truly good in precision_at
TOP = 10
RESAMPLES = 1000
RESAMPLE_BUDGET = 5_000_000  # resamples x architectures, so that whole benchmarks take seconds
PAIRS = 2000  # architectures up to which matrices of all pairs are made: 16 MB each

Floats = npt.NDArray[np.floating[Any]]
Values = Union[Sequence[Optional[float]], Floats]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Evaluation:
    """A ranking against ground truth; accuracies and regrets are in the unit of the truth."""

    n: int  #: architectures compared, failed ones included
    failures: int  #: of them, scores that were None, NaN or -inf
    missing_truth: int  #: architectures left out because their truth is missing
    spearman: float
    spearman_interval: Interval  #: bootstrap 95 %
    kendall: float  #: tau-b
    kendall_interval: Interval  #: bootstrap 95 %
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


def evaluate(scores: Values, truth: Values, seed: int = 0) -> Evaluation:
    """Everything this module measures, at once.

    The intervals rest on 1,000 resamples, fewer (at least 200) beyond 5,000 architectures.
    InputError for fewer than 3 architectures, constant truth, or scores that are constant or all failed.

    >>> found = evaluate([1, 2, 3, 4, 5], [90.0, 92.0, 91.0, 94.0, 93.0])
    >>> round(found.spearman, 3), round(found.kendall, 3), found.regret, found.top1
    (0.8, 0.6, 1.0, 93.0)
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


def check_truth(truth: Values) -> None:
    """InputError if nothing can be compared with ``truth``, (n,), whatever the scores: ask before they are computed.

    At least 3 values must be known (not None, NaN or infinite), and not all the same.

    >>> check_truth([90.0, None, 91.0, 92.0])
    >>> check_truth([90.0, 90.0, 90.0])
    Traceback (most recent call last):
    ...
    naslib_gennas.errors.InputError: all 3 true values are equal (90), so there is no ranking
    """
    values = _floats(truth)
    known = values[np.isfinite(values)]
    if len(known) < 3:
        raise InputError(f"a correlation needs at least 3 architectures with known truth; got {len(known)}")
    _check_different(known, "true values")


def spearman(scores: Values, truth: Values) -> float:
    """Spearman's rho: Pearson's correlation of the average ranks, in [-1, 1]; InputError as :func:`evaluate`.

    >>> spearman([1, 2, 3, 4, 5], [50.0, 40.0, 30.0, 20.0, 10.0])
    -1.0
    """
    return _spearman(*_checked(scores, truth))


def kendall(scores: Values, truth: Values) -> float:
    """Kendall's tau-b, in [-1, 1]; InputError as :func:`evaluate`.

    >>> round(kendall([1, 2, 3, 4, 5], [1, 3, 2, 5, 4]), 3)
    0.6
    """
    return _kendall(*_checked(scores, truth))


def retrieval(scores: Values, truth: Values, fraction: float) -> float:
    """The retrieving rate of the paper's A.3.4: |GT@TopK n Pred@TopK| / |GT@TopK|, in [0, 1].

    The top K are ``fraction`` (in (0, 1]) of the architectures, rounded to the nearest number, at least one.

    >>> retrieval([1, 2, 3, 4], [10.0, 40.0, 20.0, 30.0], 0.5)
    0.5
    """
    s, t = _checked(scores, truth)
    if not 0 < fraction <= 1:
        raise InputError(f"the fraction of a retrieval rate must lie in (0, 1]; got {fraction}")
    k = _share(fraction, len(t))
    return float(_membership(s, k) @ _membership(t, k) / k)


def precision_at(scores: Values, truth: Values, k: int) -> float:
    """Share of the ``k`` best-scored architectures that are truly good, in [0, 1].

    Truly good are the best 10 % by truth, or the best ``k`` where that is more, so that a perfect ranking
    reaches 1 at any number of architectures.

    >>> precision_at([1, 2, 3, 4], [10.0, 40.0, 20.0, 30.0], 2)
    0.5
    """
    s, t = _checked(scores, truth)
    _check_k(k, len(t))
    return float(_membership(s, k) @ _membership(t, max(k, _share(TOP_FRACTION, len(t)))) / k)


def regret(scores: Values, truth: Values, k: int = 1) -> float:
    """Best truth of all minus the best truth among the ``k`` best-scored: 0 is perfect, never negative.

    >>> regret([1, 2, 3, 4], [10.0, 40.0, 20.0, 30.0]), regret([1, 2, 3, 4], [10.0, 40.0, 20.0, 30.0], k=3)
    (10.0, 0.0)
    """
    s, t = _checked(scores, truth)
    return float(t.max() - _expected_best(s, t, k))


def best_so_far(scores: Iterable[Optional[float]]) -> list[Optional[float]]:
    """The highest score up to each place, as many as ``scores``; None before the first that did not fail.

    >>> best_so_far([None, -2.0, -3.0, float("nan"), -1.0])
    [None, -2.0, -2.0, -2.0, -1.0]
    """
    curve: list[Optional[float]] = []
    best = None
    for score in scores:
        if score is not None and score > (-np.inf if best is None else best):
            best = score
        curve.append(best)
    return curve


def bootstrap_interval(
    statistic: Callable[[Floats, Floats], float],
    scores: Values,
    truth: Values,
    level: float = 0.95,
    samples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over architectures: (low, high) of ``statistic(scores, truth)``.

    Pairs are drawn with replacement from a generator of its own. Resamples on which the statistic is not
    defined (InputError or NaN: a constant draw, for instance) are left out; (nan, nan) if none remains.
    InputError for a level outside (0, 1), fewer than one resample, and as :func:`evaluate`.

    >>> truth = [90.0, 91.0, 92.0, 93.0, 94.0, 95.0]
    >>> low, high = bootstrap_interval(spearman, [1, 3, 2, 4, 6, 5], truth, samples=200)
    >>> -1 <= low < spearman([1, 3, 2, 4, 6, 5], truth) <= high <= 1
    True
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
    scores: Values,
    others: Values,
    truth: Values,
    samples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """(samples,) Spearman's rho of ``scores`` minus that of ``others``, on the same resamples of the architectures.

    In [-2, 2]; 0 where one of the two is not defined. The share above 0 says how surely ``scores`` ranks better (paired
    bootstrap). Raises InputError if scores or truth give no ranking.

    >>> truth = [90.0, 91.0, 92.0, 93.0, 94.0, 95.0]
    >>> float((bootstrap_differences([1, 3, 2, 4, 6, 5], [6, 5, 4, 3, 2, 1], truth, samples=100) > 0).mean())
    1.0
    """
    s, t = _checked(scores, truth)
    o, _ = _checked(others, truth)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(t), size=len(t)) for _ in range(samples))
    return np.nan_to_num([_spearman(s[rows], t[rows]) - _spearman(o[rows], t[rows]) for rows in drawn])


def _percentiles(values: Floats, level: float = 0.95) -> Interval:
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _correlation_intervals(s: Floats, t: Floats, samples: int, seed: int) -> tuple[Interval, Interval]:
    """:func:`bootstrap_interval` of Spearman's rho and Kendall's tau, the same numbers many times faster.

    A resample is a vector w of how often each architecture was drawn. With a[i, j] = sign(s_i - s_j) and b
    likewise, the centred ranks in it are a w / 2, and tau-b is w'(a b)w / sqrt(w'|a|w w'|b|w).
    """
    n = len(t)
    if n > PAIRS:
        return _intervals_of_many(s, t, samples, seed)
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(samples)]
    w = np.stack(drawn).astype(np.float32)  # (samples, n); all products below are whole numbers under 2^24
    a, b = (np.sign(r[:, None] - r[None, :]).astype(np.float32) for r in (rank_data(s), rank_data(t)))

    def total(x: Floats, y: Floats) -> Floats:
        sums: Floats = np.einsum("kn,kn,kn->k", w, x, y, dtype=np.float64)
        return sums

    one, ranks_s, ranks_t = np.ones_like(w), w @ a, w @ b
    with np.errstate(invalid="ignore"):  # 0 / 0 where a resample is constant
        rho = total(ranks_s, ranks_t) / np.sqrt(total(ranks_s, ranks_s) * total(ranks_t, ranks_t))
        tau = total(w @ (a * b), one) / np.sqrt(total(w @ np.abs(a), one) * total(w @ np.abs(b), one))
    return _percentiles(np.clip(rho, -1, 1)), _percentiles(tau)


def _intervals_of_many(s: Floats, t: Floats, samples: int, seed: int) -> tuple[Interval, Interval]:
    """The same without matrices of pairs: places among the values are sorted once, for all resamples."""
    n, rng = len(t), np.random.default_rng(seed)
    places = [rank_data(values, "dense").astype(np.int32) - 1 for values in (s, t)]
    rho, tau = np.empty(samples), np.empty(samples)
    for i in range(samples):
        rows = rng.integers(n, size=n)
        drawn = np.bincount(rows, minlength=n)
        a, b = (_centred_ranks(place, drawn) for place in places)
        norm = np.sqrt((drawn * a) @ a * ((drawn * b) @ b))
        rho[i] = (drawn * a) @ b / norm if norm else np.nan
        tau[i] = _tau(places[0][rows], places[1][rows])
    return _percentiles(np.clip(rho, -1, 1)), _percentiles(tau)


def _centred_ranks(place: npt.NDArray[np.int32], drawn: npt.NDArray[np.int64]) -> Floats:
    """(n,) mid-rank of every value among those drawn so often, minus their mean."""
    tied = np.bincount(place, weights=drawn)
    ranks: Floats = (np.cumsum(tied) - tied / 2)[place] - drawn.sum() / 2
    return ranks


def _checked(scores: Values, truth: Values) -> tuple[Floats, Floats]:
    """Both as float arrays (n,): missing truth dropped, failed scores -inf; InputError if nothing to rank."""
    s, t = _floats(scores), _floats(truth)
    if len(s) != len(t):
        raise InputError(f"there are {len(s)} scores for {len(t)} true values; give one for each")
    check_truth(t)
    known = np.isfinite(t)
    s, t = s[known], t[known]
    s[np.isnan(s)] = -np.inf
    if np.isneginf(s).all():
        raise InputError(f"all {len(s)} scores failed, so there is no ranking to evaluate")
    _check_different(s, "scores")
    return s, t


def _floats(values: Values) -> Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def _check_different(values: Floats, name: str) -> None:
    if (values == values[0]).all():
        raise InputError(f"all {len(values)} {name} are equal ({values[0]:g}), so there is no ranking")


def _spearman(s: Floats, t: Floats) -> float:
    a, b = rank_data(s), rank_data(t)
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / norm, -1, 1)) if norm else float("nan")


def _kendall(s: Floats, t: Floats) -> float:
    return _tau(rank_data(s, "dense"), rank_data(t, "dense"))


def _tau(s: npt.NDArray[Any], t: npt.NDArray[Any]) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(s, t).statistic)


def rank_data(
    values: npt.ArrayLike, method: Literal["average", "dense"] = "average", axis: Optional[int] = None
) -> Floats:
    """From 1, ascending, as SciPy's ``rankdata``, which takes a second to import and is only when it is needed.

    >>> rank_data([3.0, 1.0, 1.0])
    array([3. , 1.5, 1.5])
    """
    from scipy.stats import rankdata

    numbers = np.asarray(values, dtype=np.float64)
    found: Floats = rankdata(numbers, method) if axis is None else rankdata(numbers, method, axis=axis)
    return found


def _share(fraction: float, n: int) -> int:
    return max(1, int(fraction * n + 0.5))


def _check_k(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise InputError(f"k must lie between 1 and the {n} architectures; got {k}")


def _membership(values: Floats, k: int) -> Floats:
    """(n,) probability that each entry is among the ``k`` highest; sums to ``k``."""
    border = np.partition(values, -k)[-k]
    above, tied = values > border, values == border
    inside: Floats = above + tied * ((k - above.sum()) / tied.sum())
    return inside


def _expected_best(s: Floats, t: Floats, k: int) -> float:
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


def _tied_pairs(s: Floats) -> float:
    counts = np.unique(s, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1)).sum() / (len(s) * (len(s) - 1)))
