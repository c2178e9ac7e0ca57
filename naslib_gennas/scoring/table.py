"""A column of a table in the place of a measure, such as an early-stopping accuracy."""

from __future__ import annotations

from typing import Any

from ..errors import UnscorableError
from ..runs.run import Record
from ..tables import Table
from .protocol import BaseScorer
from .score import Score


class TableScorer(BaseScorer):
    """The values of a column of ``table``; an architecture that it does not know fails.

    Raises TableError if there is no such column.
    """

    def __init__(self, table: Table, column: str):
        table.column(column)
        self.space, self.table, self.column = table.space, table, column
        self.measure = f"table:{column}"

    def identity(self) -> Record:
        table = {"table": self.table.name, "table_digest": self.table.digest()}
        return {"space": self.space.source, "measure": self.measure, **table}

    def key(self, arch: Any) -> str:
        """The text: a table may have a row for each of several architectures that are one network."""
        return str(arch)

    def compute(self, arch: Any, key: str) -> Score:
        value = self.table.value(arch, self.column)
        if value is None:
            raise UnscorableError(f"the table {self.table.name} has no {self.column} of it")
        return Score(str(arch), key, value, "ok", 0.0, self.measure)
