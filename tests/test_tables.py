from __future__ import annotations

import base64
import bz2
import gzip
import json
import pickle
import struct
import time

import numpy as np
import pandas as pd
import pytest

from naslib_gennas.errors import ArchitectureError, InputError, MissingPackageError, TableError, UnknownNameError
from naslib_gennas.readers import READERS, SCHEMES, read_frame
from naslib_gennas.spaces.base import SPACES, load_space
from naslib_gennas.spaces.pasted import from_naslib
from naslib_gennas.tables import (
    Table,
    convert_table,
    load_table,
    open_space,
    read_architectures,
    table,
    table_from_nasbench,
)
from naslib_gennas.tables.signatures import signatures

A = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
B = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
C = "|skip_connect~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|none~1|skip_connect~2|"
C_TWIN = "|skip_connect~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"  # node 1 is node 0

MATRIX = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
OPS = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
COMPACT, COMPACT_TWIN = "4:33:02", "4:33:20"  # bits 110011; the twin has the two branches swapped


@pytest.fixture(scope="module")
def space101():
    if "nasbench101" not in SPACES:
        pytest.skip("the space nasbench101 is not registered")
    return load_space("nasbench101")


@pytest.fixture
def csv(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


class TestArchitecturesOfAFile:
    SPACE = load_space("nasbench201")

    @pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.json", "a.jsonl", "a.parquet"])
    def test_of_a_table(self, tmp_path, name):
        frame = pd.DataFrame({"arch": [A, B, A], "note": ["x", "y", "z"]})
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
            frame.to_parquet(tmp_path / name)
        elif "json" in name:
            frame.to_json(tmp_path / name, orient="records", lines=name.endswith("l"))
        else:
            frame.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
        assert list(map(str, read_architectures(tmp_path / name, self.SPACE))) == [A, B, A]

    @pytest.mark.parametrize("name", ["a.txt", "a", "a.csv"])
    def test_of_lines(self, csv, name):
        assert list(map(str, read_architectures(csv(f"\ufeff{A}\n\n  {B} \n", name), self.SPACE))) == [A, B]

    def test_of_architectures_that_are_json(self, csv):
        nets = [load_space("nds_darts").sample(np.random.default_rng(seed)) for seed in (0, 1)]
        for chosen in (nets, nets[:1]):
            path = csv("\n".join(map(str, chosen)), "nets.jsonl")
            assert read_architectures(path, load_space("nds_darts")) == chosen

    @pytest.mark.parametrize(
        "name, text, words",
        [
            ("a.txt", f"{A}\n\n# mine\n", "line 3 of .*a.txt: not a nasbench201 architecture: '# mine'"),
            ("a.csv", f"arch,x\n{A},1\n,2\n", "row 2 of .*a.csv: not a nasbench201 architecture: ''"),
            ("a.csv", "arch,x\n", "a.csv has no rows"),
            ("a.csv", "x,y\n1,2\n", "a.csv has no column of architectures"),
            ("a.txt", " \n", "a.txt holds no architecture, one a line"),
            (
                "a.json",
                '{"space": "nasbench101", "architectures": []}',
                "is of the space nasbench101, not of nasbench201",
            ),
            ("a.json", '{"space": "nasbench201", "architectures": ["x"]}', "entry 1 of .*a.json: not a nasbench201"),
            ("a.json", '{"space": "nasbench201", "architectures": []}', "holds no architecture"),
            ("a.json", '{"a": 1, "a": 2}', "cannot read .*a.json"),
        ],
    )
    def test_files_that_name_none(self, csv, name, text, words):
        with pytest.raises(InputError, match=words):
            read_architectures(csv(text, name), self.SPACE)

    def test_files_that_cannot_be_read(self, tmp_path):
        for name, content, words in (("a.txt", b"\xff\xfe", "no text in UTF-8"), ("a.csv", b"\xff\xfe", "as CSV")):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(InputError, match=words):
                read_architectures(tmp_path / name, self.SPACE)
        with pytest.raises(InputError, match="No such file"):
            read_architectures(tmp_path / "nowhere.csv", self.SPACE)


class TestPlain:
    @pytest.mark.parametrize("ending", ["csv", "csv.gz"])
    def test_csv(self, tmp_path, ending):
        path = tmp_path / f"t.{ending}"
        pd.DataFrame({"arch": [A, B], "accuracy": [94.1, 90.0]}).to_csv(path, index=False)
        loaded = load_table(path, "nasbench201")
        assert loaded.frame["arch"].tolist() == [A, B] and len(loaded) == 2
        assert loaded.metrics == ["accuracy"] and loaded.default_metric == "accuracy"
        assert not loaded.problems

    @pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz", "t.csv"])
    @pytest.mark.parametrize("separator", ["\t", ";"])
    def test_separators_are_told_by_the_names(self, tmp_path, separator, name):
        frame = pd.DataFrame({"arch": [A, B], "accuracy": [94.1, 90.0], "note": ["a, b", "c"]})
        frame.to_csv(tmp_path / name, index=False, sep=separator)
        loaded = load_table(tmp_path / name, "nasbench201")
        assert loaded.metrics == ["accuracy"] and loaded.value(A) == 94.1

    @pytest.mark.parametrize("value", ["94,1", "-3,25 %"])
    def test_decimal_commas_are_refused(self, csv, value):
        path = csv(f"arch;note;accuracy\n{A};1,2;{value}\n{B};x;{value}\n")
        with pytest.raises(TableError, match=f"accuracy in .*table.csv have decimal commas .*{value}.* with points"):
            load_table(path, "nasbench201")

    def test_parquet(self, tmp_path, space101):
        pytest.importorskip("pyarrow")
        pd.DataFrame({"matrix": [MATRIX], "ops": [OPS], "acc": [1.5]}).to_parquet(tmp_path / "t.parquet")
        assert load_table(tmp_path / "t.parquet", space101).frame.iloc[0].tolist() == [COMPACT, 1.5]
        (tmp_path / "bad.parquet").write_bytes(b"PAR1")
        with pytest.raises(TableError, match="cannot read .*bad.parquet as Parquet"):
            load_table(tmp_path / "bad.parquet", space101)

    def test_parquet_without_its_package_names_the_extra(self, tmp_path, monkeypatch):
        def absent(path):
            raise ImportError("no engine")

        (tmp_path / "t.parquet").write_bytes(b"PAR1")
        monkeypatch.setattr(pd, "read_parquet", absent)
        with pytest.raises(MissingPackageError, match="parquet"):
            load_table(tmp_path / "t.parquet", "nasbench201")

    def test_frames_of_pandas(self, space101):
        cells = pd.DataFrame({"matrix": [np.array(MATRIX)], "ops": [tuple(OPS)], "acc": [np.float32(1.5)]})
        before = cells.copy()
        assert load_table(cells, space101).frame.iloc[0].tolist() == [COMPACT, 1.5]
        pd.testing.assert_frame_equal(cells, before)
        with pytest.raises(TableError, match="the frame has no column of architectures"):
            load_table(pd.DataFrame({"acc": [1.0]}), space101)

    def test_json_as_pandas_writes_it(self, tmp_path):
        frame = pd.DataFrame({"arch": [A, B], "accuracy": [94.1, 90.0]})
        frame.to_json(tmp_path / "t.json")
        assert load_table(tmp_path / "t.json", "nasbench201").value(B) == 90.0

    @pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "json", "json.gz"])
    def test_json(self, tmp_path, ending):
        rows = [{"arch": A, "accuracy": 94.1}, {"arch": B, "accuracy": None}, {"arch": C, "accuracy": 50}]
        text = json.dumps(rows) if "jsonl" not in ending else "\n".join(map(json.dumps, rows)) + "\n\n"
        path = tmp_path / f"t.{ending}"
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
        loaded = load_table(path, "nasbench201")
        assert loaded.value(A) == 94.1 and loaded.value(B) is None and loaded.value(C) == 50
        assert loaded.problems.missing == {"accuracy": 1}

    def test_architectures_as_matrix_and_operations(self, tmp_path, space101):
        path = tmp_path / "t.json"
        path.write_text(json.dumps([{"matrix": MATRIX, "ops": OPS, "acc": 1.5}]))
        assert load_table(path, space101).frame.iloc[0].tolist() == [COMPACT, 1.5]
        path = tmp_path / "t.jsonl"
        path.write_text(json.dumps({"arch": {"matrix": MATRIX, "ops": OPS}, "acc": 2.5}))
        assert load_table(path, space101).frame.iloc[0].tolist() == [COMPACT, 2.5]

    def test_compact_columns_are_text(self, csv, space101):
        path = csv("index,n_vertices,adjacency,ops,cifar10_test\n0,2,1,,83.5\n1,4,33,02,90\n2,5,231,000,91\n")
        loaded = load_table(path, space101)
        assert loaded.frame["arch"].tolist()[:2] == ["2:1:", COMPACT]
        assert loaded.value("2:1:") == 83.5
        assert loaded.value(json.dumps({"matrix": MATRIX, "ops": OPS})) == 90
        assert loaded.metrics == ["cifar10_test"]

    def test_one_of_several_lists(self, tmp_path):
        path = tmp_path / "lists.json"
        content = {"one": [{"arch": A, "x": 1}], "two": [{"arch": B, "x": 2}], "note": "hello"}
        path.write_text(json.dumps(content))
        assert load_table(f"{path}#two", "nasbench201").frame["arch"].tolist() == [B]
        with pytest.raises(TableError, match="lists one, two; name one of them as lists.json#NAME"):
            load_table(path, "nasbench201")
        with pytest.raises(TableError, match="lists one, two"):
            load_table(f"{path}#three", "nasbench201")

    def test_a_part_of_a_format_without_parts(self, csv):
        path = csv(f"arch,x\n{A},1\n")
        with pytest.raises(TableError, match="#two"):
            load_table(f"{path}#two", "nasbench201")

    def test_architectures_by_their_numbers(self, csv):
        table = load_table(csv("index,pixel3\n5,1.5\n77,2.5\n"), "nasbench201")
        assert table.value(table.space.parse("77"), "pixel3") == 2.5
        with pytest.raises(TableError, match="5"):
            load_table(csv("index,pixel3\n5,1.5\n"), "nasbench101")

    @pytest.mark.parametrize(
        "name, content, words",
        [
            ("t.csv", b"", "No columns"),
            ("t.csv", b"arch,x\n", "no rows"),
            ("t.csv", b"cell,x\n1,2\n", "no column of architectures.*'cell', 'x'"),
            ("t.csv", b"\xff\xfe\x00arch", "CSV"),
            ("t.csv", b'arch,x\n"a', "CSV"),
            ("t.csv.gz", b"no gzip", "cannot read"),
            ("t.csv.gz", gzip.compress(b"arch,x\na,1\n" * 100, mtime=0)[:-20], "cannot read"),
            ("t.jsonl", b'{"arch": "a", "x": 1}\n{"arch": ', "line 2 of .* is not JSON"),
            ("t.jsonl", b'{"arch": "5", "x": 1, "x": 2}', "line 1 of .*the key 'x' is given twice"),
            ("t.json", b'{"5": {"x": 1}, "6": {"x": 2}, "5": {"x": 3}}', "the key '5' is given twice"),
            ("t.jsonl", b"[1]", "line 1 of .* must be a JSON object"),
            ("t.jsonl.gz", b"no gzip", "cannot read"),
            ("t.json", b"7", "list of JSON objects"),
            ("t.json", b"[7]", "entry 1 of .* must be a JSON object"),
            ("t.json", b"[]", "no rows"),
            ("t.xlsx", b"", "must end in one of .*csv"),
        ],
    )
    def test_unreadable_files(self, tmp_path, name, content, words):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(TableError, match=words) as caught:
            load_table(path, "nasbench201")
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)

    def test_missing_file(self, tmp_path):
        with pytest.raises(TableError, match="there is no table .*nowhere.csv"):
            load_table(tmp_path / "nowhere.csv", "nasbench201")


