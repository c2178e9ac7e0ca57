"""The HTML report: structure, escaping, sizes, bad input, and its behaviour in a browser where there is one."""

from __future__ import annotations

import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from naslib_gennas import __version__
from naslib_gennas.cli import main
from naslib_gennas.errors import InputError, MissingPackageError, RunError
from naslib_gennas.evaluation import evaluate
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.report import MAX_BYTES, write_report
from naslib_gennas.report.cells import cells, drawn
from naslib_gennas.report.charts import Axes, limits, log_ticks, ticks
from naslib_gennas.report.figures import Figures
from naslib_gennas.report.gallery import VIRIDIS, gallery, signal_rows
from naslib_gennas.report.load import load_run
from naslib_gennas.report.plotting import Labels, draw_scatter, draw_search, draw_signals, draw_task_curves
from naslib_gennas.report.reference import published_ranking, published_seconds, published_value
from naslib_gennas.scoring.gennas import GenNASScorer
from naslib_gennas.spaces import load_space
from naslib_gennas.spaces.cell_graph import CellGraph, differing, short

DIGITS = str(Path(__file__).parent / "data" / "digits.csv.gz")
EVIL = "a<script>alert('x')</script>&\"b"
FIELDS = "n failures spearman spearman_interval kendall kendall_interval retrieval top1 best_of_top10 best".split()
NET = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
OPERATIONS = ["conv 3x3", "conv 1x1", "avg pool 3x3", "skip", "conv 3x3"]  # on its edges
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Elements with their attributes and text; complains about tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.elements.append({"tag": tag, "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **wanted):
        return [e for e in self.elements if e["tag"] == tag and all(e.get(k) == v for k, v in wanted.items())]


def write_run(directory, command, summary, **more):
    directory.mkdir()
    files = {
        "config.json": {"command": command, "preset_digest": "abc", **more},
        "environment.json": {
            "naslib_gennas": __version__,
            "cuda": [],
            "command": ["/somewhere/gennas", command, "--out", "a b"],
        },
        "summary.json": summary,
    }
    for name, data in files.items():
        (directory / name).write_text(json.dumps(data), encoding="utf-8")
    return directory


def ranking_run(directory, measures=("gennas", "synflow"), n=60, names=None, metrics=("cifar10_test",), seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"arch": names or [f"net{i}" for i in range(n)]})
    for metric in metrics:
        frame[metric] = np.round(rng.uniform(50, 94, n), 2)
    for i, measure in enumerate(measures):
        frame[measure] = frame[metrics[0]] + rng.normal(0, 4 + 6 * i, n)
    frame.loc[3, measures[0]] = np.nan
    rows = []
    for metric in metrics:
        for i, measure in enumerate(measures):
            found = evaluate(frame[measure][:60].tolist(), frame[metric][:60].tolist()).as_dict()
            row = {name: found[name] for name in FIELDS}
            rows.append({"measure": measure, "metric": metric, **row, "seconds_per_architecture": 0.3 / (i + 1)})
    general = {"space": "nasbench201", "table": "t.csv", "preset": "paper-single", "seed": seed, "note": ""}
    write_run(directory, "benchmark", {"rows": rows, "metrics": list(metrics), **general})
    frame.to_csv(directory / "scores.csv", index=False)
    return directory


def search_run(directory, algorithm="evolution", steps=80, seed=0):
    rng = np.random.default_rng(seed)
    scores = -rng.exponential(1, steps) - (0.3 if algorithm == "random" else 0)
    records = [
        {"step": i, "arch": f"net{i}", "key": f"net{i}", "score": None if i == 5 else float(s)}
        for i, s in enumerate(scores)
    ]
    best = [{"arch": "net<1>", "score": float(scores.max()), "step": 1, "accuracy": 93.5, "rank": 4}]
    general = {"space": "nasbench201", "preset": "fast", "seed": seed, "steps": steps}
    write_run(directory, "search", {"best": best, **general}, algorithm=algorithm)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (directory / "results.jsonl").write_text(text + '{"torn', encoding="utf-8")
    return directory


@pytest.fixture
def runs(tmp_path):
    return [
        ranking_run(tmp_path / "bench"),
        search_run(tmp_path / "evolution"),
        search_run(tmp_path / "random", "random", seed=1),
    ]


@pytest.fixture
def page(runs, tmp_path):
    write_report(runs, tmp_path / "r.html")
    return Page((tmp_path / "r.html").read_text(encoding="utf-8"))


def test_headline_table(page, runs):
    (table,) = page.all("table", **{"class": "sortable"})
    summary = json.loads((runs[0] / "summary.json").read_text())
    for row in summary["rows"]:
        low, high = row["spearman_interval"]
        assert f"{row['spearman']:.3f}[{low:.2f}, {high:.2f}]" in table["text"]
    assert "gennas (paper-single)" in table["text"]
    assert "0.77" in table["text"]  # the paper's own value of this preset on this data set


def test_it_opens_with_what_was_asked_and_what_came_out(page, runs):
    (asked,) = page.all("ul", **{"class": "asked"})
    rows = json.loads((runs[0] / "summary.json").read_text())["rows"]
    best = max((row for row in rows if row["metric"] == rows[0]["metric"]), key=lambda row: row["spearman"])
    assert f"has rho {best['spearman']:.2f}" in asked["text"]
    found = json.loads((runs[1] / "summary.json").read_text())["best"][0]
    assert found["arch"] in asked["text"] and "which architecture of" in asked["text"]


def test_scatter(page):
    pictures = [svg for svg in page.all("svg") if svg.get("data-y") == "cifar10_test"]
    assert [svg["data-x"] for svg in pictures] == ["gennas", "synflow"]
    points = json.loads(page.all("script", id="points")[0]["text"])
    assert len(points["bench"]["arch"]) == 60
    assert points["bench"]["values"]["gennas"][3] is None
    marked = [e for e in page.elements if e.get("class") == "top" and "data-i" in e]
    truth = points["bench"]["values"]["cifar10_test"]
    best = set(np.argsort(truth)[-6:])
    assert {int(e["data-i"]) for e in marked} <= best and len(marked) >= 10  # one of 6 may have no score


def test_search_has_both_curves(page):
    (svg,) = [svg for svg in page.all("svg") if svg["aria-label"] == "Searches on nasbench201"]
    assert "evolution" in svg["text"] and "random search" in svg["text"]
    assert "net<1>" in [td["text"] for td in page.all("td")]


def test_what_the_last_round_of_a_search_found(runs, tmp_path):
    path = runs[1] / "summary.json"
    summary = json.loads(path.read_text())
    summary["best"] = [{**found, "final_score": -0.0625} for found in summary["best"]]
    path.write_text(json.dumps({**summary, "final_preset": "<best>", "final_repeats": 16}))
    write_report(runs, tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert [p["text"] for p in page.all("p") if "mean of 16 draws" in p["text"] and "<best>" in p["text"]]
    assert "-0.0625" in [td["text"] for td in page.all("td")]
    assert sum(th["text"] == "final score" for th in page.all("th")) == 1, "the other search has none"


def test_pareto_shows_the_published_methods(page):
    (svg,) = [svg for svg in page.all("svg") if svg["aria-label"].endswith("time and rho")]
    assert "GenNAS single (paper)" in svg["text"] and "vote (paper)" in svg["text"]


def test_commands_and_environment(page):
    (commands,) = page.all("pre", id="commands")
    assert commands["text"].splitlines()[0] == "gennas benchmark --out 'a b'"
    assert any(__version__ == td["text"] for td in page.all("td"))


def test_self_contained(runs, tmp_path):
    write_report(runs, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in text and "https:" not in text and "@import" not in text
    page = Page(text)
    assert not [e for e in page.elements if "src" in e or e["tag"] == "link"]
    assert "default-src 'none'" in page.all("meta")[1]["content"]


def test_names_are_escaped(tmp_path):
    names = [EVIL + str(i) for i in range(60)]
    run = ranking_run(tmp_path / "a<b>&", measures=("rank(<i>,\"'x)",), names=names, metrics=("acc<b>",))
    write_report([run], tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "alert('x')</script>" not in text
    assert not page.all("i") and not page.all("b") and len(page.all("script")) == 2
    points = json.loads(page.all("script", id="points")[0]["text"])
    assert points["a<b>&"]["arch"][0] == EVIL + "0"


def test_many_architectures_stay_small(tmp_path):
    names = [
        f"|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|{i}|" for i in range(15625)
    ]
    measures = tuple(f"m{i}" for i in range(4))
    run = ranking_run(tmp_path / "all", measures, 15625, names)
    assert write_report([run], tmp_path / "r.html") < MAX_BYTES / 5
    assert "1000 of them" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_same_input_same_page(runs, tmp_path):
    write_report(runs, tmp_path / "1.html")
    write_report(runs, tmp_path / "2.html")
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def test_figures(runs, tmp_path):
    from xml.etree import ElementTree

    write_report(runs, tmp_path / "r.html", tmp_path / "figures")
    files = list((tmp_path / "figures").glob("*.svg"))
    assert len(files) == 6
    for file in files:
        assert ElementTree.parse(file).getroot().tag.endswith("svg")


def test_runs_of_one_name(tmp_path):
    (tmp_path / "x").mkdir()
    runs = [ranking_run(tmp_path / "run"), ranking_run(tmp_path / "x" / "run", seed=1)]
    write_report(runs, tmp_path / "r.html")
    assert "run (2)" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_measure_without_ranking(tmp_path):
    run = ranking_run(tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    for name in FIELDS[2:]:
        summary["rows"][1][name] = None
    (run / "summary.json").write_text(json.dumps(summary))
    write_report([run], tmp_path / "r.html")
    assert "no ranking" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_run_without_scores(tmp_path):
    run = ranking_run(tmp_path / "run")
    (run / "scores.csv").unlink()
    write_report([run], tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "without scores.csv there are no points" in text and "data-i=" not in text


def break_version(run):
    (run / "summary.json").write_text(json.dumps({"spearman": 1, "rows": [{"measure": "gennas"}]}))


def break_number(run):
    summary = json.loads((run / "summary.json").read_text())
    summary["rows"][1]["spearman"] = "high"
    (run / "summary.json").write_text(json.dumps(summary))


def break_scores(run):
    (run / "scores.csv").write_text("arch,cifar10_test\na,1\n")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda run: (run / "summary.json").unlink(), "no results yet"),
        (lambda run: (run / "config.json").unlink(), "no run directory"),
        (lambda run: (run / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda run: (run / "config.json").write_text("[]"), "no JSON object"),
        (lambda run: (run / "config.json").write_text('{"command": "score"}'), "a run of 'score'"),
        (break_version, f"another version \\({__version__}\\).*lacks"),
        (break_number, f"another version \\({__version__}\\).*says of rows.1.spearman: "),
        (break_scores, "lacks the columns gennas"),
    ],
)
def test_bad_runs(tmp_path, damage, message):
    run = ranking_run(tmp_path / "run")
    damage(run)
    with pytest.raises(RunError, match=message):
        load_run(run)


def test_a_line_that_is_no_step_of_a_search(tmp_path):
    run = search_run(tmp_path / "run")
    for line, said in (('{"step": 0, "arch": "a"}\n', "a line that is no step of a search"), ("[]\n", "not as it was")):
        (run / "results.jsonl").write_text(line)
        with pytest.raises(RunError, match=f"results.jsonl.*{said}"):
            load_run(run)


def test_what_is_loaded_has_names_and_types(runs):
    bench, search = load_run(runs[0]), load_run(runs[1])
    written = json.loads((runs[0] / "summary.json").read_text())["rows"][1]
    row = bench.rankings[1]
    assert (row.measure, row.metric, row.n, row.failures) == ("synflow", "cifar10_test", 60, 0)
    assert [row.spearman, list(row.spearman_interval)] == [written["spearman"], written["spearman_interval"]]
    assert row.retrieval == written["retrieval"] and row.seconds_per_architecture == 0.15
    assert (bench.space, bench.table_name, bench.preset_name, bench.seed) == ("nasbench201", "t.csv", "paper-single", 0)
    assert bench.search is None and search.rankings == () and search.frame is None and search.table == ""
    assert len(search.search.steps) == 80 and search.search.steps[5].score is None and not search.search.is_baseline
    (best,) = search.search.best
    assert (best.arch, best.step, best.accuracy, best.rank, best.final_score) == ("net<1>", 1, 93.5, 4, None)


def test_bad_out_and_no_runs(runs, tmp_path):
    with pytest.raises(InputError, match="cannot write the report"):
        write_report(runs, tmp_path / "missing" / "r.html")
    with pytest.raises(InputError, match="at least one run"):
        write_report([], tmp_path / "r.html")


def test_command_line(runs, tmp_path):
    out = tmp_path / "r.html"
    assert CliRunner().invoke(main, ["report", *map(str, runs), "--out", str(out)]).exit_code == 0
    assert out.stat().st_size < 200_000
    assert CliRunner().invoke(main, ["report", str(tmp_path / "none"), "--out", str(out)]).exit_code == 2


def test_run_of_correlate(tmp_path):
    options = [
        "--space",
        "nasbench201",
        "--table",
        DIGITS,
        "--sample",
        "9",
        "--preset",
        "tiny",
        "--curves",
        "--out",
        str(tmp_path / "demo"),
    ]
    result = CliRunner().invoke(main, ["correlate", *options])
    assert result.exit_code == 0, result.output
    write_report([tmp_path / "demo"], tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert len([e for e in page.elements if "data-i" in e]) == 9 + 9  # by value and by rank
    titles = [svg["aria-label"] for svg in page.all("svg")]
    assert "demo: loss by step" in titles and "Signals of tiny" in titles
    records = [json.loads(line) for line in (tmp_path / "demo" / "results.jsonl").read_text().splitlines()]
    expected = GenNASScorer("nasbench201", "tiny").score(records[0]["arch"]).curve
    assert records[0]["curve"] == pytest.approx(expected, rel=1e-4) and len(expected) == records[0]["steps"]


def test_rank_curves(tmp_path):
    """A perfect measure lies on the diagonal, a reversed one on the other; equal scores are level at 50."""
    run = ranking_run(tmp_path / "run", ("perfect", "reversed", "coarse"), 100)
    frame = pd.read_csv(run / "scores.csv")
    frame["cifar10_test"] = np.random.default_rng(0).permutation(100).astype(float)
    frame["perfect"], frame["reversed"] = frame["cifar10_test"] ** 3, -frame["cifar10_test"]
    frame["coarse"] = [float(i == 0) for i in range(100)]
    frame.loc[frame["cifar10_test"].idxmin(), "perfect"] = np.nan  # ranks last
    frame.to_csv(run / "scores.csv", index=False)
    loaded = load_run(run)
    (picture,) = Figures([loaded]).ranks(loaded, "cifar10_test")
    axes = Axes((0, 100), (0, 100), "", "", 760, 400, right=190)
    lines = [e["d"] for e in Page(picture.svg).all("path", **{"class": "line"}) if "L" in e["d"]]
    ups = [5 + 10 * i for i in range(10)]
    path = "M" + "L".join(f"{axes.px(x)} {axes.py(x)}" for x in ups)
    assert lines[0] == path
    assert lines[1] == "M" + "L".join(f"{axes.px(x)} {axes.py(100 - x)}" for x in ups)
    heights = {round(float(point.split()[1])) for point in lines[2][1:].split("L")[:9]}
    assert max(heights) - min(heights) <= 1  # ties share their mean


@pytest.mark.parametrize("count, drawn", [(60, True), (8, False)])
def test_loss_curves_of_best_middle_and_worst(tmp_path, count, drawn):
    run = ranking_run(tmp_path / "run", ("gennas",))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "curves": True}))
    curves = {f"net{i}": [2.0 + i, 1.0 + i] for i in range(count)}
    lines = "".join(json.dumps({"arch": arch, "curve": curve}) + "\n" for arch, curve in curves.items())
    (run / "results.jsonl").write_text(lines + json.dumps({"arch": "net61", "status": "failed"}) + "\n")
    loaded = load_run(run)
    assert loaded.curves == curves
    pictures = Figures([loaded]).losses(loaded, "cifar10_test")
    assert len(pictures) == drawn
    if drawn:
        assert len([e for e in Page(pictures[0].svg).all("path", **{"class": "line"}) if "L" in e["d"]]) == 9


def test_signals_of_the_preset_that_was_used(tmp_path):
    """Kept by the run, or the shipped one if it has not changed since; otherwise nothing is drawn."""
    run = ranking_run(tmp_path / "run")
    assert load_run(run).preset is None
    config = json.loads((run / "config.json").read_text())
    shipped = load_preset("paper-combo")
    (run / "config.json").write_text(json.dumps({**config, "preset": shipped.name, "preset_digest": shipped.digest()}))
    assert load_run(run).preset == shipped
    mine = shipped.model_copy(update={"name": "mine<1>"})
    (run / "preset.json").write_text(json.dumps(mine.model_dump(mode="json")))
    loaded = load_run(run)
    (picture,) = Figures([loaded, loaded]).signals()
    page = Page(picture.svg)
    kinds = [signal.kind for stage in shipped.task.stages for signal in stage.signals]
    texts = [e["text"] for e in page.all("text", **{"class": "name"})]
    assert [text.split(",")[0] for text in texts if ", level" in text] == kinds
    targets = sum(bool(stage.signals) for stage in shipped.task.stages)
    maps = [e for e in page.all("g") if "translate" in e["transform"]]
    assert len(maps) == 6 * (len(kinds) + targets) and page.all("title")[0]["text"] == "Signals of mine<1>"
    assert len(picture.svg) < 300_000


def test_gallery_shows_the_values():
    """The maps of a stage are squares whose colours are the values of the signal, local ones differing by image."""
    preset = load_preset("paper-single").with_fidelity(target_size=4)
    svg = Page(gallery(preset, 0, "x"))
    rows = signal_rows(preset, 0)
    paths = [e for e in svg.elements if e["tag"] == "path" and e.get("fill") in VIRIDIS and "h1v1" in e["d"]]
    squares = sum(e["d"].count("M") for e in paths)
    assert squares == len(rows) * 6 * 16
    for row in rows:
        assert row.maps.shape == (2, 3, 4, 4) and float(row.maps.abs().max()) <= row.bound + 1e-6
    level = int(round((float(rows[0].maps[0, 0, 0, 0]) / rows[0].bound + 1) / 2 * 10))
    first = next(e for e in paths if "M0 0h" in e["d"])
    assert first["fill"] == VIRIDIS[level]


def test_cells():
    svg = cells("nasbench201", NET, "a<b")["cell"]
    page = Page(svg)
    assert [e["text"] for e in page.all("text")] == [*OPERATIONS, "in", "1", "2", "out"]
    assert len(page.all("path", **{"class": "edge"})) == 5 and page.all("title")[0]["text"] == "a<b"
    dense = Page(cells("nasbench101", "4:3f:01", "x")["cell"])
    assert [e["text"] for e in dense.all("text")] == ["in", "conv 3x3", "conv 1x1", "out"]
    assert len(dense.all("path")) == 6
    assert cells("nds_darts", NET, "x") == cells("nasbench201", "nonsense", "x") == cells("no_space", NET, "x") == {}


def test_cells_of_two_inputs_have_every_operation_before_its_node():
    space = load_space("nds_darts")
    arch = space.sample(np.random.default_rng(2))
    found = cells("nds_darts:file.json", str(arch), "mine")
    assert list(found) == ["normal", "reduction"]
    for name, cell in (("normal", arch.normal), ("reduction", arch.reduce)):
        page = Page(found[name])
        named = [e["text"] for e in page.all("text", **{"text-anchor": "end"})]
        assert sorted(named) == sorted(short(op) for op, _ in cell.edges if op != "none")
        assert len(page.all("path")) == len(named) + len(cell.concat)
        assert page.all("title")[0]["text"] == f"mine, {name}"
        boxes = [(float(e["x"]), float(e["y"])) for e in page.all("rect")]
        assert len(set(boxes)) == len(boxes) == 7 and len({y for _, y in boxes[2:6]}) == 4


def test_what_differs_stands_out():
    first = CellGraph(("in", "conv", "out"), ((0, 1, ""), (1, 2, ""), (0, 2, "")))
    second = CellGraph(("in", "pool", "out"), ((0, 1, ""), (0, 2, "")))
    assert differing(first, second) == ({0, 1}, {0}) and differing(first, first) == (set(), set())
    twice = CellGraph(("in", "out"), ((0, 1, "skip"), (0, 1, "skip")))
    once = CellGraph(("in", "out"), ((0, 1, "skip"),))
    assert differing(twice, once) == ({1}, set())
    assert len(Page(drawn(first, "x", {0, 1})).all("path", **{"class": "edge differs"})) == 2


def test_ticks():
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(-0.31, 0.29) == [-0.2, 0, 0.2]
    assert log_ticks(0.01, 1000) == [0.01, 0.1, 1, 10, 100, 1000]
    assert log_ticks(0.1, 1) == [0.1, 0.2, 0.5, 1]


def test_limits_ignore_outliers_only_when_robust():
    values = [*np.linspace(0, 1, 500), 1e6]
    assert limits(values)[1] > 1e6
    assert limits(values, robust=True)[1] < 2
    low, high = limits([3.0, 3.0])
    assert low < 3 < high


def test_pictures_are_drawn_where_there_is_a_file_for_them(tmp_path):
    pytest.importorskip("matplotlib")
    for ending in ("png", "svg"):
        out = tmp_path / f"scatter.{ending}"
        draw_scatter(out, [1.0, None, 3.0], [90.0, 91.0, 92.0], Labels("score", "accuracy", "a title"))
        assert out.stat().st_size > 1000
    for name, scores in (("search", [None, -2.0, -3.0, -1.0]), ("nothing", [None, None])):
        draw_search(tmp_path / f"{name}.png", scores)
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    curves = {"evolution": [[None, 0.1, 0.2], [0.0, 0.3]], "random": [[0.1, 0.1]]}
    draw_task_curves(str(tmp_path / "tasks.png"), curves, 20)
    assert (tmp_path / "tasks.png").stat().st_size > 1000
    before = sorted(tmp_path.iterdir())
    draw_scatter(None, [1.0], [1.0], Labels("", "", ""))
    draw_search(None, [1.0])
    draw_task_curves(None, curves, 20)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(InputError, match="cannot write the picture"):
        draw_search(tmp_path / "missing" / "curve.png", [1.0])


def test_every_signal_has_a_row_and_every_band_of_a_sine(tmp_path):
    pytest.importorskip("matplotlib")
    draw_signals(tmp_path / "signals.svg")
    text = (tmp_path / "signals.svg").read_text()
    assert text.count("<image ") == 6 * (2 * 3 + 5)


def test_without_matplotlib_only_what_was_asked_for_complains(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    draw_search(tmp_path / "curve.png", [1.0])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MissingPackageError, match=r"pip install 'naslib_gennas\[plot\]'"):
        draw_signals(tmp_path / "signals.png")


def test_published_values_stand_beside_the_right_runs():
    cells = published_ranking("nasbench101", "cifar10_test", "my.csv")
    combo = published_value("gennas", "paper-combo", cells)
    assert combo.value == 0.85
    assert published_seconds(combo) == pytest.approx(2.3)
    assert published_value("naswot", "fast", cells).value == 0.34
    assert published_value("gennas", "fast", cells) is None
    assert {c.part for c in published_ranking("nds_darts_in", "acc", "t")} == {"Neural Design Spaces, ImageNet"}


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium through playwright; CHROMIUM may name the program."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox", "--disable-gpu"]
            )
        except sync_api.Error as error:
            pytest.skip(f"playwright finds no Chromium: {error.message.splitlines()[0]}")
        yield chromium
        chromium.close()


def test_in_a_browser(browser, runs, tmp_path):
    write_report(runs, tmp_path / "r.html")
    page = browser.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "r.html").as_uri())
    column = "table.sortable tbody td:nth-child(4)"
    page.click("table.sortable th:nth-child(6) button")
    assert page.locator(column).all_text_contents() == ["gennas (paper-single)", "synflow"]
    page.click("table.sortable th:nth-child(6) button")
    assert page.locator(column).all_text_contents() == ["synflow", "gennas (paper-single)"]
    page.locator('svg[data-x="synflow"] path.top').last.hover()
    tip = page.locator("#tip")
    assert tip.is_visible() and "net" in tip.text_content() and "cifar10_test: " in tip.text_content()
    page.locator('g[data-x="score"] circle').last.hover()
    assert tip.is_visible() and "score: " in tip.text_content()
    assert not problems


def test_the_preset_of_a_benchmark_counts_only_where_gennas_is_measured(tmp_path):
    for name, used in (("gennas", True), ("rank(gennas,params)", True), ("gennas@fast", False), ("synflow", False)):
        run = ranking_run(tmp_path / name, (name, "params"), 20)
        assert load_run(run).uses_preset is used
