"""The kinds of suites: what is done with a part, by the engines of the commands.

Those of ``benchmark``, ``score``, ``search`` and ``task-search`` each context in a run directory of their own inside
the suite's, so that suites that share context (Tables 2, 7 and 8) share it in one directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Callable, Optional

import numpy as np

from ...evaluation import Evaluation, Interval
from ...executors.scores import ScorerElsewhere, score_all
from ...one_shot import METHODS, OneShotSettings
from ...proxy.presets import Preset, load_preset
from ...registry import Registry
from ...scoring.ensemble import parse_measure
from ...scoring.measure import measure_scorers
from ...scoring.protocol import Scorer
from ...scoring.table import TableScorer
from ...search.architectures import SearchSettings, best_steps, search_architectures
from ...spaces.base import SearchSpace
from ...tables import Table, open_space
from ...task_search.report import task_search as run_task_search
from ...task_search.settings import TaskSearchSettings
from .. import one_shot
from ..benchmark import BenchmarkRow, BenchmarkSettings, benchmark
from .context import Context
from .results import SuiteRow
from .spec import GENNAS, Method, Part

Value = tuple[float, Optional[Interval]]
"""A number, and its 95 % interval where there is one."""

OPTIMUM = "optimum"  # in the place of a measure: the best of the table
DEFAULT_PRESETS = {"cnn": "fast", "rnn": "rnn-fast"}
QUICK_SPEED = 3  # architectures
SHARES = ("5%", "10%", "20%", "30%", "40%", "50%")


def _spearman(found: Evaluation) -> Value:
    return found.spearman, found.spearman_interval


def _kendall(found: Evaluation) -> Value:
    return found.kendall, found.kendall_interval


def _retrieved(share: str, unit: float = 1.0) -> Callable[[Evaluation], Value]:
    return lambda found: (unit * found.retrieval[share], None)


QUANTITIES: dict[str, Callable[[Evaluation], Value]] = {
    "spearman": _spearman,
    "kendall": _kendall,
    **{f"top {share}": _retrieved(share) for share in SHARES},
    "top 10%, in %": _retrieved("10%", 100.0),
}
"""What a suite shows of an evaluation: value and 95 % interval, None where there is none."""

KINDS: Registry[Callable[[Context, Part], Iterator[Optional[SuiteRow]]]] = Registry("kind of suite")


@KINDS.register("rank")
def rank(context: Context, part: Part) -> Iterator[Optional[SuiteRow]]:
    """How well each method ranks the same architectures."""
    metrics = context.metrics(part)
    table = context.drawn(part, next(iter(metrics)))
    metrics = context.rankable(part, table, metrics)
    found: list[SuiteRow] = []
    for method, rows in _ranked(context, part, table, list(metrics)):
        for metric, row in rows.items():
            found += _quantities(context, part, metrics[metric], method, row)
    yield from found
    if part.average:
        for printed_row in metrics.values():
            yield _average(context, part, printed_row, [row for row in found if row.row == printed_row])
    for printed_row in metrics.values():
        yield from context.printed_only(part, printed_row)


def _ranked(
    context: Context, part: Part, table: Table, metrics: list[str]
) -> Iterator[tuple[Method, dict[str, BenchmarkRow]]]:
    """(method, metric -> row of the benchmark); first the measures, which share their passes."""
    plain = [method for method in part.methods if method.preset is None]
    wanted = {(method, metric): context.measure(part, method, metric) for method in plain for metric in metrics}
    texts = {place: text for place, text in wanted.items() if text is not None}
    if texts:
        preset = load_preset(DEFAULT_PRESETS[table.space.kind])
        rows = _benchmark(context, part, table, metrics, preset, list(dict.fromkeys(texts.values())))
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
        preset = context.preset(method)
        if not context.has_images(preset, f"{part.printed or context.suite.title}, {method.name}"):
            continue
        rows = _benchmark(context, part, table, metrics, preset, [GENNAS], method.seed)
        yield method, {metric: rows[GENNAS, metric] for metric in metrics}


def _benchmark(
    context: Context, part: Part, table: Table, metrics: list[str], preset: Preset, texts: list[str], seed: int = 0
) -> dict[tuple[str, str], BenchmarkRow]:
    """(measure, metric) -> row of the benchmark."""
    settings = context.settings
    scorer = context.scorer(table.space, preset, seed)
    label = preset.name if texts == [GENNAS] else "measures"
    config = {
        **settings.config(),
        "command": "benchmark",
        "space": part.space,
        "preset": preset.name,
        "preset_digest": preset.digest(),
        "seed": scorer.seed,
        "table": table.name,
        "table_digest": table.digest(),
        "sample": f"{len(table)} by seed {settings.seed}",
    }
    measures = tuple(parse_measure(text) for text in texts)
    compared = BenchmarkSettings(tuple(metrics), measures, None, settings.batch_size, settings.image_size)
    with context.inside(f"{part.space}-{label}", config) as run, context.executor() as executor:
        result = benchmark(scorer, table, compared, run, executor)
    return {(row.measure, row.metric): row for row in result.rows}


def _quantities(
    context: Context, part: Part, printed_row: str, method: Method, row: BenchmarkRow
) -> Iterator[SuiteRow]:
    for quantity in part.columns or (context.suite.quantity,):
        value, interval = (None, None) if row.evaluation is None else QUANTITIES[quantity](row.evaluation)
        shown = context.row(part, printed_row, method, value, row.note, quantity)
        cost = row.seconds_per_architecture
        yield replace(shown, interval=interval, n=row.n, failures=row.failures, seconds_per_architecture=cost)


def _average(context: Context, part: Part, printed_row: str, rows: list[SuiteRow]) -> SuiteRow | None:
    values = [row.value for row in rows if row.value is not None]
    if not values:
        return None
    return context.row(part, printed_row, Method("average"), float(np.mean(values)), deviation(values))


def deviation(values: Sequence[float]) -> str:
    return f"mean of {len(values)}, standard deviation {np.std(values, ddof=1):.3f}" if len(values) > 1 else "one run"


@KINDS.register("speed")
def speed(context: Context, part: Part) -> Iterator[Optional[SuiteRow]]:
    """Seconds a step on random architectures of the space; no ground truth is needed."""
    space, rng = open_space(part.space), np.random.default_rng(context.settings.seed)
    amount = context.settings.sample or (QUICK_SPEED if context.settings.quick else part.sample) or 0
    texts = [str(space.sample(rng)) for _ in range(amount)]
    (printed_row,) = part.rows.values()
    for method in part.methods:
        preset = context.preset(method)
        if context.too_long(part, method) or not context.has_images(preset, f"{part.space}, {method.name}"):
            continue
        scorer = context.scorer(space, preset)
        config = {"command": "score", **scorer.identity(), "architectures": texts}
        with context.inside(f"{part.space}-{preset.name}-speed", config) as run, context.executor() as executor:
            found = score_all([scorer], texts, run, executor)[scorer.measure]
        scores = [score for score in found if score.status == "ok"]
        if not scores:
            context.lacks(f"{part.space}, {method.name}", "every architecture failed")
            continue
        value = float(np.mean([score.seconds / score.details["steps"] for score in scores]))
        shown = context.row(part, printed_row, method, value)
        yield replace(shown, n=len(scores), failures=len(texts) - len(scores))
    yield from context.printed_only(part, printed_row)


@KINDS.register("search")
def search(context: Context, part: Part) -> Iterator[Optional[SuiteRow]]:
    """Ground truth of what regularized evolution returns, mean over seeds; ground truth is never the fitness."""
    metrics, table = context.metrics(part), context.table(part)
    for method in part.methods:
        if method.measure == OPTIMUM:
            for metric, printed_row in metrics.items():
                best = float(table.column(metric).max())
                yield replace(context.row(part, printed_row, method, best), n=len(table))
            continue
        measure = None if method.preset else context.measure(part, method, next(iter(metrics)))
        if method.preset is None and measure is None:
            continue
        winners = [_winner(context, part, method, measure, seed) for seed in range(context.amount("search")["seeds"])]
        for metric, printed_row in metrics.items():
            values = [None if arch is None else table.value(arch, metric) for arch in winners]
            yield _returned(context, part, printed_row, method, values)
    shared = list(_shared_weights(context, part, metrics, table))
    yield from shared
    done = {row.method for row in shared if row is not None}
    for printed_row in metrics.values():
        yield from (row for row in context.printed_only(part, printed_row) if row.method not in done)


def _shared_weights(
    context: Context, part: Part, metrics: Mapping[str, str], table: Table
) -> Iterator[Optional[SuiteRow]]:
    """What the weight-sharing methods find, mean over seeds, where images for them are given."""
    source = context.settings.one_shot
    if source is None or part.space != one_shot.SPACE:
        return
    amount = dict(context.amount("one_shot"))
    seeds = amount.pop("seeds")
    plain = OneShotSettings(**amount)
    images = one_shot.read(source, plain)
    for name in METHODS.names():
        found = []
        for seed in range(context.settings.seed, context.settings.seed + seeds):
            bound = replace(plain, seed=seed)
            config = one_shot.config(name, source, bound, context.settings.device)
            with context.inside(f"{part.space}-{name}", config) as run:
                found.append(one_shot.one_shot(name, images, bound, run, device=context.settings.device).arch)
        method = Method(METHODS[name].title)
        for metric, printed_row in metrics.items():
            values = [table.value(arch, metric) for arch in found]
            yield _returned(context, part, printed_row, method, values)


def _returned(
    context: Context, part: Part, printed_row: str, method: Method, values: list[float | None]
) -> Optional[SuiteRow]:
    known = [value for value in values if value is not None]
    if not known:
        why = "the table does not know the architectures that were found; name one that holds the whole space"
        context.lacks(f"{part.printed}, {method.name}", why)
        return None
    return context.row(part, printed_row, method, float(np.mean(known)), deviation(known))


def _winner(context: Context, part: Part, method: Method, measure: str | None, seed: int) -> str | None:
    """The architecture with the highest score of one search; None if none has a score."""
    amount = {key: value for key, value in context.amount("search").items() if key != "seeds"}
    scorer = _fitness(context, part, method, measure, seed)
    settings = replace(SearchSettings(seed=context.settings.seed + seed), **amount)  # type: ignore[arg-type]
    config = {"command": "search", **scorer.identity(), "seed": settings.seed, **amount}
    name = f"{part.space}-search-{(measure or str(method.preset)).replace(':', '-')}"
    with context.inside(name, config) as run, context.executor() as executor:
        steps = search_architectures(ScorerElsewhere(scorer, executor), run, settings)
    return next((step.score.arch for step in best_steps(steps, 1)), None)


def _fitness(context: Context, part: Part, method: Method, measure: str | None, seed: int) -> Scorer:
    """The scorer of a search; ground truth is one only where the printed method is an early-stopping accuracy."""
    space, column = _searched(context, part), (measure or "").partition("table:")[2]
    if column:
        return TableScorer(context.table(part), column)
    if measure is None:
        return context.scorer(space, context.preset(method), seed)
    settings = context.settings
    gennas = context.scorer(space, load_preset(DEFAULT_PRESETS[space.kind]), seed)
    (scorer,) = measure_scorers([measure], gennas, settings.batch_size, settings.image_size)
    return scorer


def _searched(context: Context, part: Part) -> SearchSpace:
    """The space; those that are lists of configurations are searched among the table's."""
    by_list = part.space.startswith("nds_res")
    return open_space(f"{part.space}:{context.table(part).name}" if by_list else part.space)


@KINDS.register("task_search")
def task_search(context: Context, part: Part) -> Iterator[Optional[SuiteRow]]:
    """The best rho of searches over proxy tasks, mean over seeds, as ``gennas task-search --baseline`` does it."""
    table = context.table(part)
    metric = next(iter(context.metrics(part)))
    amount = dict(context.amount("task_search"))
    seeds, steps = amount.pop("seeds"), amount.pop("steps")
    found: dict[str, list[float]] = {method.name: [] for method in part.methods}
    base = context.preset(part.methods[0])
    for seed in range(seeds):
        settings = TaskSearchSettings(
            table,
            base,
            metric,
            part.labelled,
            context.settings.seed + seed,
            baseline=True,
            device=context.settings.device,
            images=context.settings.images,
        )
        settings = replace(settings, **amount)  # type: ignore[arg-type]
        with context.inside(f"{part.space}-tasks", settings.config()) as run:
            data = run_task_search(settings, run, steps, context.settings.resources)
        found["evolution"].append(data.best.rho)
        if data.baseline is not None:
            found["random"].append(data.baseline.rho)
    for method in part.methods:
        values = found[method.name]
        shown = context.row(part, "", method, float(np.mean(values)), deviation(values))
        yield replace(shown, n=part.labelled)
