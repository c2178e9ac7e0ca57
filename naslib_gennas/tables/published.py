"""Numbers of the GenNAS paper (Tables 1-10) and of later work, to stand beside ours; see data/published.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Optional, TypedDict, Union

_CELL = re.compile(r"(?P<value>\d+(\.\d+)?)(±(?P<std>\d+(\.\d+)?))?%?(?P<mark>[†‡§]?[st]?)")


@dataclass(frozen=True)
class Published:
    """One printed cell. ``value`` is None where the cell is no number, such as OOM."""

    table: str  #: 1 to 10, "text", or the later work's name
    part: str  #: which search space or data set of the table
    quantity: str  #: spearman, kendall, or the unit in words
    row: str
    column: str
    printed: str
    value: Optional[float]
    std: Optional[float] = None
    mark: str = ""  #: rank among the methods († ‡ §), task searched here (s) or transferred (t)
    note: str = ""  #: where the number is from if not from this cell, contradictions
    remark: str = ""  #: on this part of the table


class _Note(TypedDict):
    row: str
    column: str
    text: str


class _OptionalKeys(TypedDict, total=False):
    note: str
    notes: list[_Note]


class _Printed(_OptionalKeys):
    """An entry of ``published.yaml``: one part of a table, its cells as text."""

    table: str
    part: str
    quantity: str
    columns: list[str]
    rows: dict[str, list[str]]


@lru_cache(maxsize=1)
def published() -> tuple[Published, ...]:
    """Every number, in the order of the tables; cells whose text is lost are left out."""
    import yaml

    # BaseLoader keeps every cell as the text that stands there
    text = resources.files("naslib_gennas").joinpath("data", "published.yaml").read_text(encoding="utf-8")
    return tuple(cell for table in yaml.load(text, yaml.BaseLoader) for cell in _cells(table))


def find_published(
    table: Union[str, int, None] = None,
    part: Optional[str] = None,
    row: Optional[str] = None,
    column: Optional[str] = None,
) -> list[Published]:
    """The numbers at a place; what is None is left open.

    >>> [cell.value for cell in find_published(2, "NASBench-101", "CIFAR-10", "GenNAS combo")]
    [0.85]
    """
    asked = {"table": table if table is None else str(table), "part": part, "row": row, "column": column}
    wanted = {name: value for name, value in asked.items() if value is not None}
    return [cell for cell in published() if all(getattr(cell, name) == value for name, value in wanted.items())]


def _cells(table: _Printed) -> Iterator[Published]:
    notes = {(note["row"], note["column"]): note["text"] for note in table.get("notes", ())}
    for row, cells in table["rows"].items():
        for column, printed in zip(table["columns"], cells):
            if printed != "null":
                place = (table["table"], table["part"], table["quantity"], row, column)
                note, remark = notes.get((row, column), ""), table.get("note", "")
                yield Published(*place, printed, *_parsed(printed), note, remark)


def _parsed(printed: str) -> tuple[Optional[float], Optional[float], str]:
    """Value, standard deviation and mark."""
    found = _CELL.fullmatch(printed)
    if found is None:
        return None, None, ""
    std = found["std"]
    return float(found["value"]), None if std is None else float(std), found["mark"]
