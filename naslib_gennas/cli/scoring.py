"""``gennas score`` and ``correlate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import InputError, ModelError
from .base import (
    EXIT_ALL_FAILED,
    curves_option,
    main,
    measure_option,
    number,
    open_run,
    read_table,
    retry_option,
    sampling_options,
    say,
    scoring_options,
    show,
    table_option,
    the_scorer,
)

if TYPE_CHECKING:
    from ..commands.correlate import CorrelationResult
    from ..executors import OnError, Resources
    from ..scoring.gennas import GenNASScorer
    from ..scoring.score import Score
    from ..spaces.modules.networks import Source


@main.command()
@click.argument("architectures", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every architecture of the space.")
@click.option("--sample", type=int, default=None, help="This many random architectures.")
@click.option("--on-error", type=click.Choice(["record", "stop"]), default="record", show_default=True)
@click.option("--model", "models", multiple=True, help="Your own network: module:function, which returns an nn.Module.")
@click.option("--timm", multiple=True, help="timm models, e.g. 'resnet*'.")
@click.option("--torchvision", multiple=True, help="torchvision models, e.g. 'mobilenet*'.")
@click.option("--stages", default=None, help="Three submodules A,B,C that are read in these networks [default: found].")
@click.option("--input-size", type=int, default=None, help="Pixels a side for these networks [default: the preset's].")
@measure_option
@curves_option
@retry_option
@scoring_options
def score(
    architectures: tuple[str, ...],
    everything: bool,
    sample: int | None,
    on_error: OnError,
    models: tuple[str, ...],
    timm: tuple[str, ...],
    torchvision: tuple[str, ...],
    stages: str | None,
    input_size: int | None,
    measure: str,
    curves: bool,
    as_json: bool,
    resources: Resources,
    **settings: Any,
) -> None:
    """Score ARCHITECTURES (text, or @FILE: one a line, or a table's), or any networks; higher is better.

    JSON: {"preset", "space", "seed", "scores": [{"arch", "key", "score", "status", "seconds", ...}]}.
    """
    from ..commands.score import ScoreResult, check_measure, chosen, fingerprint, scores_by
    from ..executors import open_executor
    from ..scoring.measure import IMAGE_SIZE
    from ..spaces.modules.networks import named_modules
    from ..spaces.modules.space import DEFAULT_SIZE

    modules = named_modules(models, timm, torchvision)
    scorer = _scorer_of(settings, modules, stages, input_size)
    everything = not architectures and sample is None if modules else everything
    texts = chosen(scorer.space, architectures, everything, sample, scorer.seed)
    config = {"command": "score", **scorer.identity(), "architectures": fingerprint(texts)}
    config.update({"measure": measure} if measure != "gennas" else {})
    config.update({"curves": True} if curves else {})
    alone = bool(modules) and len(texts) == 1  # then its failure is the answer
    check_measure(measure, curves)
    image_size = input_size or (DEFAULT_SIZE if modules else IMAGE_SIZE)
    policy: OnError = "record" if alone else on_error
    with open_run(settings, config) as run, open_executor(resources) as executor:
        scores = scores_by(measure, scorer, texts, run, executor, policy, curves, image_size)
        path = run.path("results.jsonl")
    if alone and scores[0].status not in ("ok", "diverged"):
        raise ModelError(_reason(scores[0]))
    result = ScoreResult(scorer.preset.name, scorer.space.source, scorer.seed, tuple(scores), curves)
    show(result.as_record(), as_json, lambda: _score_lines(scores, path))
    for line in _failures(scores):
        say(line)
    if scores and all(found.status not in ("ok", "diverged") for found in scores):
        click.get_current_context().exit(EXIT_ALL_FAILED)


@main.command()
@click.option("--metric", default=None, help="Column of the table [default: the space's own].")
@measure_option
@table_option
@sampling_options
@curves_option
@retry_option
@scoring_options
def correlate(
    source: str,
    metric: str | None,
    measure: str,
    sample: int,
    everything: bool,
    strict: bool,
    curves: bool,
    as_json: bool,
    resources: Resources,
    **settings: Any,
) -> None:
    """Compare the ranking by score with ground truth.

    JSON: {"spearman", "spearman_interval", "kendall", "kendall_interval", "n", "failures", "retrieval",
    "regret", "top1", "best_of_top10", "seconds_per_architecture", "preset", "space", "metric", "table", ...}.
    """
    from ..commands.correlate import correlate as run_correlation
    from ..commands.score import check_measure
    from ..executors import open_executor

    scorer = the_scorer(settings)
    table = read_table(source, scorer.space, strict)
    metric = metric or table.default_metric
    table.column(metric)
    check_measure(measure, curves)
    config = {
        "command": "correlate",
        **scorer.identity(),
        "table": source,
        "table_digest": table.digest(),
        "metric": metric,
        "sample": "all" if everything else sample,
        **({"measure": measure} if measure != "gennas" else {}),
        **({"curves": True} if curves else {}),
    }
    with open_run(settings, config) as run, open_executor(resources) as executor:
        count = None if everything else sample
        result = run_correlation(scorer, table, metric, count, run, executor, curves, measure)
    show(result.as_record(), as_json, lambda: _correlation_lines(result))


def _scorer_of(
    settings: dict[str, Any], modules: Mapping[str, Source], stages: str | None, input_size: int | None
) -> GenNASScorer:
    """Of the ``modules`` if there are any, else of the space that is named."""
    from ..spaces.modules.space import MODULE_PRESET

    if modules:
        if click.get_current_context().get_parameter_source("preset") is ParameterSource.DEFAULT:
            settings = {**settings, "preset": MODULE_PRESET}
        return _own_networks(settings, modules, stages, input_size)
    if stages or input_size:
        raise InputError("--stages and --input-size are for networks given by --model, --timm or --torchvision")
    return the_scorer(settings)


def _own_networks(
    settings: dict[str, Any], modules: Mapping[str, Source], stages: str | None, input_size: int | None
) -> GenNASScorer:
    from ..proxy.presets import load_preset
    from ..scoring.gennas import GenNASScorer, with_input_size
    from ..spaces.modules.space import ModuleSpace

    if settings["space"]:
        raise InputError("--space and networks of one's own exclude each other")
    space = ModuleSpace(modules, stages.split(",") if stages else None)
    preset = with_input_size(load_preset(settings["preset"]), input_size)
    return GenNASScorer(space, preset, settings["seed"], settings["device"], settings["images"])


def _failures(scores: list[Score]) -> list[str]:
    """What there is to say of single architectures, then how many have no score."""
    lines = [_reason(found) for found in scores if found.message]
    failed = [found.status for found in scores if found.status != "ok"]
    if failed:
        kinds = ", ".join(dict.fromkeys(failed))
        lines.append(f"{len(failed)} of {len(scores)} architectures have no score (status {kinds})")
    return lines


def _reason(score: Score) -> str:
    return f"{score.arch}: {score.message.removeprefix(score.arch + ': ')}"


def _score_lines(scores: list[Score], path: Path | None) -> str:
    shown = sorted(scores, key=lambda s: -float("inf") if s.value is None else s.value, reverse=True)[:20]
    lines = [f"{number(s.value)}  {s.status:8} {s.seconds:7.2f} s  {s.arch}" for s in shown]
    if len(scores) > len(shown):
        where = f"all in {path}" if path else "--out keeps all"
        lines.append(f"the best {len(shown)} of {len(scores)}; {where}")
    return "\n".join(lines)


def _correlation_lines(result: CorrelationResult) -> str:
    found = result.evaluation
    low, high = found.spearman_interval
    tau_low, tau_high = found.kendall_interval
    by = f"preset {result.preset}" if result.measure == "gennas" else f"measure {result.measure}"
    return "\n".join(
        [
            f"{result.space}, {by}, {found.n} architectures, {result.metric} of {result.table}",
            f"  Spearman's rho  {found.spearman:.3f}  (95 % {number(low)} to {number(high)})",
            f"  Kendall's tau   {found.kendall:.3f}  (95 % {number(tau_low)} to {number(tau_high)})",
            "  top-k retrieval " + ", ".join(f"{k}: {v:.0%}" for k, v in found.retrieval.items()),
            f"  best by score   {found.top1:.2f}; best of its top 10 {found.best_of_top10:.2f}; best {found.best:.2f}",
            f"  failures {found.failures}, {result.seconds_per_architecture:.3f} s an architecture",
            *([f"  note: {result.note}"] if result.note else []),
        ]
    )
