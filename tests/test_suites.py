"""Suites of the paper's tables: what is in them, what is run, what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.commands.suites import SuiteSettings, load_suite, run_suite, suite_names, text_of
from naslib_gennas.commands.suites.context import Context
from naslib_gennas.commands.suites.procedures import KINDS, OPTIMUM, speed
from naslib_gennas.commands.suites.spec import obtain, suite_data
from naslib_gennas.errors import InputError, UnknownNameError
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring import MeasuredNetworks
from naslib_gennas.scoring.ensemble import parse_measure
from naslib_gennas.spaces import load_space
from naslib_gennas.tables import Table
from naslib_gennas.tables.published import find_published

DIGITS = str(Path(__file__).parent / "data" / "digits.csv.gz")

NAMES = "table1 table2 table3 table4 table5 table6 table7 table8 table9 table10 fig6 fig8".split()
SPACE = "nasbench201"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Twelve cells with made-up accuracies; params rank them perfectly on CIFAR-10."""
    space, rng = load_space(SPACE), np.random.default_rng(1)
    texts = list(dict.fromkeys(str(space.sample(rng)) for _ in range(12)))
    sizes = [sum(p.numel() for p in space.build_network(space.parse(text)).parameters()) for text in texts]
    path = tmp_path_factory.mktemp("tables") / "nb201.csv"
    pd.DataFrame({"arch": texts, "cifar10_test": sizes, "cifar100_test": rng.random(len(texts))}).to_csv(path)
    return str(path)


def test_all_suites_are_there():
    assert suite_names() == NAMES
    with pytest.raises(InputError, match="did you mean table1"):
        load_suite("table11")


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_names_things_that_exist(name):
    suite = load_suite(name)
    assert suite.kind in KINDS
    for part in suite.parts:
        kind = load_space(part.space).kind
        assert "FILE" in obtain(part.space) or "nb101" in obtain(part.space)
        for method in part.methods:
            if method.preset:
                preset = load_preset(method.preset)
                assert preset.kind == kind
                preset.with_fidelity(**method.fidelity)
            elif method.measure != OPTIMUM:
                parse_measure(method.measure.replace("{data_set}", "cifar10"))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("table")])
def test_every_printed_row_is_found(name):
    suite = load_suite(name)
    for part in suite.parts:
        assert find_published(suite.table, part.printed), part.printed
        for row in part.rows.values():
            known = {cell.row for cell in find_published(suite.table, part.printed)}
            assert row in known or part.columns
        if part.columns:
            printed = {cell.column for cell in find_published(suite.table, part.printed)}
            assert set(part.columns) <= printed and (name == "table4" or set(part.columns) == printed)


def test_table_1_has_all_printed_cells():
    suite = load_suite("table1")
    shown = {(part.rows["cifar10_test"], method.printed) for part in suite.parts for method in part.methods}
    assert shown == {(cell.row, cell.column) for cell in find_published("1")}
    assert len(shown) == 37


def test_ranks_stand_beside_printed_numbers_and_the_rest_is_named(table, tmp_path, monkeypatch):
    monkeypatch.setitem(
        suite_data()["quick"]["fidelity"], "cnn", {"cells": 1, "input_size": 8, "batch_size": 4, "steps": 2}
    )
    methods = suite_data()["suites"]["table7"]["parts"][1]["methods"]  # Table 8 has the same
    for slow in ("best", "fast", "GenNAS single", "GenNAS search-N"):
        monkeypatch.delitem(methods, slow)
    settings = SuiteSettings({SPACE: table}, quick=True, sample=4, batch_size=2, image_size=8)
    with Run(tmp_path / "run", settings.config()) as run:
        result = run_suite("table7", settings, run)
    rows = {(row.row, row.method): row for row in result.rows}
    assert rows["CIFAR-10", "params"].value == pytest.approx(1.0)
    assert rows["CIFAR-10", "GenNAS combo"].published == 0.67
    assert rows["CIFAR-100", "snip"].printed == "0.46" and -1 <= rows["CIFAR-100", "snip"].value <= 1
    assert rows["CIFAR-10", "EcoNAS"].value is None and rows["CIFAR-10", "EcoNAS"].printed == "0.62"
    missing = {lack.item: lack.why for lack in result.missing}
    assert "imagenet16_test" in missing["NASBench-201, ImgNet16"]
    assert "gennas tables convert" in missing["NASBench-101 (nasbench101)"]
    assert "SPACE:FILE" in missing["Neural Design Spaces, CIFAR-10 (nds_darts)"]
    assert "CIFAR-10 (nds_darts, nds_darts_fix, " in text_of(result)
    assert json.loads((tmp_path / "run" / "table7.json").read_text()) == result.as_record()
    with Run(tmp_path / "run", settings.config(), resume=True) as run:
        before = sorted(path.name for path in (tmp_path / "run").iterdir())
        assert len(run_suite("table8", settings, run).rows) == len(result.rows)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted([*before, "table8.json"])


