"""``gennas one-shot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .base import check_metric, main, open_run, read_table, show

if TYPE_CHECKING:
    from ..commands.one_shot import OneShotResult


@main.command("one-shot")
@click.argument("method")
@click.option("--data", required=True, help="Labelled images: .npz with x and y, a folder a class, or CIFAR's files.")
@click.option("--epochs", default=50, show_default=True)
@click.option("--batch-size", default=64, show_default=True)
@click.option("--channels", default=16, show_default=True, help="After the stem.")
@click.option("--cells", default=5, show_default=True, help="A stack.")
@click.option("--image-size", default=32, show_default=True, help="Pixels a side.")
@click.option("--candidates", default=100, show_default=True, help="Compared at the end by rsps, setn and enas.")
@click.option("--table", "source", default=None, help="Ground truth of NAS-Bench-201 for the report.")
@click.option("--metric", default=None, help="Column of the table [default: the space's own].")
@click.option("--seed", default=0, show_default=True, help="Of weights, batches and draws.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or mps.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="PyTorch threads.")
@click.option("--out", default=None, help="Directory for epochs, checkpoint and result.")
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def one_shot(
    method: str,
    data: str,
    source: str | None,
    metric: str | None,
    device: str,
    threads: int,
    out: str | None,
    resume: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Search NAS-Bench-201 by weight sharing: METHOD is rsps, darts-v1, darts-v2, gdas, setn or enas.

    JSON: {"method", "source", "arch", "one_shot_accuracy", "epochs", "losses", "images", "classes", "seed", "seconds",
    "metric", "accuracy", "rank", "printed", "note"}.
    """
    from ..commands import one_shot as command
    from ..one_shot import METHODS, OneShotSettings
    from ..proxy.surroundings import use_threads
    from ..scoring.gennas import checked_seed, find_device

    METHODS[method]
    find_device(device)
    check_metric(source, metric)
    use_threads(threads)
    bound = OneShotSettings(**{**settings, "seed": checked_seed(settings["seed"])})
    table = None if source is None else read_table(source, command.SPACE, False)
    images = command.read(data, bound)
    config = command.config(method, data, bound, device)
    with open_run({"out": out, "resume": resume}, config) as run:
        result = command.one_shot(method, images, bound, run, table, metric, device)
    show(result.as_record(), as_json, lambda: "\n".join(_lines(result)))


def _lines(result: OneShotResult) -> list[str]:
    first, last = result.losses[0], result.losses[-1]
    lines = [
        f"{result.method} ({result.source}): {result.epochs} epochs on {result.images} images of {result.classes} "
        f"classes in {result.seconds:.0f} s; training loss {first:.3f} to {last:.3f}",
        f"  found     {result.arch}",
        f"  accuracy  {result.one_shot_accuracy:.1f} % with the shared weights",
    ]
    if result.metric is not None:
        known = "unknown" if result.accuracy is None else f"{result.accuracy:.2f}, number {result.rank}"
        lines.append(f"            {known} by {result.metric} of the table")
    printed = ", ".join(f"{row} {cell}" for row, cell in result.printed.items())
    return [*lines, *([f"  {result.note}: {printed}"] if printed else [])]
