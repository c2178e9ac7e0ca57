from __future__ import annotations

import itertools
import json
import math
import time

import numpy as np
import pytest
from scipy import stats

from naslib_gennas import evaluation
from naslib_gennas.errors import InputError
from naslib_gennas.evaluation import (
    best_so_far,
    bootstrap_interval,
    check_truth,
    evaluate,
    kendall,
    precision_at,
    regret,
    retrieval,
    spearman,
)

SHARES = ["5%", "10%", "20%", "30%", "40%", "50%"]  # paper, Table 9


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def best(values, k):
    """Indices of the k largest of untied values."""
    return set(sorted(range(len(values)), key=lambda i: -values[i])[:k])


def every_tie_break(scores, k):
    """All equally likely top-k sets of scores with ties."""
    border = sorted(scores)[-k]
    sure = [i for i, s in enumerate(scores) if s > border]
    tied = [i for i, s in enumerate(scores) if s == border]
    return [set(sure) | set(chosen) for chosen in itertools.combinations(tied, k - len(sure))]


@pytest.mark.parametrize("decimals", [6, 1, 0])
def test_correlations_equal_scipy_also_with_ties(rng, decimals):
    truth = rng.normal(size=80).round(decimals)
    scores = (truth + rng.normal(size=80)).round(decimals)
    assert spearman(scores, truth) == pytest.approx(stats.spearmanr(scores, truth).statistic, abs=1e-12)
    assert kendall(scores, truth) == pytest.approx(stats.kendalltau(scores, truth).statistic, abs=1e-12)


def test_hand_computed_values():
    scores, truth = [1, 2, 3, 4, 5], [1, 3, 2, 5, 4]
    assert spearman(scores, truth) == pytest.approx(1 - 6 * 4 / (5 * 24))  # four ranks are off by one
    assert kendall(scores, truth) == pytest.approx((8 - 2) / 10)  # 2 of 10 pairs discordant
    assert kendall([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))  # tau-b, one tied pair


def test_an_upside_down_ranking_scores_minus_one():
    truth = np.arange(30.0)
    assert spearman(-truth, truth) == pytest.approx(-1)
    assert kendall(-truth, truth) == pytest.approx(-1)
    result = evaluate(-truth, truth)
    assert result.spearman == pytest.approx(-1) and result.kendall == pytest.approx(-1)
    assert result.spearman_interval == (-1, -1)
    assert result.regret == 29 and result.retrieval["10%"] == 0


def test_retrieval_and_precision_equal_set_arithmetic(rng):
    truth = rng.normal(size=200)
    scores = truth + rng.normal(size=200)
    for fraction, k in ((0.05, 10), (0.1, 20), (0.2, 40), (0.5, 100)):
        expected = len(best(scores, k) & best(truth, k)) / k
        assert retrieval(scores, truth, fraction) == pytest.approx(expected)
    assert precision_at(scores, truth, 5) == pytest.approx(len(best(scores, 5) & best(truth, 20)) / 5)
    assert precision_at(scores, truth, 50) == pytest.approx(len(best(scores, 50) & best(truth, 50)) / 50)
    for k in (1, 3, 10):
        assert regret(scores, truth, k) == pytest.approx(truth.max() - max(truth[i] for i in best(scores, k)))


def test_a_perfect_ranking_is_perfect_at_any_size():
    for n in (3, 7, 30, 101):
        result = evaluate(np.arange(n), np.arange(n) * 2.0)
        assert list(result.retrieval) == SHARES and set(result.retrieval.values()) == {1}
        assert result.precision_at_10 == 1 and result.regret == 0 and result.ties == 0
        assert result.top1 == result.best_of_top10 == result.best == 2 * (n - 1)


