"""Which architectures lend their labels to a task search, and which are kept apart or taken from other tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from ..tables import Table
from .labels import check_labels, spread
from .settings import Elsewhere, TaskSearchSettings

OTHER_STREAM = 1  # of the seed: which architectures of other tables are drawn to try the task on
JOINT_STREAM = 2  # likewise to search by


@dataclass(frozen=True)
class Labelled:
    """Rows of a table; of those that a search uses in the order in which tasks meet them (:func:`.labels.spread`)."""

    table: Table
    metric: str
    rows: pd.DataFrame

    @property
    def texts(self) -> list[str]:
        return [str(text) for text in self.rows["arch"]]

    @property
    def labels(self) -> list[float]:
        return [float(label) for label in self.rows[self.metric]]


def split(settings: TaskSearchSettings) -> tuple[Labelled, Labelled]:
    """The labelled rows and those kept apart, drawn by the seed.

    The labelled ones do not depend on ``validate``. Rows that share their network with a labelled one are not kept
    apart. Raises InputError or TableError for too few or unusable labels.
    """
    table, metric = settings.table, settings.metric
    if settings.labelled < 1 or settings.validate < 0:
        raise InputError(
            f"cannot draw {settings.labelled} labelled and {settings.validate} other architectures; "
            "need at least 5 labelled ones"
        )
    rows = table.sample(settings.labelled + settings.validate, metric, np.random.default_rng(settings.seed))
    labelled = _in_order(Labelled(table, metric, rows[: settings.labelled]))
    others = Labelled(table, metric, _apart(table, rows[settings.labelled :], labelled.rows))
    if settings.validate:
        check_labels(others.labels, "the check on architectures apart")
    return labelled, others


def also_labelled(settings: TaskSearchSettings, place: Elsewhere) -> Labelled:
    """As many labelled architectures of another table."""
    rng = np.random.default_rng([settings.seed, JOINT_STREAM])
    return _in_order(Labelled(place.table, place.metric, place.table.sample(settings.labelled, place.metric, rng)))


def elsewhere(settings: TaskSearchSettings, place: Elsewhere, labelled: list[Labelled]) -> Labelled:
    """Rows of another table, none of them a labelled architecture."""
    table, metric = place.table, place.metric
    known = int(table.column(metric).notna().sum())
    amount = min(settings.validate or known, known)
    rows = table.sample(amount, metric, np.random.default_rng([settings.seed, OTHER_STREAM]))
    for searched in labelled:
        if searched.table.space.source == place.space.source:
            rows = _apart(table, rows, searched.rows)
    found = Labelled(table, metric, rows)
    check_labels(found.labels, f"the transfer to {place.space.source}")
    return found


def _in_order(labelled: Labelled) -> Labelled:
    check_labels(labelled.labels)
    return Labelled(labelled.table, labelled.metric, labelled.rows.iloc[spread(labelled.labels)])


def _apart(table: Table, rows: pd.DataFrame, labelled: pd.DataFrame) -> pd.DataFrame:
    """``rows`` without those that share their network with a labelled one."""
    seen = {_key(table, text) for text in labelled["arch"]}
    return rows[[_key(table, text) not in seen for text in rows["arch"]]]


def _key(table: Table, text: str) -> str:
    return table.space.score_key(table.space.parse(text))
