"""What a suite returns: rows beside the printed numbers, and what could not be run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ...evaluation import Interval
from ..result import Result


@dataclass(frozen=True)
class SuiteRow(Result):
    """One number of a suite beside the printed one.

    Attributes:
        part: of the printed table, or the suite's title.
        space: name of the search space.
        row: printed row; empty where the printed table has none.
        method: its name in the suite.
        quantity: what ``value`` is: spearman, kendall, ``top 10%``, or the unit in words.
        value: ours; None where a number is printed only, or nothing could be ranked.
        printed: the printed cell; None where there is none.
        published: its number; None where it is no number.
        published_note: where this number is from if not from this cell, contradictions.
        interval: bootstrap 95 % of ``value``, nan where an end is not defined; None where there is none.
        n: architectures, failed ones included.
        failures: of them, those without a score.
        seconds_per_architecture: building included; None where it is not known.
        note: what else the reader should know.
    """

    part: str
    space: str
    row: str
    method: str
    quantity: str
    value: Optional[float] = None
    printed: Optional[str] = None
    published: Optional[float] = None
    published_note: str = ""
    interval: Optional[Interval] = None
    n: Optional[int] = None
    failures: Optional[int] = None
    seconds_per_architecture: Optional[float] = None
    note: str = ""


@dataclass(frozen=True)
class Missing(Result):
    """An ``item`` of a suite that was not run, and ``why``.

    >>> str(Missing("Table 2", "there is no table"))
    'Table 2: there is no table'
    """

    item: str
    why: str

    def __str__(self) -> str:
        return f"{self.item}: {self.why}"


@dataclass(frozen=True)
class SuiteResult(Result):
    """A table or figure of the paper, as far as it could be run.

    Attributes:
        suite: its name.
        title: of the printed table or figure.
        quick: whether less was run than what was printed.
        seed: of scorers and draws.
        device: cpu, cuda, ...
        rows: in the order of the suite.
        missing: what was not run.
        note: what the reader should know of the suite.
    """

    suite: str
    title: str
    quick: bool
    seed: int
    device: str
    rows: tuple[SuiteRow, ...]
    missing: tuple[Missing, ...]
    note: str
