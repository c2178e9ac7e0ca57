"""``gennas top``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from .base import main, show

if TYPE_CHECKING:
    from ..commands.top import RunStanding

EVERY = 2.0  # seconds between two looks


@main.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--once", is_flag=True, help="Look once, also on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def top(runs: tuple[str, ...], once: bool, as_json: bool) -> None:
    """How far RUNS are, the --out directories of commands at work here or on another machine with the same disk.

    On a terminal it looks again every two seconds, until nobody writes them.
    JSON: {"runs": [{"run", "records", "what", "done", "total", "rate", "workers", "left", "silent", "writer", ...}]}.
    """
    from ..commands.top import standings

    once = once or as_json or not sys.stdout.isatty()
    while True:
        found = standings(runs)
        if not once:
            click.clear()
        text = "\n".join(map(_lines, found))
        show({"runs": [run.as_record() for run in found]}, as_json, text.__str__)
        if once or all(run.writer is None for run in found):
            return
        try:
            time.sleep(EVERY)
        except KeyboardInterrupt:  # the way to stop looking
            return


def _lines(run: RunStanding) -> str:
    standing = f"{run.standing}" if run.standing else f"{run.records} records"
    silent = f"; said {run.silent:.0f} s ago" if run.silent is not None and run.writer is not None else ""
    return f"{run.path}\n  {standing}\n  {run.state}{silent}"
