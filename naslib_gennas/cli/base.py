"""What all commands share: the group, error handling, options."""

from __future__ import annotations

import json
from functools import wraps

import click

from .. import __version__
from ..errors import GenNASError, InputError

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


PRESET_DEFAULT = "fast; fast-three for networks of your own"


def scoring_options(command):
    """Options shared by everything that scores."""
    options = [
        click.option("--space", default=None, help="Search space; see `gennas spaces`."),
        click.option(
            "--preset", default="fast", show_default=PRESET_DEFAULT, help="Preset, or a .yaml file of your own."
        ),
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


table_option = click.option(
    "--table", "source", default="digits", show_default=True, help="Ground truth: digits or a file."
)


def curves_option(command):
    return click.option("--curves", is_flag=True, help="Keep the loss of every training step in the records.")(command)


def sampling_options(command):
    """Options shared by everything that compares with ground truth: which of the table's architectures."""
    options = [
        click.option("--sample", default=100, show_default=True, help="Architectures drawn from the table."),
        click.option("--all", "everything", is_flag=True, help="Every architecture of the table."),
        click.option("--strict", is_flag=True, help="Stop at rows that do not parse or appear twice."),
        click.option("--workers", default=1, show_default=True, help="Processes of one thread each."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gennas")
def main():
    """Score, rank and search neural architectures without labels, by regression on synthetic signals."""


def scorer_settings(settings):
    from ..executors.processes import ScorerSettings
    from ..proxy.presets import load_preset
    from ..scoring.gennas import check_kind, find_device
    from ..spaces import SPACES, load_space

    if settings["space"] is None:
        raise InputError(f"name the search space: --space {' | '.join(SPACES.names()[:3])} ... (see `gennas spaces`)")
    find_device(settings["device"])
    preset = load_preset(settings["preset"])
    check_kind(load_space(settings["space"]), preset)
    return ScorerSettings(settings["space"], preset, settings["seed"], settings["device"], settings["images"])


def config_of(settings) -> dict:
    return {
        "space": getattr(settings.space, "name", settings.space),
        "preset": settings.preset.name,
        "preset_digest": settings.preset.digest(),
        "seed": settings.seed,
        "device": settings.device,
        "images": settings.images,
    }


def open_run(settings, config):
    from ..runs.run import Run

    if settings["resume"] and not settings["out"]:
        raise InputError("--resume needs --out, the directory of the run to continue")
    return Run(settings["out"], config, settings["resume"])


def read_table(source, space, strict):
    from ..tables import load_table

    table = load_table(source, space, strict)
    if table.problems:
        say(f"table {source}: {table.problems}")
    return table
