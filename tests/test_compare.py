"""Is A better than B: paired draws, what known architectures say, what differs, bad input, resume."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from naslib_gennas import Scorer, load_space
from naslib_gennas.cli import main
from naslib_gennas.commands.compare import differences, ordered_right, paired

GOOD, BAD = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|", "0"
DEAD = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def compare(*words, space="nasbench201", preset="instant"):
    return CliRunner().invoke(main, ["compare", "--space", space, "--preset", preset, *words])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Ground truth that is the score of one draw, so that its pairs are all ordered right."""
    space, rng = load_space("nasbench201"), np.random.default_rng(0)
    archs = [str(space.sample(rng)) for _ in range(40)]
    scores = [score.value for score in Scorer("nasbench201", "instant").score_many(map(space.parse, archs))]
    path = tmp_path_factory.mktemp("table") / "truth.csv"
    pd.DataFrame({"arch": archs, "accuracy": 90 + 10 * np.array(scores)}).to_csv(path, index=False)
    return str(path)


def test_the_difference_is_that_of_paired_scores():
    done = compare(GOOD, BAD, "--draws", "4", "--seed", "7", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    space = load_space("nasbench201")
    expected = [
        [Scorer("nasbench201", "instant", seed=seed).score(space.parse(text)).value for seed in (7, 8, 9, 10)]
        for text in (GOOD, BAD)
    ]
    assert found["first"]["score"] == pytest.approx(np.mean(expected[0]))
    assert found["difference"] == pytest.approx(np.mean(expected[0]) - np.mean(expected[1]))
    test = stats.ttest_rel(*expected, alternative="greater")
    assert found["probability"] == pytest.approx(1 - test.pvalue) and found["probability"] > 0.99
    low, high = stats.ttest_rel(*expected).confidence_interval(0.95)
    assert found["interval"] == pytest.approx([low, high])
    assert found["first"]["costs"]["params"] == space.parameters(space.parse(GOOD))
    assert found["known"] is None and not found["same"]


def test_the_other_way_round_is_the_opposite():
    one, other = (json.loads(compare(*pair, "--draws", "3", "--json").stdout) for pair in ((GOOD, "9"), ("9", GOOD)))
    assert one["difference"] == -other["difference"]
    assert one["probability"] == pytest.approx(1 - other["probability"])
    cell, reverse = one["differences"]["cell"], other["differences"]["cell"]
    assert cell == reverse[::-1] and cell[0] and cell[1]


def test_draws_that_all_say_the_same():
    assert paired(np.array([1.0, 1.0, 1.0])) == (1.0, pytest.approx((np.nan, np.nan), nan_ok=True), 1.0)
    assert paired(np.zeros(3))[2] == 0.5 and paired(-np.ones(2))[2] == 0.0


def test_the_same_network():
    done = compare(DEAD, "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", "--draws", "2")
    assert done.exit_code == 0 and "the same network once parts without effect are gone" in done.stdout
    assert "what differs:\ncell: A in-1 conv 3x3; B nothing" in done.stdout


def test_known_architectures_say_how_often_it_is_right(table, tmp_path):
    words = [GOOD, BAD, "--draws", "2", "--table", table, "--sample", "40", "--out", str(tmp_path / "run"), "--json"]
    found = json.loads(compare(*words).stdout)
    known = found["known"]
    assert known["right"] == 1.0 and known["interval"] == [1.0, 1.0] and known["n"] == 40
    assert known["pairs"] == 78 and known["metric"] == "accuracy"
    again = compare(*words, "--resume")
    assert json.loads(again.stdout)["known"] == known and json.loads(again.stdout)["difference"] == found["difference"]
    names = {path.name for path in (tmp_path / "run").glob("*.svg")}
    assert names == {"A-cell.svg", "B-cell.svg"}
    assert 'class="edge differs"' in (tmp_path / "run" / "A-cell.svg").read_text()
    told = compare(GOOD, BAD, "--draws", "2", "--table", table, "--sample", "40")
    assert "order 100 % (100 to 100) of 78 pairs of 40 architectures of truth.csv" in told.stdout


def test_pairs_are_those_as_far_apart_and_luck_is_a_half():
    rng = np.random.default_rng(0)
    scores = np.arange(60.0)
    truth = rng.permutation(60).astype(float)
    count, right, (low, high) = ordered_right(scores, truth, 3.0)
    near = [(i, j) for i in range(60) for j in range(i) if abs(i - j - 3) <= 1]
    assert count == 177 and len(near) == 58 + 57 + 56
    assert low < right < high and 0.3 < right < 0.7
    assert ordered_right(scores, np.zeros(60), 3.0)[1] == 0.5
    assert ordered_right(scores, -scores, 3.0)[1] == 0.0


def test_what_differs_without_cells():
    space = load_space("nats_sss")
    found = differences(space, "8:16:24:32:40", "8:16:24:32:48")
    assert found and all(a != b for a, b in found.values())
    assert differences(space, "8:16:24:32:40", "8:16:24:32:40") == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([GOOD, "nonsense"], "not a nasbench201 architecture"),
        ([GOOD, BAD, "--draws", "1"], "at least 2 draws, got 1"),
        ([GOOD, BAD, "--metric", "accuracy"], "--metric is a column of --table"),
        ([GOOD, BAD, "--table", "none.csv"], "none.csv"),
        ([GOOD], "Missing argument 'B'"),
    ],
)
def test_bad_input(words, message):
    done = compare(*words)
    assert done.exit_code == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_a_table_that_knows_too_few(tmp_path):
    (tmp_path / "few.csv").write_text("arch,accuracy\n" + "".join(f"{n},{n}\n" for n in range(5)))
    done = compare(GOOD, BAD, "--draws", "2", "--table", str(tmp_path / "few.csv"))
    assert done.exit_code == 2 and "5 architectures of" in done.stderr and "20 are needed" in done.stderr


def test_recurrent_networks():
    space, rng = load_space("nasbench_nlp"), np.random.default_rng(0)
    first, second = (str(space.sample(rng)) for _ in range(2))
    done = compare(first, second, "--draws", "2", space="nasbench_nlp")
    assert done.exit_code == 0, done.stderr
    assert "flops" not in done.stdout and "params" in done.stdout


def test_pictures_that_cannot_be_written_are_a_sentence(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("naslib_gennas.runs.run.write_whole", full)
    done = compare(GOOD, BAD, "--draws", "2", "--out", str(tmp_path / "run"))
    assert done.exit_code != 0 and "No space left on device" in done.stderr and "not foreseen" not in done.stderr
