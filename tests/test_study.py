"""The study of NAS-Bench-Suite-Zero: its numbers against independent ones, its files, bad input, resume."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import entropy as scipy_entropy
from scipy.stats import spearmanr

from naslib_gennas.cli import main
from naslib_gennas.commands.study.analysis import (
    binned,
    conditional_entropy,
    greedy_information,
    information_by_chance,
    least_biased,
    structure,
)
from naslib_gennas.commands.study.tasks import load_tasks
from naslib_gennas.errors import InputError, TableError
from naslib_gennas.report.heat_map import heat_map
from naslib_gennas.spaces import load_space
from naslib_gennas.spaces.pasted import to_naslib


@pytest.fixture
def suite_file(tmp_path):
    """As zc_nasbench201.json: two data sets, 60 cells, a good proxy, a bad one and one that failed once."""
    space, rng = load_space("nasbench201"), np.random.default_rng(0)
    cells = list({str(to_naslib("nasbench201", space.sample(rng))) for _ in range(70)})[:60]
    content = {}
    for name, noise in (("cifar10", 1.0), ("cifar100", 5.0)):
        entries = {}
        for number, cell in enumerate(sorted(cells)):
            good = number + float(noise * rng.normal())
            scores = {"good": good, "bad": float(rng.normal()), "synflow": -1e8 if number == 3 else good}
            shown = {key: {"score": value, "time": 0.1} for key, value in scores.items()}
            entries[cell] = {"val_accuracy": 50 + number / 2, **shown}
        content[name] = entries
    path = tmp_path / "zc_nasbench201.json"
    path.write_text(json.dumps(content))
    return path


def test_entropy_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.integers(4, size=300), rng.integers(3, size=300)
    joint = np.zeros((4, 3))
    np.add.at(joint, (x, y), 1)
    expected = scipy_entropy(joint.ravel(), base=2) - scipy_entropy(joint.sum(axis=0), base=2)
    assert conditional_entropy(x, [y]) == pytest.approx(expected)
    assert conditional_entropy(x, [x]) == 0 and conditional_entropy(x, []) == pytest.approx(
        scipy_entropy(joint.sum(axis=1), base=2)
    )


def test_bins_are_equally_full_and_ties_share_one():
    bins = binned(np.random.default_rng(0).normal(size=512))
    counts = np.bincount(bins)
    assert len(counts) == 10 and counts.max() - counts.min() <= 1
    assert len(set(binned(np.array([1.0, 1.0, 1.0, 2.0, 3.0, 4.0]))[:3])) == 1


def test_information_of_noise_is_that_of_chance():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    proxies = {"noise": rng.normal(size=400), "half": truth + rng.normal(size=400)}
    steps = list(greedy_information(truth, proxies, 2))
    assert [name for name, _ in steps] == ["half", "noise"] and steps[0][1] > steps[1][1]
    (_, half), (_, noise) = steps
    assert half < information_by_chance(truth, proxies["half"], [], 0) - 0.3
    assert noise == pytest.approx(information_by_chance(truth, proxies["noise"], [proxies["half"]], 0), abs=0.06)


def test_structure_counts_operations():
    space = load_space("nasbench201")
    cells = ["|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|", "0", "77"]
    found = structure(space, [space.parse(cell) for cell in cells])
    assert found.iloc[0].to_dict() == {"conv-pool": 1.0, "cell size": 4.0, "skips": 1.0}
    for name in ("nasbench101", "nasbench301", "transnas101_micro"):
        there = load_space(name)
        rng = np.random.default_rng(0)
        assert "conv-pool" in structure(there, [there.sample(rng) for _ in range(20)])


def test_less_of_a_bias():
    rng = np.random.default_rng(0)
    bias = rng.integers(6, size=200).astype(float)
    scores = bias + rng.normal(size=200)
    assert spearmanr(scores, bias).statistic > 0.7
    assert abs(spearmanr(least_biased(scores, bias), bias).statistic) < 0.3


def test_tasks_of_a_suite_file(suite_file, tmp_path):
    first, second = load_tasks([f"nasbench201:{suite_file}"], None, 0)
    assert (first.name, second.name) == ("cifar10", "cifar100") and len(first.texts) == 60
    assert list(first.published) == ["good", "bad", "synflow"]
    assert np.isnan(first.published["synflow"]).sum() <= 1
    [one] = load_tasks([f"nasbench201:{suite_file}#cifar100"], 10, 0)
    assert one.name == "cifar100" and len(one.texts) == 10
    [all_of_it] = load_tasks([f"nasbench201:{suite_file}#cifar100"], 1000, 0)
    assert len(all_of_it.texts) == 60
    for sources, message in (
        ([], "name the tables of the study"),
        (["zc.json"], "no SPACE:FILE"),
        (["nasbench2011:a.json"], "did you mean nasbench201"),
    ):
        with pytest.raises(InputError, match=message):
            load_tasks(sources, None, 0)
    with pytest.raises(TableError):
        load_tasks([f"nasbench201:{tmp_path}/none.json"], None, 0)


@pytest.fixture(autouse=True)
def few_labels(monkeypatch):
    monkeypatch.setattr("naslib_gennas.commands.study.labels.SIZES", (5, 50))
    monkeypatch.setattr("naslib_gennas.commands.study.labels.ROUNDS", 50)


def study(suite_file, *more, measures="gennas@instant,params,synflow"):
    arguments = ["--measures", measures, "--table", f"nasbench201:{suite_file}"]
    return CliRunner().invoke(main, ["benchmark", "--suite", "nbs-zero", "--quick", *arguments, *more])


def test_the_study(suite_file, tmp_path):
    done = study(suite_file, "--sample", "60", "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    frame = pd.read_csv(tmp_path / "out" / "nbs-zero.csv")
    task = load_tasks([f"nasbench201:{suite_file}#cifar10"], 60, 0)[0]
    for name in ("good", "bad"):
        row = frame[(frame.part == "rho") & (frame.task == "cifar10") & (frame.proxy == name)].iloc[0]
        assert row.value == pytest.approx(spearmanr(task.published[name], task.truth).statistic)
        assert row.low < row.value < row.high and row.n == 60
    both = frame[
        (frame.part == "between") & (frame.task == "cifar10") & (frame.proxy == "good") & (frame.other == "bad")
    ]
    assert len(both) == 1
    first = frame[(frame.part == "information") & (frame.other == "without gennas, step 1")]
    assert set(first.proxy) <= {"good", "synflow"} and len(first) == 2
    assert set(frame[frame.part == "bias"].other) == {"conv-pool", "cell size", "skips", "params"}
    agreement = frame[frame.part == "agreement"]
    assert set(agreement.proxy) == {"synflow"} and "synflow (here)" in set(frame.proxy)
    assert ((agreement.low <= agreement.value) & (agreement.value <= agreement.high)).all()
    page = (tmp_path / "out" / "nbs-zero.html").read_text()
    assert "<svg" in page and "good" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert "good" in done.stdout.splitlines()[3]  # best mean rank

    lines = (tmp_path / "out" / "nasbench201" / "results.jsonl").read_text()
    again = study(suite_file, "--sample", "60", "--out", str(tmp_path / "out"), "--resume")
    assert again.exit_code == 0 and again.stdout == done.stdout
    assert (tmp_path / "out" / "nasbench201" / "results.jsonl").read_text() == lines


def test_labels_need_xgboost(suite_file, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "xgboost", None)
    done = study(suite_file, "--json", measures="params")
    result = json.loads(done.stdout)
    assert done.exit_code == 0 and any("pip install xgboost" in text for text in result["missing"])
    assert not [row for row in result["rows"] if row["part"] == "labels"]


def test_labels_help_more_with_a_good_proxy():
    pytest.importorskip("xgboost")
    from naslib_gennas.commands.study.labels import learning_curves

    rng = np.random.default_rng(0)
    truth = rng.normal(size=120)
    features = {"noise": pd.DataFrame(rng.normal(size=(120, 3))), "good": pd.DataFrame({"g": truth + 0.1})}
    found = {(name, size): taus for name, size, taus in learning_curves(features, truth, 3, 0)}
    assert found["good", 50].mean() > 0.7 and abs(found["noise", 50].mean()) < 0.25 and len(found["good", 5]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "nasbench201:none.json"], "none.json"),
        (["--table", "mine.csv"], "no SPACE:FILE"),
        (["--table", "nasbench201:x.csv", "--space", "nasbench201"], "has no use for --space"),
        ([], "name the tables of the study"),
    ],
)
def test_bad_input(arguments, message):
    done = CliRunner().invoke(main, ["benchmark", "--suite", "nbs-zero", *arguments])
    assert done.exit_code == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_heat_map():
    svg = heat_map(["a<b", "c"], ["x\ny"], [[0.5], [None]], "rho")
    assert "a&lt;b" in svg and svg.count("<rect") == 1 and ">0.50<" in svg
