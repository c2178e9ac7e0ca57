"""Where a table comes from: readers by file name, and the two public calls that use them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from ..errors import ArchitectureError, TableError
from ..readers.nlp import finished
from ..readers.registry import FOLDER, READERS, Progress
from ..spaces.base import SearchSpace, load_space
from .table import Table

EMBEDDED = Path(__file__).resolve().parents[1] / "data" / "digits_nasbench201.csv.gz"
EMBEDDED_NAME, EMBEDDED_SPACE = "digits", "nasbench201"
NASLIB_PREFIX = "naslib:"


def open_space(name: str | SearchSpace) -> SearchSpace:
    """The search space called ``name``; ``NAME:FILE`` samples from the architectures of a file, where a space can.

    Rows that do not parse are left out, and of training logs those of runs that did not finish. Raises
    UnknownNameError, ArchitectureError for a space that cannot, TableError for a file that holds no architectures.

    >>> open_space("nasbench201").name
    'nasbench201'
    """
    if isinstance(name, SearchSpace):
        return name
    plain, colon, file = name.partition(":")
    space = load_space(plain)
    if not colon:
        return space
    space.over([], file)  # refused before the file is read
    parsed = [arch for arch in map(partial(_parsed, space), finished(read_frame(file))["arch"]) if arch is not None]
    if not parsed:
        raise TableError(f"{file} holds no architecture of {plain}; name a file that does")
    return space.over(parsed, file)


def _parsed(space: SearchSpace, text: str) -> Any:
    try:
        return space.parse(text)
    except ArchitectureError:
        return None


def load_table(
    source: str | os.PathLike, space: str | SearchSpace, strict: bool = False, progress: Progress = None
) -> Table:
    """Ground truth for the architectures of ``space``.

    Args:
        source: ``"digits"`` (the small embedded stand-in, nasbench201 only), ``"naslib:cifar10"`` (or another
            data set: the files that NASLib has of it, for nasbench101 and nasbench201), or a file:
            ``.csv``, ``.jsonl``, ``.json`` (each also ``.gz``) with architectures in a column ``arch``, in
            ``n_vertices`` + ``adjacency`` + ``ops``, in ``matrix`` + ``ops``, or in ``recipe`` (the logs of
            NAS-Bench-NLP; their losses become ``minus_<name>``); ``lists.json#name`` picks one of several lists;
            ``.pth`` of NAS-Bench-201, ``.pickle.pbz2`` or the "-simple" folder of NATS-Bench, ``.tfrecord`` of
            NAS-Bench-101 (:func:`convert_table` makes these quick to load).
        space: name or instance of the search space whose text form the architectures are in.
        strict: stop at rows that do not parse or repeat an architecture, instead of leaving them out.
        progress: called by the slow formats with (done, total): bytes, or files of a folder.

    Raises:
        TableError: a file that is missing, unreadable, or without architectures or metrics.
    """
    space = load_space(space)
    if str(source) == EMBEDDED_NAME:
        if space.name != EMBEDDED_SPACE:
            raise TableError(
                f"the table 'digits' is for {EMBEDDED_SPACE}, not {space.name}; give a file for {space.name}"
            )
        return Table(read_frame(EMBEDDED), space, name=EMBEDDED_NAME, strict=strict)
    if str(source).startswith(NASLIB_PREFIX):
        from ..plugin.dataset_api import to_frame

        return Table(to_frame(space.name, str(source)[len(NASLIB_PREFIX) :]), space, name=str(source), strict=strict)
    return Table(read_frame(source, progress), space, name=str(source), strict=strict)


def convert_table(source: str | os.PathLike, out: str | os.PathLike, progress: Progress = None) -> int:
    """Write any readable ``source`` as a small CSV (``out`` ends in .csv or .csv.gz); returns the rows.

    Benchmark files are streamed: memory stays far below the size of the file. ``out`` appears only when
    complete; an older one is replaced.
    """
    out = Path(out)
    if not out.name.lower().endswith((".csv", ".csv.gz")):
        raise TableError(f"a table is written as .csv or .csv.gz; got {out}")
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise TableError(f"{out} is both source and destination; give another destination")
    _writable(out)
    frame = read_frame(source, progress)
    partial = out.with_name(f".{os.getpid()}.{out.name}")
    compression = {"method": "gzip", "mtime": 0} if out.name.lower().endswith(".gz") else None
    try:
        frame.to_csv(partial, index=False, float_format="%.9g", compression=compression)
        os.replace(partial, out)
    except OSError as error:
        raise TableError(f"cannot write the table {out}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return len(frame)


def read_frame(source: str | os.PathLike, progress: Progress = None) -> pd.DataFrame:
    """The rows of a file in its own order, architectures as text in ``arch``; TableError if unreadable."""
    path, part = _located(source)
    name = path.name.lower()
    endings = [ending for ending in READERS.names() if name.endswith(ending)]
    if path.is_dir():
        endings = [FOLDER]
    if not endings:
        known = ", ".join(ending for ending in READERS.names() if ending != FOLDER)
        raise TableError(f"cannot tell the format of the table {path}; its name must end in one of {known}")
    try:
        frame = READERS[max(endings, key=len)](path, part, progress)
    except (OSError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"cannot read the table {path}: {reason}") from None
    if not len(frame):
        raise TableError(f"the table {path} has no rows")
    return frame


def _located(source: str | os.PathLike) -> tuple[Path, str | None]:
    path, part = Path(source), None
    if not path.exists() and "#" in path.name:
        text, _, part = str(source).rpartition("#")
        path = Path(text)
    if not path.exists():
        raise TableError(f"there is no table {path}; give a file, or {EMBEDDED_NAME!r} for the embedded one")
    return path, part


def _writable(out: Path) -> None:
    """Found out before an hour of reading, not after."""
    if not out.parent.is_dir():
        raise TableError(f"cannot write the table {out}: there is no folder {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise TableError(f"cannot write the table {out}: the folder {out.parent} is not writable")
