"""NASLib's dataset APIs and our tables of ground truth, each made from the other, in memory."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Union

import numpy as np
import pandas as pd

from ..errors import TableError
from ..readers import SCHEMES
from ..registry import Registry
from ..spaces.base import SearchSpace, load_space
from ..spaces.pasted import from_naslib, to_naslib
from ..tables import Table
from .loading import load
from .specifications import DatasetAPI, nasbench101_rules

COLUMNS = {"ImageNet16-120": "imagenet16"}  # data set -> how tables call it; by its own name elsewhere
KEYS_201 = {"cifar10": "cifar10-valid"}  # data set -> NASLib's key in an entry; its own name elsewhere
LAST_EPOCH_101 = 108

Row = dict[str, Union[str, float]]  # arch, and accuracies in per cent


@dataclass(frozen=True)
class Truth:
    """A column of a table; what it lacks is NaN if ``partial``, else a TableError."""

    table: Table
    metric: str
    partial: bool = False

    def value(self, arch: Any) -> float:
        """Of an architecture or its text."""
        value = self.table.value(arch, self.metric)
        if value is None and not self.partial:
            raise TableError(
                f"the table {self.table.name} has no {self.metric} of {arch}, which NASLib asks for; give a larger one"
            )
        return math.nan if value is None else value

    def texts(self) -> Iterator[str]:
        """Of the architectures that have one."""
        return iter(self.table.frame["arch"][self.table.column(self.metric).notna()])

    def __len__(self) -> int:
        return int(self.table.column(self.metric).notna().sum())


APIS: Registry[Callable[[Truth, str], DatasetAPI]] = Registry("search space with a dataset API from a table")
"""Space -> function of (ground truth, data set) that makes what NASLib's ``get_dataset_api`` returns."""

FRAMES: Registry[Callable[[DatasetAPI, str], list[Row]]] = Registry("search space with NASLib data")
"""Space -> function of (dataset API, data set) that lists its architectures as rows of a table."""


def from_table(table: Table, dataset: str = "cifar10", metric: str | None = None, partial: bool = False) -> DatasetAPI:
    """What NASLib's ``get_dataset_api`` would return if it had the data of ``table``.

    Only the final accuracies are known: ``metric`` stands for the validation accuracy [default:
    :func:`metric_of`]; times, losses and training accuracies are NaN. Architectures are found by text, then by
    canonical form; one that is not there is NaN if ``partial``. Raises UnknownNameError for a space without dataset
    API, TableError for an unknown metric and, when NASLib asks, for an architecture that is not in the table or an
    epoch before the last.

    >>> from naslib_gennas import load_table
    >>> table = load_table("analog-nasbench", "nasbench201")
    >>> entry = from_table(table)["nb201_data"][table.frame["arch"][0]]
    >>> entry["cifar10-valid"]["eval_acc1es"][-1] == table.value(table.frame["arch"][0])
    True
    """
    metric = metric or metric_of(table, dataset)
    table.column(metric)
    return APIS[table.space.name](Truth(table, metric, partial), dataset)


def metric_of(table: Table, dataset: str) -> str:
    """The column of validation accuracies on ``dataset``, else of test accuracies, else its own, else the default."""
    stem = COLUMNS.get(dataset, dataset)
    names = (f"{stem}_valid", f"{stem}_test", stem)
    return next((name for name in names if name in table.metrics), table.default_metric)


def to_frame(space_name: str, dataset: str = "cifar10") -> pd.DataFrame:
    """What NASLib's own files say about a space on a data set: ``arch`` (text) and accuracies in per cent.

    Raises TableError if NASLib does not find its files, UnknownNameError for a space that is not understood,
    MissingPackageError without NASLib.
    """
    rows, get_dataset_api = FRAMES[space_name], load()["get_dataset_api"]
    try:
        api = get_dataset_api(space_name, dataset)
    except (AssertionError, OSError, ImportError, KeyError) as error:
        raise TableError(
            f"NASLib has no data of {space_name} on {dataset}: {_first_line(error)}; name a file instead"
        ) from error
    return pd.DataFrame(rows(api, dataset))


