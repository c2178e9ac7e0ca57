"""``gennas scores``: scores that have been computed before."""

from __future__ import annotations

from typing import Any

import click

from ..errors import InputError
from .base import check_free, force_option, main, read_table, say, show


@main.group()
def scores() -> None:
    """Look up, merge and convert scores computed before: run directories, .csv, .parquet, zc_<space>.json."""


@scores.command("show")
@click.argument("source")
@click.argument("architecture")
@click.option("--space", required=True, help="Search space; see `gennas spaces`.")
@click.option("--measure", default=None, help="Only this measure.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_scores(source: str, architecture: str, space: str, measure: str | None, as_json: bool) -> None:
    """The scores of ARCHITECTURE in SOURCE.

    JSON: {"arch", "scores": [{"dataset", "measure", "score", "seconds"}]}.
    """
    from ..runs.score_files import read_scores, translations
    from ..runs.score_frames import look_up
    from ..tables import open_space

    place = open_space(space)
    rows = look_up(read_scores(source, translations(place)[0]), architecture, place, measure)
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    data = {"arch": records[0]["arch"], "scores": [{k: v for k, v in r.items() if k != "arch"} for r in records]}
    show(data, as_json, lambda: "\n".join([data["arch"], *map(_line, data["scores"])]))


@scores.command()
@click.argument("sources", nargs=-1, required=True)
@click.argument("out")
@click.option("--space", default=None, help="Search space; for .json files and --table.")
@click.option("--dataset", default=None, help="Name of the data set, for scores that have none.")
@click.option("--table", default=None, help="Ground truth: adds its accuracies as val_accuracy.")
@click.option("--metric", default=None, help="Column of the table [default: the space's own].")
@force_option
def convert(
    sources: tuple[str, ...],
    out: str,
    space: str | None,
    dataset: str | None,
    table: str | None,
    metric: str | None,
    force: bool,
) -> None:
    """Merge SOURCES and write OUT: .csv, .csv.gz, .parquet, or .json in the layout of zc_<space>.json.

    OUT may be one of the SOURCES; another file that is there is replaced with --force only.
    """
    from ..runs.score_files import read_scores, translations, write_scores
    from ..runs.score_frames import merge_scores, with_accuracy
    from ..tables import open_space

    check_free(out, force or out in sources)
    needs_space = [name for name in (*sources, out) if name.endswith(".json")] + ([table] if table else [])
    if needs_space and not space:
        raise InputError(f"{needs_space[0]} needs --space, the search space of the architectures")
    decode, encode = translations(open_space(space)) if space else (None, None)
    frame = merge_scores(read_scores(source, decode) for source in sources)
    if dataset:
        frame.loc[frame["dataset"] == "", "dataset"] = dataset
    if table:
        truth = read_table(table, space, False)
        frame = with_accuracy(frame, truth, metric or truth.default_metric)
    write_scores(frame, out, encode)
    say(f"wrote {len(frame)} scores of {frame['arch'].nunique()} architectures to {out}")


def _line(row: dict[str, Any]) -> str:
    score = "failed" if row["score"] is None else f"{row['score']:.6g}"
    seconds = "" if row["seconds"] is None else f"  {row['seconds']:.3f} s"
    return f"  {row['dataset'] + ' ' if row['dataset'] else ''}{row['measure']:12} {score}{seconds}"
