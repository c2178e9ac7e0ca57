"""``gennas fit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .base import main, open_run, read_table, say, show

if TYPE_CHECKING:
    from ..commands.fit import FitResult, Labels
    from ..commands.fit_check import Checked
    from ..predictors import SpectrumPredictor
    from ..tables import Table


@main.command()
@click.option("--space", required=True, help="Search space; see `gennas spaces`.")
@click.option("--table", "source", default=None, help="Labels to draw from: a file.")
@click.option("--labels", "own", default=None, help="Your labels: a file, all of whose rows are used.")
@click.option(
    "--metric", default=None, help="Column of the labels, or several, comma-separated [default: the space's own]."
)
@click.option("--lower-is-better", is_flag=True, help="For a metric such as an error or a latency.")
@click.option("--labelled", default=20, show_default=True, help="Labels drawn from --table.")
@click.option("--validate", default="0", show_default=True, help="Other architectures of --table to check on, or all.")
@click.option("--features", default=None, help="Comma-separated [default: closed_form,size,spectrum,encoding,paths].")
@click.option("--preset", default="instant", show_default=True, help="In closed form: network and read-out.")
@click.option(
    "--targets", type=click.Choice(["rank", "raw"]), default="rank", show_default=True, help="What is learnt."
)
@click.option("--suggest", default=0, show_default=True, help="Architectures to label next.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same labels drawn, same predictor.")
@click.option("--threads", default=1, show_default=True, help="PyTorch threads.")
@click.option("--strict", is_flag=True, help="Stop at rows that do not parse or appear twice.")
@click.option("--out", default=None, help="Directory for predictor.json, the summary and suggestions.csv.")
@click.option("--resume", is_flag=True, help="Fit again into the run in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fit(
    source: str | None,
    own: str | None,
    suggest: int,
    as_json: bool,
    strict: bool,
    threads: int,
    **options: Any,
) -> None:
    """Fit a predictor of accuracy to a few labels; without labels, --suggest says which to make.

    Use it anywhere as a measure: --measure fit:OUT.

    With several metrics the networks are read once, and each has a predictor in the folder OUT/METRIC.

    JSON: {"check": {"rho", "tau", "label_free_rho", ...} or null, "best": [{"arch", "expected", "deviation",
    "label"}], "suggested": [...], "labelled", "features", "hyperparameters", "seconds", ...}; with several metrics
    {"metrics": [one such object each]}.
    """
    from ..commands.fit import begin, fit_all, settings_record
    from ..proxy.surroundings import use_threads

    use_threads(threads)
    predictor = _predictor(options)
    if source is None and own is None:
        if suggest < 1:
            raise InputError("name labels by --table or --labels; or --suggest N says which to make first")
        metric = options["metric"] or "label"
        with open_run(options, settings_record(predictor, [], suggest)) as run:
            chosen = begin(predictor, run, suggest, metric)
        show({"suggested": list(chosen)}, as_json, lambda: "\n".join(chosen))
        return
    several = _labels(predictor, source, own, strict, options)
    with open_run(options, settings_record(predictor, several, suggest)) as run:
        found = fit_all(predictor, several, run, suggest)
    if run.directory is not None:
        place = _place(run.directory, found)
        say(f"the predictor is in {place}; use it as --measure fit:{place}")
    records = [result.as_record() for result in found]
    data = records[0] if len(records) == 1 else {"metrics": records}
    show(data, as_json, lambda: "\n".join(line for result in found for line in _lines(result)))


def _place(directory: Path, found: Sequence[FitResult]) -> str:
    """Where the predictors are: with several, each in the folder of its metric."""
    names = ",".join(result.metric for result in found)
    return str(directory) if len(found) == 1 else f"{directory}/{{{names}}}"


def _predictor(options: dict[str, Any]) -> SpectrumPredictor:
    from ..predictors import SpectrumPredictor
    from ..predictors.features import DEFAULT

    named = options["features"]
    features = [name.strip() for name in named.split(",") if name.strip()] if named is not None else DEFAULT
    return SpectrumPredictor(options["space"], features, options["preset"], options["seed"], options["targets"])


def _labels(
    predictor: SpectrumPredictor, source: str | None, own: str | None, strict: bool, options: dict[str, Any]
) -> list[Labels]:
    """One a metric."""
    from ..commands.fit import Labels

    if source is not None and own is not None:
        raise InputError("--table and --labels exclude each other: the one is drawn from, of the other all is used")
    table = read_table(str(own or source), predictor.space, strict)
    sign = -1 if options["lower_is_better"] else 1
    count, others = (None, 0) if own is not None else (options["labelled"], _count(options["validate"]))
    labels = [Labels(table, metric, sign, count, others) for metric in _metrics(options["metric"], table)]
    for each in labels if own is not None else []:
        unlabelled = int(table.column(each.metric).isna().sum())
        if unlabelled:
            say(f"{unlabelled} of {len(table)} architectures in {own} have no {each.metric} yet; they are not used")
    return labels


def _metrics(named: str | None, table: Table) -> list[str]:
    if named is None:
        return [table.default_metric]
    return list(dict.fromkeys(name.strip() for name in named.split(",") if name.strip())) or [table.default_metric]


def _count(text: str) -> int | None:
    if text == "all":
        return None
    try:
        count = int(text)
    except ValueError:
        count = -1
    if count < 0:
        raise InputError(f"--validate is a number of architectures or all, got {text}")
    return count


def _lines(found: FitResult) -> list[str]:
    noise = found.hyperparameters[-1][1]
    lines = [
        f"{found.space}, {found.labelled} labels ({found.metric} of {found.table}), {found.columns} numbers of "
        f"{', '.join(found.features)}; noise {noise:.2f} of the labels' deviation; {found.seconds:.0f} s"
    ]
    if found.check is not None:
        lines += _check_lines(found.check)
    else:
        lines.append("  not checked on other labels: --validate N does it")
    labelled = any(one.label is not None for one in found.best)
    head = (
        f"{'expected':>10} {'+-':>7}" + (f" {'label':>8}" if labelled else "") + "  architecture without a label used"
    )
    lines.append(head)
    for one in found.best:
        label = f" {'' if one.label is None else f'{one.label:.2f}':>8}" if labelled else ""
        lines.append(f"{one.expected:10.2f} {one.deviation:7.2f}{label}  {one.arch}")
    return lines + (["label next:", *found.suggested] if found.suggested else [])


def _check_lines(check: Checked) -> list[str]:
    (low, high), (tau_low, tau_high) = check.rho_interval, check.tau_interval
    lines = [
        f"  on {check.n} others: rho {check.rho:.3f} (95 % {low:.3f} to {high:.3f}), "
        f"tau {check.tau:.3f} ({tau_low:.3f} to {tau_high:.3f})"
    ]
    if check.label_free_rho is not None and check.label_free_tau is not None:
        lines.append(f"  without labels: rho {check.label_free_rho:.3f}, tau {check.label_free_tau:.3f}")
    ranked = sorted(check.importance.items(), key=lambda item: -item[1])
    lines.append("  rho falls without: " + ", ".join(f"{name} {loss:.3f}" for name, loss in ranked))
    lines.append("  tau by labels: " + ", ".join(f"{point.labels}: {point.tau:.3f}" for point in check.curve))
    inside = f"{check.inside_50:.0%} and {check.inside_95:.0%}"
    return [*lines, f"  others inside the intervals for 50% and 95%: {inside}"]
