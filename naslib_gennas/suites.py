"""Suites: tables and figures of the paper, run as far as the tables of ground truth at hand allow.

What a suite consists of is data (``data/suites.yaml``). Its parts are run by the engines of the commands
``benchmark``, ``score``, ``search`` and ``task-search``, each in a run directory of its own inside the suite's, so
that suites that share work (Tables 2, 7 and 8) share it in one directory.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from importlib import resources
from typing import Any, Callable

import numpy as np

from .batch_scoring import ScorerSettings, score_many
from .benchmark import benchmark
from .errors import ImageError, InputError
from .images import load_images
from .measures.ensemble import parse_measure
from .measures.scoring import BATCH_SIZE, IMAGE_SIZE, MeasureScorer
from .presets import Preset, load_preset
from .published import Published, find_published
from .registry import Registry, unknown
from .runs import Run
from .search import best_records, search_architectures
from .spaces import SPACES, load_space
from .tables import Table, load_table

STAND_IN = "digits"  # whose accuracies are beside no published number
OPTIMUM = "optimum"  # in the place of a measure: the best of the table
GENNAS = "gennas"
DEFAULT_PRESETS = {"cnn": "fast", "rnn": "rnn-fast"}
SHARES = ("5%", "10%", "20%", "30%", "40%", "50%")


class Unavailable(InputError):
    """What cannot be run here: what is missing and how to get it."""


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
    def read(cls, name: str, given: str | dict[str, Any]) -> Method:
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

    def cell(self, part: Part, row: str, column: str) -> Published | None:
        """The printed number, if there is one."""
        found = find_published(self.table, part.printed, row, column) if self.table and part.printed else []
        return found[0] if found else None


@dataclass(frozen=True)
class SuiteSettings:
    """``tables``: space -> where its ground truth is; ``sample`` and ``quick`` change how much is run."""

    tables: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False
    sample: int | None = None
    seed: int = 0
    device: str = "cpu"
    images: str | None = None
    workers: int = 1
    batch_size: int = BATCH_SIZE
    image_size: int = IMAGE_SIZE
    strict: bool = False

    def config(self) -> dict[str, Any]:
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
        }


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    import yaml

    return yaml.safe_load(resources.files(__package__).joinpath("data", "suites.yaml").read_text(encoding="utf-8"))


def suite_names() -> list[str]:
    return list(_data()["suites"])


def load_suite(name: str) -> Suite:
    """The suite called ``name``; InputError with near matches if there is none."""
    suites = _data()["suites"]
    if name not in suites:
        raise InputError(unknown("suite", name, suites))
    given = dict(suites[name])
    parts = tuple(_part(space, rows, part) for part in given.pop("parts") for space, rows in part["spaces"].items())
    table = given.pop("table", None)
    return Suite(name, parts=parts, table=None if table is None else str(table), **given)


def _part(space: str, rows: dict[str, str], given: dict[str, Any]) -> Part:
    rest = {key: value for key, value in given.items() if key not in ("spaces", "methods", "columns")}
    methods = tuple(Method.read(name, method) for name, method in given["methods"].items())
    return Part(space, rows, methods, columns=tuple(given.get("columns", ())), **rest)


def run_suite(name: str, settings: SuiteSettings, run: Run) -> dict[str, Any]:
    """Run what can be run. Returns ``rows`` and ``missing``, written to the run as ``NAME.json`` too.

    A row: part, space, row, method, quantity, value, interval, printed, published (its number), n, failures,
    seconds_per_architecture, note; value is None where a number is printed only. ``missing``: item and why.
    InputError if nothing can be run, a suite does not exist, or a table is for none of its spaces; TableError for
    a table that cannot be read.
    """
    suite = load_suite(name)
    Work.check(suite, settings)
    loaded = [load_table(source, space, settings.strict) for space, source in settings.tables.items()]
    work = Work(suite, settings, run, {table.space.name: table for table in loaded})
    rows: list[dict[str, Any]] = []
    for part in suite.parts:
        try:
            rows += [row for row in KINDS[suite.kind](work, part) if row is not None]
        except (Unavailable, ImageError) as error:
            work.lacks(f"{part.printed or suite.title} ({part.space})", error)
    if not any(row["value"] is not None for row in rows):
        raise InputError(f"nothing of {name} can be run: " + "; ".join(_sentences(work.missing)))
    data = {
        "suite": name,
        "title": suite.title,
        "quick": settings.quick,
        "seed": settings.seed,
        "device": settings.device,
        "rows": rows,
        "missing": work.missing,
        "note": suite.note,
    }
    run.write(f"{name}.json", data)
    return data


def text_of(data: Mapping[str, Any]) -> str:
    """The result of a suite as a table for people."""
    version = " (quick: smaller than what was printed)" if data["quick"] else ""
    lines = [f"{data['suite']}: {data['title']}{version}, seed {data['seed']}"]
    rows = data["rows"]
    width = max(len(row["method"]) for row in rows)
    for heading in dict.fromkeys((row["part"], row["space"], row["row"]) for row in rows):
        lines += ["", ", ".join(text for text in heading if text)]
        lines.append(f"  {'':{width}}  {'ours':>8}  {'95 %':>15}  {'printed':>12}  {'n':>5}  {'s/arch':>8}  failed")
        lines += [_line(row, width) for row in rows if (row["part"], row["space"], row["row"]) == heading]
    if data["missing"]:
        lines += ["", "not run:", *(f"  {sentence}" for sentence in _sentences(data["missing"]))]
    return "\n".join(lines + (["", f"note: {data['note']}"] if data["note"] else []))


def _line(row: Mapping[str, Any], width: int) -> str:
    low, high = row["interval"] or (None, None)
    cells = [
        f"{row['method']:{width}}",
        f"{_shown(row['value'], '.4f'):>8}",
        f"{'' if low is None else f'{low:.3f} to {high:.3f}':>15}",
        f"{row['printed'] or '':>12}",
        f"{_shown(row['n'], 'd'):>5}",
        f"{_shown(row['seconds_per_architecture'], '.3f'):>8}",
        _shown(row["failures"], "d"),
    ]
    quantity = row["quantity"] + " " if row["quantity"].startswith("top") else ""
    return f"  {'  '.join(cells)}  {quantity}{row['note']}".rstrip()


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _sentences(missing: Sequence[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(f"{item['item']}: {item['why']}" for item in missing))


def obtain(space: str) -> str:
    """How to get a table of the space."""
    found = (text for pattern, text in _data()["obtain"].items() if fnmatch.fnmatch(space, pattern))
    return next(found, "add --table {space}:FILE").format(space=space)


class Work:
    """One suite being run: its settings, tables and directory, and what turned out to be missing."""

    def __init__(self, suite: Suite, settings: SuiteSettings, run: Run, tables: Mapping[str, Table]):
        self.suite, self.settings, self.run, self.tables = suite, settings, run, tables
        self.missing: list[dict[str, str]] = []

    @staticmethod
    def check(suite: Suite, settings: SuiteSettings) -> None:
        """InputError for a table that the suite has no use for, UnknownNameError for one of no space."""
        for space in settings.tables:
            if SPACES[space].name not in suite.spaces:
                raise InputError(f"{suite.name} does not look at {space}, but at {', '.join(suite.spaces)}")

    def lacks(self, item: str, why: object) -> None:
        self.missing.append({"item": item, "why": str(why)})

    def amount(self, kind: str) -> dict[str, int]:
        """How long a search is."""
        return _data()["quick" if self.settings.quick else "full"][kind]

    def table(self, part: Part) -> Table:
        """The ground truth of the part; Unavailable if none was named."""
        if part.space not in self.tables:
            raise Unavailable(f"there is no table of {part.space}; {obtain(part.space)}")
        return self.tables[part.space]

    def metrics(self, part: Part) -> dict[str, str]:
        """Column -> printed row, of the columns that the table has; the others are noted as missing."""
        table = self.table(part)
        if table.name == STAND_IN:
            return {table.default_metric: STAND_IN}
        for metric, row in part.rows.items():
            if metric not in table.frame:
                self.lacks(f"{part.printed or self.suite.title}, {row or metric}", self._no_column(table, metric))
        found = {metric: row for metric, row in part.rows.items() if metric in table.frame}
        if not found:
            raise Unavailable(f"the table {table.name} has no column {' or '.join(part.rows)}")
        return found

    def measure(self, part: Part, method: Method, metric: str) -> str | None:
        """The measure of a method; None, noted as missing, if the table lacks its column or it takes too long."""
        text = method.measure.format(data_set=metric.split("_")[0])
        if method.full_only and self.settings.quick:
            self.lacks(f"{part.printed}, {method.name}", "takes too long for --quick; leave --quick out")
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
        """The method's preset; with --quick, the paper's convolutional ones are shortened first."""
        preset = load_preset(method.preset)
        if self.settings.quick and preset.kind == "cnn" and preset.name.startswith("paper"):
            preset = preset.with_fidelity(**_data()["quick"]["fidelity"])
        if method.fidelity:
            preset = preset.with_fidelities(partial(_possible, changes=method.fidelity))
        return preset

    def scorer(self, space: str, preset: Preset, seed: int = 0) -> ScorerSettings:
        settings = self.settings
        return ScorerSettings(space, preset, settings.seed + seed, settings.device, settings.images)

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
        amount = self.settings.sample or (_data()["quick"]["sample"] if self.settings.quick else part.sample)
        rows = table.sample(min(known, amount), metric, np.random.default_rng(self.settings.seed))
        return Table(rows, table.space, name=table.name)

    def inside(self, name: str, config: dict[str, Any]) -> Run:
        """A run of its own inside the suite's directory, continued if it is there."""
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
        directory = self.run.path(f"{name}-{digest}")
        return Run(directory, config, resume=directory is not None and directory.exists())

    def row(self, part: Part, printed_row: str, method: Method, value: float | None, **more) -> dict[str, Any]:
        """A row of the result, with the printed number that belongs to it."""
        quantity = more.pop("quantity", self.suite.quantity)
        place = (method.printed, quantity) if part.columns else (printed_row, method.printed)
        cell = self.suite.cell(part, *place)
        blank = {"interval": None, "n": None, "failures": None, "seconds_per_architecture": None, "note": ""}
        return {
            "part": part.printed or self.suite.title,
            "space": part.space,
            "row": printed_row,
            "method": method.name,
            "quantity": quantity,
            "value": value,
            "printed": None if cell is None else cell.printed,
            "published": None if cell is None else cell.value,
            "published_note": "" if cell is None else cell.note,
            **blank,
            **more,
        }

    def printed_only(self, part: Part, printed_row: str) -> Iterator[dict[str, Any]]:
        """Rows of the printed columns that no method is for."""
        if self.suite.table is None or not part.printed or part.columns:
            return
        known = {method.printed for method in part.methods} | {"average", "samples"}
        for cell in find_published(self.suite.table, part.printed, printed_row):
            if cell.column not in known:
                yield self.row(part, printed_row, Method(cell.column), None, note="printed only")


