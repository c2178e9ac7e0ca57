"""The command ``gennas``: parse, call, print. Results go to standard output, messages to standard error."""

from __future__ import annotations

import json
import sys
from functools import wraps

import click

from . import __version__
from .errors import GenNASError, InputError

EXIT_OTHER, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130


class Commands(click.Group):
    """Errors made on purpose become one line and an exit code; nothing else is caught."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted; what is finished is kept (with --out, --resume continues)")
            ctx.exit(EXIT_INTERRUPTED)
        except GenNASError as error:
            say(f"error: {error}")
            ctx.exit(EXIT_INPUT if isinstance(error, InputError) else EXIT_OTHER)


def say(message: str) -> None:
    click.echo(message, err=True)


def show(data, as_json: bool, text) -> None:
    """Print ``data`` as one JSON object, or what ``text()`` makes of it."""
    click.echo(json.dumps(data, indent=2) if as_json else text())


def scoring_options(command):
    """Options shared by everything that scores."""
    options = [
        click.option("--space", required=True, help="Search space; see `gennas spaces`."),
        click.option("--preset", default="fast", show_default=True, help="Preset, or a .yaml file of your own."),
        click.option("--seed", default=0, show_default=True, help="Same seed, same scores."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or mps."),
        click.option("--images", default=None, help="Images for the batch: .npz or a folder [default: embedded]."),
        click.option("--threads", default=1, show_default=True, help="PyTorch threads of this process."),
        click.option("--out", default=None, help="Directory that keeps settings and results."),
        click.option("--resume", is_flag=True, help="Continue the run in --out."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    ]
    for option in reversed(options):
        command = option(command)

    @wraps(command)
    def with_threads(*args, threads, **kwargs):
        import torch

        if threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)
        return command(*args, **kwargs)

    return with_threads


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gennas")
def main():
    """Score, rank and search neural architectures without labels, by regression on synthetic signals."""


@main.command()
@click.argument("architectures", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every architecture of the space.")
@click.option("--sample", type=int, default=None, help="This many random architectures.")
@click.option("--workers", default=1, show_default=True, help="Processes of one thread each.")
@click.option("--on-error", type=click.Choice(["record", "stop"]), default="record", show_default=True)
@scoring_options
def score(architectures, everything, sample, workers, on_error, as_json, **settings):
    """Score ARCHITECTURES (text, or lines of a file given as @FILE); higher is better.

    JSON: {"preset", "space", "seed", "scores": [{"arch", "key", "score", "status", "seconds", ...}]}.
    """
    from .batch_scoring import score_many

    scorer_settings = _settings(settings)
    texts = _architectures(scorer_settings, architectures, everything, sample)
    config = {"command": "score", **_config(scorer_settings), "architectures": _fingerprint(texts)}
    with _run(settings, config) as run:
        records = score_many(scorer_settings, texts, run, workers, on_error)
        path = run.path("results.jsonl")
    data = {"preset": settings["preset"], "space": settings["space"], "seed": settings["seed"], "scores": records}
    show(data, as_json, lambda: _score_lines(records, path))
    failed = sum(record["status"] != "ok" for record in records)
    if failed:
        say(f"{failed} of {len(records)} architectures have no score (status diverged or failed)")


@main.command()
@click.option("--table", "source", default="digits", show_default=True, help="Ground truth: digits or a file.")
@click.option("--metric", default=None, help="Column of the table [default: the space's own].")
@click.option("--sample", default=100, show_default=True, help="Architectures drawn from the table.")
@click.option("--all", "everything", is_flag=True, help="Every architecture of the table.")
@click.option("--strict", is_flag=True, help="Stop at rows that do not parse or appear twice.")
@click.option("--workers", default=1, show_default=True, help="Processes of one thread each.")
@scoring_options
def correlate(source, metric, sample, everything, strict, workers, as_json, **settings):
    """Compare the ranking by score with ground truth.

    JSON: {"spearman", "spearman_interval", "kendall", "kendall_interval", "n", "failures", "retrieval",
    "regret", "top1", "best_of_top10", "seconds_per_architecture", "preset", "space", "metric", "table", ...}.
    """
    from .commands import correlate as run_correlation

    scorer_settings = _settings(settings)
    table = _table(source, scorer_settings.space, strict)
    metric = metric or table.default_metric
    table.column(metric)
    config = {
        "command": "correlate",
        **_config(scorer_settings),
        "table": source,
        "metric": metric,
        "sample": "all" if everything else sample,
    }
    with _run(settings, config) as run:
        data = run_correlation(scorer_settings, table, metric, None if everything else sample, run, workers)
    show(data, as_json, lambda: _correlation_lines(data))


@main.command()
@click.option("--steps", default=450, show_default=True, help="Architectures evaluated.")
@click.option("--algorithm", type=click.Choice(["evolution", "random"]), default="evolution", show_default=True)
@click.option("--population", default=50, show_default=True)
@click.option("--tournament", default=10, show_default=True)
@click.option("--max-seconds", type=float, default=None, help="Stop after this wall-clock time.")
@click.option("--table", "source", default=None, help="Ground truth for the report; never used by the search.")
@click.option("--metric", default=None)
@scoring_options
def search(steps, algorithm, population, tournament, max_seconds, source, metric, as_json, **settings):
    """Search the space by regularized evolution with the score as fitness.

    JSON: {"preset", "space", "seed", "steps", "evaluated", "seconds", "best": [{"arch", "score", "step",
    "accuracy", "rank"}]}.
    """
    from .commands import search as run_search

    scorer_settings = _settings(settings)
    table = None if source is None else _table(source, scorer_settings.space, False)
    options = {"algorithm": algorithm, "population": population, "tournament": tournament}
    config = {"command": "search", **_config(scorer_settings), **options}
    with _run(settings, config) as run:
        data = run_search(scorer_settings, run, steps, options, max_seconds, table, metric)
    show(data, as_json, lambda: _search_lines(data))


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
def presets(action, name):
    """List the presets, or `presets show NAME`."""
    from .presets import load_preset, preset_names

    if action == "show":
        preset = load_preset(_required(name, "gennas presets show NAME"))
        click.echo(f"# digest {preset.digest()}\n{preset.to_yaml()}", nl=False)
    else:
        for shown in preset_names():
            click.echo(f"{shown:26} {load_preset(shown).description}")


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
def spaces(action, name):
    """List the search spaces, or `spaces show NAME`."""
    from .spaces import SPACES

    if action == "show":
        space = SPACES[_required(name, "gennas spaces show NAME")]
        click.echo(f"{space.name}: {space.description}\n{space.__doc__}")
        click.echo(f"architectures: {space.size or 'not counted'}; not isomorphic: {space.unique}")
        click.echo(f"proxy network: {space.cells} cells a stack, {space.channels} channels")
        click.echo(f"example: {space.example}")
    else:
        for shown in SPACES.names():
            click.echo(f"{shown:26} {SPACES[shown].description}")


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
@click.option("--picture", default=None, help="Draw all signals into this .png or .svg file.")
def signals(action, name, picture):
    """List the signals, or `signals show NAME`; --picture draws them, as in the paper's Fig. 3."""
    from .registry import unknown
    from .tasks import SIGNALS

    if picture:
        from .plotting import draw_signals

        draw_signals(picture)
        say(f"wrote {picture}")
    elif action == "show":
        name = _required(name, "gennas signals show NAME")
        if name not in SIGNALS:
            raise InputError(unknown("signal", name, SIGNALS))
        model, text = SIGNALS[name]
        click.echo(f"{name}: {text}")
        for field, info in model.model_fields.items():
            default = "required" if info.is_required() else f"default {info.default!r}"
            click.echo(f"  {field}: {default}")
    else:
        for shown, (_, text) in SIGNALS.items():
            click.echo(f"{shown:10} {text}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json):
    """Versions, devices, threads, and which optional parts are installed."""
    from .doctor import examine, lines

    data = examine()
    show(data, as_json, lambda: "\n".join(lines(data)))


@main.group()
def tables():
    """Ground-truth tables."""


@tables.command()
@click.argument("source")
@click.argument("out")
def convert(source, out):
    """Convert a benchmark file SOURCE (.pth, .tfrecord, .json, ...) to the small table OUT (.csv or .csv.gz)."""
    from .tables import convert_table

    say(f"wrote {convert_table(source, out)} architectures to {out}")


def _settings(settings):
    from .batch_scoring import ScorerSettings
    from .presets import load_preset
    from .scoring import find_device
    from .spaces import SPACES

    find_device(settings["device"])
    space = SPACES[settings["space"]].name
    preset = load_preset(settings["preset"])
    return ScorerSettings(space, preset, settings["seed"], settings["device"], settings["images"])


def _config(settings) -> dict:
    return {
        "space": settings.space,
        "preset": settings.preset.name,
        "preset_digest": settings.preset.digest(),
        "seed": settings.seed,
        "device": settings.device,
        "images": settings.images,
    }


def _run(settings, config):
    from .runs import Run

    if settings["resume"] and not settings["out"]:
        raise InputError("--resume needs --out, the directory of the run to continue")
    return Run(settings["out"], config, settings["resume"])


def _table(source, space, strict):
    from .tables import load_table

    table = load_table(source, space, strict)
    if table.problems:
        say(f"table {source}: {table.problems}")
    return table


def _architectures(settings, given, everything, sample) -> list[str]:
    """The texts asked for; exactly one of the three ways must be used."""
    import numpy as np

    from .spaces import load_space

    if sum([bool(given), everything, sample is not None]) != 1:
        raise InputError("name architectures, or use one of --all and --sample N")
    space = load_space(settings.space)
    if everything:
        return [str(arch) for arch in space]
    if sample is None:
        return [str(space.parse(text)) for text in _expanded(given)]
    if sample < 1:
        raise InputError(f"--sample must be at least 1, got {sample}")
    if space.size and sample > space.size:
        raise InputError(f"--sample {sample} is more than the {space.size} architectures of {space.name}")
    rng = np.random.default_rng(settings.seed)
    drawn: dict[str, None] = {}
    while len(drawn) < sample:
        drawn[str(space.sample(rng))] = None
    return list(drawn)


def _expanded(given):
    for text in given:
        if not text.startswith("@"):
            yield text
            continue
        try:
            with open(text[1:], encoding="utf-8") as file:
                yield from (line.strip() for line in file if line.strip())
        except OSError as error:
            raise InputError(f"cannot read the architectures in {text[1:]}: {error.strerror}") from None


def _fingerprint(texts) -> str:
    import hashlib

    return f"{len(texts)}, sha256 {hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:12]}"


def _required(name, usage):
    if name is None:
        raise InputError(f"a name is missing: {usage}")
    return name


def _score_lines(records, path) -> str:
    shown = sorted(records, key=lambda r: -float("inf") if r["score"] is None else r["score"], reverse=True)[:20]
    lines = [f"{_number(r['score'])}  {r['status']:8} {r['seconds']:7.2f} s  {r['arch']}" for r in shown]
    if len(records) > len(shown):
        where = f"all in {path}" if path else "--out keeps all"
        lines.append(f"the best {len(shown)} of {len(records)}; {where}")
    return "\n".join(lines)


def _correlation_lines(data) -> str:
    low, high = data["spearman_interval"]
    tau_low, tau_high = data["kendall_interval"]
    return "\n".join(
        [
            f"{data['space']}, preset {data['preset']}, {data['n']} architectures, {data['metric']} of {data['table']}",
            f"  Spearman's rho  {data['spearman']:.3f}  (95 % {_number(low)} to {_number(high)})",
            f"  Kendall's tau   {data['kendall']:.3f}  (95 % {_number(tau_low)} to {_number(tau_high)})",
            "  top-k retrieval " + ", ".join(f"{k}: {v:.0%}" for k, v in data["retrieval"].items()),
            f"  best by score   {data['top1']:.2f}; best of its top 10 {data['best_of_top10']:.2f}; "
            f"best {data['best']:.2f}",
            f"  failures {data['failures']}, {data['seconds_per_architecture']:.3f} s an architecture",
            *([f"  note: {data['note']}"] if data.get("note") else []),
        ]
    )


def _search_lines(data) -> str:
    lines = [f"{data['steps']} steps, {data['evaluated']} architectures scored, {data['seconds']:.0f} s; the best:"]
    for found in data["best"]:
        truth = "" if found.get("accuracy") is None else f"  {found['accuracy']:.2f} (rank {found['rank']})"
        lines.append(f"{_number(found['score'])}  step {found['step']:4}{truth}  {found['arch']}")
    return "\n".join(lines)


def _number(value) -> str:
    return "    none" if value is None else f"{value:8.4f}"


if __name__ == "__main__":
    sys.exit(main())
