"""NASLib's dataset APIs from tables, and tables from NASLib's data."""

from __future__ import annotations

import json
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from naslib_gennas import load_space, load_table
from naslib_gennas.errors import MissingPackageError, TableError, UnknownNameError
from naslib_gennas.plugin import dataset_api, loading, locate
from naslib_gennas.plugin.dataset_api import from_table, metric_of, to_frame
from naslib_gennas.spaces.pasted import to_naslib
from naslib_gennas.tables import Table

CONV = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_3x3~1|avg_pool_3x3~2|"
MIRRORED = "|nor_conv_1x1~0|+|nor_conv_1x1~0|none~1|+|nor_conv_1x1~0|nor_conv_3x3~1|avg_pool_3x3~2|"  # isomorphic
POOL = "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
ABSENT = "|skip_connect~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
CELLS = ("5:397:000", "7:134255:02001")  # the second is the benchmark's first
CHAIN = "3:5:2"


@pytest.fixture
def table201():
    rows = {
        "arch": [CONV, POOL, ABSENT],
        "cifar10_test": [91.0, 82.0, math.nan],
        "cifar10_valid": [90.5, 81.5, math.nan],
        "imagenet16_test": [40.0, 30.0, 20.0],
    }
    return Table(pd.DataFrame(rows), load_space("nasbench201"), name="three")


@pytest.fixture
def table101():
    rows = {"arch": list(CELLS), "valid_e108": [93.5, 92.25], "cifar10_test": [93.0, 92.0]}
    return Table(pd.DataFrame(rows), load_space("nasbench101"), name="two")


# --- without NASLib


def test_column_of_a_data_set(table201):
    found = [metric_of(table201, name) for name in ("cifar10", "ImageNet16-120", "ninapro")]
    assert found == ["cifar10_valid", "imagenet16_test", "cifar10_test"]


def test_entries_of_nasbench201(table201):
    data = from_table(table201, "cifar10")["nb201_data"]
    assert data[CONV]["cifar10-valid"]["eval_acc1es"][-1] == 90.5
    assert data[MIRRORED]["cifar10-valid"]["eval_acc1es"][-1] == 90.5
    assert math.isnan(data[CONV]["cifar10-valid"]["cost_info"]["train_time"])
    assert math.isnan(data[CONV]["cifar10-valid"]["train_acc1es"][-1])
    assert list(data) == [CONV, POOL] and len(data) == 2 and CONV in data and ABSENT not in data
    other = from_table(table201, "ImageNet16-120")["nb201_data"]
    assert other[ABSENT]["ImageNet16-120"]["eval_acc1es"][-1] == 20.0
    chosen = from_table(table201, "cifar10", "imagenet16_test")["nb201_data"]
    assert chosen[CONV]["cifar10-valid"]["eval_acc1es"][-1] == 40.0


def test_what_a_table_does_not_know(table201):
    data = from_table(table201)["nb201_data"]
    with pytest.raises(TableError, match="three has no cifar10_valid of .*give a larger one"):
        data[ABSENT]
    for epoch in (5, slice(None, 5)):
        with pytest.raises(TableError, match="three has final values only"):
            data[CONV]["cifar10-valid"]["eval_acc1es"][epoch]
    with pytest.raises(TableError, match="cifar10_valid"):
        from_table(table201, metric="cifar10_vaild")
    with pytest.raises(UnknownNameError, match="nasbench201"):
        space = load_space("nasbench_macro")
        from_table(Table(pd.DataFrame({"arch": [space.example], "accuracy": [94.0]}), space))


