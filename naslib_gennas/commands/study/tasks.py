"""The tasks of the study: architectures of a space with accuracies on a data set, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import InputError
from ...readers.plain import ACCURACY, data_sets
from ...registry import unknown
from ...spaces import SPACES
from ...tables import Table, load_table
from ..ground_truth import check_ranking

SIZES = ("params", "flops")


@dataclass(frozen=True, eq=False)
class Task:
    """``published``: proxies that the table has, a column each; ``truth``: the accuracies, no gaps."""

    space: str
    name: str
    table: Table
    texts: list[str]
    truth: pd.Series
    published: pd.DataFrame


def load_tasks(sources: Sequence[str], sample: int | None, seed: int) -> list[Task]:
    """From ``SPACE:FILE``; a file with several data sets, as NAS-Bench-Suite-Zero's, gives a task for each.

    ``sample``: that many architectures of each, drawn by the seed; None is all. InputError for a source that is not
    of that form, TableError for a file that cannot be read or whose accuracies rank nothing.
    """
    tasks: list[Task] = []
    for source in sources:
        space, colon, file = source.partition(":")
        if not colon or not file:
            raise InputError(f"{source!r} is no SPACE:FILE; name a table as nasbench201:zc_nasbench201.json")
        if space not in SPACES:
            raise InputError(unknown("search space", space, SPACES.names()))
        tasks += [_task(load_table(part, space), part, sample, seed) for part in _parts(file)]
    if not tasks:
        raise InputError("name the tables of the study: --table SPACE:FILE, once for every one")
    return tasks


def _parts(file: str) -> list[str]:
    """``file`` itself, or ``file#DATASET`` for each of the data sets that it holds."""
    return [file] if "#" in file else [f"{file}#{name}" for name in data_sets(Path(file))] or [file]


def _task(table: Table, source: str, sample: int | None, seed: int) -> Task:
    metric = table.default_metric
    known = int(table.column(metric).notna().sum())
    rows = table.rows(None if sample is None else min(sample, known), metric, np.random.default_rng(seed))
    check_ranking(table, rows, [metric])
    rows = rows.reset_index(drop=True)
    published = [name for name in (*SIZES, *table.metrics) if name in rows and name != metric]
    name = source.partition("#")[2] or (Path(source).name.split(".")[0] if metric == ACCURACY else metric)
    return Task(table.space.name, name, table, rows["arch"].tolist(), rows[metric], rows[published])
