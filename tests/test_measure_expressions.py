"""Ensembles of measures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from naslib_gennas.errors import InputError, UnknownNameError
from naslib_gennas.scoring.ensemble import Aggregate, Leaf, parse_measure, parse_measures

A, B, C = "naswot", "params", "synflow"


def combined(text, **columns):
    return parse_measure(text).value(columns).tolist()


def test_rank_is_the_mean_of_ascending_ranks():
    assert combined("rank(naswot,params)", naswot=[1.0, 3.0, 2.0], params=[10, 10, 30]) == pytest.approx(
        [(1 + 1.5) / 6, (3 + 1.5) / 6, (2 + 3) / 6]
    )


def test_aznas_sums_the_logs_of_the_ranks():
    found = combined("aznas(naswot,params)", naswot=[1.0, 3.0, 2.0], params=[30, 20, 10])
    assert found == pytest.approx([math.log(1 / 3), math.log(2 / 3), math.log(2 / 3) + math.log(1 / 3)])


def test_vote_is_the_share_of_pairs_won():
    found = combined("vote", synflow=[3, 2, 1], jacob_cov=[3, 1, 2], snip=[1, 2, 3])
    assert found == [1.0, 0.0, 0.5]


def test_vote_against_a_loop_over_pairs():
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(20, size=300).astype(float) for name in (A, B, C)}
    expected = []
    for i in range(300):
        wins = 0.0
        for j in range(300):
            balance = sum(np.sign(values[i] - values[j]) for values in columns.values())
            wins += 0 if i == j else (1 + np.sign(balance)) / 2
        expected.append(wins / 299)
    assert combined("vote(naswot,params,synflow)", **columns) == pytest.approx(expected)


def test_a_failed_member_has_the_lowest_rank_and_all_failed_is_a_failure():
    found = combined("rank(naswot,params)", naswot=[None, 1.0, math.nan], params=[1.0, 2.0, None])
    assert found[0] < found[1] and math.isnan(found[2])


def test_lists_nesting_and_columns():
    found = parse_measures(" naswot, rank( params ,aznas(naswot,table:cifar10_valid_e12)) ,naswot")
    inner = Aggregate("aznas", (Leaf(A), Leaf("table:cifar10_valid_e12")))
    assert found == [Leaf(A), Aggregate("rank", (Leaf(B), inner))]
    assert str(found[1]) == "rank(params,aznas(naswot,table:cifar10_valid_e12))"
    assert [leaf.column for leaf in found[1].leaves()] == [None, None, "cifar10_valid_e12"]
    assert parse_measure("vote") == parse_measure("vote(synflow,jacob_cov,snip)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a measure, found 'the end'"),
        ("rank(gennas,", "character 13: expected a measure"),
        ("rank(gennas,naswot", r"expected ',' or '\)', found 'the end'"),
        ("rank(gennas)", "rank needs at least two measures"),
        ("rank", "rank needs measures in parentheses"),
        ("ranks(gennas,naswot)", "did you mean rank"),
        ("gennas params", "character 8: expected ','"),
        ("naswot)", r"found '\)'"),
        ("sn!p", "character 3: '!' is not part of a measure"),
    ],
)
def test_malformed_expressions_say_where(text, message):
    with pytest.raises(InputError, match=message):
        parse_measures(text)


def test_unknown_measures_list_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean synflow"):
        parse_measures("rank(synflo,params)")
