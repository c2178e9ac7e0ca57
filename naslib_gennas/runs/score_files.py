"""Files of scores that have been computed before: read into a frame (:mod:`.score_frames`), and written from one.

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
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Optional, TypeVar, Union

import pandas as pd

from ..errors import ArchitectureError, InputError, TableError
from ..readers import no_parquet
from ..spaces.base import SearchSpace
from ..spaces.pasted import CONVERTERS, from_naslib, to_naslib
from ..texts import parse_json
from .lines import record_of
from .run import RESULTS, Record
from .score_frames import ACCURACY, COLUMNS, Row, score_frame

FAILURE = -1e8  # NASLib's score of a measure that failed

Translation = Callable[[str], str]
Location = Union[str, "os.PathLike[str]"]
T = TypeVar("T")


def read_scores(source: Location, translate: Optional[Translation] = None) -> pd.DataFrame:
    """The frame of a run directory, ``.csv``, ``.csv.gz``, ``.parquet`` or ``.json`` (see above).

    translate: from the architecture's text in a ``.json`` to the space's own, such as NASLib's compact form.
    TableError if the source is missing, unreadable or laid out in another way.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_scores(score_frame([{"arch": "5", "measure": "naswot", "score": 1.5}]), f"{folder}/scores.csv")
    ...     read_scores(f"{folder}/scores.csv")["score"].tolist()
    [1.5]
    """
    path = Path(source)
    if not path.exists():
        raise TableError(f"there are no scores at {path}; give a run directory, .csv, .csv.gz, .parquet or .json")
    if path.is_dir():
        return score_frame(_run_rows(path))
    return _by_ending(path, READERS)(path, translate or str)


def write_scores(frame: pd.DataFrame, out: Location, translate: Optional[Translation] = None) -> None:
    """Write ``frame`` in the format that the name ``out`` says; a file there is replaced in one step.

    translate: from the space's own text to the one wanted in a ``.json``. InputError for a ``.json`` if a row
    has no data set, TableError if the file cannot be written.
    """
    path = Path(out)
    write = _by_ending(path, WRITERS)
    scratch = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(frame, scratch, translate or str)
        scratch.replace(path)
    except OSError as error:
        raise TableError(f"cannot write the scores {path}: {error.strerror or error}") from None
    finally:
        scratch.unlink(missing_ok=True)


def to_layout(frame: pd.DataFrame, translate: Translation = str) -> Record:
    """The NAS-Bench-Suite-Zero layout of ``frame``; InputError if a row has no data set.

    >>> to_layout(score_frame([{"arch": "5", "dataset": "cifar10", "measure": "naswot", "score": 1.5, "seconds": 2}]))
    {'cifar10': {'5': {'naswot': {'score': 1.5, 'time': 2.0}}}}
    """
    if (frame["dataset"] == "").any():
        raise InputError("the NAS-Bench-Suite-Zero layout needs the data set of every score; name it (--dataset)")
    layout: Record = {}
    names = {arch: translate(arch) for arch in frame["arch"].unique()}
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


def translations(space: SearchSpace) -> tuple[Translation, Translation]:
    """(from, to) the keys of a ``zc_<space>.json``: NASLib's compact form as text, where the space has one.

    Keys in the space's own text are understood as well. ArchitectureError for a key that is neither.

    >>> from naslib_gennas.spaces import load_space
    >>> decode, encode = translations(load_space("nasbench201"))
    >>> decode(encode("5")) == str(load_space("nasbench201").parse("5"))
    True
    """
    if space.name not in CONVERTERS:
        return (lambda key: str(space.parse(key))), str

    def decode(key: str) -> str:
        try:
            return str(space.parse(key))
        except ArchitectureError:
            return str(from_naslib(space.name, key))

    return decode, lambda text: str(to_naslib(space.name, space.parse(text)))


def _by_ending(path: Path, known: dict[str, T]) -> T:
    for ending, entry in known.items():
        if path.name.lower().endswith(ending):
            return entry
    raise TableError(f"cannot tell the format of {path}; its name must end in one of {', '.join(known)}")


def _run_rows(path: Path) -> list[Row]:
    results = path / RESULTS
    if not results.exists():
        raise TableError(f"{path} is no run directory: it has no {RESULTS}")
    rows: list[Row] = []
    with results.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                break  # torn
            record = record_of(line.encode())
            if record is None or "arch" not in record:
                raise TableError(
                    f"line {number} of {results} is no record of an architecture, or not as it was written; "
                    "continue the run with --resume to repair it"
                )
            rows.append({"dataset": "", "measure": "gennas", **{k: record[k] for k in record if k in COLUMNS}})
    return rows


def _read_json(path: Path, translate: Translation) -> pd.DataFrame:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"cannot read the scores {path}: {error}") from None
    rows: list[Row] = []
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
    return score_frame(rows)


def _json_row(arch: str, dataset: str, measure: str, value: Union[Record, float, None]) -> Row:
    score, seconds = (value["score"], value.get("time")) if isinstance(value, dict) else (value, None)
    failed = score is None or score <= FAILURE
    return {
        "arch": arch,
        "dataset": dataset,
        "measure": measure,
        "score": math.nan if failed else score,
        "seconds": seconds,
    }


def _write_json(frame: pd.DataFrame, path: Path, translate: Translation) -> None:
    layout = to_layout(frame, translate)
    with path.open("w", encoding="utf-8") as file:  # piece by piece: the text is never held as a whole
        json.dump(layout, file, indent=1)
        file.write("\n")


def _read_csv(path: Path, translate: Translation) -> pd.DataFrame:
    return _checked(path, lambda: pd.read_csv(path))


def _write_csv(frame: pd.DataFrame, path: Path, translate: Translation) -> None:
    if path.name.lower().endswith(".gz"):
        frame.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
    else:
        frame.to_csv(path, index=False)


def _read_parquet(path: Path, translate: Translation) -> pd.DataFrame:
    try:
        return _checked(path, lambda: pd.read_parquet(path))
    except ImportError as error:
        raise no_parquet() from error


def _write_parquet(frame: pd.DataFrame, path: Path, translate: Translation) -> None:
    try:
        frame.to_parquet(path, index=False)
    except ImportError as error:
        raise no_parquet() from error


def _checked(path: Path, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What ``read`` returns, once it has the columns of scores."""
    try:
        frame = read()
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise TableError(f"cannot read the scores {path}: {' '.join(str(error).split())}") from None
    lacking = [name for name in COLUMNS if name not in frame.columns]
    if lacking:
        raise TableError(
            f"{path} holds no scores: it lacks the columns {', '.join(lacking)}; "
            f"expected {', '.join(COLUMNS)}, one row an architecture, data set and measure"
        )
    return score_frame(frame)


READERS: dict[str, Callable[[Path, Translation], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".parquet": _read_parquet,
    ".json": _read_json,
}
WRITERS: dict[str, Callable[[pd.DataFrame, Path, Translation], None]] = {
    ".csv": _write_csv,
    ".csv.gz": _write_csv,
    ".parquet": _write_parquet,
    ".json": _write_json,
}