def test_searches_give_the_accuracy_of_what_they_find(monkeypatch, tmp_path):
    monkeypatch.setitem(suite_data()["quick"], "search", {"steps": 3, "population": 2, "tournament": 1, "seeds": 1})
    truth = tmp_path / "truth.csv"
    pd.read_csv(DIGITS).rename(columns={"accuracy": "cifar10_test"}).to_csv(truth, index=False)
    settings = SuiteSettings({SPACE: str(truth)}, quick=True, batch_size=2, image_size=8)
    suite = load_suite("table3")
    assert {part.space for part in suite.parts} >= {"nasbench101", SPACE}
    with pytest.raises(InputError, match="nds_resnet, nds_resnext_a"):
        run_suite("table3", SuiteSettings({"nds_darts": "x"}), Run(None, {}))
    with pytest.raises(UnknownNameError):
        run_suite("table3", SuiteSettings({"nasbench20": "x"}), Run(None, {}))
    result = run_suite("table3", settings, Run(None, {}))
    rows = {row.method: row for row in result.rows}
    assert 60 < rows["Optimal"].value < 75


def test_images_are_for_the_networks_that_see_them(tmp_path):
    """A suite of convolutional and recurrent spaces takes --images for the former."""
    pictures = tmp_path / "images.npz"
    np.savez(pictures, images=np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8))
    context = Context(load_suite("table2"), SuiteSettings(images=str(pictures)), Run(None, {}), {})
    space = load_space("nasbench_nlp")
    recurrent = context.scorer(space, load_preset("rnn-fast").with_fidelity(steps=2))
    assert recurrent.images is None
    assert context.scorer(load_space(SPACE), load_preset("fast")).images == str(pictures)
    assert recurrent.score(space.sample(np.random.default_rng(0))).status == "ok"
    with pytest.raises(InputError, match="recurrent and see no images"):
        MeasuredNetworks(space, images=str(pictures))


@pytest.mark.parametrize("name", ["paper-combo", "rnn-search"])
def test_quick_shortens_the_paper_s_presets(name):
    quick, full = (Context(load_suite("table2"), SuiteSettings(quick=q), Run(None, {}), {}) for q in (True, False))
    method = replace(load_suite("table2").parts[0].methods[0], preset=name)
    assert full.preset(method) == load_preset(name)
    assert quick.preset(method).task == load_preset(name).task
    assert quick.preset(method).fidelity.steps < load_preset(name).fidelity.steps
    assert quick.preset(replace(method, preset="rnn-fast")).digest() == load_preset("rnn-fast").digest()


def test_speed_needs_no_table():
    settings = SuiteSettings(quick=True, sample=1)
    suite = load_suite("table10")
    part = next(part for part in suite.parts if part.space == SPACE)
    context = Context(suite, settings, Run(None, {}), {})
    rows = list(speed(context, part))
    assert rows[0].method == "batch 16, s" and 0 < rows[0].value < 5 and rows[0].published == 0.02
    assert [row.note for row in rows if row.method.endswith("GB")] == ["printed only"] * 6


def test_command(table, tmp_path):
    command = ["benchmark", "--suite", "table5", "--quick"]
    nothing = CliRunner().invoke(main, command)
    assert nothing.exit_code == 2 and "nothing of table5" in nothing.stderr and "gennas tables" in nothing.stderr
    other = CliRunner().invoke(main, [*command, "--preset", "fast"])
    assert other.exit_code == 2 and "--preset" in other.stderr
    assert CliRunner().invoke(main, [*command, "--table", DIGITS]).exit_code == 2
    assert CliRunner().invoke(main, ["benchmark", "--space", SPACE, "--quick"]).exit_code == 2


