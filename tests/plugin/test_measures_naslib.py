"""Our measures against NASLib's, on the same network, weights and batch."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import pytest
import torch

from naslib_gennas.measures import MEASURES
from naslib_gennas.plugin import loading
from naslib_gennas.proxy.images import load_images
from naslib_gennas.scoring.measure import measure_module

pytestmark = pytest.mark.naslib

THEIR_NAMES = {"naswot": "nwot", "jacob_cov": "jacov"}
NEWER = (
    "zico",
    "swap",
    "meco",
    "gradsign",
    "ntk",
    "ntk_trace",
    "expressivity",
    "progressivity",
    "trainability",
)  # than NASLib
NAMES = [name for name in MEASURES.names() if MEASURES[name].function and name not in (*NEWER, "params", "flops")]
SEED = 11


@pytest.fixture(scope="module")
def naslib(naslib_home):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield loading.load(naslib_home)


@pytest.mark.parametrize("spec", [(4, 0, 3, 1, 4, 3), (2, 3, 0, 2, 1, 2)])
def test_equal_on_nasbench201(naslib, spec):
    torch.manual_seed(3)
    graph = naslib["NasBench201SearchSpace"]()
    graph.set_spec(spec)
    graph.parse()
    images = load_images(None, 8, 16)
    labels = torch.arange(8) % 4
    ours = measure_module(graph, NAMES, images, labels, SEED)
    for name in NAMES:
        torch.manual_seed(SEED)  # NASLib's zen draws from the global generator
        theirs = naslib["ZeroCost"](THEIR_NAMES.get(name, name)).query(graph, [(images.clone(), labels)])
        assert ours[name].value == pytest.approx(theirs, rel=1e-4), name


def test_the_example(naslib_home, capsys):
    path = Path(__file__).resolve().parents[2] / "examples" / "naslib_measures.py"
    spec = importlib.util.spec_from_file_location("naslib_measures", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    arguments = ["--naslib", str(naslib_home), "--sample", "1", "--batch-size", "4", "--image-size", "8"]
    rows = example.main(arguments)
    assert {row["measure"] for row in rows} >= set(NAMES)
    assert all(row["difference"] < 1e-4 for row in rows)
    assert "ratio" in capsys.readouterr().out
