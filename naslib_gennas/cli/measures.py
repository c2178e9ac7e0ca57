"""``gennas measures``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .base import check_action, main, say, show, show_list

if TYPE_CHECKING:
    from ..commands.measure_times import MeasureTime
    from ..measures.base import Measure

SPACE = "nasbench201"


@main.command()
@click.argument("action", required=False, default="list", metavar="[show|time]")
@click.argument("names", required=False, metavar="[NAME]")
@click.option("--space", default=None, help=f"With time: whose architectures [default: {SPACE}].")
@click.option("--sample", type=int, default=None, help="With time: how many of them [default: 5].")
@click.option("--json", "as_json", is_flag=True, help="With time: print one JSON object.")
def measures(action: str, names: str | None, space: str | None, sample: int | None, as_json: bool) -> None:
    """List the measures, `measures show NAME`, or `measures time [NAME,NAME]`: seconds of each, measured here.

    JSON: {"space", "times": [{"measure", "seconds", "passes", "source", "problem"}]}; "seconds" of one thread, each
    measure alone, the network included; null where it has no value, with the "problem".
    """
    check_action(action, ("list", "show", "time"), "measures")
    if action != "time" and (space, sample, as_json) != (None, None, False):
        raise InputError("--space, --sample and --json are for `gennas measures time`")
    if action == "time":
        _show_times(space or SPACE, names, 5 if sample is None else sample, as_json)
    elif action == "show":
        _show_facts(names)
    else:
        _show_all()


def _show_all() -> None:
    from ..measures import MEASURES
    from ..scoring.ensemble import AGGREGATIONS

    rows = [(name, MEASURES[name].summary) for name in MEASURES.names()]
    for name in AGGREGATIONS.names():
        rows.append((f"{name}(..)", (AGGREGATIONS[name].__doc__ or "").splitlines()[0]))
    show_list("measure", rows)


def _show_facts(name: str | None) -> None:
    from ..measures import MEASURES

    if name is None:
        raise InputError("a name is missing: gennas measures show NAME")
    click.echo("\n".join(_facts(MEASURES[name])))


def _facts(measure: Measure) -> list[str]:
    return [
        f"{measure.name}: {measure.documentation}",
        f"source: {measure.source}",
        f"passes: {measure.passes}",
        f"memory: {measure.memory}",
        f"needs images: {_yes(measure.needs_images)}; labels: {_yes(measure.needs_labels)}; "
        f"recurrent networks: {_yes(measure.rnn)}",
    ]


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _show_times(space: str, given: str | None, sample: int, as_json: bool) -> None:
    from ..commands.measure_times import all_timed, measure_times
    from ..proxy.surroundings import use_threads
    from ..tables import open_space

    use_threads(1)
    opened = open_space(space)
    names = given.split(",") if given else all_timed(opened)
    found = []
    for each in measure_times(opened, names, sample):
        found.append(each)
        if not as_json:
            click.echo(_time_line(each, max(map(len, names))))
    if as_json:
        show({"space": space, "times": [each.as_record() for each in found]}, True, str)
    say(f"seconds an architecture of {space}, one thread, each measure alone, mean of {sample}")


def _time_line(each: MeasureTime, width: int) -> str:
    seconds = "no value" if each.seconds is None else f"{each.seconds:6.3f} s"
    return f"{each.measure:{width}}  {seconds}  {each.problem or each.source}"
