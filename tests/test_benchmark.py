"""gennas benchmark: rows, resuming, workers, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from naslib_gennas import Scorer
from naslib_gennas.cli import main
from naslib_gennas.commands.benchmark import FIELDS, BenchmarkSettings, benchmark, expressions
from naslib_gennas.errors import GenNASError, InputError, RunError, TableError, UnknownNameError
from naslib_gennas.evaluation import evaluate
from naslib_gennas.executors import Resources, open_executor, score_all
from naslib_gennas.executors.here import Here
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring import measure_scorers
from naslib_gennas.spaces import load_space
from naslib_gennas.tables import Table

SPACE = "nasbench201"
CHEAP = "params,l2_norm"


@pytest.fixture(scope="module")
def scorer():
    preset = load_preset("fast")
    quick = preset.model_copy(update={"fidelity": preset.fidelity.model_copy(update={"steps": 2, "average": 1})})
    return Scorer(SPACE, quick)


@pytest.fixture(scope="module")
def table():
    space = load_space(SPACE)
    rng = np.random.default_rng(0)
    texts = list(dict.fromkeys(str(space.sample(rng)) for _ in range(12)))
    frame = pd.DataFrame(
        {"arch": texts, "cifar10_test": rng.random(len(texts)), "early_valid_e4": rng.random(len(texts))}
    )
    return Table(frame, space, name="made up")


def compare(scorer, table, metrics, measures, sample=None, run=None):
    settings = BenchmarkSettings(tuple(metrics), tuple(expressions(measures)), sample, batch_size=2)
    return benchmark(scorer, table, settings, run or Run(None, {}), Here())


def scores_of(scorer, names, texts, run, **options):
    return score_all(measure_scorers(names, scorer, batch_size=2), texts, run, **options)


def test_rows_are_evaluations_of_the_columns(scorer, table, tmp_path):
    measures = "gennas,l2_norm,table:early_valid_e4,rank(l2_norm,params)"
    with Run(tmp_path / "run", {"command": "benchmark"}) as run:
        result = compare(scorer, table, ["cifar10_test", "early_valid_e4"], measures, 8, run)
    names = ["gennas", "l2_norm", "table:early_valid_e4", "rank(l2_norm,params)", "params", "flops"]
    assert [row.measure for row in result.rows] == names * 2
    scores = pd.read_csv(tmp_path / "run" / "scores.csv")
    assert list(scores.columns) == ["arch", "cifar10_test", "early_valid_e4", *names]
    for row in result.rows:
        expected = evaluate(scores[row.measure].tolist(), scores[row.metric].tolist())
        assert row.evaluation.spearman == pytest.approx(expected.spearman)
        assert (row.n, row.failures) == (8, expected.failures)
        record = row.as_record()
        assert {name: record[name] for name in FIELDS} == {name: row.evaluation.as_dict()[name] for name in FIELDS}
    cost = {row.measure: row.seconds_per_architecture for row in result.rows}
    assert cost["table:early_valid_e4"] is None
    assert cost["rank(l2_norm,params)"] == pytest.approx(cost["l2_norm"] + cost["params"])
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == result.as_record()
    assert len(run.records) == 8 * 4  # one an architecture and measure: gennas, l2_norm, params, flops


def test_resuming_computes_only_what_is_missing(scorer, table, tmp_path):
    names = ["params", "l2_norm"]
    texts = table.frame["arch"].tolist()[:4]
    with Run(tmp_path / "run", {}) as run:
        first = scores_of(scorer, names, texts, run)
    lines = (tmp_path / "run" / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "run" / "results.jsonl").write_text("".join(lines[:5]) + lines[5][:20])  # killed while writing
    with Run(tmp_path / "run", {}, resume=True) as run:
        assert len(run.records) == 5
        second = scores_of(scorer, names, texts, run)
    values = [{name: [s.value for s in scores] for name, scores in found.items()} for found in (first, second)]
    assert values[0] == values[1]
    assert (tmp_path / "run" / "results.jsonl").read_text().splitlines(keepends=True)[:5] == lines[:5]
    assert len((tmp_path / "run" / "results.jsonl").read_text().splitlines()) == 8


def test_workers_give_the_same_scores(scorer, table):
    texts = table.frame["arch"].tolist()[:3]
    alone = scores_of(scorer, ["params", "l2_norm"], texts, Run(None, {}))
    with open_executor(Resources(workers=2)) as executor:
        shared = scores_of(scorer, ["params", "l2_norm"], texts, Run(None, {}), executor=executor)
    assert [s.value for s in alone["l2_norm"]] == [s.value for s in shared["l2_norm"]]
    with pytest.raises(InputError, match="workers must be at least 1"):
        Resources(workers=0)


def test_failures_are_counted_and_rank_last(scorer):
    space = load_space(SPACE)
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    texts = [dead, *(str(space.parse(str(index))) for index in (1, 5, 9))]
    table = Table(pd.DataFrame({"arch": texts, "accuracy": [10.0, 90.0, 91.0, 92.0]}), space)
    result = compare(scorer, table, ["accuracy"], "synflow")
    assert result.rows[0].failures == 1
    assert result.failures == {"synflow": {"the score is -inf": 1}}


def test_a_measure_without_a_ranking_has_a_note(scorer, table):
    dead = pd.DataFrame({"arch": table.frame["arch"], "cifar10_test": table.frame["cifar10_test"], "flat": 1.0})
    flat = Table(dead, table.space, name="flat")
    row = compare(scorer, flat, ["cifar10_test"], "table:flat", 5).rows[0]
    assert row.evaluation is None and "equal" in row.note
    record = row.as_record()
    assert (record["n"], record["failures"]) == (5, 0) and all(record[name] is None for name in FIELDS)


def test_missing_columns_and_unsuitable_measures_are_refused_before_work(scorer, table):
    for measures, metrics in (("table:nothing", ["cifar10_test"]), ("params", ["nothing"])):
        with pytest.raises(TableError, match="'nothing'"):
            compare(scorer, table, metrics, measures, 5)


def test_command(tmp_path):
    out = str(tmp_path / "run")
    table = str(Path(__file__).parent / "data" / "digits.csv.gz")
    arguments = ["benchmark", "--space", SPACE, "--table", table, "--sample", "4", "--measures", CHEAP]
    arguments += ["--batch-size", "2", "--out", out]
    found = CliRunner().invoke(main, [*arguments, "--json"])
    assert found.exit_code == 0, found.output
    data = json.loads(found.stdout)
    assert [row["measure"] for row in data["rows"]] == ["params", "l2_norm", "flops"]
    text = CliRunner().invoke(main, [*arguments, "--resume"])
    assert text.exit_code == 0 and "l2_norm" in text.stdout and "top5%" in text.stdout
    changed = CliRunner().invoke(main, [*arguments, "--resume", "--seed", "1"])
    assert changed.exit_code == 2 and "seed: 0 then, 1 now" in changed.stderr
    assert issubclass(RunError, InputError)


def test_measures_command():
    listed = CliRunner().invoke(main, ["measures"])
    assert listed.exit_code == 0 and "naswot" in listed.stdout and "aznas(..)" in listed.stdout
    shown = CliRunner().invoke(main, ["measures", "show", "synflow"])
    assert "float64" in shown.stdout and "needs images: no" in shown.stdout
    assert CliRunner().invoke(main, ["measures", "show", "synflo"]).exit_code == 2


def test_times_of_measures_come_with_their_sources_and_problems():
    words = ["measures", "time", "params,swap,gennas@instant", "--space", "nasbench201", "--sample", "2"]
    found = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert [row["measure"] for row in found["times"]] == ["params", "swap", "gennas@instant"]
    assert all(0 < row["seconds"] < 60 and row["source"] and not row["problem"] for row in found["times"])
    lines = CliRunner().invoke(main, words).stdout.splitlines()
    assert len(lines) == 3 and lines[1].startswith("swap ") and " s  Peng et al." in lines[1]


@pytest.mark.parametrize(
    "words, what",
    [
        (["tiem"], "did you mean time?"),
        (["time", "naswto"], "naswot"),
        (["time", "vote"], "an ensemble ranks a set"),
        (["time", "naswot", "--space", "nasbench_nlp"], "not defined for nasbench_nlp"),
        (["time", "fit:nowhere"], "cannot read the predictor"),
        (["time", "params", "--sample", "0"], "at least 1"),
        (["time", "params", "--space", "nasbench202"], "nasbench201"),
        (["--space", "nasbench201"], "are for `gennas measures time`"),
    ],
)
def test_times_of_measures_refuse(words, what):
    result = CliRunner().invoke(main, ["measures", *words])
    assert result.exit_code == 2 and what in result.stderr and "Traceback" not in result.stderr


def test_architectures_are_scored_by_any_measure_or_ensemble(tmp_path):
    command = ["score", "--space", SPACE, "--sample", "3", "--json"]
    ensemble = ["--measure", "rank(params,l2_norm)", "--out", str(tmp_path / "run")]
    found = CliRunner().invoke(main, [*command, *ensemble])
    assert found.exit_code == 0, found.output
    scores = [record["score"] for record in json.loads(found.stdout)["scores"]]
    assert sum(scores) == pytest.approx(2.0)  # mean ranks of three: (1 + 2 + 3) / 3
    assert CliRunner().invoke(main, [*command, "--measure", "table:accuracy"]).exit_code == 2
    assert "gennas benchmark --table" in CliRunner().invoke(main, [*command, "--measure", "table:accuracy"]).stderr
    changed = CliRunner().invoke(main, [*command, "--measure", "params", "--out", str(tmp_path / "run"), "--resume"])
    assert changed.exit_code == 2 and "measure" in changed.stderr


def test_a_failure_can_stop(scorer):
    dead = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    with pytest.raises(GenNASError, match="synflow of .* the score is -inf"):
        scores_of(scorer, ["synflow"], [dead], Run(None, {}), on_error="stop")


def test_presets_side_by_side(scorer, table):
    texts = table.frame["arch"][:4].tolist()
    names = ("gennas", "gennas@fast-three", "gennas@fast")
    with Run(None, {}) as run:
        found = scores_of(scorer, names, texts, run)
    assert set(found) == set(names)
    for name in names:
        preset = scorer.preset if name == "gennas" else name.partition("@")[2]
        expected = [Scorer(SPACE, preset).score(text).score for text in texts]
        assert [score.value for score in found[name]] == expected


def test_a_preset_that_does_not_exist_is_named():
    with pytest.raises(UnknownNameError, match="fats.*fast"):
        expressions("gennas@fats")
