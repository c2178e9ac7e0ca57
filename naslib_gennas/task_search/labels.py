"""Which architectures lend their labels to a task search, and which are kept apart or taken from other tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import InputError
from ..scoring.gennas import check_kind
from ..spaces import load_space
from ..tables import Table, load_table
from .search import check_labels, spread

if TYPE_CHECKING:
    from .settings import TaskSearchSettings
from .settings import Transfer

OTHER_STREAM = 1  # of the seed: which architectures of other tables are drawn to try the task on
JOINT_STREAM = 2  # likewise to search by


@dataclass(frozen=True)
class Labelled:
    """Architectures with labels that a search uses, in the order in which tasks meet them (:func:`.tasks.spread`)."""

    space: str
    table: str
    metric: str
    rows: pd.DataFrame

    @property
    def texts(self) -> list[str]:
        return self.rows["arch"].tolist()

    @property
    def labels(self) -> list[float]:
        return self.rows[self.metric].tolist()


def split(table: Table, settings: TaskSearchSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The labelled rows (:func:`.tasks.spread`) and those kept apart, drawn by the seed.

    The labelled ones do not depend on ``validate``. Rows that share their network with a labelled one are not kept
    apart. Raises InputError or TableError for too few or unusable labels.
    """
    if settings.labelled < 1 or settings.validate < 0:
        raise InputError(
            f"cannot draw {settings.labelled} labelled and {settings.validate} other architectures; "
            "need at least 5 labelled ones"
        )
    rng = np.random.default_rng(settings.seed)
    rows = table.sample(settings.labelled + settings.validate, settings.metric, rng)
    labelled, others = rows[: settings.labelled], rows[settings.labelled :]
    labels = labelled[settings.metric].tolist()
    check_labels(labels)
    labelled = labelled.iloc[spread(labels)]
    others = _apart(table, others, labelled)
    if settings.validate:
        check_labels(others[settings.metric].tolist(), "the check on architectures apart")
    return labelled, others


def also_labelled(settings: TaskSearchSettings, place: Transfer) -> Labelled:
    """As many labelled architectures of another table."""
    table, metric = _table_of(settings, place)
    rows = table.sample(settings.labelled, metric, np.random.default_rng([settings.seed, JOINT_STREAM]))
    labels = rows[metric].tolist()
    check_labels(labels)
    return Labelled(place.space, table.name, metric, rows.iloc[spread(labels)])


def elsewhere_rows(
    settings: TaskSearchSettings, place: Transfer, labelled: list[Labelled]
) -> tuple[pd.DataFrame, dict]:
    """Rows ``arch`` and the metric of another table, none of them a labelled architecture, and what they are."""
    table, metric = _table_of(settings, place)
    known = int(table.column(metric).notna().sum())
    amount = min(settings.validate or known, known)
    rows = table.sample(amount, metric, np.random.default_rng([settings.seed, OTHER_STREAM]))
    for searched in labelled:
        if searched.space == place.space:
            rows = _apart(table, rows, searched.rows)
    check_labels(rows[metric].tolist(), f"the transfer to {place.space}")
    return rows, {"space": place.space, "table": table.name, "metric": metric}


def _table_of(settings: TaskSearchSettings, place: Transfer) -> tuple[Table, str]:
    """The other table, and its column; an error if it is for networks of another kind."""
    space = load_space(place.space)
    check_kind(space, settings.base)
    table = load_table(place.table, space)
    return table, place.metric or table.default_metric


def _apart(table: Table, rows: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """``rows`` without those that share their network with a labelled one."""
    seen = {_key(table, text) for text in labelled["arch"]}
    return rows[[_key(table, text) not in seen for text in rows["arch"]]]


def _key(table: Table, text: str) -> str:
    return table.space.score_key(table.space.parse(text))
