"""Scores that have been computed before: read, merged, written, looked up.

In memory they are a frame with one row an architecture, data set and measure: ``arch``, ``dataset`` (text,
maybe empty), ``measure``, ``score`` (float, NaN for a failure), ``seconds`` (float, NaN where unknown). The
accuracy that the NAS-Bench-Suite-Zero layout carries along is the measure ``val_accuracy``.

Sources and destinations, by name:

* the directory of a run (`gennas score`, `correlate` or `benchmark`), read only;
* ``.csv``, ``.csv.gz``, ``.parquet``: that frame;
* ``.json``: the layout of NAS-Bench-Suite-Zero's ``zc_<space>.json``,
  ``{dataset: {architecture: {"val_accuracy": number, measure: {"score": number, "time": seconds}}}}``, in
  which -1e8 stands for a failure.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArchitectureError, InputError, MissingPackageError, TableError
from ..registry import unknown
from ..spaces import SearchSpace
from ..tables import Table
from .run import RESULTS

COLUMNS = ("arch", "dataset", "measure", "score", "seconds")
KEYS = ["arch", "dataset", "measure"]
ACCURACY = "val_accuracy"
FAILURE = -1e8  # NASLib's score of a measure that failed
Translation = Callable[[str], str]


def read_scores(source: str | os.PathLike, translate: Translation | None = None) -> pd.DataFrame:
    """The frame of a run directory, ``.csv``, ``.csv.gz``, ``.parquet`` or ``.json`` (see above).

    translate: from the architecture's text in a ``.json`` to the space's own, such as NASLib's compact form.
    TableError if the source is missing, unreadable or laid out in another way.
    """
    path = Path(source)
    if not path.exists():
        raise TableError(f"there are no scores at {path}; give a run directory, .csv, .csv.gz, .parquet or .json")
    if path.is_dir():
        return _frame(_run_rows(path))
    reader = _by_ending(path, {".csv": pd.read_csv, ".csv.gz": pd.read_csv, ".parquet": _read_parquet, ".json": None})
    if reader is None:
        return _frame(_json_rows(path, translate or str))
    try:
        frame = reader(path)
    except (OSError, ValueError, EOFError) as error:
        raise TableError(f"cannot read the scores {path}: {' '.join(str(error).split())}") from None
    lacking = [name for name in COLUMNS if name not in frame.columns]
    if lacking:
        raise TableError(
            f"{path} holds no scores: it lacks the columns {', '.join(lacking)}; "
            f"expected {', '.join(COLUMNS)}, one row an architecture, data set and measure"
        )
    return _frame(frame[list(COLUMNS)].to_dict("records"))


def write_scores(frame: pd.DataFrame, out: str | os.PathLike, translate: Translation | None = None) -> None:
    """Write ``frame`` in the format that the name ``out`` says; a file there is replaced in one step.

    translate: from the space's own text to the one wanted in a ``.json``. InputError for a ``.json`` if a row
    has no data set, TableError if the file cannot be written.
    """
    path = Path(out)
    writer = _by_ending(path, {".csv": _write_csv, ".csv.gz": _write_csv, ".parquet": _write_parquet, ".json": None})
    scratch = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        if writer:
            writer(frame, scratch)
        else:
            layout = to_layout(frame, translate)
            with scratch.open("w", encoding="utf-8") as file:  # piece by piece: the text is never held as a whole
                json.dump(layout, file, indent=1)
                file.write("\n")
        scratch.replace(path)
    except OSError as error:
        raise TableError(f"cannot write the scores {path}: {error.strerror or error}") from None
    finally:
        scratch.unlink(missing_ok=True)


def to_layout(frame: pd.DataFrame, translate: Translation | None = None) -> dict[str, Any]:
    """The NAS-Bench-Suite-Zero layout of ``frame``; InputError if a row has no data set."""
    if (frame["dataset"] == "").any():
        raise InputError("the NAS-Bench-Suite-Zero layout needs the data set of every score; name it (--dataset)")
    layout: dict[str, Any] = {}
    names = {arch: (translate or str)(arch) for arch in frame["arch"].unique()}
    for arch, dataset, measure, score, seconds in frame[list(COLUMNS)].itertuples(index=False):
        entry = layout.setdefault(dataset, {}).setdefault(names[arch], {})
        if measure == ACCURACY:
            entry[measure] = float(score)
        else:
            entry[measure] = {
                "score": float(score) if math.isfinite(score) else FAILURE,
                "time": float(seconds) if math.isfinite(seconds) else 0.0,
            }
    return layout


def merge_scores(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All rows, repeated ones once; InputError if two sources give one architecture two scores."""
    joined = pd.concat(list(frames), ignore_index=True)
    joined = joined.drop_duplicates([*KEYS, "score"])
    twice = joined[joined.duplicated(KEYS, keep=False)]
    if len(twice):
        arch, dataset, measure = twice.iloc[0][KEYS]
        values = [
            row.score for row in twice.itertuples() if (row.arch, row.dataset, row.measure) == (arch, dataset, measure)
        ]
        raise InputError(
            f"the sources disagree on {measure} of {arch}{f' on {dataset}' if dataset else ''} "
            f"({', '.join(f'{value:g}' for value in values)}); merge only runs with equal settings"
        )
    return joined.reset_index(drop=True)