class TestRows:
    BAD = f"arch,acc\n{A},1\nrubbish,2\n{B},3\n{A},4\n|none~0|,5\n"

    def test_bad_rows_are_left_out_counted_and_named(self, csv):
        loaded = load_table(csv(self.BAD), "nasbench201")
        assert loaded.frame["acc"].tolist() == [1, 3]  # the first of the duplicates stays
        assert (loaded.problems.unparsable, loaded.problems.duplicates) == (2, 1)
        text = str(loaded.problems)
        for words in ("row 2: ", "'rubbish'", "row 4 repeats row 1", "row 5: "):
            assert words in text

    def test_only_the_first_few_are_named(self, csv):
        loaded = load_table(csv(f"arch,acc\n{A},1\n" + "rubbish,2\n" * 50), "nasbench201")
        assert loaded.problems.unparsable == 50 and len(loaded.problems.examples) == 3
        assert "and 47 more" in str(loaded.problems)

    def test_strict_stops(self, csv):
        with pytest.raises(TableError, match="2 do not parse and 1 are duplicates.*row 2"):
            load_table(csv(self.BAD), "nasbench201", strict=True)
        with pytest.raises(TableError, match="row 2 repeats row 1"):
            load_table(csv(f"arch,acc\n{A},1\n{A},1\n"), "nasbench201", strict=True)
        assert len(load_table(csv(f"arch,acc\n{A},1\n{B},\n"), "nasbench201", strict=True)) == 2

    def test_isomorphic_rows_are_no_duplicates(self, csv):
        loaded = load_table(csv(f"arch,acc\n{C},1\n{C_TWIN},2\n"), "nasbench201", strict=True)
        assert loaded.value(C) == 1 and loaded.value(C_TWIN) == 2

    def test_a_table_of_another_space(self, csv):
        with pytest.raises(TableError, match="no usable row for nasbench201.*'4:33:02'"):
            load_table(csv("arch,acc\n4:33:02,1\n"), "nasbench201")

    def test_large_tables_are_parsed_on_access(self, csv, monkeypatch):
        monkeypatch.setattr(table, "EAGER_ROWS", 4)
        loaded = load_table(csv(self.BAD), "nasbench201")
        assert not loaded.problems.parsed and len(loaded) == 4  # only the duplicate is gone
        drawn = loaded.sample(2, "acc", np.random.default_rng(0))
        assert sorted(drawn["acc"]) == [1, 3]
        with pytest.raises(TableError, match="cannot draw 3 architectures.* only 2"):
            loaded.sample(3, "acc", np.random.default_rng(0))
        with pytest.raises(TableError, match="2 do not parse"):
            load_table(csv(self.BAD), "nasbench201", strict=True)


