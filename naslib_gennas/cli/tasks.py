"""``gennas task-search``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .base import WHERE, main, open_run, placed, read_table, say, show, table_option

if TYPE_CHECKING:
    from ..executors.protocol import Resources
    from ..tables import Table
    from ..task_search.checks import Agreement, Check
    from ..task_search.result import TaskSearchResult
    from ..task_search.settings import TaskSearchSettings
    from ..task_search.significance import KeptStart


def where_options(command: Callable[..., None]) -> Callable[..., None]:
    return placed(command, WHERE)


@main.command("task-search")
@click.option("--space", required=True, help="Search space; see `gennas spaces`.")
@table_option
@click.option("--metric", default=None, help="Column of the table [default: the space's own].")
@click.option("--labelled", default=20, show_default=True, help="Architectures whose labels the search uses.")
@click.option("--validate", default=0, show_default=True, help="Other architectures, to check the task found.")
@click.option("--transfer", multiple=True, help="SPACE:TABLE[:METRIC] to try the task on; may be repeated.")
@click.option("--also", multiple=True, help="SPACE:TABLE[:METRIC] to search by as well, by the mean of the rhos.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same search.")
@click.option("--steps", default=400, show_default=True, help="Tasks evaluated after the first population.")
@click.option("--population", default=50, show_default=True)
@click.option("--tournament", default=10, show_default=True)
@click.option("--algorithm", type=click.Choice(["evolution", "random"]), default="evolution", show_default=True)
@click.option("--objective", default="rho", show_default=True, help="rho; or rho,seconds or rho,work: their front.")
@click.option(
    "--fidelity",
    default=None,
    help="Fidelity, stage weights, further tasks: `paper`, a preset or a .yaml [default: tiny, for RNNs rnn-combo].",
)
@click.option(
    "--solver",
    type=click.Choice(["sgd", "ridge"]),
    default=None,
    help="ridge: in closed form; after one pass a task costs next to nothing [default: the fidelity's].",
)
@click.option("--search-fidelity", is_flag=True, help="Search the fidelity too, up to 4 times the work.")
@click.option("--search-weights", is_flag=True, help="Search the weights of the stages in the score too.")
@click.option("--warm-start", default="", help="Presets to start from, comma-separated.")
@click.option(
    "--confidence",
    default=0.975,
    show_default=True,
    help="How surely (bootstrap) the best task must beat the best --warm-start to replace it; 0: always.",
)
@click.option("--race/--no-race", default=True, show_default=True, help="Stop hopeless tasks early.")
@click.option("--baseline", is_flag=True, help="Random search with as many evaluations, to compare with.")
@click.option("--compare", multiple=True, help="--out of another task search, drawn beside it; may be repeated.")
@click.option("--name", default="searched", show_default=True, help="Name of the preset that is written.")
@click.option("--max-seconds", type=float, default=None, help="Stop after this wall-clock time.")
@click.option("--strict", is_flag=True, help="Stop at rows that do not parse or appear twice.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or mps.")
@click.option("--images", default=None, help="Images for the batch: .npz or a folder [default: embedded].")
@click.option("--out", default=None, help="Directory for history, task.yaml, summary and picture.")
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@where_options
def task_search(
    source: str,
    strict: bool,
    resources: Resources,
    steps: int,
    max_seconds: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Search for the proxy task that ranks a few labelled architectures best.

    The task is written to --out as task.yaml, which every other command takes as --preset. That is a preset of
    --warm-start, if the best task on the labels (then in found.yaml) does not beat it beyond chance.

    JSON: {"best": {"rho", "rho_interval", "tau", "step", "digest", ...}, "start": {"step", "rho", "probability",
    "kept"} or null, "front": [...], "split_half": {...} or null,
    "validation": {"n", "found": {"rho", ...}, ...} or null, "transfer": [...], "evaluations", "stopped",
    "regressions", "regressions_plain", "seconds", "seconds_plain", "preset", "baseline": {...} or null, ...}.
    """
    from ..task_search.report import task_search as run_search

    table = read_table(source, options["space"], strict)
    settings = _settings(table, options)
    with open_run(options, settings.config()) as run:
        result = run_search(settings, run, steps, resources, max_seconds)
    if run.directory is not None:
        say(f"the task is in {run.path('task.yaml')}, the history in {run.path('results.jsonl')}")
    show(result.as_record(), as_json, lambda: "\n".join(_lines(result)))


