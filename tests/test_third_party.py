"""A package of somebody else's adds a space and a measure by entry points; nothing of ours imports it by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "examples" / "third_party"

SCRIPT = """
import sys
from naslib_gennas.scoring import GenNASScorer, MeasuredNetworks, MeasureScorer
from naslib_gennas.spaces import SPACES, load_space

assert "gennas_toy" not in sys.modules
space = load_space("toy")
assert "toy" in SPACES.names() and "gennas_toy" in sys.modules

from naslib_gennas.measures import MEASURES
from naslib_gennas.testing import MeasureCase, SmallNetwork, check_measure, check_space

assert "widest" in MEASURES.names()
assert check_space("toy") == {}
assert check_measure(MeasureCase("widest", order=(lambda: SmallNetwork(4), lambda: SmallNetwork(16)))) == {}
score = GenNASScorer("toy", "tiny").score("k3-5-7")
assert score.status == "ok", score
print(MeasureScorer("widest", MeasuredNetworks(space)).score("k3-5-7").value)
"""


def entry_points(pyproject: str) -> str:
    """What an installer makes of the tables of entry points."""
    tables = re.findall(r'\[project\.entry-points\."([\w.]+)"\]\n((?:\w+ = "[\w.:]+"\n)+)', pyproject)
    return "\n".join(f"[{group}]\n{points}" for group, points in tables).replace('"', "")


@pytest.fixture
def installed(tmp_path):
    """A folder as ``pip install`` leaves it."""
    (tmp_path / "gennas_toy.py").write_text((PACKAGE / "gennas_toy.py").read_text(encoding="utf-8"), encoding="utf-8")
    metadata = tmp_path / "gennas_toy-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gennas-toy\nVersion: 0.1\n")
    points = entry_points((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    assert points.count("[naslib_gennas.") == 2
    (metadata / "entry_points.txt").write_text(points)
    return tmp_path


def test_a_space_and_a_measure_by_entry_points(installed):
    paths = [str(installed), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=installed, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["64.0"]