def test_of_nasbench301():
    space = load_space("nasbench301")
    arch, other = space.parse(space.example), space.sample(np.random.default_rng(0))
    table = Table(pd.DataFrame({"arch": [str(arch)], "cifar10_valid": [94.0]}), space)
    api = from_table(table)
    [compact] = api["nb301_arches"]
    assert compact == to_naslib("nasbench301", arch)
    assert api["nb301_data"][compact]["val_accuracies"][-1] == 94.0 and len(api["nb301_data"]) == 1
    accuracy, seconds = api["nb301_model"]
    assert accuracy.predict(str(arch), representation="genotype") == 94.0 and math.isnan(seconds.predict(str(arch)))
    with pytest.raises(TableError, match="give a larger one"):
        accuracy.predict(str(other))
    assert math.isnan(from_table(table, partial=True)["nb301_model"][0].predict(str(other)))


@pytest.mark.parametrize("name", ["transnas101_micro", "transnas101_macro"])
def test_of_transnas(name):
    space = load_space(name)
    table = Table(pd.DataFrame({"arch": [space.example], "jigsaw": [90.0], "normal": [0.5]}), space)
    for task, quantity, value in (("jigsaw", "valid_top1", 90.0), ("normal", "valid_ssim", 0.5)):
        api = from_table(table, task)
        assert api["task"] == task
        assert api["api"].get_single_metric(str(space.example), task, quantity, mode="final") == value
        assert math.isnan(api["api"].get_single_metric(str(space.example), task, "train_loss"))


def standing_for_naslib(monkeypatch, get_dataset_api):
    monkeypatch.setattr(dataset_api, "load", lambda: {"get_dataset_api": get_dataset_api})


def test_table_from_naslib_201(monkeypatch):
    stored = {
        CONV: {"cifar10-valid": {"eval_acc1es": [10.0, 50.0, 90.0]}},
        POOL: {"cifar10-valid": {"eval_acc1es": [10.0, 20.0, 80.0]}},
    }
    standing_for_naslib(monkeypatch, lambda space, dataset: {"nb201_data": stored})
    table = load_table("naslib:cifar10", "nasbench201")
    assert table.name == "naslib:cifar10" and table.metrics == ["cifar10_valid"]
    assert table.value(CONV) == table.value(MIRRORED) == 90.0 and table.value(POOL) == 80.0


def test_table_from_naslib_101(monkeypatch):
    class Stored:
        """As NASLib's: two runs of one cell."""

        def hash_iterator(self):
            return iter(["cafe"])

        def get_metrics_from_hash(self, module_hash):
            matrix = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.int8)
            fixed = {"module_adjacency": matrix, "module_operations": ["input", "maxpool3x3", "output"]}
            runs = [{"final_validation_accuracy": 0.9, "final_test_accuracy": 0.8 + extra} for extra in (0.0, 0.1)]
            return fixed, {108: runs}

    standing_for_naslib(monkeypatch, lambda space, dataset: {"api": None, "nb101_data": Stored()})
    frame = to_frame("nasbench101")
    assert frame["arch"].tolist() == [CHAIN]
    assert frame["cifar10_valid"][0] == pytest.approx(90) and frame["cifar10_test"][0] == pytest.approx(85)


def test_naslib_without_its_files(monkeypatch):
    def missing(space, dataset):
        raise AssertionError("Could not find x.pickle.\nPlease download")

    standing_for_naslib(monkeypatch, missing)
    with pytest.raises(TableError, match="no data of nasbench201 on cifar10: Could not find x.pickle") as caught:
        load_table("naslib:cifar10", "nasbench201")
    assert "\n" not in str(caught.value)
    with pytest.raises(UnknownNameError, match="nasbench"):
        load_table("naslib:cifar10", "nasbench301")


def test_no_naslib_at_all(monkeypatch):
    monkeypatch.setattr(loading, "_loaded", None)
    monkeypatch.setattr(locate, "_importable_root", lambda: None)
    monkeypatch.delenv(locate.HOME, raising=False)
    with pytest.raises(MissingPackageError, match="NASLIB_HOME"):
        load_table("naslib:cifar10", "nasbench201")


# --- with it


@pytest.fixture(scope="module")
def naslib(naslib_home):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return loading.load(naslib_home)