class TestMetrics:
    HEADER = "arch,index,accuracy_std,accuracy,accuracy_seed0,params,flops_m,seconds,valid_e108,note"

    @pytest.fixture
    def loaded(self, csv):
        path = csv(f"{self.HEADER}\n{A},0,1,2,3,4,5,6,7,a\n{B},1,1,,inf,4,5,6,-inf,b\n")
        return load_table(path, "nasbench201")

    def test_what_counts_as_a_metric(self, loaded):
        assert loaded.metrics == ["accuracy", "valid_e108"]
        assert loaded.column("params").tolist() == [4, 4]  # by name only
        assert loaded.column("flops_m").tolist() == [5, 5]

    def test_not_finite_is_missing(self, loaded):
        assert loaded.problems.missing == {"accuracy": 1, "valid_e108": 1}
        assert np.isnan(loaded.column("valid_e108")[1])

    def test_unknown_metric_lists_what_there_is(self, loaded):
        with pytest.raises(TableError, match="'acuracy'; did you mean accuracy.*: accuracy, valid_e108"):
            loaded.column("acuracy")
        with pytest.raises(TableError, match="there are: accuracy, valid_e108"):
            loaded.value(A, "zzz")
        with pytest.raises(TableError, match="'note' .* is not numeric .*'a'"):
            loaded.column("note")

    def test_no_metric_at_all(self, csv):
        with pytest.raises(TableError, match="has no metric"):
            load_table(csv(f"arch,params,note\n{A},1,x\n"), "nasbench201")

    def test_the_spaces_own_metric_is_the_default(self, csv):
        loaded = load_table(csv(f"arch,zen,cifar10_test\n{A},1,2\n"), "nasbench201")
        assert loaded.default_metric == "cifar10_test"


