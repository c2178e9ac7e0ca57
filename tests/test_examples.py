"""Every example runs."""

import importlib.util
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from naslib_gennas import load_preset, load_space

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_benchmark_speed(tmp_path, capsys):
    pytest.importorskip("resource")
    table = tmp_path / "table.csv"
    cells = list(load_space("nasbench201"))[:8]
    table.write_text("arch,accuracy\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    preset = tmp_path / "tiny.yaml"
    preset.write_text(load_preset("fast").with_fidelity(channels=4, input_size=8, steps=4).to_yaml())
    out = tmp_path / "speed.json"
    arguments = ["--table", str(table), "--presets", str(preset), "fast", "--sample", "5", "--out", str(out)]
    load("benchmark_speed").main(arguments)
    rows = json.loads(out.read_text())["rows"]
    assert len(rows) == 2 and all(row["seconds"] > 0 and -1 <= row["spearman"] <= 1 for row in rows)
    assert "s/arch" in capsys.readouterr().out


def test_ensemble_is_chosen_on_few_labels_and_tried_on_the_others(tmp_path, capsys):
    """Two noisy rankings of the same truth: together they are better than either."""
    rng = np.random.default_rng(0)
    texts = [str(arch) for arch in itertools.islice(load_space("nasbench201"), 300)]
    truth = rng.permutation(len(texts)).astype(float)
    frame = pd.DataFrame({"index": range(len(texts)), "arch": texts, "acc": truth})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame[["arch"]].assign(other=truth + 80 * rng.normal(size=len(texts))).to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "run").mkdir()
    records = [{"arch": a, "score": float(v)} for a, v in zip(texts, truth + 80 * rng.normal(size=len(texts)))]
    (tmp_path / "run" / "results.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    files = {"--run": tmp_path / "run", "--table": tmp_path / "t.csv", "--scores": tmp_path / "s.csv"}
    arguments = [str(text) for pair in files.items() for text in pair]
    load("choose_ensemble").main([*arguments, "--measures", "other", "--metric", "acc", "--labelled", "60"])
    first, chosen, alone = capsys.readouterr().out.splitlines()
    assert first.startswith("3 candidates") and "240" in first and "other" in chosen
    together, single = (float(line.split("labels; tau ")[1].split(",")[0]) for line in (chosen, alone))
    assert together > single + 0.05


def correlate_run(directory, preset, table, scores, /, **config):
    """What `gennas correlate` leaves behind; the last line is torn."""
    directory.mkdir()
    known = {"command": "correlate", "space": "nasbench201", "preset": preset, "table": str(table), "metric": "acc"}
    (directory / "config.json").write_text(json.dumps({**known, **config}))
    lines = [json.dumps({"arch": arch, "score": score, "seconds": 2.0}) + "\n" for arch, score in scores.items()]
    (directory / "results.jsonl").write_text("".join(lines) + '{"arch": "|no')
    return str(directory)


def test_runs_are_compared_on_the_architectures_they_share(tmp_path, capsys):
    """scipy agrees; a failed score ranks last; the sign of a reversed ranking is kept."""
    texts = [str(arch) for arch in itertools.islice(load_space("nasbench201"), 12)]
    truth = dict(zip(texts, np.random.default_rng(0).permutation(12).astype(float)))
    table = tmp_path / "t.csv"
    pd.DataFrame({"arch": texts, "acc": list(truth.values())}).to_csv(table, index=False)
    noisy = {arch: value + (5 if place % 3 else 0) for place, (arch, value) in enumerate(truth.items())}
    noisy[texts[0]] = None
    first = correlate_run(tmp_path / "a", "reverse", table, {arch: -value for arch, value in truth.items()})
    second = correlate_run(tmp_path / "b", "noisy", table, dict(itertools.islice(noisy.items(), 9)))
    load("compare_runs").main([first, second])
    header, row, reverse, better = capsys.readouterr().out.splitlines()
    lowest = [-1e9 if noisy[arch] is None else noisy[arch] for arch in texts[:9]]
    rho = spearmanr(lowest, [truth[arch] for arch in texts[:9]]).statistic
    assert row.split()[:3] == ["nasbench201", "9", "-1.000"] and row.split()[4] == f"{rho:.3f}"
    assert reverse == "reverse: mean rho -1.000 (-1.000 to -1.000)"
    assert f"mean rho {rho:.3f} (" in better and f"), {1 + rho:+.3f} (" in better
    assert "1.0 times less time" in better


@pytest.mark.parametrize(
    "config, message",
    [
        ({"command": "search"}, "give runs of `gennas correlate`"),
        ({"metric": "other"}, "differ in the table or the metric"),
        ({"preset": "fast"}, "two runs of nasbench201 have the same preset"),
    ],
)
def test_runs_that_cannot_be_compared(tmp_path, capsys, config, message):
    table = tmp_path / "t.csv"
    first = correlate_run(tmp_path / "a", "fast", table, {})
    second = correlate_run(tmp_path / "b", "best", table, {}, **config)
    with pytest.raises(SystemExit) as stopped:
        load("compare_runs").main([first, second])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_the_tour_runs(tmp_path):
    """The notebook, on fewer architectures; and it is kept without what it printed."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    for cell in cells:
        cell.source = cell.source.replace("COUNT = 600", "COUNT = 60").replace("(60)", "(25)")
    client.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "rho on the others" in printed and "wide" in printed
    shown = [output.data for cell in cells for output in cell.outputs if "data" in output]
    assert any("<table>" in data.get("text/html", "") for data in shown) and any("image/png" in data for data in shown)


def test_regret_on_nlp(tmp_path, capsys):
    space, rng = load_space("nasbench_nlp"), np.random.default_rng(0)
    recipes = list(dict.fromkeys(str(space.sample(rng)) for _ in range(40)))
    frame = pd.DataFrame({"arch": recipes, "minus_best_test_loss": -np.linspace(4.4, 6.0, len(recipes))})
    frame.to_csv(tmp_path / "nlp.csv", index=False)
    words = ["--table", str(tmp_path / "nlp.csv"), "--fitness", "table:minus_best_test_loss,instant"]
    found = load("regret_nlp").main([*words, "--steps", "20", "--seeds", "2"])
    assert found["lowest test loss"] == pytest.approx(4.4) and found["architectures"] == len(recipes)
    random = found["table:minus_best_test_loss, random"]
    assert 0 <= random["20"]["mean"] <= random["10"]["mean"] <= 1.6  # truth as fitness: regret only falls
    assert found["instant, evolution"]["10"]["mean"] >= 0


def test_warm_starts_are_counted(tmp_path, monkeypatch, capsys):
    module = load("warm_starts")
    archs = [str(arch) for arch in module.SPACE]
    truth = pd.Series(np.random.default_rng(0).normal(size=len(archs)), archs)
    truth.rename("cifar10_test").rename_axis("arch").reset_index().to_csv(tmp_path / "truth.csv", index=False)
    best = truth.sort_values(ascending=False).index[:30]
    starts = tuple(module.SPACE.parse(text) for text in [*archs[:4], best[0], *best[20:]])
    monkeypatch.setattr(module, "ranked", lambda seed: starts)
    words = ["--table", str(tmp_path / "truth.csv"), "--tools", "own", "--count", "6", "--most", "40", "--seeds", "2"]
    found = module.main(words)
    assert found["places"] == [5, 5] and found["own"]["warm"]["evaluations"] == [5, 5]
    assert all(1 <= count <= 40 for count in found["own"]["cold"]["evaluations"])
