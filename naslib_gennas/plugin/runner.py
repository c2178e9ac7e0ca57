"""NASLib's own runner scripts with the plug-in active and something in the place of missing files.

The scripts on disk stay as they are. What is put in the place of something of NASLib's is said, and put back
afterwards; the compiled script gets a line more where it passes over errors.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Callable

import yaml

from ..errors import GenNASError
from ..registry import unknown
from ..tables import Table
from .loading import NASLib, load
from .locate import layout_of, require
from .runner_config import Config, File, Job, Say, read_config
from .substitutes import substitute
from .swaps import Swaps

OLD_WARNINGS = ("Using a non-full backward hook", "Implicit dimension choice for softmax")
NOTE = "_gennas_note"  # a name in the script's scope


def run_stock(
    command: str,
    config_file: File,
    overrides: Sequence[str] = (),
    *,
    table: Table | None = None,
    metric: str | None = None,
    images: str | None = None,
    naslib: str | os.PathLike[str] | None = None,
    say: Say = print,
) -> list[Path]:
    """Run NASLib's script ``command`` with the plug-in active; returns the folders that it wrote to.

    Args:
        command: ``zc``, ``zc-benchmarks``, ``predictors``, ``bbo`` or ``xgb``.
        config_file: NASLib's YAML; ``predictor: gennas`` and, with ``optimizer``, ``fitness: gennas`` work
            there, and a section ``gennas`` (preset, seed, device, ...) describes the score.
        overrides: alternating keys and values that replace those of the file, as NASLib takes them.
        table: ground truth that stands for NASLib's dataset API and its JSON files where given.
        metric: column of ``table`` [default: that of the data set].
        images: see :func:`naslib_gennas.proxy.images.load_images`; None is the embedded batch.
        naslib: a checkout, see :func:`.locate.locate`.
        say: gets a line for every substitution.

    Raises:
        InputError: a configuration that :func:`.runner_config.read_config` refuses, data that nobody
            supplies, no such script; MissingPackageError without NASLib; GenNASError if the script fails.

    >>> table = load_table("analog-nasbench", "nasbench201")  # doctest: +SKIP
    >>> run_stock("zc", "examples/naslib/zc.yaml", ["test_size", "20"], table=table)  # doctest: +SKIP
    [PosixPath('runs/naslib/zc/nasbench201/cifar10/gennas/0')]
    """
    root = require(naslib)
    layout = layout_of(root)
    config = read_config(command, config_file, overrides, layout)
    job = Job(command, config, table, metric, images, say, layout)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        arguments = ["--config-file", _written(config, Path(folder) / Path(config_file).name)]
        stack.enter_context(_command_line(arguments))
        loaded = load(naslib)
        stack.enter_context(_arguments(loaded, arguments))
        script = loaded.runner(command)
        swaps = stack.enter_context(Swaps(say))
        substitute(job, loaded, swaps)
        _execute(job, script, loaded)
    _check_results(job)
    return [Path(folder) for folder in job.saved]


def _execute(job: Job, script: Path, naslib: NASLib) -> None:
    """The script, by the name of a main program; whatever it stops with becomes one sentence."""
    tree = ast.parse(script.read_text(encoding="utf-8"), str(script))
    scope: dict[str, object] = {"__name__": "__main__", "__file__": str(script), NOTE: job.failures.append}
    _note_failures(tree)
    with _tensorboard(job), _old_warnings():
        try:
            exec(compile(tree, str(script), "exec"), scope)
        except GenNASError:
            raise
        except Exception as error:
            raise GenNASError(_sentence(job, error, scope, str(script.relative_to(naslib.root)))) from error


def _sentence(job: Job, error: Exception, scope: Mapping[str, object], script: str) -> str:
    """What went wrong in a script whose global names are in ``scope``; a name that it does not know, with near ones."""
    if isinstance(error, KeyError) and error.args:
        for key in ("predictor", "optimizer", "search_space", "dataset"):
            if error.args[0] == job.config.get(key):
                return unknown(f"{key} of NASLib's {script}", str(error.args[0]), _names_in(scope))
    shown = " ".join(f"{type(error).__name__}: {error}".split())
    return f"NASLib's {script} stopped with {shown} ({_place(error)}); check the keys of its configuration"


def _names_in(scope: Mapping[str, object]) -> set[str]:
    """What a script lets its user choose among: the keys of its dictionaries."""
    lists = [value for name, value in scope.items() if isinstance(value, dict) and not name.startswith("_")]
    return {key for found in lists for key in found if isinstance(key, str)}


def _written(config: Config, path: Path) -> str:
    """The completed configuration as a file, for the script to read."""
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)


def _check_results(job: Job) -> None:
    """The zc-benchmarks runner passes over architectures that fail; here that is said."""
    if job.command != "zc-benchmarks":
        return
    files = [file for folder in job.saved for file in Path(folder).glob("zc_benchmarks/*/benchmark--*.json")]
    scored = sum(len(json.loads(file.read_text(encoding="utf-8"))) for file in files)
    first = next((f"; the first failure is {type(error).__name__}: {error}" for error in job.failures), "")
    if not scored:
        raise GenNASError(f"NASLib's runner scored no architecture{first}")
    if scored < job.config["n_models"]:
        job.say(f"scored {scored} of {job.config['n_models']} architectures{first}")


def _note_failures(tree: ast.Module) -> None:
    """Lets the script's ``except ... as`` clauses tell us what they caught; NASLib's log does not say."""
    for handler in ast.walk(tree):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            [call] = ast.parse(f"{NOTE}({handler.name})").body
            handler.body.insert(0, ast.copy_location(call, handler.body[0]))
    ast.fix_missing_locations(tree)


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


@contextlib.contextmanager
def _old_warnings() -> Iterator[None]:
    """Silences what code of NASLib's age is warned of, and nothing else."""
    with warnings.catch_warnings():
        for message in OLD_WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield


@contextlib.contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """What NASLib sees when it is imported, and every script when it runs."""
    before = sys.argv
    sys.argv = [before[0] if before else "", *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _arguments(naslib: NASLib, arguments: list[str]) -> Iterator[None]:
    """NASLib keeps the command line of its import as a default argument."""
    parse = naslib["parse_args"]
    before = parse.__defaults__
    parse.__defaults__ = (*before[:-1], arguments)
    try:
        yield
    finally:
        parse.__defaults__ = before


@contextlib.contextmanager
def _tensorboard(job: Job) -> Iterator[None]:
    """The module that the bbo runner imports, where it is not installed."""
    name = "torch.utils.tensorboard"
    if job.command != "bbo" or find_spec("tensorboard") is not None:
        yield
        return
    job.say(f"{name}: a writer that writes nothing; pip install tensorboard to have one that does")
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name])["SummaryWriter"] = _SilentWriter
    try:
        yield
    finally:
        del sys.modules[name]


class _SilentWriter:
    def __init__(self, *args: object, **kwargs: object):
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None
