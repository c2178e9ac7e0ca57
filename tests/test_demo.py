"""The demonstration, and the table of the package analog-nasbench: its mapping, and what a pickle may not do."""

from __future__ import annotations

import json
import os
import pickle
from importlib import metadata

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr

from naslib_gennas import load_table
from naslib_gennas.cli import main
from naslib_gennas.commands import demo
from naslib_gennas.errors import MissingPackageError, TableError


@pytest.fixture(scope="module")
def analog():
    pytest.importorskip("pandas")
    try:
        return load_table("analog-nasbench", "nasbench201")
    except MissingPackageError:
        pytest.skip("analog-nasbench is not installed")


def test_the_cells_are_the_benchmarks(analog, shared):
    """A wrong order of edges or operations is far below."""
    own = load_table(shared / "nasbench201.csv.gz", "nasbench201").frame[["arch", "cifar10_test"]]
    both = analog.frame.merge(own, on="arch")
    assert len(both) == 15_625
    assert spearmanr(both["baseline_accuracy"], both["cifar10_test"])[0] > 0.98


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(MissingPackageError, match="pip install analog-nasbench"):
        load_table("analog-nasbench", "nasbench201")
    found = CliRunner().invoke(main, ["demo"])
    assert found.exit_code != 0 and "pip install analog-nasbench" in found.stderr


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/naslib_gennas_was_here",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (pickle.dumps({(0,) * 6: Evil()}), "no part of such a table"),
        (pickle.dumps([1, 2]), "not a dictionary"),
        (pickle.dumps({(0,) * 6: 5}), "cannot read"),
        (b"\x80\x04.", "cannot read"),
        (b"", "cannot read"),
        (b"no pickle at all", "cannot read"),
    ],
)
def test_other_pickles_are_refused(tmp_path, content, sentence):
    path = tmp_path / "data.anb"
    path.write_bytes(content)
    with pytest.raises(TableError, match=sentence):
        load_table(path, "nasbench201")
    assert not os.path.exists("/tmp/naslib_gennas_was_here")


def test_the_demonstration_in_small(analog, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "KEPT", "3")
    monkeypatch.setattr(demo, "FINALISTS", 0)
    monkeypatch.setattr(demo, "SAMPLE", 8)
    monkeypatch.setattr(demo, "TRAINED", "tiny")
    found = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "demo"), "--workers", "1", "--json"])
    assert found.exit_code == 0, found.stderr
    record = json.loads(found.stdout)
    assert record["ranking"]["n"] == 15_625 and record["ranking"]["spearman"] > 0.9
    assert record["trained"] == 3
    assert record["pick"]["accuracy"] == analog.value(record["pick"]["arch"], "baseline_accuracy")
    assert (tmp_path / "demo" / "page.html").stat().st_size > 10_000
    again = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "demo"), "--workers", "1", "--resume"])
    assert again.exit_code == 0, again.stderr
    assert record["pick"]["arch"] in again.stdout and "page.html" in again.stdout
    other = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "demo")])
    assert other.exit_code == 2 and "Traceback" not in other.output


def test_a_table_of_other_columns_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("arch,accuracy\n5,90\n7,91\n")
    with pytest.raises(TableError, match="baseline_accuracy"):
        demo.demo(load_table(path, "nasbench201"), tmp_path, workers=1)
    assert np.isfinite(load_table(path, "nasbench201").column("accuracy")).all()
