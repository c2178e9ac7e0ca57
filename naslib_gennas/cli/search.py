"""``gennas search``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import click

from ..errors import InputError
from .base import check_free, force_option, main, number, open_run, read_table, say, scoring_options, show, the_scorer

if TYPE_CHECKING:
    from ..commands.search import Found, Screening, SearchResult
    from ..executors import Resources
    from ..scoring.protocol import Scorer
    from ..search.costs import Deployment
    from ..search.demands import Demands


@main.command()
@click.option("--steps", default=450, show_default=True, help="Architectures evaluated.")
@click.option(
    "--algorithm",
    type=click.Choice(["evolution", "random", "local", "bananas", "npenas"]),
    default="evolution",
    show_default=True,
)
@click.option(
    "--engine",
    type=click.Choice(["naslib", "own"]),
    default=None,
    help="NASLib's optimizer or our own [default: naslib where NASLib is found, else own].",
)
@click.option("--naslib", "checkout", default=None, help="NASLib checkout [default: importable, or NASLIB_HOME].")
@click.option("--population", default=50, show_default=True)
@click.option("--tournament", default=10, show_default=True)
@click.option("--max-seconds", type=float, default=None, help="End the steps after this wall-clock time.")
@click.option("--screen", default=None, help="What chooses the trained: a preset, such as instant, or fit:DIR.")
@click.option("--keep", default=None, help="Share that passes the screen, 5%, or a number  [default: 5%].")
@click.option("--all", "everything", is_flag=True, help="Screen every architecture of the space; no --steps then.")
@click.option("--finalists", default=10, show_default=True, help="Best ones scored again at the end, to order them.")
@click.option("--final-preset", default=None, help="What scores them again [default: the preset, with 16 repeats].")
@click.option("--asynchronous", is_flag=True, help="--workers share the steps, too: none waits for another.")
@click.option("--start", default=None, help="Begin with these: a run, a file of `gennas warm-start`, or lines of text.")
@click.option("--limit", "limits", multiple=True, help="params<=4M, flops>=500M, latency<=20ms, latency:DEVICE<=20ms.")
@click.option("--objective", default=None, help="Several, e.g. score,latency:DEVICE: the front is searched (NSGA-II).")
@click.option("--latency-table", default=None, help="CSV with a column of milliseconds a DEVICE, by arch or index.")
@click.option("--latency-samples", type=int, default=None, help="Measure so many latencies, predict the others.")
@click.option("--classes", type=int, default=None, help="Of the network as it will run [default: the space's own].")
@click.option("--image-size", type=int, default=None, help="Pixels a side of its images [default: the space's own].")
@click.option("--table", "source", default=None, help="Ground truth for the report; never used by the search.")
@click.option("--metric", default=None)
@scoring_options
def search(
    steps: int,
    algorithm: str,
    engine: str | None,
    checkout: str | None,
    population: int,
    tournament: int,
    max_seconds: float | None,
    screen: str | None,
    keep: str | None,
    everything: bool,
    finalists: int,
    final_preset: str | None,
    asynchronous: bool,
    start: str | None,
    limits: tuple[str, ...],
    objective: str | None,
    latency_table: str | None,
    latency_samples: int | None,
    classes: int | None,
    image_size: int | None,
    source: str | None,
    metric: str | None,
    as_json: bool,
    resources: Resources,
    **settings: Any,
) -> None:
    """Search the space by regularized evolution with the score as fitness.

    The score of one draw of targets and weights has chosen the best, so luck has part in it: the --finalists are
    scored again with other draws, and the mean orders them. Steps are scored one after another; --workers share the
    finalists, and with --asynchronous the steps, too: then the order in which scores arrive decides what comes next.

    With --screen a cheap preset looks at many: at the whole space (--all), at --steps random ones, or, in an evolution,
    at all children of a step (20 for --keep 5%). Only what it keeps is scored by --preset.

    --limit refuses architectures before they are scored. Costs are those of the benchmark's full network for --classes
    and images of --image-size pixels; latency without a device is measured here, on --device.

    JSON: {"preset", "space", "seed", "engine", "steps", "evaluated", "seconds", "finalists", "final_preset",
    "final_repeats", "final_seed", "screen", "screened", "screen_seconds",
    "best": [{"arch", "final_score", "score", "step", "accuracy", "rank", "costs"}], "limits", "asked", "refused",
    "objectives", "front": [as "best"]}.
    """
    from ..commands.score import fingerprint
    from ..commands.search import find_engine
    from ..commands.search import search as run_search
    from ..search.architectures import SearchSettings
    from ..search.costs import Deployment

    scorer = the_scorer(settings)
    there = Deployment(classes, image_size, latency_table, settings["device"], latency_samples)
    demands = _demands(limits, objective, there)
    table = None if source is None else read_table(source, scorer.space, False)
    screening = _screening(settings, screen, keep, everything)
    if asynchronous:
        engine = _own_without_waiting(engine, algorithm, screening, demands)
    elif demands.objectives:
        engine = _own_for_several(engine, algorithm, screening)
    elif screening is None:
        engine, why = find_engine(engine, scorer, algorithm, checkout)
        say(f"engine: {engine} ({why})")
    else:
        engine = _own_engine(engine, algorithm, screening)
    starts = _starts(start, scorer, screening)
    bound = SearchSettings(steps, algorithm, population, tournament, scorer.seed, max_seconds, starts, asynchronous)
    options = {"algorithm": algorithm, "population": population, "tournament": tournament, "engine": engine}
    told = {**(screening.config() if screening else {}), **demands.config()}
    told |= {"asynchronous": True} if asynchronous else {}
    told |= {"starts": fingerprint(list(map(str, starts)))} if starts else {}
    with open_run(settings, {"command": "search", **scorer.identity(), **options, **told}) as run:
        result = run_search(
            scorer,
            run,
            bound,
            engine,
            resources,
            table=table,
            metric=metric,
            finalists=finalists,
            final=final_preset,
            screening=screening,
            demands=demands,
        )
    show(result.as_record(), as_json, lambda: _search_lines(result))


def _screening(settings: dict[str, Any], screen: str | None, keep: str | None, everything: bool) -> Screening | None:
    """What the options ask for; InputError where they contradict each other."""
    from ..commands.search import Screening
    from ..search.cascade import KEPT, Keep

    if screen is None:
        if keep is not None or everything:
            raise InputError(f"{'--keep' if keep is not None else '--all'} needs --screen, the preset that screens")
        return None
    screening = Screening(_screen_scorer(settings, screen), Keep.parse(keep or KEPT), everything)
    if everything:
        iter(screening.scorer.space)
    return screening


def _starts(source: str | None, scorer: Scorer, screening: Screening | None) -> tuple[Any, ...]:
    from ..search.warm_starts import WarmStarts

    if source is None:
        return ()
    if screening is not None:
        raise InputError("--start and --screen both say what a search begins with; leave one of them out")
    return WarmStarts.of_file(source, scorer.space).archs


@main.command("warm-start")
@click.argument("run")
@click.option("--count", default=20, show_default=True, help="Architectures.")
@click.option("--out", default=None, help="A JSON file  [default: print it].")
@force_option
def warm_start(run: str, count: int, out: str | None, force: bool) -> None:
    """The best of RUN, of `gennas score` or `gennas search`, as what another search begins with.

    JSON: {"space", "architectures", "categories", "configurations"}: texts, the space as categorical parameters, and
    the architectures as values of these, for Optuna's enqueue_trial, Syne Tune's points_to_evaluate and NePS; `gennas
    search --start` takes the texts, with NASLib's optimizers, too. A front comes first, then the finalists, then other
    scores.
    """
    import json
    from pathlib import Path

    from ..runs.whole import write_whole
    from ..search.warm_starts import WarmStarts

    text = json.dumps(WarmStarts.of_run(run, count).as_record(), indent=2)
    if out is None:
        click.echo(text)
        return
    check_free(out, force)
    try:
        write_whole(Path(out), f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from None
    say(f"wrote the best of {run} to {out}")


def _screen_scorer(settings: dict[str, Any], screen: str) -> Scorer:
    """Of a preset, or of a predictor: ``fit:DIR``."""
    from ..predictors.fitted import fitted

    source, colon, path = screen.partition(":")
    if colon and source == "fit":
        return fitted(path, the_scorer(settings))
    return the_scorer({**settings, "preset": screen})


def _demands(limits: tuple[str, ...], objective: str | None, deployment: Deployment) -> Demands:
    from ..search.demands import Demands
    from ..search.limits import Limit
    from ..search.multi import parse_objectives

    objectives = () if objective is None else tuple(parse_objectives(objective))
    return Demands(tuple(map(Limit.parse, limits)), objectives, deployment)


def _own_without_waiting(engine: str | None, algorithm: str, screening: Screening | None, demands: Demands) -> str:
    """InputError for what decides step by step."""
    if engine == "naslib" or algorithm not in ("evolution", "random") or screening is not None or demands.objectives:
        raise InputError(
            "--asynchronous is evolution or random search by our own engine; leave out --screen, --objective"
        )
    return "own"


def _own_for_several(engine: str | None, algorithm: str, screening: Screening | None) -> str:
    """Several objectives are searched by NSGA-II; InputError for what cannot be combined with it."""
    if engine == "naslib" or algorithm != "evolution" or screening is not None:
        raise InputError("--objective is searched by NSGA-II; leave out --engine naslib, --algorithm and --screen")
    return "own"


def _own_engine(engine: str | None, algorithm: str, screening: Screening) -> str:
    if engine == "naslib":
        raise InputError("NASLib's optimizers cannot be screened; leave out --engine naslib or --screen")
    if algorithm not in ("evolution", "random"):
        raise InputError(f"a search by {algorithm} cannot be screened; use --algorithm evolution or random, or --all")
    if algorithm == "evolution" and not screening.everything:
        screening.keep.siblings()
    return "own"


def _search_lines(result: SearchResult) -> str:
    head = f"{result.steps} steps, {result.evaluated} architectures scored, {result.seconds:.0f} s"
    if result.screen is not None:
        seconds = f" in {result.screen_seconds:.0f} s" if result.screen_seconds else ""
        head = f"{result.screened} architectures screened by {result.screen}{seconds}; " + head
    again = any(found.final is not None for found in result.best)
    if again:
        preset = f"{result.final_preset}, {result.final_repeats} repeats"
        head += f"; {result.finalists} of the best scored again by {preset}"
    if result.limits:
        share = f"{result.refused} of {result.asked} architectures refused"
        head += f"; {' and '.join(result.limits)}: {share}"
    lines = [head, *_found_lines(result, result.best, again)]
    if result.front:
        lines += ["", f"front of score and {', '.join(result.objectives)}: {len(result.front)} architectures"]
        lines += _found_lines(result, result.front, False)
    return "\n".join(lines)


def _found_lines(result: SearchResult, found: Sequence[Found], again: bool) -> list[str]:
    from ..search.costs import shown

    costs = {name: partial(_cost, name, shown) for name in found[0].costs} if found else {}
    columns: dict[str, Callable[[Found], str]] = {
        **({"final": _final} if again else {}),
        "score": lambda found: number(found.score),
        "step": lambda found: str(found.step),
        **({"accuracy": _accuracy, "rank": _rank} if result.metric is not None else {}),
        **costs,
    }
    widths = [max(8, len(title)) for title in columns]
    titles = " ".join(f"{title:>{width}}" for title, width in zip(columns, widths))
    rows = [" ".join(f"{cell(each):>{width}}" for cell, width in zip(columns.values(), widths)) for each in found]
    return [f"{titles}  architecture", *(f"{row}  {each.arch}" for row, each in zip(rows, found))]


def _cost(name: str, shown: Callable[[float, str], str], found: Found) -> str:
    value = found.costs[name]
    return "" if value is None else shown(value, name)


def _final(found: Found) -> str:
    return "" if found.final is None else number(found.final_score)


def _accuracy(found: Found) -> str:
    return "unknown" if found.accuracy is None else f"{found.accuracy:.2f}"


def _rank(found: Found) -> str:
    return "" if found.rank is None else str(found.rank)
