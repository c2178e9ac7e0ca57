"""A table of ground truth: look-up by architecture, sampling, ranks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArchitectureError, TableError
from ..registry import unknown
from ..spaces.base import SearchSpace
from .signatures import Integers, buckets, signatures

EAGER_ROWS = 50_000  # larger tables are parsed row by row when needed
EXAMPLES = 3  # bad rows named of each kind
SIGNED_SPACE = "nasbench101"  # whose cells have :mod:`.signatures`

NO_METRIC = re.compile(
    r"^(index|id|n_vertices|seed|Unnamed.*)$"
    r"|_(std|seeds?|seed\d+)$"
    r"|(^|_)(params?|flops?|seconds?|latency|time|epochs?)(_|$)"
)
"""Numeric columns that describe a row instead of rating it; they are still served by name."""


@dataclass
class Problems:
    """What is wrong with the rows of a table. Rows are counted from 1, the line of column names apart."""

    rows: int  #: rows in the file
    parsed: bool  #: whether every row has been parsed; large tables are parsed on access only
    unparsable: int = 0  #: rows whose architecture is not one of the space; left out
    duplicates: int = 0  #: rows that repeat the text of an earlier one; left out
    missing: dict[str, int] = field(default_factory=dict)  #: metric -> rows without a finite value (kept)
    examples: list[str] = field(default_factory=list)  #: the first few bad rows and what is wrong with them

    def __bool__(self) -> bool:
        return bool(self.unparsable or self.duplicates)

    def __str__(self) -> str:
        if not self:
            return f"{self.rows} rows, none left out"
        more = self.unparsable + self.duplicates - len(self.examples)
        return (
            f"of {self.rows} rows {self.unparsable} do not parse and {self.duplicates} are duplicates: "
            + "; ".join(self.examples)
            + (f"; and {more} more" if more else "")
        )


LOWER_IS_BETTER = re.compile(r"(^|_)(err|error|errors|loss|losses|ppl|perplexity|bpc|wer)(_|\d|$)", re.IGNORECASE)
MINUS = "minus_"
"""Before the name of a column of which lower is better: its negative, which is a metric."""


class Table:
    """Architectures of one space and what is known about them.

    Up to 50,000 rows are parsed at once: bad rows are dropped and ``arch`` holds the space's own text form.
    Larger tables are parsed on access: ``sample`` passes over rows that do not parse, and the rest of the
    text stays as it is in the file (``strict`` parses every row).

    Args:
        frame: one row an architecture: its text in ``arch``, and what is known of it. Of errors, losses and
            perplexities, told by their names, the negative is a metric: ``minus_test_error``.
        space: whose text form the architectures are in.
        name: what errors and reports call the table.
        strict: TableError for rows that do not parse or repeat an architecture, instead of leaving them out.
        note: what must be said beside its numbers.

    Raises TableError for a frame without usable rows or without metrics.

    >>> from naslib_gennas.spaces import load_space
    >>> rows = pd.DataFrame({"arch": ["3", "5", "7"], "accuracy": [90.5, 88.0, float("nan")]})
    >>> table = Table(rows, load_space("nasbench201"))
    >>> table
    Table('table', nasbench201, 3 architectures, accuracy)
    >>> table.value("3"), table.value("7"), table.rank(89.0)
    (90.5, None, 2)
    """

    def __init__(
        self, frame: pd.DataFrame, space: SearchSpace, name: str = "table", strict: bool = False, note: str = ""
    ):
        self.space = space
        self.name = name
        self.note = note
        self.problems = Problems(rows=len(frame), parsed=strict or len(frame) <= EAGER_ROWS)
        frame = frame.reset_index(drop=True)
        if self.problems.parsed:
            frame = self._parsed(frame)
        frame = self._without_duplicates(frame)
        if strict and self.problems:
            raise TableError(f"the table {name} was to be read strictly, but {self.problems}")
        if not len(frame):
            raise TableError(f"the table {name} has no usable row for {space.name}: {self.problems}")
        frame = _with_negatives(frame)
        numeric = frame.select_dtypes("number").columns
        frame[numeric] = frame[numeric].replace([np.inf, -np.inf], np.nan)
        #: one row an architecture: its text in ``arch``, and the other columns of the source
        self.frame = frame.reset_index(drop=True)
        #: columns that rate an architecture; params, flops, times and the like are there by name only
        self.metrics = [str(column) for column in numeric if _rates(str(column))]
        if not self.metrics:
            raise TableError(f"the table {name} has no metric: no numeric column among {list(frame.columns)}")
        missing = self.frame[self.metrics].isna().sum()
        self.problems.missing = {str(metric): int(count) for metric, count in missing.items() if count}
        self._texts: dict[str, int] | None = None
        self._canonical: dict[str, int] | None = None
        self._buckets: dict[int, Integers] | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def digest(self) -> str:
        """Twelve hexadecimal digits of the architectures and all metrics; another order is another table.

        >>> from naslib_gennas.spaces import load_space
        >>> rows = pd.DataFrame({"arch": ["3", "5"], "accuracy": [90.5, 88.0]})
        >>> Table(rows, load_space("nasbench201")).digest()
        '91fc253c8b0f'
        """
        found = hashlib.sha256("\n".join(self.frame["arch"].astype(str)).encode())
        for metric in self.metrics:
            found.update(metric.encode() + self.frame[metric].to_numpy(dtype="<f8").tobytes())
        return found.hexdigest()[:12]

    def __repr__(self) -> str:
        metrics = ", ".join(self.metrics)
        return f"Table({self.name!r}, {self.space.name}, {len(self)} architectures, {metrics})"

    def _repr_html_(self) -> str:
        """In a notebook: what it is, and its first rows."""
        return f"<p>{escape(repr(self))}</p>{self.frame[['arch', *self.metrics]].head().to_html(index=False)}"

    @property
    def default_metric(self) -> str:
        """The space's own first metric that the table has, otherwise the table's first."""
        preferred = [metric for metric in getattr(self.space, "metrics", ()) if metric in self.metrics]
        return (preferred or self.metrics)[0]

    def column(self, metric: str | None = None) -> pd.Series:
        """The values of ``metric`` (the default one if None), a float per row, NaN where unknown."""
        metric = self.default_metric if metric is None else metric
        if metric not in self.frame.columns or metric == "arch":
            raise TableError(self._no_metric(metric))
        if _lower_is_better(metric):
            raise TableError(
                f"of {metric} in {self.name} lower is better, so it is no metric; its negative is {MINUS}{metric}"
            )
        values = self.frame[metric]
        if not pd.api.types.is_numeric_dtype(values):
            raise TableError(
                f"the column {metric!r} of {self.name} is not numeric (it holds {values.iloc[0]!r}); "
                f"its metrics are {', '.join(self.metrics)}"
            )
        return values.astype(float)

    def rows(self, n: int | None, metric: str, rng: np.random.Generator) -> pd.DataFrame:
        """``n`` rows drawn as :meth:`sample` does, or every row whose ``metric`` is known if None."""
        return self.frame[self.column(metric).notna()] if n is None else self.sample(n, metric, rng)

    def sample(self, n: int, metric: str | None, rng: np.random.Generator) -> pd.DataFrame:
        """``n`` rows whose ``metric`` is known, drawn without replacement, in the order drawn.

        The same generator state gives the same rows. TableError if there are fewer than ``n``.
        """
        if n < 1:
            raise TableError(f"a sample needs at least 1 architecture; got {n}")
        known = np.flatnonzero(self.column(metric).notna())
        chosen: list[int] = []
        if n <= len(known):
            for row in rng.permutation(known):
                if self.problems.parsed or self._architecture(row) is not None:
                    chosen.append(int(row))
                if len(chosen) == n:
                    return self.frame.iloc[chosen]
        available = len(chosen) if chosen else len(known)
        raise TableError(
            f"cannot draw {n} architectures: the table {self.name} has only {available} whose "
            f"{metric or self.default_metric} is known"
        )

    def value(self, arch: Any, metric: str | None = None) -> float | None:
        """``metric`` of an architecture (or its text), None where the table does not know it.

        Found by its text, otherwise by canonical form (the first isomorphic row).
        """
        values = self.column(metric)
        row = self.find(arch)
        return None if row is None or np.isnan(values.iloc[row]) else float(values.iloc[row])

    def rank(self, value: float, metric: str | None = None) -> int:
        """Place of a value of ``metric`` within the table: 1 is the best, higher is better."""
        return 1 + int((self.column(metric) > value).sum())

    def find(self, arch: Any) -> int | None:
        """Position in ``frame`` of an architecture (or its text): same text first, then isomorphic.

        ArchitectureError if a text is not an architecture of the space.
        """
        if self._texts is None:
            self._texts = {text: row for row, text in enumerate(self.frame["arch"])}
        row = self._texts.get(str(arch).strip())
        if row is None and isinstance(arch, str):
            arch = self.space.parse(arch)
            row = self._texts.get(str(arch))
        return self._find_isomorphic(arch) if row is None else row

    def _find_isomorphic(self, arch: Any) -> int | None:
        key = self.space.canonical(arch)
        if self._canonical is None and self.space.name == SIGNED_SPACE and not self.problems.parsed:
            row = self._find_in_bucket(arch, key)
            if row is not None:
                return row
        return self.index_canonical().get(key)

    def index_canonical(self, progress: Callable[[int, int], None] | None = None) -> dict[str, int]:
        """Canonical form -> position of the first row that has it; built once.

        Look-ups build it when they need it. On the whole of nasbench101 that takes about a minute, so they
        try the rows with equal vertex degrees and operations first. ``progress`` gets (rows done, rows).
        """
        if self._canonical is None:
            index: dict[str, int] = {}
            for row in range(len(self)):
                key = self._key(row)
                if key is not None:
                    index.setdefault(key, row)
                if progress and (row + 1 == len(self) or row % 1000 == 0):
                    progress(row + 1, len(self))
            self._canonical = index
        return self._canonical

    def _find_in_bucket(self, arch: Any, key: str) -> int | None:
        if self._buckets is None:
            self._buckets = buckets(self.frame["arch"])
        signature = signatures([str(self.space.representative(arch))])[0]
        rows = self._buckets.get(int(signature))
        return None if rows is None else next((int(row) for row in rows if self._key(row) == key), None)

    def _key(self, row: int) -> str | None:
        arch = self._architecture(row)
        return None if arch is None else self.space.canonical(arch)

    def _architecture(self, row: int) -> Any:
        """The architecture of a row, None if it does not parse."""
        try:
            return self.space.parse(str(self.frame["arch"].iat[row]))
        except ArchitectureError:
            return None

    def _parsed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Without the rows that do not parse; ``arch`` in the space's own text form."""
        texts: list[str | None] = []
        for row, text in enumerate(frame["arch"]):
            try:
                texts.append(str(self.space.parse(text)))
            except ArchitectureError as error:
                texts.append(None)
                self.problems.unparsable += 1
                if self.problems.unparsable <= EXAMPLES:
                    self.problems.examples.append(f"row {row + 1}: {error}")
        good = np.array([text is not None for text in texts], dtype=bool)
        frame = frame[good].copy()
        frame["arch"] = [text for text in texts if text is not None]
        return frame

    def _without_duplicates(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The first row of each text; the index still is the row's place in the file."""
        repeated = frame["arch"].duplicated()
        self.problems.duplicates = int(repeated.sum())
        for row in frame.index[repeated][:EXAMPLES]:
            text = frame["arch"][row]
            first = frame.index[frame["arch"] == text][0]
            self.problems.examples.append(f"row {row + 1} repeats row {first + 1} ({text})")
        return frame[~repeated].copy()

    def _no_metric(self, metric: str) -> str:
        message = unknown(f"metric of the table {self.name}", metric, self.metrics)
        listed = "there are: " in message
        return message if listed else f"{message} it has: {', '.join(self.metrics)}"


def _lower_is_better(name: str) -> bool:
    return not name.startswith(MINUS) and bool(LOWER_IS_BETTER.search(name))


def _rates(name: str) -> bool:
    """Whether a numeric column rates architectures, higher is better."""
    return not NO_METRIC.search(name) and not _lower_is_better(name)


def _with_negatives(frame: pd.DataFrame) -> pd.DataFrame:
    """With a metric for every column of errors or losses."""
    numeric = [str(name) for name in frame.select_dtypes("number").columns]
    wanted = [name for name in numeric if _lower_is_better(name) and f"{MINUS}{name}" not in frame.columns]
    return frame.assign(**{f"{MINUS}{name}": -frame[name] for name in wanted}) if wanted else frame