def test_seeds_are_averaged(monkeypatch):
    monkeypatch.setitem(
        suite_data()["quick"]["fidelity"], "cnn", {"cells": 1, "input_size": 8, "batch_size": 4, "steps": 1}
    )
    cells = {"arch": ["2:1:", "3:7:0", "3:7:1", "3:7:2", "4:2f:01"], "cifar10_test": [83.0, 90.0, 88.0, 85.0, 91.0]}
    suite, table = load_suite("table5"), Table(pd.DataFrame(cells), load_space("nasbench101"))
    context = Context(suite, SuiteSettings(quick=True), Run(None, {}), {"nasbench101": table})
    *seeds, average = KINDS["rank"](context, suite.parts[0])
    assert len(seeds) == 10 and seeds[3].published == 0.869 and average.published == 0.870
    assert average.value == pytest.approx(np.mean([row.value for row in seeds]))
    assert len({row.value for row in seeds}) > 1 and "mean of 10" in average.note


def test_evolution_of_tasks_beside_random_search(monkeypatch):
    tiny = {"steps": 1, "population": 2, "tournament": 1, "seeds": 1}
    monkeypatch.setitem(suite_data()["quick"], "task_search", tiny)
    monkeypatch.setitem(
        suite_data()["quick"]["fidelity"], "cnn", {"cells": 1, "input_size": 8, "batch_size": 4, "steps": 1}
    )
    cells = {"arch": ["2:1:", "3:7:0", "3:7:1", "3:7:2", "4:2f:01"], "cifar10_test": [83.0, 90.0, 88.0, 85.0, 91.0]}
    suite, table = load_suite("fig6"), Table(pd.DataFrame(cells), load_space("nasbench101"))
    context = Context(suite, SuiteSettings(quick=True), Run(None, {}), {"nasbench101": table})
    rows = list(KINDS["task_search"](context, replace(suite.parts[0], labelled=5)))
    assert [row.method for row in rows] == ["evolution", "random"]
    assert all(-1 <= row.value <= 1 for row in rows)


def test_some_methods_of_a_suite():
    suite = load_suite("table3").only(["fast", "Optimal"])
    assert {method.name for part in suite.parts for method in part.methods} == {"fast", "Optimal"}
    assert len(suite.parts) == len(load_suite("table3").parts)
    only = load_suite("table3").only(["36 epochs, from the table"])
    assert [part.space for part in only.parts] == ["nasbench101"] and only.only([]) is only
    for words, message in (
        (["--suite", "table4", "--method", "hibrid"], "did you mean hybrid"),
        (["--suite", "nbs-zero", "--method", "fast"], "no use for --method"),
        (
            ["--space", SPACE, "--table", "x.csv", "--method", "fast"],
            "--method, --one-shot, --solver and more than one",
        ),
    ):
        done = CliRunner().invoke(main, ["benchmark", *words])
        assert done.exit_code == 2 and message in done.stderr


def test_networks_for_imagenet(monkeypatch, tmp_path):
    monkeypatch.setitem(suite_data()["quick"], "search", {"steps": 4, "population": 2, "tournament": 1, "seeds": 2})
    suite = load_suite("table4")
    (part,) = suite.parts
    instant = replace(part, methods=part.methods[:1])
    with Run(tmp_path / "run", {}) as run:
        rows = list(KINDS["deployed"](Context(suite, SuiteSettings(quick=True), run, {}), instant))
    values = {row.quantity: row for row in rows}
    assert 500 <= values["FLOPs, M"].value <= 600 and values["params, M"].n == 2 and values["GPU days"].value > 0
    folders = sorted(path for path in (tmp_path / "run").iterdir() if path.is_dir())
    assert len(folders) == 2
    for folder in folders:
        pictures = sorted(path.name for path in folder.glob("*.svg"))
        assert pictures == ["best-normal.svg", "best-reduction.svg"]
        assert "sep conv" in (folder / pictures[0]).read_text() and "<style>" in (folder / pictures[0]).read_text()
    assert suite.cell(part, "GenNAS-D14", "FLOPs, M").value == 599
    assert suite.cell(part, "GenNAS-D14", "GPU days").printed == "0.7*+0.04"
