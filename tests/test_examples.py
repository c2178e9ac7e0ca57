"""Every example runs."""

import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from naslib_gennas import load_preset, load_space

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
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
