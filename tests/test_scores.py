"""Precomputed scores: formats, merging, look-up."""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
import tracemalloc

import pandas as pd
import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.errors import ArchitectureError, InputError, MissingPackageError, TableError
from naslib_gennas.runs.run import Run
from naslib_gennas.runs.score_files import read_scores, to_layout, translations, write_scores
from naslib_gennas.runs.score_frames import COLUMNS, look_up, merge_scores, with_accuracy
from naslib_gennas.spaces import load_space
from naslib_gennas.tables import Table

SPACE = load_space("nasbench201")
ARCHES = [str(SPACE.parse(str(index))) for index in (3, 1, 9)]


@pytest.fixture
def frame():
    rows = [
        (ARCHES[0], "cifar10", "naswot", 1.5, 0.25),
        (ARCHES[0], "cifar10", "val_accuracy", 90.5, math.nan),
        (ARCHES[1], "cifar10", "naswot", math.nan, 0.5),
        (ARCHES[1], "cifar100", "params", 0.3, 0.01),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.mark.parametrize("name", ["scores.csv", "scores.csv.gz", "scores.parquet"])
def test_tables_round_trip(frame, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write_scores(frame, tmp_path / name)
    pd.testing.assert_frame_equal(read_scores(tmp_path / name), frame)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_parquet_from_the_command_line(frame, tmp_path):
    """Types survive, other tools can read it, and a broken file is an error of the input."""
    parquet = pytest.importorskip("pyarrow.parquet")
    write_scores(frame, tmp_path / "a.csv")
    out = tmp_path / "b.parquet"
    assert CliRunner().invoke(main, ["scores", "convert", str(tmp_path / "a.csv"), str(out)]).exit_code == 0
    table = parquet.read_table(out)
    assert table.column_names == list(COLUMNS) and str(table.schema.field("score").type) == "double"
    pd.testing.assert_frame_equal(merge_scores([read_scores(out), frame]), frame)
    out.write_bytes(out.read_bytes()[:-20])
    with pytest.raises(TableError, match="cannot read the scores .*b.parquet"):
        read_scores(out)


def test_parquet_without_pyarrow_names_the_install_line(frame, tmp_path, monkeypatch):
    for package in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, package, None)
    out = tmp_path / "b.parquet"
    with pytest.raises(MissingPackageError, match=r"pyarrow: pip install 'naslib_gennas\[parquet\]'"):
        write_scores(frame, out)
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b"PAR1")
    refused = CliRunner().invoke(main, ["scores", "convert", str(out), str(tmp_path / "c.csv")])
    assert refused.exit_code == 2 and "pip install 'naslib_gennas[parquet]'" in refused.stderr


def test_layout_of_the_suite(frame, tmp_path):
    layout = to_layout(frame, lambda text: f"<{text}>")
    assert layout["cifar10"][f"<{ARCHES[0]}>"] == {"naswot": {"score": 1.5, "time": 0.25}, "val_accuracy": 90.5}
    assert layout["cifar10"][f"<{ARCHES[1]}>"]["naswot"]["score"] == -1e8
    write_scores(frame, tmp_path / "zc.json", lambda text: f"<{text}>")
    assert json.loads((tmp_path / "zc.json").read_text()) == layout
    back = read_scores(tmp_path / "zc.json", lambda key: key[1:-1])
    pd.testing.assert_frame_equal(back, frame)
    with pytest.raises(InputError, match="needs the data set"):
        to_layout(frame.assign(dataset=""))


def test_keys_are_naslibs_compact_form(frame, tmp_path):
    decode, encode = translations(SPACE)
    write_scores(frame, tmp_path / "zc.json", encode)
    keys = list(json.loads((tmp_path / "zc.json").read_text())["cifar10"])
    assert all(re.fullmatch(r"\((\d, ){5}\d\)", key) for key in keys)
    pd.testing.assert_frame_equal(read_scores(tmp_path / "zc.json", decode), frame)
    assert decode(ARCHES[0]) == ARCHES[0]
    with pytest.raises(ArchitectureError, match="not NASLib's compact form"):
        decode("(1, 2)")


def test_runs_are_read_without_touching_them(tmp_path):
    with Run(tmp_path / "run", {}) as run:
        run.append({"arch": ARCHES[0], "key": "k", "score": -1.0, "status": "ok", "seconds": 0.5})
        run.append({"arch": ARCHES[0], "measure": "naswot", "score": None, "seconds": 0.1})
    results = tmp_path / "run" / "results.jsonl"
    results.write_text(results.read_text() + '{"arch": "torn')
    before = results.read_text()
    frame = read_scores(tmp_path / "run")
    assert frame["measure"].tolist() == ["gennas", "naswot"]
    assert frame["score"].isna().tolist() == [False, True]
    assert results.read_text() == before