def specification(naslib, space: str, text: str):
    graph = naslib["get_search_space"](space, "cifar10")
    graph.instantiate_model = space == "nasbench201"  # which one branch needs to answer
    graph.set_spec(to_naslib(space, text))
    return graph


@pytest.mark.naslib
def test_naslib_reads_nasbench201(naslib, table201):
    metric = naslib["Metric"]
    graph = specification(naslib, "nasbench201", MIRRORED)
    for dataset, expected in (("cifar10", 90.5), ("ImageNet16-120", 40.0)):
        api = from_table(table201, dataset)
        assert graph.query(metric.VAL_ACCURACY, dataset, dataset_api=api) == expected
        assert graph.query(metric.TEST_ACCURACY, dataset, dataset_api=api) == expected
        assert math.isnan(graph.query(metric.TRAIN_TIME, dataset, dataset_api=api))
    with pytest.raises(TableError, match="no cifar10_valid"):
        graph = specification(naslib, "nasbench201", ABSENT)
        graph.query(metric.VAL_ACCURACY, "cifar10", dataset_api=from_table(table201))


@pytest.mark.naslib
def test_naslib_reads_nasbench101(naslib, table101):
    metric, api = naslib["Metric"], from_table(table101, "cifar10", "valid_e108")
    for text, valid, test in zip(CELLS, (93.5, 92.25), (93.0, 92.0)):
        graph = specification(naslib, "nasbench101", text)
        assert graph.query(metric.VAL_ACCURACY, "cifar10", dataset_api=api) == pytest.approx(valid)
        assert graph.query(metric.TEST_ACCURACY, "cifar10", dataset_api=api) == pytest.approx(test)
        with pytest.raises(TableError, match="epoch 36"):
            api["nb101_data"].query(api["api"].ModelSpec(**graph.spec), epochs=36)
    absent = specification(naslib, "nasbench101", CHAIN)
    with pytest.raises(TableError, match="two has no valid_e108 of 7?.*"):
        absent.query(metric.VAL_ACCURACY, "cifar10", dataset_api=api)
    np.random.seed(0)
    graph.sample_random_architecture(dataset_api=api)  # asks which cells are valid


@pytest.mark.naslib
def test_nasbench101_by_hash_and_back(naslib, table101):
    api = from_table(table101, "cifar10", "valid_e108")
    first = next(iter(api["nb101_data"].hash_iterator()))
    graph = naslib["NasBench101SearchSpace"]()
    graph.instantiate_model = False
    graph.set_spec(first, api)
    assert graph.query(naslib["Metric"].VAL_ACCURACY, "cifar10", dataset_api=api) == pytest.approx(93.5)
    rows = pd.DataFrame(dataset_api.FRAMES["nasbench101"](api, "cifar10"))
    assert rows["arch"].tolist() == list(CELLS)
    assert rows["cifar10_valid"].tolist() == pytest.approx([93.5, 92.25])


@pytest.mark.naslib
def test_a_file_where_naslib_looks_for_it(naslib, monkeypatch, tmp_path):
    stored = {CONV: {"cifar10-valid": {"eval_acc1es": [50.0, 90.0]}}}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nb201_cifar10_full_training.pickle").write_bytes(pickle.dumps(stored))
    monkeypatch.setitem(naslib["get_dataset_api"].__globals__, "get_project_root", lambda: tmp_path)
    assert load_table("naslib:cifar10", "nasbench201").value(MIRRORED) == 90.0
    with pytest.raises(TableError, match="on cifar100: Could not find"):
        load_table("naslib:cifar100", "nasbench201")


def test_examples_are_what_they_say():
    space = load_space("nasbench201")
    assert space.canonical(space.parse(CONV)) == space.canonical(space.parse(MIRRORED))
    cell = json.loads(load_space("nasbench101").parse(CHAIN).to_json())
    assert cell["ops"] == ["input", "maxpool3x3", "output"]