class TestLookUp:
    @pytest.fixture
    def loaded(self, csv):
        return load_table(csv(f"arch,acc,other\n{A},90,\n{B},80,1\n{C},85,2\n"), "nasbench201")

    def test_by_text_and_by_architecture(self, loaded):
        assert loaded.value(A) == 90 and loaded.value(loaded.space.parse(B)) == 80
        assert loaded.value(f" {A}\n") == 90

    def test_by_canonical_form(self, loaded):
        assert loaded.value(C_TWIN) == 85
        assert loaded.value(loaded.space.parse(C_TWIN)) == 85

    def test_unknown_architecture_or_value_is_none(self, loaded):
        assert loaded.value(A, "other") is None
        assert loaded.value(A.replace("avg_pool_3x3", "nor_conv_3x3")) is None
        with pytest.raises(ArchitectureError):
            loaded.value("rubbish")

    def test_rank(self, loaded):
        assert [loaded.rank(value) for value in (95, 90, 87, 80, 1)] == [1, 1, 2, 3, 4]
        assert loaded.rank(1.5, "other") == 2

    def test_progress_of_the_index(self, loaded):
        calls = []
        loaded.index_canonical(lambda done, total: calls.append((done, total)))
        assert calls[-1] == (3, 3)

    def test_nasbench101_buckets(self, csv, space101, monkeypatch):
        """Isomorphic, and with an unused vertex, in a table too large for a canonical index."""
        monkeypatch.setattr(table, "EAGER_ROWS", 1)
        path = csv(f"arch,acc\n2:1:,1\n{COMPACT},2\n4:33:22,3\n")
        loaded = load_table(path, space101)
        assert loaded.value(COMPACT_TWIN) == 2
        dangling = [[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0] * 5, [0, 0, 0, 0, 1], [0] * 5]
        ops = ["input", "maxpool3x3", "conv3x3-bn-relu", "conv3x3-bn-relu", "output"]
        assert loaded.value(json.dumps({"matrix": dangling, "ops": ops})) == 2
        assert loaded._canonical is None  # nothing but buckets was hashed
        assert loaded.value("4:33:11") is None


class TestSample:
    @pytest.fixture
    def loaded(self, tmp_path):
        frame = pd.DataFrame({"arch": [str(i) for i in range(100)], "acc": np.arange(100.0)})
        frame.loc[::4, "acc"] = np.nan
        frame.to_csv(tmp_path / "t.csv", index=False)
        return load_table(tmp_path / "t.csv", "nasbench201")

    def test_without_replacement_known_only_reproducible(self, loaded):
        drawn = loaded.sample(75, "acc", np.random.default_rng(1))
        assert drawn["arch"].nunique() == 75 and drawn["acc"].notna().all()
        again = loaded.sample(75, None, np.random.default_rng(1))
        assert drawn.equals(again)
        assert loaded.sample(10, "acc", np.random.default_rng(1)).equals(drawn.iloc[:10])
        assert not loaded.sample(75, "acc", np.random.default_rng(2)).equals(drawn)

    def test_every_row_is_equally_likely(self, loaded):
        rng = np.random.default_rng(0)
        counts = pd.concat([loaded.sample(15, "acc", rng) for _ in range(1000)])["acc"].value_counts()
        assert len(counts) == 75
        assert ((counts - 200) ** 2 / 200).sum() < 130  # chi-squared, 74 degrees of freedom: p < 1e-4 beyond

    def test_more_than_there_are(self, loaded):
        with pytest.raises(TableError, match="cannot draw 76 architectures.* only 75"):
            loaded.sample(76, "acc", np.random.default_rng(0))
        with pytest.raises(TableError, match="at least 1"):
            loaded.sample(0, "acc", np.random.default_rng(0))


RECIPES = [
    {"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": op, "input": ["f"]}}
    for op in ("activation_tanh", "activation_sigm")
]


class TestOpenSpace:
    def test_without_a_file_it_is_the_registered_one(self):
        assert type(open_space("nasbench201")) is type(load_space("nasbench201"))
        assert open_space("nasbench201").source == "nasbench201"
        space = load_space("nasbench101")
        assert open_space(space) is space

    def test_records_of_nds(self, tmp_path):
        path = tmp_path / "nds.json"
        rng = np.random.default_rng(0)
        nets = [load_space("nds_resnet").sample(rng) for _ in range(3)]
        rows = [{"net": json.loads(str(net)), "min_test_top1": 7.5} for net in nets]
        path.write_text(json.dumps([*rows, {"net": "rubbish", "min_test_top1": 1}]))
        space = open_space(f"nds_resnet:{path}")
        assert space.source == f"nds_resnet:{path}" and space.name == "nds_resnet"
        assert {space.sample(rng) for _ in range(60)} == set(nets)
        assert space.mutate(nets[0], rng) in nets[1:]
        assert load_space("nds_resnet").origin == ""

    def test_training_logs_of_nasbench_nlp(self, tmp_path):
        """Runs that did not finish are no architectures of the benchmark."""
        path = tmp_path / "logs.jsonl"
        logs = [{"recipe": recipe, "status": "OK", "test_loss": 4.5} for recipe in RECIPES]
        logs[1]["status"] = "CRASHED"
        path.write_text("\n".join(map(json.dumps, logs)))
        space = open_space(f"nasbench_nlp:{path}")
        assert space.source == f"nasbench_nlp:{path}"
        drawn = {space.sample(np.random.default_rng(seed)) for seed in range(20)}
        assert drawn == {space.parse(json.dumps(RECIPES[0]))}
        assert load_space("nasbench_nlp").origin == ""

    def test_a_space_of_its_own_rules_is_refused_before_the_file_is_read(self, tmp_path):
        with pytest.raises(ArchitectureError, match="nasbench201 is sampled by its own rules; leave out ':"):
            open_space(f"nasbench201:{tmp_path / 'nowhere.csv'}")

    @pytest.mark.parametrize("name", ["nds_resnet", "nasbench_nlp"])
    def test_a_file_without_architectures(self, csv, name):
        path = csv(f"arch,acc\n{A},1\nrubbish,2\n")
        with pytest.raises(TableError, match=f"table.csv holds no architecture of {name}; the first of its rows: not "):
            open_space(f"{name}:{path}")

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(TableError, match="there is no table .*nowhere.jsonl"):
            open_space(f"nasbench_nlp:{tmp_path / 'nowhere.jsonl'}")

    def test_an_unknown_space(self):
        with pytest.raises(UnknownNameError, match="did you mean nasbench201"):
            open_space("nasbench21:file.csv")


