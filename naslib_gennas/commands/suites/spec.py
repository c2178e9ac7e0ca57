"""What a suite is: a table or figure of the paper as data (``data/suites.yaml``)."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import Any

from ...errors import InputError
from ...registry import unknown
from ...runs.run import Record
from ...tables.published import Published, find_published

GENNAS = "gennas"


@dataclass(frozen=True, eq=False)
class Method:
    """A measure, or ``gennas`` with a ``preset`` and changes of its ``fidelity``; ``seed`` is added to the command's.

    ``column``: where the printed number stands, if not under the ``name``; ``full_only``: takes too long for --quick.
    """

    name: str
    measure: str = GENNAS
    preset: str | None = None
    fidelity: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    column: str | None = None
    full_only: bool = False

    @classmethod
    def read(cls, name: str, given: str | Record) -> Method:
        return cls(name, measure=given) if isinstance(given, str) else cls(name, **given)

    @property
    def printed(self) -> str:
        return self.column or self.name


@dataclass(frozen=True)
class Part:
    """Methods on one space. ``rows``: column of the table -> printed row; see ``data/suites.yaml``."""

    space: str
    rows: Mapping[str, str]
    methods: tuple[Method, ...]
    printed: str = ""
    sample: int | None = None
    columns: tuple[str, ...] = ()  #: quantities that the printed table has as columns, its rows being methods
    average: bool = False  #: a last row with mean and deviation of the others
    labelled: int = 20


@dataclass(frozen=True)
class Suite:
    """A table or figure of the paper: ``kind`` says what is done with its parts, see ``KINDS``."""

    name: str
    title: str
    kind: str
    parts: tuple[Part, ...]
    quantity: str = ""
    table: str | None = None
    note: str = ""

    @property
    def spaces(self) -> list[str]:
        return list(dict.fromkeys(part.space for part in self.parts))

    def only(self, methods: Sequence[str]) -> Suite:
        """The parts that have any of ``methods``, with these only; all of it for none.

        InputError for a method that no part has.
        """
        if not methods:
            return self
        known = list(dict.fromkeys(method.name for part in self.parts for method in part.methods))
        for name in methods:
            if name not in known:
                raise InputError(unknown(f"method of {self.name}", name, known))
        kept = [(part, tuple(m for m in part.methods if m.name in methods)) for part in self.parts]
        return replace(self, parts=tuple(replace(part, methods=some) for part, some in kept if some))

    def cell(self, part: Part, row: str, column: str) -> Published | None:
        """The printed number, if there is one."""
        found = find_published(self.table, part.printed, row, column) if self.table and part.printed else []
        return found[0] if found else None


@lru_cache(maxsize=1)
def suite_data() -> Record:
    """The content of ``suites.yaml``."""
    import yaml

    text = resources.files("naslib_gennas").joinpath("data", "suites.yaml").read_text(encoding="utf-8")
    data: Record = yaml.safe_load(text)
    return data


def suite_names() -> list[str]:
    return list(suite_data()["suites"])


def load_suite(name: str) -> Suite:
    """The suite called ``name``; InputError with near matches if there is none."""
    suites = suite_data()["suites"]
    if name not in suites:
        raise InputError(unknown("suite", name, suites))
    given = dict(suites[name])
    parts = tuple(_part(space, rows, part) for part in given.pop("parts") for space, rows in part["spaces"].items())
    table = given.pop("table", None)
    return Suite(name, parts=parts, table=None if table is None else str(table), **given)


def _part(space: str, rows: dict[str, str], given: Record) -> Part:
    rest = {key: value for key, value in given.items() if key not in ("spaces", "methods", "columns")}
    methods = tuple(Method.read(name, method) for name, method in given["methods"].items())
    return Part(space, rows, methods, columns=tuple(given.get("columns", ())), **rest)


def obtain(space: str) -> str:
    """How to get a table of the space."""
    found = (text for pattern, text in suite_data()["obtain"].items() if fnmatch.fnmatch(space, pattern))
    return next(found, "add --table SPACE:FILE")
