"""``gennas naslib``."""

from __future__ import annotations

import click

from .base import main, read_table, say


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("runner", type=click.Choice(["zc", "zc-benchmarks", "predictors", "bbo", "xgb"]))
@click.option("--config-file", required=True, help="NASLib's YAML; see examples/naslib.")
@click.option("--table", "source", default=None, help="Ground truth instead of NASLib's own files.")
@click.option("--metric", default=None, help="Column of the table [default: that of the data set].")
@click.option("--images", default=None, help="Images for the batch: .npz or a folder [default: embedded].")
@click.option("--naslib", "checkout", default=None, help="NASLib checkout [default: importable, or NASLIB_HOME].")
@click.argument("overrides", nargs=-1, metavar="[KEY VALUE]...")
def naslib(
    runner: str,
    config_file: str,
    source: str | None,
    metric: str | None,
    images: str | None,
    checkout: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run NASLib's own script RUNNER with gennas as a predictor or as the fitness of a search.

    KEY VALUE pairs replace those of the configuration, as NASLib takes them.
    """
    from ..commands.naslib import read_config, run_stock

    config = read_config(runner, config_file, overrides)
    table = None if source is None else read_table(source, config["search_space"], False)
    folders = run_stock(
        runner,
        config_file,
        overrides,
        table=table,
        metric=metric,
        images=images,
        naslib=checkout,
        say=lambda line: say(f"gennas: {line}"),
    )
    say(f"results are in {', '.join(map(str, folders))}")
