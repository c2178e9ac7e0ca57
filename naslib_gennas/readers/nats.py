"""NAS-Bench-201's .pth and NATS-Bench's .pickle.pbz2 files, read as a stream.

Their Python API needs up to 28 GB, because the files hold the curves of every training run as dictionaries.
Here the pickle is walked through once, every dictionary is cut down as soon as it is complete, and of each
architecture only a row of final accuracies stays. No class named in a file is ever imported or called.

Layout (https://github.com/D-X-Y/NAS-Bench-201, https://github.com/D-X-Y/NATS-Bench): ``arch2infos`` maps the
number of an architecture to its results per schedule; results hold ``arch_str`` and, per (dataset, seed), a
trial with ``eval_acc1es["<set>@<epoch>"]``, ``params`` and ``flop`` (both in millions).
"""

from __future__ import annotations

import bz2
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar, Optional, TypedDict, Union

import numpy as np
import pandas as pd

from ..errors import TableError
from .pickles import BoundedUnpickler
from .registry import FOLDER, READERS, Progress

METRICS = {
    ("cifar10", "ori-test"): "cifar10_test",
    ("cifar10-valid", "x-valid"): "cifar10_valid",
    ("cifar100", "x-test"): "cifar100_test",
    ("cifar100", "x-valid"): "cifar100_valid",
    ("ImageNet16-120", "x-test"): "imagenet16_test",
    ("ImageNet16-120", "x-valid"): "imagenet16_valid",
}
"""(data set, evaluated split) -> column; the same splits as the benchmark's own 'test' and 'valid'."""
SCHEDULES = {"full": "", "200": "", "90": "", "less": "_e12", "12": "_e12", "01": "_e1"}
COSTS = {"params": "params_m", "flop": "flops_m"}
COST_DATASET = "cifar10"

TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # first of the three small pickles in front of an older torch file
TORCH_HEADERS = 3

Row = dict[str, Union[str, float]]  # "arch" and numbers of one architecture


class _Results(TypedDict, total=False):
    """What stays of the trials of one schedule: (data set, seed) -> see :func:`_trial`."""

    arch_str: str
    all_results: dict[tuple[str, int], dict[str, float]]