class TestRegistries:
    @pytest.fixture
    def emptied(self, monkeypatch):
        """Without what the plugin may have registered."""
        monkeypatch.setattr(SCHEMES, "_entries", {})

    def test_a_source_that_is_no_file(self, emptied):
        asked = []

        @SCHEMES.register("memory")
        def read(rest, space_name):
            asked.append((rest, space_name))
            return pd.DataFrame({"arch": [A, B], "acc": [1.0, 2.0]})

        loaded = load_table("memory:one:two", "nasbench201")
        assert asked == [("one:two", "nasbench201")]
        assert loaded.name == "memory:one:two" and loaded.value(B) == 2 and loaded.note == ""

    def test_naslib_needs_the_plugin(self, emptied):
        with pytest.raises(TableError, match="naslib:cifar10 .*`import naslib_gennas.plugin.dataset_api` first"):
            load_table("naslib:cifar10", "nasbench201")

    def test_a_colon_in_the_name_of_a_file(self, csv, emptied):
        assert len(load_table(csv(f"arch,acc\n{A},1\n", "a:b.csv"), "nasbench201")) == 1
        with pytest.raises(TableError, match="there is no table elsewhere:b.csv"):
            load_table("elsewhere:b.csv", "nasbench201")

    def test_a_format_of_ones_own_the_longest_ending_counts(self, tmp_path, monkeypatch):
        monkeypatch.setattr(READERS, "_entries", dict(READERS._entries))

        @READERS.register(".mine.csv")
        def read(path, part, progress):
            return pd.DataFrame({"arch": [B], "acc": [len(path.read_text())]})

        for name in ("t.mine.csv", "T.MINE.CSV"):
            (tmp_path / name).write_text("12345")
            assert load_table(tmp_path / name, "nasbench201").value(B) == 5

    def test_a_table_made_in_memory_keeps_its_note(self, space101):
        frame = pd.DataFrame({"arch": [COMPACT], "acc": [1.0]})
        assert Table(frame, space101, note="made up").note == "made up" and Table(frame, space101).note == ""


class TestConvert:
    def test_round_trip(self, csv, tmp_path):
        source = csv(f"acc,arch\n90.123456,{A}\n,{B}\n")
        out = tmp_path / "small.csv.gz"
        assert convert_table(source, out) == 2
        first = out.read_bytes()
        loaded = load_table(out, "nasbench201")
        assert loaded.value(A) == 90.123456 and loaded.value(B) is None
        convert_table(source, out)  # an older table is replaced, by the same bytes
        assert out.read_bytes() == first
        assert sorted(path.name for path in tmp_path.iterdir()) == ["small.csv.gz", "table.csv"]

    def test_impossible_destinations(self, csv, tmp_path):
        source = csv(f"arch,acc\n{A},1\n")
        with pytest.raises(TableError, match=r"\.csv or \.csv\.gz"):
            convert_table(source, tmp_path / "t.parquet")
        with pytest.raises(TableError, match="no folder"):
            convert_table(source, tmp_path / "no" / "t.csv")
        with pytest.raises(TableError, match="both source and destination"):
            convert_table(source, source)
        assert load_table(source, "nasbench201").value(A) == 1


