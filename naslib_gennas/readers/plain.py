"""Tables in CSV, JSON lines or JSON, each also gzipped, in Parquet, and frames of pandas."""

from __future__ import annotations

import gzip
import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Optional, Union

import numpy as np
import pandas as pd

from ..errors import MissingPackageError, TableError
from ..texts import RepeatedKeyError, parse_json
from .nasbench_nlp import after_epoch, with_recipes
from .registry import READERS, Progress

ACCURACY = "val_accuracy"  # of NAS-Bench-Suite-Zero
EARLY = 10  # epochs: the paper's cls@ep10
SEPARATORS = (",", "\t", ";")
DECIMAL_COMMA = r"\s*[-+]?\d+,\d+\s*%?\s*"
TEXT_COLUMNS = ("arch", "n_vertices", "adjacency", "ops", "naslib_ops")  # leading zeros matter


@READERS.register(".tsv.gz")
@READERS.register(".tsv")
@READERS.register(".csv.gz")
@READERS.register(".csv")
def read_csv(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """One architecture a row, below a line of column names, which tells commas, tabs and semicolons apart."""
    _no_part(path, part)
    separator = _separator(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else the last field is dropped
            text = dict.fromkeys(TEXT_COLUMNS, str)
            frame = pd.read_csv(
                path, sep=separator, dtype=text, low_memory=False, encoding="utf-8-sig", index_col=False
            )
    except pd.errors.ParserWarning:
        raise TableError(f"line 2 of {path} has more fields than line 1 has names; name every column") from None
    except (ValueError, EOFError, zlib.error) as error:  # pandas' own errors are ValueErrors
        raise TableError(f"cannot read {path} as CSV: {_one_line(error)}") from None
    for name in frame.columns.intersection(list(TEXT_COLUMNS)):
        frame[name] = frame[name].fillna("")
    if separator == ";":
        _check_points(frame, path)
    return with_architectures(frame, path)


@READERS.register(".parquet")
def read_parquet(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """One architecture a row; MissingPackageError without pyarrow."""
    _no_part(path, part)
    try:
        return with_architectures(pd.read_parquet(path), path)
    except ImportError as error:
        raise no_parquet() from error
    except ValueError as error:
        raise TableError(f"cannot read {path} as Parquet: {_one_line(error)}") from None


def no_parquet() -> MissingPackageError:
    return MissingPackageError("Parquet files need pyarrow: pip install 'naslib_gennas[parquet]'")


@READERS.register(".jsonl.gz")
@READERS.register(".jsonl")
def read_jsonl(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """One JSON object a line."""
    _no_part(path, part)
    rows = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            rows.append(_object(_json(line, f"line {number} of {path}"), f"line {number} of {path}"))
    return with_architectures(pd.DataFrame(rows), path)


@READERS.register(".json.gz")
@READERS.register(".json")
def read_json(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """A list of JSON objects, an object of such lists (``part`` names one of them), or architecture -> its numbers.

    The last one also by data set (``part`` names it), as in the files ``zc_*.json`` of NAS-Bench-Suite-Zero, where a
    number may be ``{"score": number, "time": seconds}``. Or column -> row -> value, as pandas writes a frame.
    """
    content = _json(_text(path), str(path))
    if isinstance(content, dict) and isinstance(content.get("arch"), dict):
        content = pd.DataFrame(content).to_dict("records")
    if isinstance(content, dict) and content and all(isinstance(value, dict) for value in content.values()):
        content = _by_architecture(content, path, part)
    elif isinstance(content, dict):
        content = _chosen(content, path, part)
    else:
        _no_part(path, part)
    if not isinstance(content, list):
        raise TableError(f"{path} must hold a list of JSON objects, one an architecture")
    rows = [_object(row, f"entry {number} of {path}") for number, row in enumerate(content, start=1)]
    return with_architectures(pd.DataFrame(rows), path)


def data_sets(path: Path) -> list[str]:
    """The data sets of a ``.json`` of data set -> architecture -> numbers; none of any other file.

    Raises TableError for a ``.json`` that cannot be read.
    """
    if not path.is_file() or not path.name.lower().endswith((".json", ".json.gz")):
        return []
    content = _json(_text(path), str(path))
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        return []
    if _depth(content) == 4 and len(content) == 1:
        (content,) = content.values()
    return list(content) if _depth(content) == 3 else []


def with_architectures(frame: pd.DataFrame, path: Union[Path, str]) -> pd.DataFrame:
    """The frame with a text column ``arch`` in front, made from whichever columns describe the cells.

    path: what errors call it. Raises TableError for a frame without such columns, or with words among numbers.

    >>> with_architectures(pd.DataFrame({"accuracy": ["90.5%", "88"], "index": [3, 5]}), "mine")
      arch  accuracy
    0    3      90.5
    1    5      88.0
    """
    frame.columns = pd.Index([str(name) for name in frame.columns])
    frame = _with_numbers(frame, path)
    columns = set(frame.columns)
    if "arch" in columns:
        return _put_first(frame["arch"].map(_as_text).tolist(), frame.drop(columns="arch"))
    if {"n_vertices", "adjacency", "ops"} <= columns:
        return _put_first(_compact_texts(frame), frame.drop(columns=["n_vertices", "adjacency", "ops"]))
    if {"matrix", "ops"} <= columns:
        cells = zip(frame["matrix"], frame["ops"])
        texts = [_as_text({"matrix": matrix, "ops": ops}) for matrix, ops in cells]
        return _put_first(texts, frame.drop(columns=["matrix", "ops"]))
    if "recipe" in columns:
        return with_recipes(frame)
    if "net" in columns:
        return _put_first(frame["net"].map(_as_text).tolist(), _with_accuracy(frame).drop(columns="net"))
    if "index" in columns:
        return _put_first(frame["index"].map(_as_text).tolist(), frame.drop(columns="index"))
    if not len(frame):
        return frame
    raise TableError(
        f"{path} has no column of architectures: expected 'arch', or 'n_vertices', 'adjacency', 'ops', or 'matrix' "
        f"and 'ops', or 'recipe', or 'net', or 'index' (their numbers); it has "
        f"{', '.join(map(repr, frame.columns[:12]))}"
    )


def _with_numbers(frame: pd.DataFrame, path: Union[Path, str]) -> pd.DataFrame:
    """Columns of numbers that are text because of percent signs, or of words among them, as numbers.

    TableError for a value that is none in a column where most are. Quoted numbers alone stay text: they are names.
    """
    for name in frame.columns.difference(list(TEXT_COLUMNS), sort=False):
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) or not column.map(lambda value: isinstance(value, str)).any():
            continue
        texts = column.map(lambda value: value.strip().removesuffix("%").strip() if isinstance(value, str) else value)
        numbers = pd.to_numeric(texts.mask(texts == ""), errors="coerce")
        wrong = numbers.isna() & column.notna() & (texts != "")
        quoted = (texts == column)[column.notna()].all() and not wrong.any()
        if quoted or 2 * int(numbers.notna().sum()) <= len(column):
            continue
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise TableError(
                f"{path}: {name} is {column.iloc[row]!r} in row {row + 1}, where most are numbers; write one, or "
                "leave it empty"
            )
        frame[name] = numbers
    return frame


def _put_first(texts: list[str], rest: pd.DataFrame) -> pd.DataFrame:
    rest.insert(0, "arch", texts)
    return rest


def _compact_texts(frame: pd.DataFrame) -> list[str]:
    """'V:hex:digits' of cells of NAS-Bench-101."""
    parts = zip(frame["n_vertices"], frame["adjacency"], frame["ops"])
    return [f"{vertices}:{adjacency}:{ops}" for vertices, adjacency, ops in parts]


def _with_accuracy(frame: pd.DataFrame) -> pd.DataFrame:
    """Records of NDS give top-1 errors in percent: the lowest of all epochs becomes ``accuracy``.

    That after ten epochs becomes ``accuracy_e10`` where there is one. The columns of errors are left out, so that
    higher is better in every metric.
    """
    if "min_test_top1" not in frame.columns:
        return frame
    errors = [name for name in frame.columns if name.endswith("_top1")]
    rest = frame.drop(columns=[*errors, "rng_seed"], errors="ignore")
    rest["accuracy"] = 100.0 - pd.to_numeric(frame["min_test_top1"], errors="coerce")
    early = after_epoch(frame, "test_ep_top1", EARLY)
    if early is not None:
        rest[f"accuracy_e{EARLY}"] = 100.0 - early
    return rest


def _as_text(value: object) -> str:
    if isinstance(value, (dict, list, np.ndarray)):
        return json.dumps(value, default=lambda found: found.tolist())  # numbers and arrays of NumPy
    return str(value).strip()


def _separator(path: Path) -> str:
    """Of the names in the first line."""
    try:
        with _opened(path) as file:
            names = file.readline()
    except (UnicodeDecodeError, EOFError, zlib.error):  # which the reader says
        return ","
    return next((mark for mark in SEPARATORS if mark in names), ",")


def _check_points(frame: pd.DataFrame, path: Path) -> None:
    """TableError for numbers with decimal commas, which go with semicolons."""
    for name in frame.columns.difference(list(TEXT_COLUMNS), sort=False):
        values = frame[name].dropna().astype(str)
        if len(values) and values.str.fullmatch(DECIMAL_COMMA).all():
            raise TableError(
                f"the numbers of {name} in {path} have decimal commas ({values.iloc[0]!r}); write them with points"
            )


def _opened(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return open(path, encoding="utf-8-sig")


def _text(path: Path) -> str:
    try:
        with _opened(path) as file:
            return file.read()
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        raise TableError(f"cannot read {path} as text: {_one_line(error)}") from None


def _json(text: str, where: str) -> object:
    try:
        found: object = parse_json(text)
    except RepeatedKeyError as error:
        raise TableError(f"in {where} {error}; keep one of them") from None
    except ValueError as error:
        raise TableError(f"{where} is not JSON: {_one_line(error)}") from None
    return found


def _object(row: object, where: str) -> Mapping[str, object]:
    if not isinstance(row, dict):
        raise TableError(f"{where} must be a JSON object with an architecture and its metrics")
    return row


def _by_architecture(content: Mapping[str, Any], path: Path, part: str | None) -> list[dict[str, object]]:
    """Rows of architecture -> numbers; of data set -> such, and of search space -> such, if there is one space."""
    depth = _depth(content)
    if depth == 4 and len(content) == 1:
        (content,) = content.values()
    if depth == 2:
        _no_part(path, part)
    else:
        names = list(content)
        part = names[0] if part is None and len(names) == 1 else part
        if part is None or part not in content or depth > 4:
            raise TableError(f"{path} holds the data sets {', '.join(names)}; name one of them as {path.name}#NAME")
        content = content[part]
    return [_row(arch, _object(row, f"{arch!r} of {path}")) for arch, row in content.items()]


def _depth(content: object) -> int:
    """Of mappings in mappings, ``{"score": ...}`` not counted, along the first of each."""
    depth = 0
    while isinstance(content, dict) and content and "score" not in content:
        content = next(iter(content.values()))
        depth += 1
    return depth


def _row(arch: str, numbers: Mapping[str, object]) -> dict[str, object]:
    first = {ACCURACY: None} if ACCURACY in numbers else {}
    return {"arch": arch, **first, **{name: _score(value) for name, value in numbers.items()}}


def _score(value: object) -> object:
    return value.get("score") if isinstance(value, dict) else value


def _chosen(content: Mapping[str, object], path: Path, part: str | None) -> object:
    lists = [name for name, value in content.items() if isinstance(value, list)]
    if part is None and len(lists) == 1:
        part = lists[0]
    if part not in lists:
        raise TableError(f"{path} holds the lists {', '.join(lists) or '(none)'}; name one of them as {path.name}#NAME")
    return content[part]


def _no_part(path: Path, part: str | None) -> None:
    if part is not None:
        raise TableError(f"{path} holds one table only, so '#{part}' names nothing in it; leave it out")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