@SCHEMES.register("naslib")
def naslib_source(dataset: str, space_name: str) -> pd.DataFrame:
    """``naslib:DATASET`` as a source of :func:`naslib_gennas.tables.load_table`; raises what :func:`to_frame` does."""
    return to_frame(space_name, dataset)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class _Final:
    """A learning curve of which only the end is known."""

    def __init__(self, value: float, table: str):
        self.value = value
        self.table = table

    def __getitem__(self, epoch: Any) -> float:
        if epoch != -1:
            raise TableError(f"the table {self.table} has final values only; NASLib asks for epoch {epoch}")
        return self.value


# --- NAS-Bench-201: {"nb201_data": {text: {data set: {quantity: learning curve}}}}, accuracies in per cent

UNKNOWN_CURVES_201 = ("train_acc1es", "train_losses", "eval_losses", "train_times", "eval_times")
UNKNOWN_COSTS_201 = ("train_time", "flops", "params", "latency")
Entry = dict[str, dict[str, object]]  # data set -> quantity -> what can be indexed like NASLib's


class _Entries201(Mapping[str, Entry]):
    def __init__(self, truth: Truth, dataset: str):
        self.truth = truth
        self.key = KEYS_201.get(dataset, dataset)

    def __getitem__(self, text: str) -> Entry:
        accuracy = _Final(self.truth.value(text), self.truth.table.name)
        unknown = _Final(math.nan, self.truth.table.name)
        costs = dict.fromkeys(UNKNOWN_COSTS_201, math.nan)
        curves = dict.fromkeys(UNKNOWN_CURVES_201, unknown)
        return {self.key: {**curves, "eval_acc1es": accuracy, "cost_info": costs}}

    def __contains__(self, text: object) -> bool:
        return self.truth.table.value(text, self.truth.metric) is not None

    def __iter__(self) -> Iterator[str]:
        return self.truth.texts()

    def __len__(self) -> int:
        return len(self.truth)


@APIS.register("nasbench201")
def _api_201(truth: Truth, dataset: str) -> DatasetAPI:
    return {"nb201_data": _Entries201(truth, dataset)}


@FRAMES.register("nasbench201")
def _rows_201(api: DatasetAPI, dataset: str) -> list[Row]:
    key, column = KEYS_201.get(dataset, dataset), f"{COLUMNS.get(dataset, dataset)}_valid"
    data = api["nb201_data"]
    return [{"arch": text, column: float(data[text][key]["eval_acc1es"][-1])} for text in data]


# --- NAS-Bench-101: {"api": module, "nb101_data": object with query(ModelSpec)}, accuracies as fractions

SPLITS_101 = {"validation": "cifar10_valid", "test": "cifar10_test"}  # the benchmark's name -> the table's
FIXED_101 = ("module_adjacency", "module_operations", "trainable_parameters")  # of a cell, whatever the run
Data = dict[str, Any]  # quantity -> value, as in the benchmark's file

if TYPE_CHECKING:

    class _Reader101:
        """What is used of NASLib's class."""

        def _check_spec(self, model_spec: Any) -> None: ...
else:
    _Reader101 = object


class _Table101(_Reader101):
    """Goes in front of NASLib's class, whose data are a table then; which cells are valid stays its own business."""

    def __init__(self, truth: Truth, rules: Any):  # the original reads a file
        self._truth, self._table, self.config = truth, truth.table, rules

    def query(self, model_spec: Any, epochs: int = LAST_EPOCH_101, stop_halfway: bool = False) -> Data:
        if epochs != LAST_EPOCH_101:
            raise TableError(f"the table {self._table.name} has final values only; NASLib asks for epoch {epochs}")
        self._check_spec(model_spec)
        names = list(model_spec.original_ops)
        text = json.dumps({"matrix": np.asarray(model_spec.original_matrix).tolist(), "ops": names})
        return self._data(self._table.space.parse(text))

    def hash_iterator(self) -> Iterable[str]:
        return self._table.index_canonical().keys()

    def get_metrics_from_hash(self, module_hash: str) -> tuple[Data, dict[int, list[Data]]]:
        row = self._table.index_canonical()[module_hash]
        data = self._data(self._table.space.parse(self._table.frame["arch"].iloc[row]))
        final = {f"final_{key}": value for key, value in data.items() if key not in FIXED_101}
        return {key: data[key] for key in FIXED_101}, {LAST_EPOCH_101: [final]}

    def _data(self, arch: Any) -> Data:
        cell = json.loads(arch.to_json())
        tested = self._table.value(arch, "cifar10_test") if "cifar10_test" in self._table.metrics else None
        return {
            "module_adjacency": np.array(cell["matrix"]),
            "module_operations": cell["ops"],
            "trainable_parameters": math.nan,
            "training_time": math.nan,
            "train_accuracy": math.nan,
            "validation_accuracy": self._truth.value(arch) / 100,
            "test_accuracy": math.nan if tested is None else tested / 100,
        }


