"""Tables, and the architectures that a space is sampled from, out of files and other sources."""

from __future__ import annotations

import os
from typing import Optional, Union

import pandas as pd

from ..errors import ArchitectureError, TableError
from ..readers import SCHEMES, NASBenchAPI, Progress, finished, nasbench_frame, read_frame, with_architectures
from ..spaces.base import SearchSpace, load_space
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
