"""``gennas compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .base import check_metric, main, number, open_run, read_table, scoring_options, show, the_scorer

if TYPE_CHECKING:
    from ..commands.compare import Comparison, Contender
    from ..executors.protocol import Resources

LONGEST = 6  # differences that are told one by one


@main.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--draws", default=16, show_default=True, help="Of targets and weights; both are scored with each.")
@click.option("--table", "source", default=None, help="Ground truth: how often such a difference is right.")
@click.option("--metric", default=None, help="Column of the table [default: the space's own].")
@click.option("--sample", type=click.IntRange(1), default=100, show_default=True, help="Of the table's, to be scored.")
@scoring_options
def compare(
    first: str,
    second: str,
    draws: int,
    source: str | None,
    metric: str | None,
    sample: int,
    as_json: bool,
    resources: Resources,
    **settings: Any,
) -> None:
    """Is architecture A better than B, by how much, and how sure is that?

    JSON: {"first": {"arch", "score", "deviation", "seconds", "costs", "accuracy"}, "second": {...}, "difference",
    "interval", "probability", "same", "differences", "known": {"right", "interval", "pairs", "n", ...} or null, ...}.
    """
    from ..commands import compare as command
    from ..executors import open_executor

    check_metric(source, metric)
    scorer = the_scorer(settings)
    scorers = command.draws(scorer, draws)
    texts = str(scorer.space.parse(first)), str(scorer.space.parse(second))
    table = None if source is None else read_table(source, scorer.space, False)
    config = command.config(scorer, texts, draws)
    if table is not None:
        metric = metric or table.default_metric
        table.column(metric)
        config |= {"table_digest": table.digest(), "metric": metric, "sample": sample}
    with open_run(settings, config) as run, open_executor(resources) as executor:
        result = command.compare(scorers, texts, run, executor, table, metric, sample)
    show(result.as_record(), as_json, lambda: "\n".join(_lines(result)))


def _lines(result: Comparison) -> list[str]:
    from ..search.costs import shown

    first, second = result.first, result.second
    rows = {"score": (number(first.score).strip(), number(second.score).strip())}
    rows["of one draw +-"] = (f"{first.deviation:.4f}", f"{second.deviation:.4f}")
    for name in first.costs:
        rows[name] = (_cost(first, name, shown), _cost(second, name, shown))
    rows["seconds a draw"] = (f"{first.seconds:.3g}", f"{second.seconds:.3g}")
    if result.known is not None:
        rows[result.known.metric] = (_accuracy(first), _accuracy(second))
    lines = [f"A  {first.arch}", f"B  {second.arch}", "", f"{'':16} {'A':>10} {'B':>10}"]
    lines += [f"{name:16} {a:>10} {b:>10}" for name, (a, b) in rows.items()]
    lines += ["", _verdict(result), *_known(result), *_differences(result)]
    return lines


def _cost(contender: Contender, name: str, shown: Any) -> str:
    value = contender.costs[name]
    return "" if value is None else str(shown(value, name))


def _accuracy(contender: Contender) -> str:
    return "unknown" if contender.accuracy is None else f"{contender.accuracy:.2f}"


def _verdict(result: Comparison) -> str:
    if result.same:
        return "A and B are the same network once parts without effect are gone"
    better, probability = ("A", result.probability) if result.difference >= 0 else ("B", 1 - result.probability)
    low, high = result.interval
    spread = "" if low != low else f" (95 % {low:.4f} to {high:.4f})"
    sure = "more than 99.9 %" if probability > 0.999 else f"{probability:.1%}".replace("%", " %")
    return (
        f"{result.preset}, {result.draws} draws: A - B is {result.difference:.4f}{spread}; "
        f"{better} scores higher, with a probability of {sure}"
    )


def _known(result: Comparison) -> list[str]:
    known = result.known
    if known is None or result.same:
        return []
    low, high = (f"{100 * end:.0f}" for end in known.interval)
    return [
        f"scores as far apart as these order {100 * known.right:.0f} % ({low} to {high}) of {known.pairs} pairs of "
        f"{known.n} architectures of {Path(known.table).name} as {known.metric} does"
    ]


def _differences(result: Comparison) -> list[str]:
    found = list(result.differences.items())
    lines = [f"{name}: A {', '.join(a) or 'nothing'}; B {', '.join(b) or 'nothing'}" for name, (a, b) in found]
    more = len(lines) - LONGEST
    return ["", "what differs:", *lines[:LONGEST], *([f"and {more} more"] if more > 0 else [])] if lines else []