@APIS.register("nasbench101")
def _api_101(truth: Truth, dataset: str) -> DatasetAPI:
    empty = nasbench101_rules(load())
    kind: Any = type("NASBench", (_Table101, empty["api"].NASBench), {})
    return {"api": empty["api"], "nb101_data": kind(truth, empty["nb101_data"].config)}


@FRAMES.register("nasbench101")
def _rows_101(api: DatasetAPI, dataset: str) -> list[Row]:
    data, space = api["nb101_data"], load_space("nasbench101")
    return [_row_101(space, *data.get_metrics_from_hash(module_hash)) for module_hash in data.hash_iterator()]


def _row_101(space: SearchSpace, fixed: Data, computed: Mapping[int, list[Data]]) -> Row:
    cell = {"matrix": np.asarray(fixed["module_adjacency"]).tolist(), "ops": list(fixed["module_operations"])}
    runs = computed[LAST_EPOCH_101]
    means = {name: 100 * float(np.mean([run[f"final_{name}_accuracy"] for run in runs])) for name in SPLITS_101}
    return {"arch": str(space.parse(json.dumps(cell))), **{SPLITS_101[name]: mean for name, mean in means.items()}}


# --- NAS-Bench-301: {"nb301_model": surrogates of accuracy and time, "nb301_arches", "nb301_data": what was trained}


class _Surrogate301:
    """In the place of NAS-Bench-301's surrogate of accuracies: the table."""

    def __init__(self, truth: Truth):
        self.truth = truth

    def predict(self, config: Any, representation: str = "genotype", **unused: Any) -> float:
        return self.truth.value(self.truth.table.space.parse(str(config)))


class _Unknown301:
    """In the place of its surrogate of times."""

    def predict(self, *args: Any, **kwargs: Any) -> float:
        return math.nan


class _Trained301(Mapping[Any, dict[str, object]]):
    """NASLib's compact form -> a time and learning curves, of which the end is known."""

    def __init__(self, truth: Truth):
        self.truth = truth

    def __getitem__(self, compact: Any) -> dict[str, object]:
        table = self.truth.table
        accuracy = _Final(self.truth.value(from_naslib(table.space.name, compact)), table.name)
        return {"train_losses": _Final(math.nan, table.name), "runtime": math.nan, "val_accuracies": accuracy}

    def __iter__(self) -> Iterator[Any]:
        space = self.truth.table.space
        return (to_naslib(space.name, space.parse(text)) for text in self.truth.texts())

    def __len__(self) -> int:
        return len(self.truth)


@APIS.register("nasbench301")
def _api_301(truth: Truth, dataset: str) -> DatasetAPI:
    trained = _Trained301(truth)
    return {
        "nb301_model": [_Surrogate301(truth), _Unknown301()],
        "nb301_arches": list(trained),
        "nb301_data": trained,
    }


# --- TransNAS-Bench-101: {"api": object with get_single_metric(text, task, quantity, mode), "task"}

VALIDATION = ("valid_top1", "valid_acc", "valid_ssim", "valid_neg_loss")  # what stands for an accuracy, by task


class _TransNAS:
    def __init__(self, truth: Truth):
        self.truth = truth

    def get_single_metric(self, arch: str, task: str, quantity: str, mode: str = "final") -> float:
        return self.truth.value(arch) if quantity in VALIDATION else math.nan

    def get_arch_result(self, arch: str) -> _TransNAS:
        return self

    def query_all_results(self) -> Mapping[str, dict[str, object]]:
        """Curves and costs, of which nothing is known."""
        return defaultdict(dict)


@APIS.register("transnas101_micro")
@APIS.register("transnas101_macro")
def _api_transnas(truth: Truth, dataset: str) -> DatasetAPI:
    return {"api": _TransNAS(truth), "task": dataset}
