"""Every example runs."""

import importlib.util
import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_benchmark_speed(tmp_path, capsys):
    pytest.importorskip("resource")
    table = tmp_path / "table.csv"
    from naslib_gennas import load_preset, load_space

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
