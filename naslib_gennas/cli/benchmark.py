"""``gennas benchmark``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..registry import unknown
from .base import (
    main,
    open_run,
    read_table,
    retry_option,
    sampling_options,
    say,
    scoring_options,
    show,
    the_scorer,
)

if TYPE_CHECKING:
    from ..commands.benchmark import BenchmarkResult, BenchmarkRow, BenchmarkSettings
    from ..evaluation import Interval
    from ..executors.protocol import Resources
    from ..runs.run import Record
    from ..scoring.gennas import GenNASScorer
    from ..tables import Table

STUDY = "nbs-zero"
OWN = ("texts", "metric", "space", "preset", "everything")  # what a suite decides itself


@main.command()
@click.option(
    "--measures",
    "--measure",
    "texts",
    multiple=True,
    default=["gennas,synflow,naswot"],
    show_default="gennas,synflow,naswot",
    help="Measures and ensembles, e.g. 'gennas,naswot,rank(gennas,naswot,params)' or table:COLUMN; "
    "params and flops are always added. See `gennas measures`.",
)
@click.option("--metric", default=None, help="Columns of the table, comma-separated [default: the space's own].")
@click.option("--suite", default=None, help="A table or figure of the paper instead: table1, ..., fig8; or nbs-zero.")
@click.option("--one-shot", default=None, help="With --suite table3: labelled images; weight sharing runs on them.")
@click.option("--method", "methods", multiple=True, help="Only this method of the suite; may be given several times.")
@click.option("--quick", is_flag=True, help="A small version of the suite, in minutes; its numbers say little.")
@click.option(
    "--solver",
    type=click.Choice(["sgd", "ridge"]),
    default="sgd",
    show_default=True,
    help="ridge: table1 in closed form, without training.",
)
@click.option(
    "--table",
    "sources",
    multiple=True,
    help="Ground truth: a file, or analog-nasbench (extra demo); with --suite SPACE:FILE, once for every space.",
)
@click.option("--batch-size", default=32, show_default=True, help="Images for the measures other than gennas.")
@click.option("--image-size", default=32, show_default=True, help="Pixels a side of these images.")
@sampling_options
@retry_option
@scoring_options
def benchmark(
    texts: tuple[str, ...],
    metric: str | None,
    suite: str | None,
    one_shot: str | None,
    methods: tuple[str, ...],
    quick: bool,
    solver: str,
    sources: tuple[str, ...],
    sample: int,
    everything: bool,
    strict: bool,
    batch_size: int,
    image_size: int,
    as_json: bool,
    resources: Resources,
    **settings: Any,
) -> None:
    """Compare several measures on the same architectures.

    JSON: {"rows": [{"measure", "metric", "n", "failures", "spearman", "spearman_interval", "kendall",
    "kendall_interval", "retrieval", "top1", "best_of_top10", "best", "seconds_per_architecture", "note"}],
    "space", "table", "metrics", "architectures", "seed", "preset", "seconds", "failures", ...}.

    With --suite, JSON: {"suite", "title", "rows": [{"part", "space", "row", "method", "quantity", "value", "interval",
    "printed", "published", "n", "failures", "seconds_per_architecture", "note", ...}], "missing": [{"item", "why"}],
    "note", ...}; "value" is null where a number is printed only. Exit code 2 if nothing of it can be run.

    --suite nbs-zero repeats the study of NAS-Bench-Suite-Zero on --table SPACE:FILE ... (its own zc_*.json, or any
    table) with --measures [gennas@instant, gennas@hybrid, gennas@fast, gennas@best]; --out gets nbs-zero.csv and
    nbs-zero.html. JSON: {"rows": [{"part", "space", "task", "proxy", "other", "value", "low", "high", "n"}], "ours",
    "missing", "seed"}.
    """
    from ..commands.benchmark import BenchmarkSettings, expressions
    from ..commands.benchmark import benchmark as run_benchmark
    from ..executors import open_executor

    if suite == STUDY:
        _study(sources, texts, as_json, settings, quick=quick, sample=sample, resources=resources)
        return
    if suite is not None:
        common = {"resources": resources, "batch_size": batch_size, "image_size": image_size, "strict": strict}
        common |= {"methods": methods, "one_shot": one_shot}
        _suite(suite, sources, as_json, settings, quick=quick, solver=solver, sample=sample, **common)
        return
    if quick or len(sources) > 1 or solver != "sgd" or methods or one_shot:
        what = "--quick, --method, --one-shot, --solver and more than one --table"
        raise InputError(f"{what} are for --suite; a preset has its own solver")
    if not sources:
        raise InputError("name the ground truth: --table FILE, or --table analog-nasbench (extra demo)")
    measures = expressions(",".join(texts))
    scorer = the_scorer(settings)
    table = read_table(sources[0], scorer.space, strict)
    metrics = tuple(metric.split(",")) if metric else (table.default_metric,)
    amount = None if everything else sample
    compared = BenchmarkSettings(metrics, tuple(measures), amount, batch_size, image_size)
    config = _config(scorer, sources[0], table, compared)
    with open_run(settings, config) as run, open_executor(resources) as executor:
        result = run_benchmark(scorer, table, compared, run, executor)
    show(result.as_record(), as_json, lambda: "\n".join(_lines(result)))
    for line in _failures(result):
        say(line)


def _config(scorer: GenNASScorer, source: str, table: Table, settings: BenchmarkSettings) -> Record:
    return {
        "command": "benchmark",
        **scorer.identity(),
        "measures": [str(expression) for expression in settings.measures],
        "table": source,
        "table_digest": table.digest(),
        "metrics": list(settings.metrics),
        "sample": "all" if settings.sample is None else settings.sample,
        "batch_size": settings.batch_size,
        "image_size": settings.image_size,
    }


def _study(
    sources: tuple[str, ...],
    texts: tuple[str, ...],
    as_json: bool,
    settings: dict[str, Any],
    sample: int,
    **options: Any,
) -> None:
    from ..commands.study import StudySettings, run_study, text_of
    from ..scoring.gennas import find_device

    for option in ("metric", "space", "preset", "solver", "everything", "strict", "methods", "one_shot"):
        if _given(option):
            word = {"everything": "all", "methods": "method", "one_shot": "one-shot"}.get(option, option)
            raise InputError(f"--suite {STUDY} has no use for --{word}")
    find_device(settings["device"])
    bound = StudySettings(
        sources,
        ",".join(texts) if _given("texts") else None,
        sample=sample if _given("sample") else None,
        **{option: settings[option] for option in ("seed", "device", "images")},
        **options,
    )
    with open_run(settings, bound.config()) as run:
        result = run_study(bound, run)
    show(result.as_record(), as_json, lambda: text_of(result))


def _suite(
    name: str, sources: tuple[str, ...], as_json: bool, settings: dict[str, Any], sample: int, **options: Any
) -> None:
    from ..commands.suites import SuiteSettings, run_suite, suite_names, text_of
    from ..scoring.gennas import find_device

    if name not in suite_names():
        raise InputError(unknown("suite", name, [*suite_names(), STUDY]))
    given = [option for option in OWN if _given(option)]
    if given:
        shown = ", ".join("--" + {"texts": "measures", "everything": "all"}.get(option, option) for option in given)
        raise InputError(f"the suite {name} decides about {shown}; leave it out")
    find_device(settings["device"])
    tables = dict(map(_place, sources))
    common = {option: settings[option] for option in ("seed", "device", "images")}
    bound = SuiteSettings(tables, sample=sample if _given("sample") else None, **common, **options)
    with open_run(settings, bound.config()) as run:
        result = run_suite(name, bound, run)
    show(result.as_record(), as_json, lambda: text_of(result))


def _given(option: str) -> bool:
    from click.core import ParameterSource

    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


def _place(text: str) -> tuple[str, str]:
    space, colon, source = text.partition(":")
    if not (space and colon and source):
        raise InputError(f"cannot read --table {text}: with --suite it is SPACE:FILE, e.g. nasbench201:nb201.csv.gz")
    return space, source


def _lines(result: BenchmarkResult) -> list[str]:
    lines = [f"{result.space}, {result.architectures} architectures of {result.table}, seed {result.seed}"]
    width = max(len(row.measure) for row in result.rows)
    for metric in result.metrics:
        lines.append(f"\n{metric}")
        lines.append(
            f"{'measure':{width}}  {'rho':>6}  {'95 %':>13}  {'tau':>6}  {'95 %':>13}  "
            f"{'top5%':>5} {'10%':>4} {'20%':>4} {'50%':>4}  {'top-1':>6}  {'s/arch':>7}  failed"
        )
        lines += [_line(row, width) for row in result.rows if row.metric == metric]
    return lines + ([f"\nnote: {result.note}"] if result.note else [])


def _line(row: BenchmarkRow, width: int) -> str:
    cost, found = row.seconds_per_architecture, row.evaluation
    end = f"{'' if cost is None else format(cost, '.3f'):>7}  {row.failures}"
    if found is None:
        return f"{row.measure:{width}}  {row.note}  {end}"
    top = found.retrieval
    return (
        f"{row.measure:{width}}  {found.spearman:6.3f}  {_interval(found.spearman_interval)}  "
        f"{found.kendall:6.3f}  {_interval(found.kendall_interval)}  "
        f"{top['5%']:5.0%} {top['10%']:4.0%} {top['20%']:4.0%} {top['50%']:4.0%}  {found.top1:6.2f}  {end}"
    )


def _failures(result: BenchmarkResult) -> list[str]:
    return [
        f"{name}: {count} of {result.architectures} failed: {reason}"
        for name, reasons in result.failures.items()
        for reason, count in reasons.items()
    ]


def _interval(ends: Interval) -> str:
    return f"{'':13}" if any(map(math.isnan, ends)) else f"{ends[0]:6.3f} {ends[1]:6.3f}"
