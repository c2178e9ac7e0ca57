"""The kinds of suites: what is done with a part, by the engines of the commands.

Those of ``benchmark``, ``score``, ``search`` and ``task-search`` each work in a run directory of their own inside
the suite's, so that suites that share work (Tables 2, 7 and 8) share it in one directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

import numpy as np

from ...executors.processes import ScorerSettings, score_many
from ...proxy.presets import Preset, load_preset
from ...registry import Registry
from ...scoring.ensemble import parse_measure
from ...scoring.measure import MeasureScorer
from ...search import best_records, search_architectures
from ...spaces import load_space
from ...tables import Table
from ..benchmark import benchmark
from .context import Work
from .spec import GENNAS, Method, Part

OPTIMUM = "optimum"  # in the place of a measure: the best of the table
DEFAULT_PRESETS = {"cnn": "fast", "rnn": "rnn-fast"}
SHARES = ("5%", "10%", "20%", "30%", "40%", "50%")


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
        if work.too_long(part, method) or not work.has_images(preset, f"{part.space}, {method.name}"):
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
        bound = replace(work.scorer(space, load_preset(DEFAULT_PRESETS[place.kind])), seed=seed)
        measured = MeasureScorer(bound.make(), [measure], settings.batch_size, bound.images, settings.image_size)
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
    from ...task_search.report import task_search as run_search
    from ...task_search.settings import TaskSearchSettings

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
