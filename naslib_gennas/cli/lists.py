"""Commands that list and explain what there is, and that look after tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import ArchitectureError, InputError
from .base import check_action, check_free, force_option, main, say, show, show_list

if TYPE_CHECKING:
    from ..spaces import SearchSpace


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
def presets(action: str, name: str | None) -> None:
    """List the presets, or `presets show NAME`."""
    from ..proxy.presets import load_preset, preset_names

    check_action(action, ("list", "show"), "presets")
    if action == "show":
        preset = load_preset(_required(name, "gennas presets show NAME"))
        click.echo(f"# digest {preset.digest()}\n{preset.to_yaml()}", nl=False)
    else:
        show_list("preset", [(shown, load_preset(shown).description) for shown in preset_names()])


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
def spaces(action: str, name: str | None) -> None:
    """List the search spaces, or `spaces show NAME`."""
    from ..spaces import SPACES, load_space

    check_action(action, ("list", "show"), "spaces")
    if action == "show":
        space = load_space(_required(name, "gennas spaces show NAME"))
        click.echo(f"{space.name}: {space.description}")
        width = max(map(len, _facts(space)))
        for fact, value in _facts(space).items():
            click.echo(f"  {fact:{width}}  {value}")
        if space.forms:
            click.echo("  also read wherever an architecture is written:")
        for form in space.forms:
            click.echo(f"    {form.name}: {form.example}")
    else:
        show_list("search space", [(shown, SPACES[shown].description) for shown in SPACES.names()])


def _facts(space: SearchSpace) -> dict[str, str]:
    """What a user may ask of a space."""
    convolutional = space.kind == "cnn"
    facts = {
        "networks": "convolutional, for images" if convolutional else "recurrent, for sequences",
        "architectures": "not counted" if space.size is None else f"{space.size:,}",
        "that differ": "not counted" if space.unique is None else f"{space.unique:,}",
        "--all": "lists them" if _can_be_listed(space) else "refused: sample them instead",
        "family": f"{space.family or space.name} (which setting of a preset is used)",
        "untrained": "thousands are read together" if space.shares_parts else "read one by one",
        "metrics": ", ".join(getattr(space, "metrics", ())) or "those of the table",
    }
    if convolutional:
        cells = "1 cell" if space.cells == 1 else f"{space.cells} cells"
        facts["proxy network"] = f"{cells} a stack, {space.channels} channels, unless the preset says more"
    return {**facts, "example": space.example}


def _can_be_listed(space: SearchSpace) -> bool:
    try:
        iter(space)
    except ArchitectureError:
        return False
    return True


@main.command()
@click.argument("action", required=False, default="list", metavar="[show]")
@click.argument("name", required=False)
@click.option("--picture", default=None, help="Draw all signals into this .png or .svg file.")
@force_option
def signals(action: str, name: str | None, picture: str | None, force: bool) -> None:
    """List the signals, or `signals show NAME`; --picture draws them, as in the paper's Fig. 3."""
    from ..proxy.tasks import SIGNALS
    from ..registry import unknown

    check_action(action, ("list", "show"), "signals")
    if picture:
        from ..report.plotting import draw_signals

        check_free(picture, force)
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
        show_list("signal", [(shown, text) for shown, (_, text) in SIGNALS.items()])


@main.command()
@click.option("--naslib", "runners", is_flag=True, help="Run every runner of the NASLib that is found, for seconds.")
@click.option("--space", "spaces", multiple=True, help="With --naslib: on these spaces [default: nasbench201].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(runners: bool, spaces: tuple[str, ...], as_json: bool) -> None:
    """Versions, devices, threads, and which optional parts are installed.

    With --naslib: which of NASLib's runners work; JSON: {"checks": [{"runner", "what", "space", "problem",
    "seconds"}]}, "problem" being empty where it works. Exit code 3 if one does not.
    """
    from ..commands.doctor import check_naslib, examine, lines

    if spaces and not runners:
        raise InputError("--space is for --naslib, which runs NASLib's runners on it")
    if not runners:
        found = examine()
        show(found.as_record(), as_json, lambda: "\n".join(lines(found)))
        return
    checks = []
    for check in check_naslib(spaces or ("nasbench201",)):
        checks.append(check)
        if not as_json:
            state = f"works ({check.seconds:.1f} s)" if not check.problem else check.problem
            click.echo(f"{check.space}  {check.runner:13}  {check.what:20}  {state}")
    if as_json:
        show({"checks": [check.as_record() for check in checks]}, True, str)
    failed = sum(bool(check.problem) for check in checks)
    say(f"{len(checks) - failed} of {len(checks)} configurations of NASLib's runners work")
    if failed:
        raise click.exceptions.Exit(3)


@main.group()
def tables() -> None:
    """Ground-truth tables."""


@tables.command()
@click.argument("source")
@click.argument("out")
@force_option
def convert(source: str, out: str, force: bool) -> None:
    """Convert a benchmark file SOURCE (.pth, .tfrecord, .json, ...) to the small table OUT (.csv or .csv.gz)."""
    from ..tables import convert_table

    check_free(out, force)
    say(f"wrote {convert_table(source, out)} architectures to {out}")


def _required(name: str | None, usage: str) -> str:
    if name is None:
        raise InputError(f"a name is missing: {usage}")
    return name