@pytest.mark.parametrize("k", range(1, 9))
def test_ties_at_the_border_give_the_mean_over_every_tie_break(k):
    scores = np.array([5, 3, 3, 3, 3, 1, 1, 0])
    truth = np.array([10.0, 60, 20, 80, 40, 30, 70, 50])
    sets = every_tie_break(scores, k)
    top = max(1, int(0.1 * 8 + 0.5), k)
    expected_regret = np.mean([80 - max(truth[list(s)]) for s in sets])
    assert regret(scores, truth, k) == pytest.approx(expected_regret)
    expected = np.mean([len(s & best(truth, top)) / k for s in sets])
    assert precision_at(scores, truth, k) == pytest.approx(expected)


def test_ties_in_both_rankings_give_the_mean_over_every_pair_of_tie_breaks():
    scores, truth = [2, 2, 2, 1, 1, 0], [7, 5, 5, 5, 3, 5]
    pairs = itertools.product(every_tie_break(scores, 2), every_tie_break(truth, 2))
    expected = np.mean([len(a & b) / 2 for a, b in pairs])
    assert retrieval(scores, truth, 1 / 3) == pytest.approx(expected)


def test_the_order_of_rows_does_not_matter(rng):
    scores, truth = rng.integers(0, 4, 40), rng.integers(0, 6, 40)
    rows = rng.permutation(40)
    one, two = evaluate(scores, truth), evaluate(scores[rows], truth[rows])
    for name in ("spearman", "kendall", "precision_at_10", "regret", "top1", "best_of_top10", "ties"):
        assert getattr(one, name) == pytest.approx(getattr(two, name)), name
    assert one.retrieval == pytest.approx(two.retrieval)


def test_failed_scores_rank_last_tied_and_are_counted():
    truth = [1.0, 2, 3, 4, 5, 6]
    failed = [None, float("nan"), -math.inf, 10, 11, 12]
    assert spearman(failed, truth) == pytest.approx(spearman([0, 0, 0, 10, 11, 12], truth))
    result = evaluate(failed, truth)
    assert (result.n, result.failures) == (6, 3)
    assert result.ties == pytest.approx(3 / 15)
    assert result.top1 == 6
    assert spearman([-1e300, None, 2, 3], [2, 1, 3, 4]) == pytest.approx(1)  # below any number


def test_missing_truth_is_left_out_and_counted():
    scores, truth = [1, 2, 3, 4, 9], [10, 20, 30, 40, None]
    result = evaluate(scores, truth)
    assert (result.n, result.missing_truth) == (4, 1)
    assert result.spearman == pytest.approx(1) and result.top1 == 40


def test_bootstrap_interval_equals_scipys_and_covers(rng):
    truth = rng.normal(size=100)
    scores = truth + rng.normal(size=100)
    low, high = bootstrap_interval(spearman, scores, truth, seed=1)
    reference = stats.bootstrap(
        (scores, truth),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1000,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.03)
    assert low < spearman(scores, truth) < high
    narrow = bootstrap_interval(spearman, scores, truth, level=0.5, seed=1)
    assert low < narrow[0] < narrow[1] < high


def test_bootstrap_is_reproducible_and_leaves_the_global_generator_alone(rng):
    truth, scores = rng.normal(size=30), rng.normal(size=30)
    before = np.random.get_state()[1].tolist()
    one = bootstrap_interval(kendall, scores, truth, seed=5)
    assert one == bootstrap_interval(kendall, scores, truth, seed=5)
    assert one != bootstrap_interval(kendall, scores, truth, seed=6)
    assert np.random.get_state()[1].tolist() == before


def test_a_thousand_resamples_of_600_take_about_a_second(rng):
    truth, scores = rng.normal(size=600), rng.normal(size=600)
    seconds = []
    for _ in range(3):  # the best of three, for busy machines
        start = time.perf_counter()
        bootstrap_interval(spearman, scores, truth)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 3  # a second on an idle machine


