"""``gennas report``."""

from __future__ import annotations

import click

from .base import check_free, force_option, main, say


@main.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--out", default="report.html", show_default=True, help="The HTML file to write.")
@click.option("--figures", default=None, help="A folder that gets every picture as an .svg file, too.")
@force_option
def report(runs: tuple[str, ...], out: str, figures: str | None, force: bool) -> None:
    """One self-contained HTML page from RUNS, the --out directories of correlate, benchmark, search and fit.

    The page needs no network and no other file. Give a search and one of `--algorithm random` with the same
    preset together to see them in one picture; a run of `gennas correlate --curves` shows its loss curves, too.
    A page that was made before is replaced, another file only with --force.
    """
    from ..report import write_report
    from ..report.shell import GENERATOR

    check_free(out, force, f'content="{GENERATOR}"')
    size = write_report(runs, out, figures)
    say(f"{out}: {size / 1e6:.2f} MB, from {len(runs)} run{'' if len(runs) == 1 else 's'}; open it in a browser")
