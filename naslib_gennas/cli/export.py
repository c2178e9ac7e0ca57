"""``gennas export``."""

from __future__ import annotations

import click

from .base import main, show


@main.command()
@click.argument("arch")
@click.option("--space", required=True, help="Search space; see `gennas spaces`.")
@click.option("--out", required=True, help="net.pt (the module itself) or net.py (code that needs PyTorch only).")
@click.option(
    "--classes", type=click.IntRange(1, 1_000_000), default=10, show_default=True, help="Outputs of the classifier."
)
@click.option("--seed", default=0, show_default=True, help="Of the initial weights in a .pt.")
@click.option("--auxiliary", is_flag=True, help="With DARTS' second classifier (spaces of cells).")
@click.option("--drop-path", default=0.0, help="Probability that an edge is dropped in training (spaces of cells).")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(
    arch: str,
    space: str,
    out: str,
    classes: int,
    seed: int,
    auxiliary: bool,
    drop_path: float,
    force: bool,
    as_json: bool,
) -> None:
    """Write the network of ARCH at full size, classifier included, ready to train, and a .json beside it.

    JSON: {"arch", "space", "canonical", "parameters", "classes", "seed", "file", "load", ...}.
    """
    from ..commands.export.export import export as write

    facts = write(space, arch, out, classes, seed, force, auxiliary, drop_path)
    show(facts.as_record(), as_json, lambda: f"{out}: {facts.parameters:,} parameters; {facts.load}")