class TestNats:
    """Files built by the benchmark's own classes, its own averages as the reference."""

    SPLITS = {
        "cifar10-valid": ["x-valid", "ori-test"],
        "cifar10": ["ori-test"],
        "cifar100": ["x-valid", "x-test", "ori-test"],
        "ImageNet16-120": ["x-valid", "x-test", "ori-test"],
    }
    COLUMNS = {
        "cifar10_test": ("cifar10", "test-accuracy"),
        "cifar10_valid": ("cifar10-valid", "valid-accuracy"),
        "cifar100_test": ("cifar100", "test-accuracy"),
        "cifar100_valid": ("cifar100", "valid-accuracy"),
        "imagenet16_test": ("ImageNet16-120", "test-accuracy"),
        "imagenet16_valid": ("ImageNet16-120", "valid-accuracy"),
    }

    @classmethod
    def results(cls, index, arch, epochs, seeds, rng):
        api_utils = pytest.importorskip("nas_201_api.api_utils", reason="nas-bench-201 is not installed")
        torch = pytest.importorskip("torch")

        def curve(keys):
            return {key: 100 * rng.random() for key in keys}

        results = api_utils.ArchResults(index, arch)
        for dataset, splits in cls.SPLITS.items():
            for seed in seeds:
                params, flops = (0.5 + index, 20.0 + index) if dataset == "cifar10" else (9.0, 9.0)
                weights = {"stem.weight": torch.zeros(2, 3)}
                config = {"name": "infer.tiny", "channel": 16, "arch_str": arch}
                trial = api_utils.ResultsCount(
                    dataset, weights, {}, {}, params, flops, config, seed, epochs, [np.float64(0.1)]
                )
                trial.update_train_info(*(curve(range(epochs)) for _ in range(4)))
                for split in splits:
                    keys = [f"{split}@{epoch}" for epoch in range(epochs)]
                    accuracies = {key: np.float64(value) for key, value in curve(keys).items()}
                    trial.update_eval(accuracies, curve(keys), curve(keys))
                results.update(dataset, seed, trial)
        return results.state_dict()

    @pytest.fixture
    def content(self):
        rng = np.random.default_rng(0)
        infos = {}
        for index, arch in ((1, A), (0, B), (7, C)):
            infos[index] = {
                "full": self.results(index, arch, 20, [777, 888, 999][: 2 + index % 2], rng),
                "less": self.results(index, arch, 12, [777], rng),
            }
        return {"meta_archs": [B, A], "arch2infos": infos, "evaluated_indexes": [0, 1, 7]}

    def check(self, loaded, content):
        api_201 = pytest.importorskip("nas_201_api.api_201")
        api = api_201.NASBench201API(content, verbose=False)
        assert loaded.frame["index"].tolist() == [0, 1, 7] and loaded.frame["arch"].tolist() == [B, A, C]
        assert loaded.default_metric == "cifar10_test" and len(loaded.metrics) == 12
        for row in loaded.frame.itertuples():
            for column, (dataset, key) in self.COLUMNS.items():
                for suffix, hp in (("", "200"), ("_e12", "12")):
                    results = api.arch2infos_dict[row.index][hp]
                    split = {"valid": "x-valid", "test": "ori-test" if dataset == "cifar10" else "x-test"}
                    expected = results.get_metrics(dataset, split[key.split("-")[0]])["accuracy"]
                    assert getattr(row, column + suffix) == pytest.approx(expected)
        cost = api.arch2infos_dict[7]["200"].get_compute_costs("cifar10")
        assert loaded.column("params_m")[2] == cost["params"] == 7.5
        assert loaded.column("flops_m")[2] == cost["flops"] == 27

    @pytest.mark.parametrize("zipped", [False, True])
    def test_pth(self, content, tmp_path, zipped):
        import torch

        path = tmp_path / "NAS-Bench-201.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        calls = []
        self.check(load_table(path, "nasbench201", progress=lambda *c: calls.append(c)), content)
        assert len(calls) == 3 and all(0 < done <= total == path.stat().st_size for done, total in calls)

    def test_pickle_and_folder_of_nats_bench(self, content, tmp_path):
        names = {"full": "200", "less": "12"}
        infos = {
            index: {names[hp]: results for hp, results in info.items()} for index, info in content["arch2infos"].items()
        }
        path = tmp_path / "NATS-tss.pickle.pbz2"
        path.write_bytes(bz2.compress(pickle.dumps({**content, "arch2infos": infos}, protocol=4)))
        self.check(load_table(path, "nasbench201"), content)
        folder = tmp_path / "NATS-tss-simple"
        folder.mkdir()
        (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"meta_archs": [B, A]})))
        for index, info in infos.items():
            (folder / f"{index:06d}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(info, protocol=4)))
        self.check(load_table(folder, "nasbench201"), content)

    def test_files_of_nas_bench_suite_zero(self, shared):
        path = shared / "nbs_zero" / "zc_nasbench201.json.gz"
        loaded = load_table(f"{path}#cifar100", "nasbench201")
        plain = json.loads(gzip.decompress(path.read_bytes()))["nasbench201"]["cifar100"]
        assert len(loaded) == len(plain) and loaded.default_metric == "val_accuracy"
        for key, accuracy, synflow in zip(plain, loaded.column("val_accuracy"), loaded.frame["synflow"]):
            assert (accuracy, synflow) == (plain[key]["val_accuracy"], plain[key]["synflow"])
        first = next(iter(plain))
        assert loaded.frame["arch"][0] in (first, str(from_naslib("nasbench201", first)))
        with pytest.raises(TableError, match="data sets .*ImageNet16-120.*#NAME"):
            load_table(path, "nasbench201")

    def test_numbers_by_architecture(self, tmp_path):
        path = tmp_path / "macro.json"  # as NAS-Bench-Macro publishes its own
        rows = {
            "00000100": {"test_acc": [70.4, 70.3], "mean_acc": 70.35},
            "12222222": {"test_acc": [93], "mean_acc": 93},
        }
        path.write_text(json.dumps(rows))
        loaded = load_table(path, "nasbench_macro")
        assert loaded.frame["arch"].tolist() == list(rows) and loaded.default_metric == "mean_acc"
        assert loaded.column("mean_acc").tolist() == [70.35, 93]

    def test_size_space_of_nats_bench(self, tmp_path):
        rng, texts = np.random.default_rng(0), {0: "8:8:8:8:8", 9: "8:8:8:16:16"}
        infos = {
            index: {hp: self.results(index, text, epochs, [777], rng) for hp, epochs in (("01", 1), ("90", 20))}
            for index, text in texts.items()
        }
        path = tmp_path / "NATS-sss.pickle.pbz2"
        path.write_bytes(bz2.compress(pickle.dumps({"meta_archs": [], "arch2infos": infos}, protocol=4)))
        loaded = load_table(path, "nats_sss")
        assert [str(loaded.space.parse(str(index))) for index in loaded.frame["index"]] == list(texts.values())
        assert loaded.frame["arch"].tolist() == list(texts.values())
        assert loaded.default_metric == "cifar10_test" and {"cifar100_valid", "imagenet16_test_e1"} <= {*loaded.metrics}

    def test_converted(self, content, tmp_path):
        import torch

        torch.save(content, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
        assert convert_table(tmp_path / "b.pth", tmp_path / "b.csv.gz") == 3
        self.check(load_table(tmp_path / "b.csv.gz", "nasbench201"), content)

    def test_a_pickle_runs_no_code(self, tmp_path):
        class Attack:
            def __reduce__(self):
                return (open, (str(tmp_path / "written"), "w"))

        info = {"200": {"arch_str": A, "all_results": {}, "extra": Attack()}}
        path = tmp_path / "attack.pth"
        path.write_bytes(pickle.dumps({"arch2infos": {0: info}, "more": Attack()}))
        assert read_frame(path)["arch"].tolist() == [A]
        assert not (tmp_path / "written").exists()

    def test_damaged_files(self, content, tmp_path):
        import torch

        torch.save(content, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
        whole = (tmp_path / "b.pth").read_bytes()
        path = tmp_path / "cut.pth"
        for data, words in (
            (whole[: len(whole) // 2], "cannot be read as a NAS-Bench-201"),
            (b"rubbish", "cannot be read as a NAS-Bench-201"),
            (b"", "cannot be read as a NAS-Bench-201"),
            (pickle.dumps({"state_dict": {"weight": 1}}), "holds no architecture"),
            (pickle.dumps([1, 2]), "holds no architecture"),
        ):
            path.write_bytes(data)
            with pytest.raises(TableError, match=words):
                load_table(path, "nasbench201")
        torch.save(content, path, _use_new_zipfile_serialization=True)
        path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\xff\xff"))  # its directory
        with pytest.raises(TableError, match="cut.pth"):
            load_table(path, "nasbench201")
        cut = tmp_path / "cut.pickle.pbz2"
        cut.write_bytes(bz2.compress(whole)[:-100])
        with pytest.raises(TableError, match="cut.pickle.pbz2"):
            load_table(cut, "nasbench201")
        (tmp_path / "empty").mkdir()
        with pytest.raises(TableError, match="holds no architecture"):
            load_table(tmp_path / "empty", "nasbench201")


def varint(number):
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def metrics_message(params, evaluations):
    """ModelMetrics on the wire, written from the protocol buffer encoding's definition."""
    message = b""
    for valid, test in evaluations:
        fields = [(1, 108.0), (2, 1000.0), (3, 0.99), (4, valid), (5, test)]
        body = b"".join(varint(number << 3 | 1) + struct.pack("<d", value) for number, value in fields)
        message += varint(1 << 3 | 2) + varint(len(body)) + body
    return message + varint(2 << 3) + varint(params) + varint(3 << 3 | 1) + struct.pack("<d", 1234.5)


def tfrecords(records):
    """The TFRecord framing: length, masked CRC-32C of it, data, masked CRC-32C of it."""
    crc32c = pytest.importorskip("crc32c", reason="tfrecord is not installed").crc32c

    def masked(data):
        crc = crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    framed = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        framed += length + masked(length) + record + masked(record)
    return framed


class TestTFRecord:
    CELLS = {
        "hash-a": ("0110000100010000", OPS, 8_555_530),
        "hash-b": ("0100", ["input", "output"], 227_274),
    }
    RUNS = [  # hash, epochs, final validation and test accuracy
        ("hash-a", 108, 0.91, 0.90),
        ("hash-b", 4, 0.31, 0.30),
        ("hash-a", 108, 0.93, 0.95),
        ("hash-a", 4, 0.51, 0.50),
        ("hash-b", 108, 0.71, 0.70),
        ("hash-a", 108, 0.92, 0.91),
    ]

    @pytest.fixture
    def content(self):
        records = []
        for key, epochs, valid, test in self.RUNS:
            adjacency, ops, params = self.CELLS[key]
            raw = metrics_message(params, [(0.1, 0.1), (0.2, 0.2), (valid, test)])
            row = [key, epochs, adjacency, ",".join(ops), base64.b64encode(raw).decode()]
            records.append(json.dumps(row).encode())
        return tfrecords(records)

    def check(self, frame):
        assert frame["arch"].tolist() == [COMPACT, "2:1:"]
        assert frame["cifar10_test"].tolist() == pytest.approx([92, 70])
        assert frame["cifar10_valid"].tolist() == pytest.approx([92, 71])
        assert frame["cifar10_test_e4"].tolist() == pytest.approx([50, 30])
        assert frame["cifar10_valid_e4"].tolist() == pytest.approx([51, 31])
        assert frame["params_m"].tolist() == pytest.approx([8.55553, 0.227274])

    def test_official_layout(self, content, tmp_path, space101):
        path = tmp_path / "nasbench_full.tfrecord"
        path.write_bytes(content)
        calls = []
        loaded = load_table(path, space101, strict=True, progress=lambda *c: calls.append(c))
        self.check(loaded.frame)
        assert loaded.default_metric == "cifar10_test" and calls == [(len(content), len(content))]

    def test_converted(self, content, tmp_path):
        (tmp_path / "n.tfrecord").write_bytes(content)
        assert convert_table(tmp_path / "n.tfrecord", tmp_path / "n.csv") == 2
        self.check(read_frame(tmp_path / "n.csv"))

    def test_the_messages_agree_with_the_library_that_made_them(self):
        pytest.importorskip("google.protobuf")
        from naslib_gennas.readers.tfrecord import metrics_class

        message = metrics_class().FromString(metrics_message(300, [(0.25, 0.5)]))
        assert message.trainable_parameters == 300 and message.total_time == 1234.5
        assert message.evaluation_data[0].current_epoch == 108
        assert message.SerializeToString() == metrics_message(300, [(0.25, 0.5)])

    def test_damaged_files(self, content, tmp_path):
        path = tmp_path / "n.tfrecord"
        row = ["h", 108, "0100", "input,output", base64.b64encode(metrics_message(1, [(0, 0)])).decode()]
        unknown = ["h", 108, "010001000", "input,conv5x5,output", row[-1]]
        for data, words in (
            (content[:-30], "breaks off after record 5"),
            (b"", "not a TFRecord file"),
            (b"arch,cifar10_test\n2:1:,83\n", "not a TFRecord file"),
            (tfrecords([b"rubbish"]), "record 1 of .* is not one of NAS-Bench-101"),
            (tfrecords([b"[1, 2]"]), "record 1 of .* is not one of NAS-Bench-101"),
            (tfrecords([json.dumps(row).encode()]), "record 1 of .* is not one of NAS-Bench-101"),
            (content + tfrecords([json.dumps(unknown).encode()]), "record 7 of .*NAS-Bench-101"),
        ):
            path.write_bytes(data)
            with pytest.raises(TableError, match=words):
                read_frame(path)

    def test_without_the_package(self, content, tmp_path, monkeypatch):
        (tmp_path / "n.tfrecord").write_bytes(content)
        monkeypatch.setitem(__import__("sys").modules, "tfrecord.reader", None)
        with pytest.raises(MissingPackageError, match="pip install 'naslib_gennas"):
            read_frame(tmp_path / "n.tfrecord")

    def test_nasbench_object(self, space101):
        """An object that answers as the documentation of ``nasbench.api`` says."""
        cells, runs = self.CELLS, self.RUNS

        class Api:
            def hash_iterator(self):
                return cells.keys()

            def get_metrics_from_hash(self, key):
                adjacency, ops, params = cells[key]
                matrix = np.array(list(adjacency), dtype=np.int8).reshape(len(ops), len(ops))
                fixed = {"module_adjacency": matrix, "module_operations": ops, "trainable_parameters": params}
                computed = {}
                for name, epochs, valid, test in runs:
                    if name == key:
                        run = {"final_validation_accuracy": valid, "final_test_accuracy": test}
                        computed.setdefault(epochs, []).append(run)
                return fixed, computed

        self.check(table_from_nasbench(Api()).frame)


def test_signatures_are_equal_for_isomorphic_cells_only_as_far_as_they_can_tell():
    same = signatures([COMPACT, COMPACT_TWIN, "4:33:12", "4:35:02", "2:1:", "rubbish", "4:33:012"])
    assert same[0] == same[1]
    assert len(set(same[1:5].tolist())) == 4
    assert same[5] == same[6] == -1


class TestSharedTables:
    def test_nasbench201(self, shared):
        loaded = load_table(shared / "nasbench201.csv.gz", "nasbench201", strict=True)
        assert len(loaded) == 15_625 and not loaded.problems and loaded.default_metric == "cifar10_test"
        assert loaded.column("cifar10_test").max() == 94.3733
        assert loaded.value(A) == 93.66 and loaded.rank(94.3733) == 1
        assert loaded.frame["ops"][0] == "421211"

    def test_nasbench101(self, shared, space101):
        start = time.perf_counter()
        loaded = load_table(shared / "nasbench101.csv.gz", space101)
        assert time.perf_counter() - start < 6
        assert len(loaded) == 423_624 and loaded.metrics == ["cifar10_test"]
        assert loaded.column().max() == 94.3176
        for row in loaded.sample(50, None, np.random.default_rng(0)).itertuples():
            cell = space101.parse(row.arch)
            assert loaded.value(cell) == row.cifar10_test

    def test_the_lists_of_the_paper_are_found_by_isomorphism(self, shared, space101):
        """Their matrices are the benchmark's own, the table's relabelled; ``index`` was joined by hash."""
        loaded = load_table(shared / "nasbench101.csv.gz", space101)
        lists = load_table(f"{shared}/nasbench101_gennas_sets.json.gz#test_2500", space101, strict=True)
        assert len(lists) == 2500 and lists.metrics[0] == "cifar10_test_single_run"
        drawn = lists.sample(100, None, np.random.default_rng(0))
        positions = [loaded.find(text) for text in drawn["arch"]]
        assert positions == drawn["index"].tolist()
        assert loaded._canonical is None

    def test_scores_by_the_numbers_of_architectures(self, shared):
        loaded = load_table(shared / "zerocost_nasbench201.csv.gz", "nasbench201")
        by_number = pd.read_csv(shared / "zerocost_nasbench201.csv.gz", index_col="index")["zen_cifar10"]
        arch = loaded.space.parse("11175")
        assert len(loaded.frame) == len(by_number) and loaded.value(arch, "zen_cifar10") == by_number[11175]


class TestWhatWouldBeSilentlyWrong:
    """Files that are read without complaint elsewhere, to other numbers than are written there."""

    def table(self, tmp_path, text, name="mine.csv", **options):
        path = tmp_path / name
        path.write_bytes(text.encode(options.pop("encoding", "utf-8")))
        return load_table(path, "nasbench201", **options)

    def test_a_field_too_many_is_not_another_column(self, tmp_path):
        with pytest.raises(TableError, match="line 2 of .* has more fields"):
            self.table(tmp_path, "arch,accuracy\n5,90.0,1\n7,91.0,2\n")
        with pytest.raises(TableError, match="line 3"):
            self.table(tmp_path, "arch,accuracy\n5,90.0\n7,91.0,2\n")

    @pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl", "mine.json"])
    def test_a_byte_order_mark_is_no_part_of_a_name(self, tmp_path, name):
        text = {
            "mine.csv": "arch,accuracy\n5,90.5\n",
            "mine.jsonl": '{"arch": "5", "accuracy": 90.5}\n',
            "mine.json": '[{"arch": "5", "accuracy": 90.5}]',
        }[name]
        assert self.table(tmp_path, text, name, encoding="utf-8-sig").value("5") == 90.5

    def test_percent_signs_are_numbers(self, tmp_path):
        table = self.table(tmp_path, "arch,accuracy,other\n5,94.2 %,1\n7,90%,2\n9,,3\n")
        assert table.default_metric == "accuracy"
        assert (table.value("5"), table.value("7"), table.value("9")) == (94.2, 90.0, None)

    def test_a_word_among_numbers_is_named(self, tmp_path):
        with pytest.raises(TableError, match="accuracy is 'n/d' in row 2"):
            self.table(tmp_path, "arch,accuracy,other\n5,94.2,1\n7,n/d,2\n9,93.0,3\n")
        assert self.table(tmp_path, "arch,accuracy,remark\n5,94.2,good\n7,93.0,1\n9,93.0,bad\n").metrics == ["accuracy"]

    @pytest.mark.parametrize("name", ["test_error", "loss", "valid_loss_e12", "perplexity", "ppl", "test_err"])
    def test_lower_is_better_is_no_metric(self, tmp_path, name):
        table = self.table(tmp_path, f"arch,{name}\n5,0.1\n7,0.3\n")
        assert table.metrics == [f"minus_{name}"] and table.value("7") == -0.3
        assert table.rank(table.value("5")) == 1
        with pytest.raises(TableError, match=f"lower is better.*minus_{name}"):
            table.column(name)

    def test_other_names_are_metrics_as_they_are(self, tmp_path):
        text = "arch,accuracy,terror,glossy,minus_loss\n5,1,1,1,1\n7,2,2,2,2\n"
        assert self.table(tmp_path, text).metrics == ["accuracy", "terror", "glossy", "minus_loss"]
