"""``gennas demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .base import main, read_table, say, show

if TYPE_CHECKING:
    from ..commands.demo import DemoResult


@main.command()
@click.option("--out", default="runs/demo", show_default=True, help="Directory for the runs and the page.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes and threads.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same result.")
@click.option("--resume", is_flag=True, help="Continue a demonstration that was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def demo(out: str, workers: int, seed: int, resume: bool, as_json: bool) -> None:
    """Rank the whole of NAS-Bench-201 without labels, train the best few, and compare with real accuracies.

    The accuracies are those of the package analog-nasbench (CIFAR-10), which the extra `demo` installs. They are only
    compared with: nothing is chosen by them.

    JSON: {"ranking": {...}, "others": {...}, "pick": {"arch", "accuracy", "rank", ...}, "seconds", "page"}.
    """
    from ..commands.demo import SPACE, TABLE
    from ..commands.demo import demo as run_demo

    table = read_table(TABLE, SPACE, False)
    result = run_demo(table, Path(out), workers, seed, resume, say)
    show(result.as_record(), as_json, lambda: "\n".join(_lines(result)))


def _lines(found: DemoResult) -> list[str]:
    from ..commands.demo import SAMPLE, SCREEN, measure_line

    whole = found.ranking.evaluation
    low, high = whole.spearman_interval
    lines = [
        f"{whole.n:,} cells by {SCREEN} in {1e3 * found.ranking.seconds_per_architecture:.1f} ms each, without labels:",
        f"  Spearman's rho {whole.spearman:.3f} (95 % {low:.3f} to {high:.3f}), Kendall's tau {whole.kendall:.3f}",
        f"on {SAMPLE} of them, rho and seconds each:",
    ]
    for measure in ("gennas", "synflow", "params"):
        value = measure_line(found, measure)
        if value is not None:
            name = f"{SCREEN} (gennas)" if measure == "gennas" else measure
            lines.append(f"  {name:16} {value[0]:.3f}  {value[1] or 0.0:.4f} s")
    pick = found.pick
    return [
        *lines,
        f"best of {found.trained} that were trained: {pick.accuracy:.2f} %, number {pick.rank} of {whole.n:,} "
        f"(the best has {found.best:.2f} %)",
        f"  {pick.arch}",
        f"{found.seconds:.0f} s; the pictures are in {found.page}",
    ]