def test_evaluation_is_json_safe(rng):
    scores = [None, -math.inf, *rng.normal(size=20)]
    truth = rng.normal(size=22)
    record = json.loads(json.dumps(evaluate(scores, truth).as_dict(), allow_nan=False))
    assert record["n"] == 22 and record["failures"] == 2
    assert len(record["spearman_interval"]) == 2 and list(record["retrieval"]) == SHARES
    json.dumps(evaluate([1, 2, 3], [1, 1, 2]).as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "scores, truth, words",
    [
        ([1, 2], [1, 2], "at least 3 architectures .* got 2"),
        ([1, 2, 3], [1, None, 2], "at least 3 architectures .* got 2"),
        ([1, 2, 3], [7, 7, 7], "all 3 true values are equal"),
        ([5, 5, 5], [1, 2, 3], "all 3 scores are equal"),
        ([None, float("nan"), -math.inf], [1, 2, 3], "all 3 scores failed"),
        ([1, 2, 3, 4], [1, 2, 3], "4 scores for 3 true values"),
    ],
)
def test_rankings_that_cannot_be_evaluated(scores, truth, words):
    for call in (evaluate, spearman, kendall, regret):
        with pytest.raises(InputError, match=words):
            call(scores, truth)


def test_truth_is_checked_without_scores():
    check_truth(np.array([1.0, np.inf, 2.0, np.nan, 2.0]))
    for truth, words in (([1, None, float("nan"), 2], "got 2"), ([None, 3, 3, 3], "all 3 true values are equal")):
        with pytest.raises(InputError, match=words):
            check_truth(truth)


def test_impossible_arguments():
    scores = truth = [1, 2, 3, 4]
    for fraction in (0, 1.5, -1):
        with pytest.raises(InputError, match="fraction"):
            retrieval(scores, truth, fraction)
    for k in (0, 5):
        with pytest.raises(InputError, match="between 1 and the 4 architectures"):
            precision_at(scores, truth, k)
        with pytest.raises(InputError, match="between 1 and the 4 architectures"):
            regret(scores, truth, k)
    with pytest.raises(InputError, match="level"):
        bootstrap_interval(spearman, scores, truth, level=95)
    with pytest.raises(InputError, match="resample"):
        bootstrap_interval(spearman, scores, truth, samples=0)


@pytest.mark.parametrize("n", [3, 5, 40])
def test_intervals_of_the_evaluation_are_the_bootstrap_of_the_correlations(n):
    rng = np.random.default_rng(n)
    truth = rng.integers(0, n, n).astype(float)
    truth[0] = truth[1] + 1  # not constant
    scores = [None, *(truth[1:] + rng.normal(0, n, n - 1)).round()]
    found = evaluate(scores, truth, seed=3)
    assert found.spearman_interval == pytest.approx(bootstrap_interval(spearman, scores, truth, seed=3))
    assert found.kendall_interval == pytest.approx(bootstrap_interval(kendall, scores, truth, seed=3))


def test_the_best_so_far_is_a_running_maximum_of_what_did_not_fail(rng):
    scores = rng.normal(size=50).tolist()
    assert best_so_far(scores) == np.maximum.accumulate(scores).tolist()
    failed = [None, float("nan"), -math.inf, -2.0, None, -3.0, -1.0, float("nan")]
    assert best_so_far(failed) == [None, None, None, -2.0, -2.0, -2.0, -1.0, -1.0]
    assert best_so_far(iter(failed)) == best_so_far(failed) and best_so_far([]) == []


def test_the_intervals_of_many_architectures_are_those_of_the_plain_bootstrap(rng, monkeypatch):
    scores = rng.integers(60, size=300).astype(float)
    truth = (scores + rng.normal(size=300) * 20).round(-1)
    monkeypatch.setattr(evaluation, "PAIRS", 100)  # as if they were too many for matrices of pairs
    found = evaluate(scores, truth)
    assert found.spearman_interval == pytest.approx(bootstrap_interval(spearman, scores, truth), abs=1e-12)
    assert found.kendall_interval == pytest.approx(bootstrap_interval(kendall, scores, truth), abs=1e-12)
