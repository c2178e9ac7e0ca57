"""A suite at work: settings, tables, run directories, and what turns out to be missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ...errors import ImageError, InputError, TableError
from ...executors.protocol import ALONE, Executor, Resources, open_executor
from ...proxy.images import images_identity, load_images
from ...proxy.presets import Preset, load_preset
from ...runs.run import Record, Run
from ...scoring.gennas import GenNASScorer
from ...scoring.measure import BATCH_SIZE, IMAGE_SIZE
from ...spaces import SPACES
from ...spaces.base import SearchSpace
from ...tables import Table
from ...tables.published import find_published
from ...task_search.space import base_preset
from ..ground_truth import check_ranking
from .results import Missing, SuiteRow
from .spec import Method, Part, Suite, obtain, suite_data

CLOSED_FORM = ("table1",)  # suites whose tasks are single signals at single stages
SHARED_WEIGHTS = ("table3",)
NO_TABLE = "there is no table"


class Unavailable(InputError):
    """What cannot be run here: what is missing and how to get it."""


@dataclass(frozen=True)
class SuiteSettings:
    """``tables``: space -> where its ground truth is; ``sample`` and ``quick`` change how much is run; ``solver``
    ``ridge`` scores the tasks of Table 1 in closed form; ``methods``: only these, all if none; ``one_shot``: images
    for the methods that share weights."""

    tables: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False
    sample: int | None = None
    seed: int = 0
    device: str = "cpu"
    images: str | None = None
    resources: Resources = ALONE
    batch_size: int = BATCH_SIZE
    image_size: int = IMAGE_SIZE
    strict: bool = False
    solver: str = "sgd"
    methods: tuple[str, ...] = ()
    one_shot: str | None = None

    def config(self) -> Record:
        """What the suites in one directory must share."""
        return {
            "command": "suite",
            "quick": self.quick,
            "sample": self.sample,
            "seed": self.seed,
            "device": self.device,
            "images": self.images,
            "batch_size": self.batch_size,
            "image_size": self.image_size,
            **({"one_shot": images_identity(self.one_shot)["images_digest"]} if self.one_shot else {}),
            **({"solver": self.solver} if self.solver != "sgd" else {}),
        }


class Context:
    """One suite being run: its settings, tables and directory, and what turned out to be missing."""

    def __init__(self, suite: Suite, settings: SuiteSettings, run: Run, tables: Mapping[str, Table]):
        self.suite, self.settings, self.run, self.tables = suite, settings, run, tables
        self.missing: list[Missing] = []

    @staticmethod
    def check(suite: Suite, settings: SuiteSettings) -> None:
        """InputError for a table that the suite has no use for, UnknownNameError for one of no space."""
        if settings.solver != "sgd" and suite.name not in CLOSED_FORM:
            raise InputError(f"only {', '.join(CLOSED_FORM)} can be had in closed form; leave out --solver ridge")
        if settings.one_shot and suite.name not in SHARED_WEIGHTS:
            raise InputError(f"only {', '.join(SHARED_WEIGHTS)} has methods that share weights; leave out --one-shot")
        for space in settings.tables:
            if SPACES[space].name not in suite.spaces:
                raise InputError(f"{suite.name} does not look at {space}, but at {', '.join(suite.spaces)}")

    def lacks(self, item: str, why: object) -> None:
        self.missing.append(Missing(item, str(why)))

    def amount(self, kind: str) -> dict[str, int]:
        """How long a search is."""
        amounts: dict[str, int] = suite_data()["quick" if self.settings.quick else "full"][kind]
        return amounts

    def table(self, part: Part) -> Table:
        """The ground truth of the part; Unavailable if none was named."""
        if part.space not in self.tables:
            raise Unavailable(f"{NO_TABLE}; {obtain(part.space)}")
        return self.tables[part.space]

    def metrics(self, part: Part) -> dict[str, str]:
        """Column -> printed row, of the columns that the table has; the others are noted as missing."""
        table = self.table(part)
        for metric, row in part.rows.items():
            if metric not in table.frame:
                self.lacks(f"{part.printed or self.suite.title}, {row or metric}", self._no_column(table, metric))
        found = {metric: row for metric, row in part.rows.items() if metric in table.frame}
        if not found:
            raise Unavailable(f"the table {table.name} has no column {' or '.join(part.rows)}")
        return self.rankable(part, table, found)

    def rankable(self, part: Part, table: Table, metrics: dict[str, str]) -> dict[str, str]:
        """Those of ``metrics`` by which the table can be ranked; the others are noted as missing."""
        found = {}
        for metric, row in metrics.items():
            try:
                check_ranking(table, table.frame, [metric])
                found[metric] = row
            except TableError as error:
                self.lacks(f"{part.printed or self.suite.title}, {row or metric}", error)
        if not found:
            raise Unavailable(f"the table {table.name} cannot be ranked by {' or '.join(metrics)}")
        return found

    def too_long(self, part: Part, method: Method) -> bool:
        """Whether the method is left out with --quick, noted as missing."""
        if method.full_only and self.settings.quick:
            self.lacks(f"{part.printed}, {method.name}", "takes too long for --quick; leave --quick out")
        return method.full_only and self.settings.quick

    def measure(self, part: Part, method: Method, metric: str) -> str | None:
        """The measure of a method; None, noted as missing, if the table lacks its column or it takes too long."""
        text = method.measure.format(data_set=metric.split("_")[0])
        if self.too_long(part, method):
            return None
        table, column = self.table(part), text.partition("table:")[2]
        if column and column not in table.frame:
            self.lacks(f"{part.printed}, {method.name}", self._no_column(table, column))
            return None
        return text

    @staticmethod
    def _no_column(table: Table, column: str) -> str:
        return f"the table {table.name} has no column {column}; add the column to it, or name a table that has it"

    def preset(self, method: Method) -> Preset:
        """The method's preset; with --quick, the paper's are shortened first."""
        preset = load_preset(method.preset or "")
        if self.settings.solver == "ridge":
            return preset.model_copy(update={"fidelity": base_preset(None, "cnn", "ridge").fidelity})
        if self.settings.quick and preset.name.startswith(("paper-", "rnn-")):
            preset = preset.with_fidelity(**suite_data()["quick"]["fidelity"][preset.kind])
        if method.fidelity:
            preset = preset.with_fidelities(partial(_possible, changes=method.fidelity))
        return preset

    def scorer(self, space: SearchSpace, preset: Preset, seed: int = 0) -> GenNASScorer:
        """The preset bound to a space, with the seed (``seed`` added), device and images of the command."""
        settings = self.settings
        images = settings.images if space.kind == "cnn" else None  # recurrent networks see none
        return GenNASScorer(space, preset, settings.seed + seed, settings.device, images)

    def executor(self) -> Executor:
        return open_executor(self.settings.resources)

    def has_images(self, preset: Preset, item: str) -> bool:
        """Whether there are pictures enough for the batch; if not, ``item`` is noted as missing."""
        try:
            if preset.kind == "cnn":
                for _, member in preset.members():
                    load_images(self.settings.images, member.fidelity.batch_size, member.fidelity.input_size)
        except ImageError as error:
            self.lacks(item, f"{error} (--images)")
            return False
        return True

    def drawn(self, part: Part, metric: str) -> Table:
        """A table of the sampled architectures only, the same for all methods."""
        table = self.table(part)
        known = int(table.column(metric).notna().sum())
        wanted = self.settings.sample or (suite_data()["quick"]["sample"] if self.settings.quick else part.sample)
        amount = known if wanted is None else min(known, wanted)
        rows = table.sample(amount, metric, np.random.default_rng(self.settings.seed))
        return Table(rows, table.space, name=table.name, note=table.note)

    def inside(self, name: str, config: Record) -> Run:
        """A run of its own inside the suite's directory, continued if it is there."""
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
        return self.run.inside(f"{name}-{digest}", config)

    def row(
        self,
        part: Part,
        printed_row: str,
        method: Method,
        value: float | None = None,
        note: str = "",
        quantity: str | None = None,
    ) -> SuiteRow:
        """A row of the result, with the printed number that belongs to it; ``quantity``: the suite's if None."""
        quantity = self.suite.quantity if quantity is None else quantity
        place = (method.printed, quantity) if part.columns else (printed_row, method.printed)
        row = SuiteRow(
            part.printed or self.suite.title, part.space, printed_row, method.name, quantity, value, note=note
        )
        cell = self.suite.cell(part, *place)
        if cell is None:
            return row
        return replace(row, printed=cell.printed, published=cell.value, published_note=cell.note)

    def printed_only(self, part: Part, printed_row: str) -> Iterator[SuiteRow]:
        """Rows of the printed columns that no method is for."""
        if self.suite.table is None or not part.printed or part.columns:
            return
        run = [method for method in part.methods if not (method.full_only and self.settings.quick)]
        known = {method.printed for method in run} | {"average", "samples"}
        for cell in find_published(self.suite.table, part.printed, printed_row):
            if cell.column not in known:
                yield self.row(part, printed_row, Method(cell.column), note="printed only")


def _possible(fidelity: Any, changes: Mapping[str, Any]) -> Record:
    """The changes, and an average over no more steps than there are."""
    return {"average": min(fidelity.average, changes.get("steps", fidelity.steps)), **changes}
