"""A file, or a folder, into a frame; and any of them into a small CSV."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Optional, Union
from zipfile import BadZipFile

import pandas as pd

from ..errors import MissingPackageError, TableError
from . import analog_nasbench
from .registry import FOLDER, READERS, Progress, Reader

Source = Union[str, "os.PathLike[str]"]

PACKAGED = {analog_nasbench.NAME: (analog_nasbench.FILE, "demo")}
"""Names of packages on the index that hold a table -> file in them, and our extra that installs them."""


def read_frame(source: Source, progress: Progress = None) -> pd.DataFrame:
    """The rows of a file in its own order: architectures as text in ``arch``, and whatever else it says of them.

    Args:
        source: a file or folder of a format in :data:`.READERS` (``FILE#NAME`` where it holds several tables), or a
            name in :data:`PACKAGED`.
        progress: called by the slow formats with (done, total): bytes, or files of a folder.

    Raises:
        TableError: a source that is missing, unreadable, of no known format, or without rows.
        MissingPackageError: a format that needs a package which is not installed.

    >>> pd.DataFrame({"arch": ["5", "77"], "accuracy": [60.5, 71.0]}).to_csv("mine.csv", index=False)
    >>> read_frame("mine.csv").columns.tolist()
    ['arch', 'accuracy']
    """
    path, part = _located(source)
    reader = _reader(path)
    try:
        frame = reader(path, part, progress)
    except (OSError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"cannot read the table {path}: {reason}") from None
    if not len(frame):
        raise TableError(f"the table {path} has no rows")
    return frame


def convert_table(source: Source, out: Source, progress: Progress = None) -> int:
    """Write any readable ``source`` as a small CSV (``out`` ends in .csv or .csv.gz); returns the rows.

    Benchmark files are streamed: memory stays far below the size of the file. ``out`` appears only when
    complete; an older one is replaced. Raises what :func:`read_frame` raises, and TableError for an ``out`` that
    cannot be written.

    >>> pd.DataFrame({"arch": ["5", "77"], "accuracy": [60.5, 71.0]}).to_json("mine.json", orient="records")
    >>> convert_table("mine.json", "small.csv.gz")
    2
    """
    out = Path(out)
    if not out.name.lower().endswith((".csv", ".csv.gz")):
        raise TableError(f"a table is written as .csv or .csv.gz; got {out}")
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise TableError(f"{out} is both source and destination; give another destination")
    _check_writable(out)
    frame = read_frame(source, progress)
    try:
        _write(frame, out)
    except OSError as error:
        raise TableError(f"cannot write the table {out}: {error.strerror or error}") from None
    return len(frame)


def _write(frame: pd.DataFrame, out: Path) -> None:
    partial = out.with_name(f".{os.getpid()}.{out.name}")
    try:
        if out.name.lower().endswith(".gz"):
            frame.to_csv(partial, index=False, float_format="%.9g", compression={"method": "gzip", "mtime": 0})
        else:
            frame.to_csv(partial, index=False, float_format="%.9g")
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def _located(source: Source) -> tuple[Path, Optional[str]]:
    """The file, and the part of it that is asked for."""
    if str(source) in PACKAGED:
        return _packaged(str(source)), None
    path, part = Path(source), None
    if not path.exists() and "#" in path.name:
        text, _, part = str(source).rpartition("#")
        path = Path(text)
    if not path.exists():
        named = " or ".join(PACKAGED)
        raise TableError(f"there is no table {path}; give a file, or the name {named}")
    return path, part


def _packaged(name: str) -> Path:
    """Found without importing the package."""
    file, extra = PACKAGED[name]
    try:
        return Path(str(metadata.distribution(name).locate_file(file)))
    except metadata.PackageNotFoundError:
        raise MissingPackageError(
            f"the table {name} comes with a package that is not installed: pip install {name}, or the extra {extra}"
        ) from None


def is_table(path: Path) -> bool:
    """Whether the file has the ending of a table.

    >>> is_table(Path("mine.CSV")), is_table(Path("mine.txt"))
    (True, False)
    """
    return bool(_endings(path))


def _endings(path: Path) -> list[str]:
    return [ending for ending in READERS.names() if path.name.lower().endswith(ending)]


def _reader(path: Path) -> Reader:
    """The one whose ending is the longest that the name has."""
    if path.is_dir():
        return READERS[FOLDER]
    endings = _endings(path)
    if not endings:
        known = ", ".join(ending for ending in READERS.names() if ending != FOLDER)
        raise TableError(f"cannot tell the format of the table {path}; its name must end in one of {known}")
    return READERS[max(endings, key=len)]


def _check_writable(out: Path) -> None:
    """Found out before an hour of reading, not after."""
    if not out.parent.is_dir():
        raise TableError(f"cannot write the table {out}: there is no folder {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise TableError(f"cannot write the table {out}: the folder {out.parent} is not writable")
