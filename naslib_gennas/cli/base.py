"""What all commands share: the group, error handling, options."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import click

from .. import __version__
from ..errors import GenNASError, InputError
from ..progress import heeding_interrupts
from ..registry import unknown
from .examples import EXAMPLES

if TYPE_CHECKING:
    from ..runs.run import Run
    from ..scoring.gennas import GenNASScorer
    from ..tables import Table

if "OMP_WAIT_POLICY" not in os.environ:  # before torch: its threads wait a little, but burn no core that others use
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_OTHER, EXIT_INPUT, EXIT_ALL_FAILED, EXIT_INTERRUPTED = 1, 2, 3, 130


SECTIONS = {
    "Start": ("demo", "doctor"),
    "Rank architectures": ("score", "compare", "correlate", "benchmark"),
    "Find the best": ("search", "fit", "task-search", "one-shot", "warm-start", "export"),
    "See what there is": ("spaces", "presets", "signals", "measures"),
    "Tables, scores, pages": ("tables", "scores", "report", "top"),
    "In NASLib": ("naslib",),
}
"""Of the help: title -> commands, the main ones first."""


class Commands(click.Group):
    """Errors become one line and an exit code; with --debug, those that are not made on purpose stay what they are."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = {name for names in SECTIONS.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in listed)
        for title, names in {**SECTIONS, "Other commands": others}.items():
            rows = [(name, self.commands[name].get_short_help_str(60)) for name in names if name in self.commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """With examples under its help."""
        command = super().get_command(ctx, name)
        if command is not None and name in EXAMPLES:
            command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[name])
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with heeding_interrupts():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted; what is finished is kept (with --out, --resume continues)")
            ctx.exit(EXIT_INTERRUPTED)
        except GenNASError as error:
            say(f"error: {_one_line(error)}")
            ctx.exit(EXIT_INPUT if isinstance(error, InputError) else EXIT_OTHER)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):  # click knows what to do
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            what = f"{type(error).__name__}: {_one_line(error)}"
            say(f"error: {what}; that was not foreseen, `gennas --debug ...` shows where it comes from")
            ctx.exit(EXIT_OTHER)


LONGEST = 1500  # characters of a message


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def say(message: str) -> None:
    click.echo(message, err=True)


def show(data: Mapping[str, object], as_json: bool, text: Callable[[], str]) -> None:
    """Print ``data`` as one JSON object, or what ``text()`` makes of it."""
    click.echo(json.dumps(data, indent=2) if as_json else text())


def check_action(action: str, known: Sequence[str], command: str) -> None:
    """InputError unless ``action`` is one of ``known``."""
    if action not in known:
        raise InputError(unknown(f"action of `gennas {command}`", action, known))


