"""Tables of ground truth, NASLib's own included."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional, Union

import pandas as pd

from .. import tables
from ..errors import InputError, TableError
from ..evaluation import check_truth
from ..readers.registry import Progress
from ..spaces.base import SearchSpace

NASLIB = "naslib:"


def load_table(
    source: Union[str, os.PathLike[str], pd.DataFrame],
    space: Union[str, SearchSpace],
    strict: bool = False,
    progress: Optional[Progress] = None,
) -> tables.Table:
    """As :func:`naslib_gennas.tables.load_table`; ``naslib:cifar10`` and the like read the files that NASLib has."""
    if isinstance(source, str) and source.startswith(NASLIB):
        from ..plugin import dataset_api  # noqa: F401 - it registers the reader
    return tables.load_table(source, space, strict, progress)


def check_ranking(table: tables.Table, rows: pd.DataFrame, metrics: Iterable[str]) -> None:
    """TableError for the first of ``metrics`` by which ``rows`` of the table cannot be ranked."""
    for metric in metrics:
        try:
            check_truth(rows[metric].tolist())
        except InputError as error:
            raise TableError(f"{table.name}, column {metric}: {error}") from None
