"""``gennas benchmark`` and ``gennas measures``."""

from __future__ import annotations

import click

from .base import config_of, main, open_run, read_table, sampling_options, say, scorer_settings, scoring_options, show


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
@click.option("--batch-size", default=32, show_default=True, help="Images for the measures other than gennas.")
@click.option("--image-size", default=32, show_default=True, help="Pixels a side of these images.")
@sampling_options
@scoring_options
def benchmark(texts, source, metric, sample, everything, strict, batch_size, image_size, workers, as_json, **settings):
    """Compare several measures on the same architectures.

    JSON: {"rows": [{"measure", "metric", "n", "failures", "spearman", "spearman_interval", "kendall",
    "kendall_interval", "retrieval", "top1", "best_of_top10", "best", "seconds_per_architecture", "note"}],
    "space", "table", "metrics", "architectures", "seed", "preset", "seconds", "failures", ...}.
    """
    from ..benchmark import benchmark as run_benchmark
    from ..benchmark import expressions

    measures = expressions(",".join(texts))
    bound = scorer_settings(settings)
    table = read_table(source, bound.space, strict)
    metrics = metric.split(",") if metric else [table.default_metric]
    config = {
        "command": "benchmark",
        **config_of(bound),
        "measures": [str(expression) for expression in measures],
        "table": source,
        "metrics": metrics,
        "sample": "all" if everything else sample,
        "batch_size": batch_size,
        "image_size": image_size,
    }
    amount = None if everything else sample
    with open_run(settings, config) as run:
        data = run_benchmark(bound, table, metrics, measures, amount, run, workers, batch_size, image_size)
    show(data, as_json, lambda: "\n".join(_lines(data)))
    for name, reasons in data["failures"].items():
        for reason, count in reasons.items():
            say(f"{name}: {count} of {data['architectures']} failed: {reason}")


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
def measures(action, name):
    """List the measures, or `measures show NAME`."""
    from ..errors import InputError
    from ..measures import MEASURES
    from ..measures.ensemble import AGGREGATIONS

    if action != "show":
        for shown in MEASURES.names():
            click.echo(f"{shown:10} {MEASURES[shown].summary}")
        for shown in AGGREGATIONS.names():
            click.echo(f"{shown + '(..)':10} {AGGREGATIONS[shown].__doc__.splitlines()[0]}")
        return
    if name is None:
        raise InputError("a name is missing: gennas measures show NAME")
    click.echo("\n".join(_facts(MEASURES[name])))


def _facts(measure) -> list[str]:
    import inspect

    text = inspect.getdoc(measure.function) if measure.function else measure.summary
    return [
        f"{measure.name}: {text}",
        f"source: {measure.source}",
        f"passes: {measure.passes}",
        f"memory: {measure.memory}",
        f"needs images: {_yes(measure.needs_images)}; labels: {_yes(measure.needs_labels)}; "
        f"recurrent networks: {_yes(measure.rnn)}",
    ]


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _lines(data) -> list[str]:
    lines = [f"{data['space']}, {data['architectures']} architectures of {data['table']}, seed {data['seed']}"]
    width = max(len(row["measure"]) for row in data["rows"])
    for metric in data["metrics"]:
        lines.append(f"\n{metric}")
        lines.append(
            f"{'measure':{width}}  {'rho':>6}  {'95 %':>13}  {'tau':>6}  {'95 %':>13}  "
            f"{'top5%':>5} {'10%':>4} {'20%':>4} {'50%':>4}  {'top-1':>6}  {'s/arch':>7}  failed"
        )
        lines += [_line(row, width) for row in data["rows"] if row["metric"] == metric]
    return lines + ([f"\nnote: {data['note']}"] if data["note"] else [])


def _line(row, width: int) -> str:
    cost = row["seconds_per_architecture"]
    end = f"{'' if cost is None else format(cost, '.3f'):>7}  {row['failures']}"
    if row["note"]:
        return f"{row['measure']:{width}}  {row['note']}  {end}"
    top = row["retrieval"]
    return (
        f"{row['measure']:{width}}  {row['spearman']:6.3f}  {_interval(row['spearman_interval'])}  "
        f"{row['kendall']:6.3f}  {_interval(row['kendall_interval'])}  "
        f"{top['5%']:5.0%} {top['10%']:4.0%} {top['20%']:4.0%} {top['50%']:4.0%}  {row['top1']:6.2f}  {end}"
    )


def _interval(ends) -> str:
    return f"{'':13}" if None in ends else f"{ends[0]:6.3f} {ends[1]:6.3f}"