def show_list(head: str, rows: Sequence[tuple[str, str]]) -> None:
    """Names and what they are: a table on a terminal, coloured unless NO_COLOR says not to; plain lines elsewhere."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        width = max((len(name) for name, _ in rows), default=0)
        for name, text in rows:
            click.echo(f"{name:{width}}  {text}")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(head, style="cyan", no_wrap=True)
    table.add_column(f"what it is ({len(rows)})")
    for name, text in rows:
        table.add_row(Text(name), Text(text))  # brackets in them are no markup
    console.print(table)


PRESET = "hybrid"  # the default of a scorer; that module would import torch
PRESET_DEFAULT = "hybrid; fast-three for networks of your own"
MEMORY = 512  # MB, as of a scorer; that module would import torch


AUTO = "auto"


class Workers(click.IntRange):
    """A number of processes, or ``auto``."""

    name = "number or auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == AUTO else super().convert(value, param, ctx)


WHERE = [
    click.option(
        "--workers",
        type=Workers(1, 4096),
        default=1,
        show_default=True,
        help="Processes of one thread each; 1 is this process; auto: what this machine allows, if it pays.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 1024),
        default=1,
        show_default=True,
        help="PyTorch threads of a single process.",
    ),
    click.option(
        "--executor",
        default="",
        help="here, processes, dask or ray; with the cluster's place: dask:tcp://host:8786, dask:mine.yaml, ray:auto "
        "[default: here, or processes if --workers, --timeout or --isolate ask for it].",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=None,
        help="Seconds that an architecture may take [default: any].",
    ),
    click.option(
        "--isolate/--no-isolate",
        default=None,
        help="Score in a process of its own, so that a crash costs one record [default: only your own networks].",
    ),
]
OWN_NETWORKS = ("models", "timm", "torchvision")


def scoring_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options shared by everything that scores."""
    options = [
        click.option("--space", default=None, help="Search space; see `gennas spaces`."),
        click.option(
            "--preset", default=PRESET, show_default=PRESET_DEFAULT, help="Preset, or a .yaml file of your own."
        ),
        click.option("--seed", default=0, show_default=True, help="Same seed, same scores."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or mps."),
        click.option("--images", default=None, help="Images for the batch: .npz or a folder [default: embedded]."),
        click.option(
            "--memory",
            type=int,
            default=MEMORY,
            show_default=True,
            help="MB for feature maps that architectures share (presets in closed form).",
        ),
        *WHERE,
        click.option("--out", default=None, help="Directory that keeps settings and results."),
        click.option("--resume", is_flag=True, help="Continue the run in --out."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    ]
    return placed(command, options)


def placed(command: Callable[..., None], options: Sequence[Callable[[Any], Any]]) -> Callable[..., None]:
    """``command`` with options; those of ``WHERE`` reach it as ``resources``."""
    for option in reversed(options):
        command = option(command)

    @wraps(command)
    def with_resources(
        *args: Any,
        workers: int | str,
        threads: int,
        executor: str,
        timeout: float | None,
        isolate: bool | None,
        **kwargs: Any,
    ) -> None:
        from ..executors.protocol import Resources
        from ..proxy.surroundings import use_threads

        workers, executor = _chosen(workers, executor, timeout, isolate)
        apart = bool(isolate) or (isolate is None and any(kwargs.get(name) for name in OWN_NETWORKS))
        gpus = kwargs.get("device") == "cuda"
        resources = Resources(workers, threads, timeout, apart, watch=True, executor=executor, gpus=gpus)
        use_threads(threads if workers == 1 else 1)
        command(*args, resources=resources, **kwargs)

    return with_resources


def _chosen(workers: int | str, executor: str, timeout: float | None, isolate: bool | None) -> tuple[int, str]:
    """How many, and the executor; InputError for ``auto`` where something else is asked for, too."""
    if not isinstance(workers, str):
        return workers, executor
    if executor or timeout is not None or isolate:
        raise InputError("--workers auto decides by itself; leave out --executor, --timeout and --isolate")
    from ..executors.auto import usable_processors

    count = usable_processors()
    return count, AUTO if count > 1 else ""


table_option = click.option(
    "--table", "source", required=True, help="Ground truth: a file, or analog-nasbench (extra demo)."
)


measure_option = click.option(
    "--measure", default="gennas", show_default=True, help="Another measure, fit:RUN, or an ensemble of several."
)


def curves_option(command: Command) -> Command:
    return click.option("--curves", is_flag=True, help="Keep the loss of every training step in the records.")(command)


def retry_option(command: Command) -> Command:
    text = "With --resume: try architectures again that failed, crashed or took too long."
    return click.option("--retry-failed", is_flag=True, help=text)(command)


def sampling_options(command: Command) -> Command:
    """Options shared by everything that compares with ground truth: which of the table's architectures."""
    options = [
        click.option("--sample", default=100, show_default=True, help="Architectures drawn from the table."),
        click.option("--all", "everything", is_flag=True, help="Every architecture of the table."),
        click.option("--strict", is_flag=True, help="Stop at rows that do not parse or appear twice."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gennas")
@click.option("--debug", is_flag=True, help="Show where an error comes from that is not foreseen.")
def main(debug: bool) -> None:
    """Score, rank and search neural architectures without labels, by regression on synthetic signals."""


def the_scorer(settings: dict[str, Any]) -> GenNASScorer:
    """The scorer that the options describe."""
    from ..scoring.gennas import GenNASScorer
    from ..spaces import SPACES

    if settings["space"] is None:
        raise InputError(f"name the search space: --space {' | '.join(SPACES.names()[:3])} ... (see `gennas spaces`)")
    named = ("space", "preset", "seed", "device", "images", "memory")
    return GenNASScorer(**{name: settings[name] for name in named})


def open_run(settings: dict[str, Any], config: dict[str, Any]) -> Run:
    from ..runs.run import Run

    if settings["resume"] and not settings["out"]:
        raise InputError("--resume needs --out, the directory of the run to continue")
    if settings.get("retry_failed") and not settings["resume"]:
        raise InputError("--retry-failed is for a run that is continued: add --resume and its --out")
    return Run(settings["out"], config, settings["resume"], bool(settings.get("retry_failed")))


def check_metric(source: str | None, metric: str | None) -> None:
    """InputError for a column of a table that is not named."""
    if source is None and metric is not None:
        raise InputError("--metric is a column of --table, which says where the ground truth is")


def read_table(source: str, space: Any, strict: bool) -> Table:
    from ..commands.ground_truth import load_table

    table = load_table(source, space, strict)
    if table.problems:
        say(f"table {source}: {table.problems}")
    return table


def force_option(command: Command) -> Command:
    return click.option("--force", is_flag=True, help="Replace the file if it is there.")(command)


def check_free(out: str, force: bool, mark: str = "") -> None:
    """InputError if the file ``out`` is there and would be replaced; one that begins with ``mark`` in it is our own."""
    path = Path(out)
    if force or not path.exists():
        return
    if mark and path.is_file():
        with open(path, "rb") as file:
            if mark.encode() in file.read(1000):
                return
    raise InputError(f"{out} would be overwritten; choose another name, or add --force")


def number(value: float | None) -> str:
    """A score in a column of eight characters; None is no score."""
    return "    none" if value is None or math.isnan(value) else f"{value:8.4f}"