def _settings(table: Table, options: dict[str, Any]) -> TaskSearchSettings:
    from dataclasses import fields

    from ..proxy.presets import load_preset
    from ..scoring.gennas import find_device
    from ..task_search.settings import Elsewhere, TaskSearchSettings
    from ..task_search.space import base_preset

    find_device(options["device"])
    metric = options["metric"] or table.default_metric
    table.column(metric)
    base = base_preset(options["fidelity"], table.space.kind, options["solver"])
    names = {field.name for field in fields(TaskSearchSettings)}
    given = {key: value for key, value in options.items() if key in names}
    given.update(
        table=table,
        base=base,
        metric=metric,
        compare=tuple(options["compare"]),
        warm_start=tuple(load_preset(name.strip()) for name in options["warm_start"].split(",") if name.strip()),
        transfer=tuple(Elsewhere.parse(text, base) for text in options["transfer"]),
        also=tuple(Elsewhere.parse(text, base) for text in options["also"]),
    )
    return TaskSearchSettings(**given)


def _lines(found: TaskSearchResult) -> list[str]:
    best, cost = found.best, found.savings
    seconds = best.task.seconds_per_architecture
    lines = [
        f"{found.space}, {found.labelled} labels ({found.metric} of {found.table}), fidelity of {found.base}",
        f"  {cost.evaluations} tasks: {cost.ok} scored in full, {cost.stopped} stopped, {cost.failed} "
        f"without a ranking; {cost.regressions} regressions of {cost.regressions_plain} "
        f"({cost.regressions_saved:.0%} saved), {cost.seconds:.0f} s "
        f"(without stopping about {cost.seconds_plain:.0f} s)",
        f"  best task (step {best.task.step}), {seconds:.3f} s an architecture:",
        f"    rho {_agreement(best.labelled.mean)} on the labels it was chosen by: optimistic",
        *(
            f"      {place.source.space} ({place.source.metric}): rho {_agreement(place.agreement)}"
            for place in best.labelled.spaces
        ),
    ]
    if found.start is not None:
        lines.append(_beside_start(found.start, best.task.step))
    if found.baseline is not None:
        lines.append(f"    random search, as many tasks: rho {_agreement(found.baseline.labelled.mean)}")
    if found.split_half is not None:
        lines.append(
            f"    chosen by half of the labels: rho {found.split_half.chosen_by:.3f} on that half, "
            f"{found.split_half.other_half:.3f} on the other"
        )
    for i, member in enumerate(found.front, 1):
        seconds, work = member.seconds_per_architecture, member.work
        lines.append(f"  front-{i}.yaml: rho {member.rho:.3f}, {seconds:.3f} s an architecture, work {work:.2e}")
    if found.validation is not None:
        lines += [f"  on {found.validation.n} architectures never used:", *_rows(found.validation)]
    else:
        lines.append("  not checked on other labels: --validate N does it")
    for place in found.transfer:
        where = f"{place.source.space} ({place.source.metric} of {place.source.table})"
        lines += [f"  on {place.check.n} of {where}:", *_rows(place.check)]
    return lines + ([f"  note: {found.note}"] if found.note else [])


def _beside_start(start: KeptStart, best_step: int) -> str:
    if start.step == best_step:
        return "    that is the task started from: nothing better was found"
    result = "so it is kept as task.yaml; found.yaml is the other" if start.kept else "so it is replaced"
    return f"    the start has rho {start.rho:.3f}, less in {start.probability:.0%} of bootstrap resamples, {result}"


def _rows(check: Check) -> list[str]:
    return [f"    {name:12} rho {_agreement(row)}" for name, row in check.agreements.items()]


def _agreement(row: Agreement) -> str:
    return f"{row.rho_with_interval}, tau {row.tau:.3f}"