def _possible(fidelity, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, and an average over no more steps than there are."""
    return {"average": min(fidelity.average, changes.get("steps", fidelity.steps)), **changes}


def _of_row(name: str) -> Callable[[dict], tuple]:
    return lambda row: (row[name], row[f"{name}_interval"])


def _retrieved(share: str, unit: float = 1.0) -> Callable[[dict], tuple]:
    return lambda row: (unit * row["retrieval"][share], None)


QUANTITIES: dict[str, Callable[[dict], tuple]] = {
    "spearman": _of_row("spearman"),
    "kendall": _of_row("kendall"),
    **{f"top {share}": _retrieved(share) for share in SHARES},
    "top 10%, in %": _retrieved("10%", 100.0),
}
"""What a suite shows of a row of a benchmark: value and 95 % interval, None where there is none."""

KINDS: Registry[Callable[[Work, Part], Iterator[dict]]] = Registry("kind of suite")


@KINDS.register("rank")
def rank(work: Work, part: Part) -> Iterator[dict]:
    """How well each method ranks the same architectures."""
    metrics = work.metrics(part)
    table = work.drawn(part, next(iter(metrics)))
    found: list[dict] = []
    for method, rows in _ranked(work, part, table, list(metrics)):
        for metric, row in rows.items():
            found += _quantities(work, part, metrics[metric], method, row)
    yield from found
    if part.average:
        for printed_row in metrics.values():
            yield _average(work, part, printed_row, [row for row in found if row["row"] == printed_row])
    for printed_row in metrics.values():
        yield from work.printed_only(part, printed_row)


def _ranked(work: Work, part: Part, table: Table, metrics: list[str]) -> Iterator[tuple[Method, dict[str, dict]]]:
    """(method, metric -> row of the benchmark); first the measures, which share their passes."""
    plain = [method for method in part.methods if method.preset is None]
    texts = {(method, metric): work.measure(part, method, metric) for method in plain for metric in metrics}
    texts = {place: text for place, text in texts.items() if text is not None}
    if texts:
        preset = load_preset(DEFAULT_PRESETS[table.space.kind])
        rows = _benchmark(work, part, table, metrics, preset, list(dict.fromkeys(texts.values())))
        for method in plain:
            yield (
                method,
                {
                    metric: rows[str(parse_measure(texts[method, metric])), metric]
                    for metric in metrics
                    if (method, metric) in texts
                },
            )
    for method in part.methods:
        if method.preset is None:
            continue
        preset = work.preset(method)
        if not work.has_images(preset, f"{part.printed or work.suite.title}, {method.name}"):
            continue
        rows = _benchmark(work, part, table, metrics, preset, [GENNAS], method.seed)
        yield method, {metric: rows[GENNAS, metric] for metric in metrics}


def _benchmark(work: Work, part: Part, table: Table, metrics: list[str], preset: Preset, texts: list[str], seed=0):
    """(measure, metric) -> row of the benchmark."""
    settings = work.settings
    bound = work.scorer(part.space, preset, seed)
    label = preset.name if texts == [GENNAS] else "measures"
    config = {
        **settings.config(),
        "command": "benchmark",
        "space": part.space,
        "preset": preset.name,
        "preset_digest": preset.digest(),
        "seed": bound.seed,
        "table": table.name,
        "sample": f"{len(table)} by seed {settings.seed}",
    }
    measures = [parse_measure(text) for text in texts]
    with work.inside(f"{part.space}-{label}", config) as run:
        data = benchmark(
            bound, table, metrics, measures, None, run, settings.workers, settings.batch_size, settings.image_size
        )
    return {(row["measure"], row["metric"]): row for row in data["rows"]}


def _quantities(work: Work, part: Part, printed_row: str, method: Method, row: dict) -> Iterator[dict]:
    shown = {key: row[key] for key in ("n", "failures", "seconds_per_architecture", "note")}
    for quantity in part.columns or (work.suite.quantity,):
        value, interval = (None, None) if row["note"] else QUANTITIES[quantity](row)
        yield work.row(part, printed_row, method, value, quantity=quantity, interval=interval, **shown)


def _average(work: Work, part: Part, printed_row: str, rows: list[dict]) -> dict | None:
    values = [row["value"] for row in rows if row["value"] is not None]
    if not values:
        return None
    return work.row(part, printed_row, Method("average"), float(np.mean(values)), note=_deviation(values))


def _deviation(values: Sequence[float]) -> str:
    return f"mean of {len(values)}, standard deviation {np.std(values, ddof=1):.3f}" if len(values) > 1 else "one run"


@KINDS.register("speed")
def speed(work: Work, part: Part) -> Iterator[dict]:
    """Seconds a step on random architectures of the space; no ground truth is needed."""
    space, rng = load_space(part.space), np.random.default_rng(work.settings.seed)
    amount = work.settings.sample or part.sample
    texts = [str(space.sample(rng)) for _ in range(3 if work.settings.quick and not work.settings.sample else amount)]
    (printed_row,) = part.rows.values()
    for method in part.methods:
        preset = work.preset(method)
        if not work.has_images(preset, f"{part.space}, {method.name}"):
            continue
        bound = work.scorer(part.space, preset)
        config = {"command": "score", **_identity(bound), "architectures": texts}
        with work.inside(f"{part.space}-{preset.name}-speed", config) as run:
            records = [r for r in score_many(bound, texts, run, work.settings.workers) if r["status"] == "ok"]
        if not records:
            work.lacks(f"{part.space}, {method.name}", "every architecture failed")
            continue
        value = float(np.mean([record["seconds"] / record["steps"] for record in records]))
        yield work.row(part, printed_row, method, value, n=len(records), failures=len(texts) - len(records))
    yield from work.printed_only(part, printed_row)


def _identity(bound: ScorerSettings) -> dict[str, Any]:
    return {
        "space": bound.space,
        "preset": bound.preset.name,
        "preset_digest": bound.preset.digest(),
        "seed": bound.seed,
        "device": bound.device,
        "images": bound.images,
    }


@KINDS.register("search")
def search(work: Work, part: Part) -> Iterator[dict]:
    """Ground truth of what regularized evolution returns, mean over seeds; ground truth is never the fitness."""
    metrics, table = work.metrics(part), work.table(part)
    for method in part.methods:
        if method.measure == OPTIMUM:
            for metric, printed_row in metrics.items():
                yield work.row(part, printed_row, method, float(table.column(metric).max()), n=len(table))
            continue
        measure = None if method.preset else work.measure(part, method, next(iter(metrics)))
        if method.preset is None and measure is None:
            continue
        winners = [_winner(work, part, method, measure, seed) for seed in range(work.amount("search")["seeds"])]
        for metric, printed_row in metrics.items():
            values = [None if arch is None else table.value(arch, metric) for arch in winners]
            yield _returned(work, part, printed_row, method, values)
    for printed_row in metrics.values():
        yield from work.printed_only(part, printed_row)


def _returned(work: Work, part: Part, printed_row: str, method: Method, values: list[float | None]) -> dict | None:
    known = [value for value in values if value is not None]
    if not known:
        why = "the table does not know the architectures that were found; name one that holds the whole space"
        work.lacks(f"{part.printed}, {method.name}", why)
        return None
    return work.row(part, printed_row, method, float(np.mean(known)), note=_deviation(known))


def _winner(work: Work, part: Part, method: Method, measure: str | None, seed: int) -> str | None:
    """The architecture with the highest score of one search; None if none has a score."""
    amount = {key: value for key, value in work.amount("search").items() if key != "seeds"}
    space = _searched(work, part)
    if measure is None:
        bound = work.scorer(space, work.preset(method), seed)
        fitness, config = bound.make(), _identity(bound)
    else:
        fitness = _fitness(work, part, space, measure, seed)
        config = {"space": space, "measure": measure, "seed": fitness.seed, "device": work.settings.device}
    config = {"command": "search", **config, **amount}
    with work.inside(f"{part.space}-search-{(measure or method.preset).replace(':', '-')}", config) as run:
        records = search_architectures(fitness, run, **amount)
    return next((record["arch"] for record in best_records(records, 1)), None)


def _searched(work: Work, part: Part) -> str:
    """The space; those that are lists of configurations are searched among the table's."""
    by_list = part.space.startswith("nds_res")
    return f"{part.space}:{work.table(part).name}" if by_list else part.space


@dataclass(frozen=True)
class Fitness:
    """Records of architectures in the place of a Scorer, for a search."""

    space: Any
    seed: int
    record: Callable[[str], dict[str, Any]]

    def score(self, arch) -> Record:
        return Record(self.record(str(arch)))


class Record(dict):
    def as_record(self) -> dict[str, Any]:
        return dict(self)


def _fitness(work: Work, part: Part, space: str, measure: str, seed: int) -> Fitness:
    table, column = work.table(part), measure.partition("table:")[2]
    place = load_space(space)
    seed += work.settings.seed
    if not column:
        settings = work.settings
        scorer = replace(work.scorer(space, load_preset(DEFAULT_PRESETS[place.kind])), seed=seed).make()
        measured = MeasureScorer(scorer, [measure], settings.batch_size, settings.images, settings.image_size)
        return Fitness(place, seed, lambda text: measured.score(text)[0])

    def look_up(text: str) -> dict[str, Any]:
        value = table.value(text, column)
        key = place.score_key(place.parse(text))
        status = "failed" if value is None else "ok"
        return {"arch": text, "key": key, "score": value, "status": status, "seconds": 0.0, "message": ""}

    return Fitness(place, seed, look_up)


@KINDS.register("task_search")
def task_search(work: Work, part: Part) -> Iterator[dict]:
    """The best rho of searches over proxy tasks, mean over seeds, as ``gennas task-search --baseline`` does it."""
    from .search.task_report import TaskSearchSettings
    from .search.task_report import task_search as run_search

    table = work.table(part)
    metric = next(iter(work.metrics(part)))
    amount = dict(work.amount("task_search"))
    seeds, steps = amount.pop("seeds"), amount.pop("steps")
    found: dict[str, list[float]] = {method.name: [] for method in part.methods}
    base = work.preset(part.methods[0])
    for seed in range(seeds):
        settings = TaskSearchSettings(
            part.space, base, metric, part.labelled, work.settings.seed + seed, baseline=True,
            device=work.settings.device, images=work.settings.images, **amount,
        )  # fmt: skip
        with work.inside(f"{part.space}-tasks", settings.config(table.name)) as run:
            data = run_search(settings, table, run, steps, work.settings.workers)
        found["evolution"].append(data["best"]["rho"])
        found["random"].append(data["baseline"]["rho"])
    for method in part.methods:
        values = found[method.name]
        yield work.row(part, "", method, float(np.mean(values)), n=part.labelled, note=_deviation(values))