def test_a_large_run_is_converted_in_little_memory(tmp_path):
    """A run and its accuracies into zc_nasbench201.json: the peak is below 2 kB an architecture."""
    arches = [str(arch) for arch in itertools.islice(SPACE, 3000)]
    with Run(tmp_path / "run", {}) as run:
        for i, arch in enumerate(arches):
            run.append({"arch": arch, "key": arch, "score": -i / 7, "status": "ok", "seconds": 0.1, "message": ""})
    pd.DataFrame({"arch": arches, "val": [i % 90 for i in range(len(arches))]}).to_csv(tmp_path / "t.csv", index=False)
    options = ["--space", "nasbench201", "--dataset", "cifar10", "--table", str(tmp_path / "t.csv"), "--metric", "val"]
    out = tmp_path / "zc.json"
    tracemalloc.start()
    try:
        done = CliRunner().invoke(main, ["scores", "convert", str(tmp_path / "run"), str(out), *options])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.exit_code == 0 and f"{2 * len(arches)} scores of {len(arches)} architectures" in done.stderr
    assert peak < 2_000 * len(arches)
    entries = json.loads(out.read_text())["cifar10"]
    decode, encode = translations(SPACE)
    assert len(entries) == len(arches)
    assert entries[encode(arches[2800])] == {"gennas": {"score": -400.0, "time": 0.1}, "val_accuracy": 2800 % 90}


def test_merging_keeps_each_score_once_and_refuses_contradictions(frame):
    assert len(merge_scores([frame, frame])) == len(frame)
    with pytest.raises(InputError, match=r"disagree on naswot of .* on cifar10 \(1.5, 2\)"):
        merge_scores([frame, frame.assign(score=[2.0, 90.5, math.nan, 0.3])])


def test_accuracies_come_from_a_table(frame):
    table = Table(pd.DataFrame({"arch": ARCHES[:2], "accuracy": [70.0, 80.0]}), SPACE)
    found = with_accuracy(frame, table, "accuracy")
    accuracies = found[found["measure"] == "val_accuracy"].set_index(["arch", "dataset"])["score"].to_dict()
    assert accuracies == {
        (ARCHES[0], "cifar10"): 70.0,
        (ARCHES[1], "cifar10"): 80.0,
        (ARCHES[1], "cifar100"): 80.0,
    }


def test_look_up_finds_isomorphic_cells():
    skip = "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
    twin = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
    assert SPACE.canonical(SPACE.parse(skip)) == SPACE.canonical(SPACE.parse(twin))
    frame = pd.DataFrame([(skip, "", "naswot", 2.0, 0.1)], columns=list(COLUMNS))
    assert look_up(frame, twin, SPACE)["score"].tolist() == [2.0]
    with pytest.raises(InputError, match="there is no score of"):
        look_up(frame, ARCHES[0], SPACE)
    with pytest.raises(InputError, match="did you mean naswot"):
        look_up(frame, skip, SPACE, "naswott")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there are no scores at"),
        ("scores.txt", "x", "its name must end in one of"),
        ("scores.csv", "arch,naswot\na,1\n", "lacks the columns dataset, measure, score, seconds"),
        (
            "scores.csv",
            "arch,dataset,measure,score,seconds\na,,naswot,high,1\n",
            "score of the scores must hold numbers",
        ),
        ("zc.json", "{", "cannot read the scores"),
        ("zc.json", '{"cifar10": [1]}', "not in the layout of NAS-Bench-Suite-Zero"),
        ("zc.json", '{"cifar10": {"a": {"naswot": {"value": 1}}}}', "not in the layout"),
    ],
)
def test_unusable_sources_are_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=message):
        read_scores(tmp_path / name)


def test_a_directory_that_is_no_run(tmp_path):
    with pytest.raises(TableError, match="is no run directory"):
        read_scores(tmp_path)


def test_commands(frame, tmp_path):
    write_scores(frame, tmp_path / "a.csv")
    source, out = str(tmp_path / "a.csv"), str(tmp_path / "b.csv.gz")
    done = CliRunner().invoke(main, ["scores", "convert", source, source, out])
    assert done.exit_code == 0 and "4 scores of 2 architectures" in done.stderr
    shown = CliRunner().invoke(main, ["scores", "show", out, ARCHES[1], "--space", "nasbench201", "--json"])
    assert json.loads(shown.stdout)["scores"][0] == {
        "dataset": "cifar10",
        "measure": "naswot",
        "score": None,
        "seconds": 0.5,
    }
    refused = CliRunner().invoke(main, ["scores", "convert", source, str(tmp_path / "zc.json")])
    assert refused.exit_code == 2 and "--space" in refused.stderr