def with_accuracy(frame: pd.DataFrame, table: Table, metric: str) -> pd.DataFrame:
    """``frame`` and ``val_accuracy`` rows for its architectures, from a column of ``table`` where known."""
    values = {arch: table.value(arch, metric) for arch in frame["arch"].unique()}
    known = [
        {"arch": arch, "dataset": dataset, "measure": ACCURACY, "score": values[arch], "seconds": math.nan}
        for arch, dataset in frame[["arch", "dataset"]].drop_duplicates().itertuples(index=False)
        if values[arch] is not None
    ]
    return merge_scores([frame[frame["measure"] != ACCURACY], _frame(known)])


def translations(space: SearchSpace) -> tuple[Translation, Translation]:
    """(from, to) the keys of a ``zc_<space>.json``: NASLib's compact form as text, where the space has one.

    Keys in the space's own text are understood as well. ArchitectureError for a key that is neither.
    """
    from ..spaces.pasted import CONVERTERS, from_naslib, to_naslib

    if space.name not in CONVERTERS:
        return (lambda key: str(space.parse(key))), str

    def decode(key: str) -> str:
        try:
            return str(space.parse(key))
        except ArchitectureError:
            return str(from_naslib(space.name, key))

    return decode, lambda text: str(to_naslib(space.name, space.parse(text)))


def look_up(frame: pd.DataFrame, arch: str, space: SearchSpace, measure: str | None = None) -> pd.DataFrame:
    """The rows of an architecture, under its own text or that of an isomorphic one.

    ArchitectureError if the text is no architecture, InputError if there is no such measure or no score.
    """
    if measure is not None and measure not in set(frame["measure"]):
        raise InputError(unknown("measure among the scores", measure, frame["measure"].unique()))
    parsed = space.parse(arch)
    rows = frame[frame["arch"] == str(parsed)]
    if not len(rows):
        key = space.canonical(parsed)
        texts = [text for text in frame["arch"].unique() if _canonical(space, text) == key]
        rows = frame[frame["arch"].isin(texts[:1])]
    rows = rows if measure is None else rows[rows["measure"] == measure]
    if not len(rows):
        raise InputError(f"there is no score of {parsed}{'' if measure is None else f' by {measure}'}")
    return rows.reset_index(drop=True)


def _canonical(space: SearchSpace, text: str) -> str | None:
    try:
        return space.canonical(space.parse(text))
    except ArchitectureError:
        return None


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("arch", "dataset", "measure"):
        frame[name] = frame[name].astype(object).fillna("").astype(str)
    for name in ("score", "seconds"):
        try:
            frame[name] = frame[name].astype(float).replace([np.inf, -np.inf], np.nan)
        except (TypeError, ValueError) as error:
            raise TableError(f"the column {name} of the scores must hold numbers: {error}") from None
    return frame


def _run_rows(path: Path) -> list[dict[str, Any]]:
    results = path / RESULTS
    if not results.exists():
        raise TableError(f"{path} is no run directory: it has no {RESULTS}")
    rows = []
    with results.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                break  # torn
            try:
                record = json.loads(line)
                rows.append({"dataset": "", "measure": "gennas", **{k: record[k] for k in record if k in COLUMNS}})
            except (ValueError, TypeError):
                raise TableError(f"line {number} of {results} is no record of an architecture") from None
    return rows


def _json_rows(path: Path, translate: Translation) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"cannot read the scores {path}: {error}") from None
    rows = []
    try:
        for dataset, entries in content.items():
            for key, entry in entries.items():
                arch = translate(key)
                rows += [_json_row(arch, dataset, measure, value) for measure, value in entry.items()]
    except (AttributeError, KeyError, TypeError) as error:
        raise TableError(
            f"{path} is not in the layout of NAS-Bench-Suite-Zero, "
            f"{{dataset: {{architecture: {{measure: {{score, time}}}}}}}}: {error}"
        ) from None
    return rows


def _json_row(arch: str, dataset: str, measure: str, value) -> dict[str, Any]:
    score, seconds = (value["score"], value.get("time")) if isinstance(value, dict) else (value, None)
    failed = score is None or score <= FAILURE
    return {
        "arch": arch,
        "dataset": dataset,
        "measure": measure,
        "score": math.nan if failed else score,
        "seconds": seconds,
    }


def _by_ending(path: Path, known: dict[str, Any]):
    for ending, entry in known.items():
        if path.name.lower().endswith(ending):
            return entry
    raise TableError(f"cannot tell the format of {path}; its name must end in one of {', '.join(known)}")


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    compression = {"method": "gzip", "mtime": 0} if path.name.lower().endswith(".gz") else None
    frame.to_csv(path, index=False, compression=compression)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise _no_parquet() from error


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        frame.to_parquet(path, index=False)
    except ImportError as error:
        raise _no_parquet() from error


def _no_parquet() -> MissingPackageError:
    return MissingPackageError("Parquet files need pyarrow: pip install 'naslib_gennas[parquet]'")
