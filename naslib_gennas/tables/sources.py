"""Tables, and the architectures that a space is sampled from, out of files and other sources."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional, Union

import pandas as pd

from ..errors import ArchitectureError, InputError, TableError
from ..readers import SCHEMES, NASBenchAPI, Progress, finished, is_table, nasbench_frame, read_frame, with_architectures
from ..spaces.base import SearchSpace, load_space
from ..texts import RepeatedKeyError, parse_json
from .table import Table

NASLIB = "naslib"

Source = Union[str, "os.PathLike[str]"]


def load_table(
    source: Union[Source, pd.DataFrame], space: str | SearchSpace, strict: bool = False, progress: Progress = None
) -> Table:
    """Ground truth for the architectures of ``space``.

    Args:
        source: ``"analog-nasbench"`` (of a package on the index, nasbench201 only), ``"naslib:cifar10"`` (or another
            data set: the files that NASLib has of it, for nasbench101 and nasbench201, once
            ``naslib_gennas.plugin.dataset_api`` is imported), a frame of pandas, or a file:
            ``.csv`` (commas, tabs or semicolons), ``.tsv``, ``.jsonl``, ``.json`` (each also ``.gz``) or
            ``.parquet`` with architectures in a column ``arch``, in ``n_vertices`` + ``adjacency`` + ``ops``, in
            ``matrix`` + ``ops``, in ``recipe`` (the logs of NAS-Bench-NLP; their losses become ``minus_<name>``), or
            by their number in ``index``; ``lists.json#name`` picks one of several lists;
            ``.pth`` of NAS-Bench-201, ``.pickle.pbz2`` or the "-simple" folder of NATS-Bench, ``.tfrecord`` of
            NAS-Bench-101 (:func:`convert_table` makes these quick to load).
        space: name or instance of the search space whose text form the architectures are in.
        strict: stop at rows that do not parse or repeat an architecture, instead of leaving them out.
        progress: called by the slow formats with (done, total): bytes, or files of a folder.

    Raises:
        TableError: a file that is missing, unreadable, or without architectures or metrics.
        MissingPackageError: a format that needs a package which is not installed.
        UnknownNameError: a space that is not registered.

    >>> import pandas as pd
    >>> pd.DataFrame({"arch": ["5", "77"], "accuracy": [60.5, 71.0]}).to_csv("mine.csv", index=False)
    >>> load_table("mine.csv", "nasbench201").metrics
    ['accuracy']
    """
    space = load_space(space)
    if isinstance(source, pd.DataFrame):
        return Table(with_architectures(source.copy(), "the frame"), space, strict=strict)
    name = str(source)
    frame = _of_a_scheme(name, space.name)
    if frame is None:
        frame = read_frame(source, progress)
    return Table(frame, space, name, strict)


def table_from_nasbench(api: NASBenchAPI) -> Table:
    """Mean accuracies of every cell that a ``nasbench.api.NASBench`` object knows, as :func:`load_table` gives for
    its .tfrecord."""
    return Table(nasbench_frame(api), load_space("nasbench101"), name="nasbench.api")


def open_space(name: str | SearchSpace) -> SearchSpace:
    """The search space called ``name``; ``NAME:FILE`` samples from the architectures of a file, where a space can.

    Rows that do not parse are left out, and of training logs those of runs that did not finish. Raises
    UnknownNameError, ArchitectureError for a space that cannot, TableError for a file that holds no architectures.

    >>> open_space("nasbench201").name
    'nasbench201'
    """
    if isinstance(name, SearchSpace):
        return name
    plain, colon, file = str(name).partition(":")
    space = load_space(plain)
    if not colon:
        return space
    space.over([], file)  # refused before the file is read
    architectures, first_fault = [], None
    for text in finished(read_frame(file))["arch"]:
        try:
            architectures.append(space.parse(text))
        except ArchitectureError as fault:
            first_fault = first_fault or fault
    if not architectures:
        raise TableError(f"{file} holds no architecture of {plain}; the first of its rows: {first_fault}")
    return space.over(architectures, file)


def read_architectures(path: Source, space: SearchSpace) -> list[Any]:
    """The architectures that a file names, in its order: one a line, a table's, or what `gennas warm-start` wrote.

    A file with the ending of a table (:func:`load_table`) is one unless its first line is an architecture.

    Raises:
        InputError: a file that cannot be read, names none, or is of another space.
        ArchitectureError: a text that is none; which line or row of the file is said.

    >>> import pandas as pd
    >>> pd.DataFrame({"arch": ["5", "77"]}).to_csv("cells.csv", index=False)
    >>> [str(arch)[:15] for arch in read_architectures("cells.csv", load_space("nasbench201"))]
    ['|nor_conv_1x1~0', '|nor_conv_3x3~0']
    """
    path, archs = Path(path), []
    for where, text in _named(path, space):
        try:
            archs.append(space.parse(text))
        except ArchitectureError as error:
            raise ArchitectureError(f"{where} of {path}: {error}") from None
    if not archs:
        raise InputError(f"{path} holds no architecture, one a line")
    return archs


def _named(path: Path, space: SearchSpace) -> list[tuple[str, str]]:
    """Where in the file, and the text there."""
    content = _text_of(path)
    if content is not None:
        listed = _of_warm_start(content, path, space)
        if listed is not None:
            return [(f"entry {place}", text) for place, text in enumerate(listed, start=1)]
        lines = [(f"line {place}", text.strip()) for place, text in enumerate(content.splitlines(), start=1)]
        lines = [(where, text) for where, text in lines if text]
        if not is_table(path) or (lines and _parses(space, lines[0][1])):
            return lines
    return [(f"row {place}", text) for place, text in enumerate(read_frame(path)["arch"], start=1)]


def _text_of(path: Path) -> Optional[str]:
    """None for a table that is no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the architectures in {path}: {error.strerror}") from None
    except ValueError:
        if is_table(path):
            return None
        raise InputError(f"cannot read the architectures in {path}: it is no text in UTF-8") from None


def _of_warm_start(content: str, path: Path, space: SearchSpace) -> Optional[list[str]]:
    """None for a file that is none of `gennas warm-start`."""
    try:
        found = parse_json(content)
    except RepeatedKeyError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("architectures"), list):
        return None
    if open_space(str(found.get("space"))).name != space.name:
        raise InputError(f"{path} is of the space {found.get('space')}, not of {space.name}")
    return list(map(str, found["architectures"]))


def _parses(space: SearchSpace, text: str) -> bool:
    try:
        space.parse(text)
    except ArchitectureError:
        return False
    return True


def _of_a_scheme(source: str, space_name: str) -> Optional[pd.DataFrame]:
    """The rows of a source such as ``naslib:cifar10``; None for one that must be a file."""
    scheme, colon, rest = source.partition(":")
    if not colon:
        return None
    if scheme in SCHEMES:
        return SCHEMES[scheme](rest, space_name)
    if scheme == NASLIB:
        raise TableError(f"the table {source} is read by NASLib; `import naslib_gennas.plugin.dataset_api` first")
    return None