@READERS.register(".pickle.pbz2")
@READERS.register(".pth")
def read_file(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """A whole benchmark in one file; accuracies (per cent) are means over the seeds, after the last epoch."""
    total = path.stat().st_size
    with _opened(path) as (stream, position):
        walk = _Walk(stream, (lambda: progress(position(), total)) if progress else None)
        _load(walk, path)
    return _frame(walk.rows, path)


@READERS.register(FOLDER)
def read_folder(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """The "-simple" folder of NATS-Bench: NNNNNN.pickle.pbz2, one an architecture."""
    files = sorted(file for file in path.glob("*.pickle.pbz2") if file.name.split(".")[0].isdigit())
    rows = {}
    for number, file in enumerate(files, start=1):
        with _opened(file) as (stream, _):
            rows[int(file.name.split(".")[0])] = _row(_load(_Walk(stream), file))
        if progress:
            progress(number, len(files))
    return _frame(rows, path)


def _frame(rows: dict[int, Row], path: Path) -> pd.DataFrame:
    if not rows:
        raise TableError(f"{path} holds no architecture of NAS-Bench-201 or NATS-Bench")
    nameless = [str(number) for number, row in sorted(rows.items()) if "arch" not in row]
    if nameless:
        raise TableError(f"{path} has no results of a known schedule for number {', '.join(nameless[:5])}")
    numbers = sorted(rows)
    frame = pd.DataFrame([rows[number] for number in numbers])
    accuracies = [name + suffix for suffix in dict.fromkeys(SCHEDULES.values()) for name in METRICS.values()]
    order = [name for name in ("arch", *accuracies, *COSTS.values()) if name in frame.columns]
    frame = frame[order]
    frame.insert(0, "index", numbers)
    return frame


def _row(schedules: Mapping[str, _Results]) -> Row:
    """One architecture: means over the seeds of what its trials ended with."""
    row: Row = {}
    for schedule, results in schedules.items():
        suffix = SCHEDULES.get(schedule)
        if suffix is None or "all_results" not in results:
            continue
        row["arch"] = results["arch_str"]
        values: dict[str, list[float]] = defaultdict(list)
        for (dataset, _), trial in results["all_results"].items():
            for name, value in trial.items():
                if name in COSTS and dataset == COST_DATASET:
                    row[COSTS[name]] = float(value)
                elif (dataset, name) in METRICS:
                    values[METRICS[dataset, name] + suffix].append(float(value))
        row.update({column: float(np.mean(v)) for column, v in values.items()})
    return row


def _trial(state: dict[str, Any]) -> dict[str, float]:
    """What stays of a trial: split -> final accuracy, and its costs. The rest is emptied at once."""
    kept = {split: value for split, (_, value) in (state.get("eval_acc1es") or {}).items()}
    kept.update({name: state[name] for name in COSTS if state.get(name) is not None})
    for value in state.values():
        if isinstance(value, dict):
            value.clear()
    state.clear()
    return kept


def _load(walk: _Walk, path: Path) -> Any:
    try:
        return walk.load()
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can break anywhere
        raise TableError(
            f"{path} cannot be read as a NAS-Bench-201 or NATS-Bench file ({type(error).__name__}: {error}); "
            "it may be cut off: compare its size or checksum with the download"
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """The pickle inside the file, and how many bytes of the file have been read."""
    with open(path, "rb", buffering=1 << 20) as raw:
        if path.name.endswith(".pbz2"):
            yield bz2.BZ2File(raw), raw.tell
        elif zipfile.is_zipfile(raw):
            with zipfile.ZipFile(raw) as archive:
                names = [name for name in archive.namelist() if name.endswith("data.pkl")]
                if not names:
                    raise TableError(f"{path} is a zip file, but not one of PyTorch's")
                with archive.open(names[0]) as stream:
                    yield stream, raw.tell
        else:
            raw.seek(0)
            if _load(_Walk(raw), path) != TORCH_MAGIC:
                raw.seek(0)
            else:
                for _ in range(TORCH_HEADERS - 1):
                    _load(_Walk(raw), path)
            yield raw, raw.tell


class _Opaque:
    """Stands for every object that is not plain data: accepts anything, does nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> _Opaque:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    extend = append


SCALAR = np.float64(0).__reduce__()[0]  # rebuilds numpy numbers; moved between modules over numpy's versions
PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *args: {},
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),  # bytes in older pickles
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "scalar"): SCALAR,
    ("numpy._core.multiarray", "scalar"): SCALAR,
}


class _Walk(BoundedUnpickler):
    """Reads one pickle; curves shrink to their last epoch, trials to a few numbers, architectures to rows.

    The Python unpickler, because the C one has no hook for a dictionary's items.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(BoundedUnpickler.dispatch)

    def __init__(self, stream: IO[bytes], on_row: Optional[Callable[[], None]] = None):
        super().__init__(stream)
        self.rows: dict[int, Row] = {}
        self._on_row = on_row

    def find_class(self, module: str, name: str) -> Any:
        return PLAIN.get((module, name), _Opaque)

    def persistent_load(self, pid: object) -> None:
        return None  # tensors

    def _store(self, target: object, key: object, value: object) -> None:
        if not isinstance(target, dict):
            return
        if type(key) is int:
            self._store_numbered(key, value)
        elif type(key) is tuple and isinstance(value, dict):
            target[key] = _trial(value)
        elif type(key) is str and "@" in key:
            split, _, epoch = key.rpartition("@")
            if split not in target or target[split][0] < int(epoch):
                target[split] = (int(epoch), value)
        else:
            target[key] = value

    def _store_numbered(self, key: int, value: object) -> None:
        """An architecture becomes a row; a value numbered by epoch (of training) is not needed."""
        if isinstance(value, dict) and any(schedule in value for schedule in SCHEDULES):
            self.rows[key] = _row(value)
            value.clear()
            if self._on_row:
                self._on_row()

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._store(self.stack[-1], key, value)

    def load_setitems(self) -> None:
        items = self.pop_mark()
        target = self.stack[-1]
        for place in range(0, len(items), 2):
            self._store(target, items[place], items[place + 1])

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
