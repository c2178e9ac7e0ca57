"""NASLib's own runner scripts, unmodified, with the plug-in active and missing files supplied.

The scripts are run as they are on disk. What is put in the place of something of NASLib's is put back
afterwards, and said.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import inspect
import math
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import yaml

from ..errors import GenNASError, InputError
from ..registry import unknown
from ..tables import Table
from .compat import NASLib, load, require
from .locate import layout_of
from .search import KINDS, specification, validity_api

COMMANDS = ("zc", "zc-benchmarks", "predictors", "bbo")
KEYS = {  # what the scripts cannot do without, and a user has to choose
    "zc": ("search_space", "dataset", "predictor", "test_size", "out_dir", "seed"),
    "zc-benchmarks": ("search_space", "dataset", "predictor", "start_idx", "n_models", "out_dir", "seed"),
    "predictors": ("search_space", "dataset", "predictor", "test_size", "out_dir", "seed"),
    "bbo": ("search_space", "dataset", "optimizer", "out_dir", "seed"),
}
LOADER = {"batch_size": 64, "cutout": False, "cutout_length": 16, "cutout_prob": 1.0, "train_portion": 0.7}
DEFAULTS: dict[str, dict[str, Any]] = {  # what the scripts cannot do without either; as in NASLib's own files
    "zc": {"config_type": "zc", **LOADER},
    "zc-benchmarks": {"config_type": "zc-benchmarks", "test_size": 0, **LOADER},
    "predictors": {
        "experiment_type": "single",
        "train_size_single": 10,
        "train_size_list": [10],
        "fidelity_single": 5,
        "fidelity_list": [5],
        "uniform_random": True,
        "max_hpo_time": 0,
        "hparams_from_file": False,
        "search": dict(LOADER),
    },
    "bbo": {
        "config_id": 0,
        "search": {
            "checkpoint_freq": 1000,
            "epochs": 450,
            "fidelity": -1,
            "sample_size": 10,
            "population_size": 50,
            "num_init": 10,
            "predictor_type": "rf",
            "k": 10,
            "num_ensemble": 3,
            "acq_fn_type": "its",
            "acq_fn_optimization": "mutation",
            "encoding_type": "adjacency_one_hot",
            "num_arches_to_mutate": 5,
            "max_mutations": 1,
            "num_candidates": 100,
            "use_zc_api": False,
            **LOADER,
        },
    },
}
DATASETS = {
    "nasbench101": ("cifar10",),
    "nasbench201": ("cifar10", "cifar100", "ImageNet16-120", "ninapro"),
}
NOT_TRAINABLE = {
    "asr": "NASLib builds no network for a sampled architecture of it",
    "nlp": "NASLib has no network for its recipes",
}
PREDICTOR = "gennas"  # and gennas_<preset>
LOADERS_BATCH = 64
SIZES = {"ImageNet16-120": 16}  # pixels; 32 elsewhere
STOCK_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One call of a stock script: what its configuration says, and what we supply."""

    command: str
    config: dict[str, Any]
    table: Table | None = None
    metric: str | None = None
    images: str | None = None
    say: Say = print
    saved: list[str] = field(default_factory=list)  # where the script writes; filled when it knows

    @property
    def space(self) -> str:
        return self.config["search_space"]

    @property
    def dataset(self) -> str:
        return self.config["dataset"]

    def uses_gennas(self) -> bool:
        """Whether every network-based measure of this job is ours, so that no graph need be built."""
        search = self.config.get("search") or {}
        names = [*(search.get("zc_names") or ()), self.config.get("predictor")]
        return all(is_ours(name) for name in names if name is not None)


def run_stock(
    command: str,
    config_file: str | os.PathLike,
    overrides: Sequence[str] = (),
    *,
    table: Table | None = None,
    metric: str | None = None,
    images: str | None = None,
    naslib: str | os.PathLike | None = None,
    say: Say = print,
) -> list[Path]:
    """Run NASLib's script ``command`` with the plug-in active; returns the folders that it wrote to.

    Args:
        command: ``zc``, ``zc-benchmarks``, ``predictors`` or ``bbo``.
        config_file: NASLib's YAML; ``predictor: gennas`` and, with ``optimizer``, ``fitness: gennas`` work
            there, and a section ``gennas`` (preset, seed, device, ...) describes the score.
        overrides: alternating keys and values that replace those of the file, as NASLib takes them.
        table: ground truth that stands for NASLib's dataset API and its JSON files where given.
        metric: column of ``table`` [default: that of the data set].
        images: see :func:`naslib_gennas.images.load_images`; None is the embedded batch.
        naslib: a checkout, see :func:`.locate.locate`.
        say: gets a line for every substitution.

    Raises:
        InputError: no such script or file, a key missing or misspelt, a space and a data set that do not go
            together, data that nobody supplies; MissingPackageError without NASLib.
    """
    if command not in COMMANDS:
        raise InputError(unknown("runner", command, COMMANDS))
    script_folder = require(naslib)
    layout_of(script_folder)
    config = read_config(command, config_file, overrides)
    job = Job(command, config, table, metric, images, say)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        arguments = ["--config-file", str(_write(config, Path(folder) / Path(config_file).name))]
        stack.enter_context(_command_line(arguments))
        loaded = load(naslib)
        stack.enter_context(_arguments(loaded, arguments))
        script = loaded.runner(command)
        swaps = stack.enter_context(Swaps(say))
        _supply(job, loaded, swaps)
        _execute(job, script, loaded)
    return [Path(folder) for folder in job.saved]


def is_ours(name: str) -> bool:
    return name == PREDICTOR or name.startswith(PREDICTOR + "_")


# --- configuration


def read_config(command: str, file: str | os.PathLike, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The YAML ``file`` with ``overrides`` and defaults, checked for what would fail deep inside NASLib."""
    try:
        with open(file, encoding="utf-8") as stream:
            config = yaml.safe_load(stream)
    except OSError as error:
        raise InputError(f"cannot read the configuration {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(config, dict):
        raise InputError(f"{file} must hold a mapping of keys to values")
    if len(overrides) % 2:
        raise InputError(f"overrides are pairs of a key and a value; {overrides[-1]!r} has no value")
    for key, value in zip(overrides[::2], overrides[1::2]):
        _override(config, key, value, file)
    _check_keys(command, config, file)
    _check_data(config, file)
    return _completed(config, DEFAULTS[command])


def _completed(config: dict, defaults: dict) -> dict:
    """``config`` with the missing keys of ``defaults``, one level of groups included."""
    groups = {key: {**value, **(config.get(key) or {})} for key, value in defaults.items() if isinstance(value, dict)}
    return {**defaults, **config, **groups}


def _write(config: dict, path: Path) -> Path:
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _override(config: dict, key: str, text: str, file) -> None:
    group, _, name = key.rpartition(".")
    place = config.get(group) if group else config
    if not isinstance(place, dict) or name not in place:
        near = difflib.get_close_matches(name, place if isinstance(place, dict) else config, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"the override {key!r} is no key of {file}{hint}")
    place[name] = yaml.safe_load(text)


def _check_keys(command: str, config: dict, file) -> None:
    for key in KEYS[command]:
        if key not in config:
            near = difflib.get_close_matches(key, config, n=1)
            hint = f"it has {near[0]!r}, which may be a misspelling" if near else f"NASLib's {command} runner needs it"
            raise InputError(f"{file} has no key {key!r}; {hint}")
    fitness = config.get("fitness")
    if fitness is not None and not is_ours(str(fitness)):
        raise InputError(f"{file}: fitness must be {PREDICTOR} or {PREDICTOR}_<preset>, got {fitness!r}")


def _check_data(config: dict, file) -> None:
    space, dataset = config["search_space"], config["dataset"]
    if space in DATASETS and dataset not in DATASETS[space]:
        raise InputError(f"{file}: {space} has no data set {dataset!r}; it has: {', '.join(DATASETS[space])}")
    if space in NOT_TRAINABLE and (is_ours(str(config.get("predictor"))) or config.get("fitness")):
        raise InputError(f"{file}: gennas cannot score {space}: {NOT_TRAINABLE[space]}")


# --- what stands for what


class Swaps:
    """Objects of NASLib replaced wherever its modules hold them; undone on leaving."""

    def __init__(self, say: Say):
        self.say = say
        self._undo: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Swaps:
        return self

    def __exit__(self, *exception) -> None:
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)

    def swap(self, old: Any, new: Any, what: str | None = None) -> None:
        """Put ``new`` in the place of ``old``, and say ``what`` that does."""
        for name, module in sorted(sys.modules.items()):
            if name.split(".")[0] == "naslib" and isinstance(module, ModuleType):
                for key, value in list(vars(module).items()):
                    if value is old:
                        self.attribute(module, key, new)
        if what:
            self.say(what)

    def attribute(self, owner: Any, name: str, new: Any) -> None:
        """Put ``new`` in the place of one attribute of a module or class."""
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, new)


def _supply(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Everything that this job needs and NASLib lacks."""
    from .measure import register

    register()
    _note_folders(job, naslib, swaps)
    _supply_loaders(job, naslib, swaps)
    _supply_ground_truth(job, naslib, swaps)
    _supply_predictor(job, naslib, swaps)
    _supply_spaces(job, naslib, swaps)
    _repair_npenas(job, naslib, swaps)


def _note_folders(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Results go below ``out_dir``; one runner would write into the checkout."""
    original = naslib["get_config_from_args"]

    def get_config_from_args(*args, **kwargs):
        config = original(*args, **kwargs)
        job.saved.append(str(config.save))
        if job.command == "zc-benchmarks":
            config.data = str(config.save)
        return config

    where = "results go below out_dir"
    if job.command == "zc-benchmarks":
        where = "zc_benchmarks/ goes below out_dir, not into NASLib's data folder"
    swaps.swap(original, get_config_from_args, where)


def _supply_loaders(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """One batch of images for NASLib's own measures, unless the data set was downloaded before."""
    original = naslib["get_train_val_loaders"]
    data = naslib.root / "naslib" / "data"
    if job.images is None and (data / STOCK_FOLDERS.get(job.dataset, "-")).is_dir():

        def stock(config, *args, **kwargs):
            before, config.data = config.data, str(data)  # may be redirected
            try:
                return original(config, *args, **kwargs)
            finally:
                config.data = before

        swaps.swap(original, stock, f"images: NASLib's own {job.dataset} in {data}")
        return

    def get_train_val_loaders(config, *args, **kwargs):
        size = config["batch_size"] if "batch_size" in config else config.search.batch_size
        loader = [image_batch(job.images, int(size), SIZES.get(job.dataset, 32))]
        return loader, loader, loader, None, None

    source = job.images or "the embedded photographs, labels 0 to 9 in turn"
    swaps.swap(original, get_train_val_loaders, f"data loaders: one batch of {source}, instead of {job.dataset}")


def image_batch(source: str | None, count: int, size: int) -> tuple[Any, Any]:
    """(images, labels) for NASLib: float32 (b, 3, size, size) and int64 (b,); b is at most 64 if embedded.

    Labels are those of an ``.npz`` that has them (``y``), otherwise 0 to 9 in turn.
    """
    import numpy as np
    import torch

    from ..images import load_images

    if source is None:
        count = min(count, LOADERS_BATCH)
    images = load_images(source, count, size)
    labels = torch.arange(count) % 10
    if source is not None and str(source).endswith(".npz"):
        with np.load(source) as archive:
            if "y" in archive.files:
                labels = torch.from_numpy(archive["y"][:count].astype(np.int64))
    return images, labels


def _supply_ground_truth(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """NASLib's three kinds of files: from the table, else its own, else a clear error."""
    truth = GroundTruth(job, naslib)
    source = f"made of the table {job.table.name}" if job.table else "NASLib's own file if it is there"
    for name in ("get_dataset_api", "get_zc_benchmark_api", "load_sampled_architectures"):
        swaps.swap(naslib[name], getattr(truth, name), f"{name}: {source}")


class GroundTruth:
    """What stands for NASLib's functions that read accuracies and lists of architectures."""

    def __init__(self, job: Job, naslib: NASLib):
        self.job = job
        self.naslib = naslib
        self._original = {
            name: naslib[name] for name in ("get_dataset_api", "get_zc_benchmark_api", "load_sampled_architectures")
        }

    def get_dataset_api(self, search_space=None, dataset=None):
        if self.job.table is not None:
            from .dataset_api import from_table

            return from_table(self.job.table, dataset, self.job.metric)
        if self.job.config.get("fitness"):
            try:
                return self._original["get_dataset_api"](search_space, dataset)
            except (AssertionError, OSError, ImportError):
                self.job.say("ground truth: none; name a --table to have accuracies in the report")
                return validity_api(self.naslib, search_space)
        return self._stock("get_dataset_api", search_space, dataset)

    def get_zc_benchmark_api(self, search_space, dataset):
        search = self.job.config.get("search") or {}
        if self.job.command == "bbo" and (self.job.config.get("fitness") or not search.get("use_zc_api")):
            return {}  # accuracies from there would be the fitness
        if self.job.table is not None:
            return {str(spec): {"val_accuracy": value} for spec, value in self._rows()}
        return self._stock("get_zc_benchmark_api", search_space, dataset)

    def load_sampled_architectures(self, search_space, postfix=""):
        if self.job.table is not None:
            return {str(number): str(spec) for number, (spec, _) in enumerate(self._rows())}
        return self._stock("load_sampled_architectures", search_space, postfix)

    def _rows(self) -> Iterator[tuple[Any, float]]:
        """(NASLib's compact form, accuracy) of the architectures whose accuracy is known."""
        from .convert import to_naslib
        from .dataset_api import metric_of

        table = self.job.table
        values = table.column(self.job.metric or metric_of(table, self.job.dataset))
        for text, value in zip(table.frame["arch"][values.notna()], values[values.notna()]):
            yield to_naslib(table.space.name, table.space.parse(text)), float(value)

    def _stock(self, name: str, *arguments):
        try:
            return self._original[name](*arguments)
        except (AssertionError, OSError, ImportError, KeyError) as error:
            raise InputError(
                f"NASLib's {name} finds no data of {self.job.space} on {self.job.dataset} "
                f"({str(error).splitlines()[0]}); name a table with --table"
            ) from error


def _supply_predictor(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """``ZeroCost("gennas")`` with the settings of the section ``gennas``; scores missing in a file, computed."""
    stock = naslib["ZeroCost"]
    ours: dict[str, Any] = {}

    def zero_cost(method_type="jacov"):
        if not is_ours(method_type):
            return stock(method_type)
        if method_type not in ours:
            ours[method_type] = make_predictor(job, method_type)
        return ours[method_type]

    swaps.swap(
        stock, zero_cost, "ZeroCost: gennas and gennas_<preset> as the section 'gennas' says, others NASLib's own"
    )
    if job.command == "zc":
        base = naslib["ZeroCostPredictorEvaluator"]
        swaps.swap(base, _live(base, job, naslib), "scores that no file holds are computed")


def _repair_npenas(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Npenas hands ``query_zc_scores`` arguments that it does not take, and a hash for the architecture."""
    kind = naslib["Npenas"]
    original = kind.query_zc_scores
    if job.command != "bbo" or len(inspect.signature(original).parameters) != 2:
        return

    def query_zc_scores(self, arch, *unused):
        if isinstance(arch, tuple):
            spec, arch = arch, self.search_space.clone()
            arch.set_spec(spec)
            arch.parse()
        return original(self, arch)

    swaps.attribute(kind, "query_zc_scores", query_zc_scores)


def make_predictor(job: Job, name: str) -> Any:
    """The predictor behind ``predictor: gennas`` or ``gennas_<preset>``."""
    from .predictor import GenNASPredictor

    settings = dict(job.config.get("gennas") or {})
    preset = name[len(PREDICTOR) + 1 :]
    if preset:
        settings["preset"] = preset
    predictor = GenNASPredictor(**settings)
    predictor.method_type = name
    return predictor


def _live(base: type, job: Job, naslib: NASLib) -> type:
    space = naslib["get_search_space"](job.space, job.dataset)

    class LiveEvaluator(base):
        """NASLib's evaluator, which only looks scores up, with the missing ones computed first."""

        def single_evaluate(self, test_data, zc_api):
            name, loader = self.predictor.method_type, None
            for spec in test_data[0]:
                entry = zc_api.get(str(spec))
                if entry is None or name in entry:
                    continue
                loader = loader or naslib["get_train_val_loaders"](self.config)[0]
                graph = space.clone() if not is_ours(name) else self.search_space.clone()
                graph.set_spec(spec)
                graph.parse()
                started = time.perf_counter()
                score = self.predictor.query(graph, loader)
                entry[name] = {"score": float(score), "time": time.perf_counter() - started}
            return super().single_evaluate(test_data, zc_api)

    return LiveEvaluator


def _supply_spaces(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Individuals without networks where nothing needs the networks, and with our fitness where wanted."""
    if job.space not in KINDS or not job.uses_gennas():
        return
    kind, stock = naslib[KINDS[job.space]], naslib["get_search_space"]
    fitness = _fitness(job) if job.config.get("fitness") else None
    truth = job.table is not None or fitness is None
    light = specification(naslib, kind, fitness, truth)

    def get_search_space(name, dataset):
        return light() if name == job.space else stock(name, dataset)

    swaps.swap(kind, light, f"{kind.__name__}: individuals are specifications, no networks are kept")
    swaps.swap(stock, get_search_space)
    if fitness:
        job.say(f"fitness: the score of {job.config['fitness']}, never an accuracy")


def _fitness(job: Job) -> Callable[[Any], float]:
    """NASLib's compact form -> score; a diverged one ranks last."""
    predictor = make_predictor(job, job.config["fitness"])
    scorer = predictor.scorer(job.space, job.images)

    def fitness(spec: Any) -> float:
        from .convert import from_naslib

        score = scorer.score(from_naslib(job.space, spec)).score
        return -math.inf if score is None else score

    return fitness


# --- running


def _execute(job: Job, script: Path, naslib: NASLib) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"), str(script))
    scope: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    if job.command == "predictors" and is_ours(job.config["predictor"]):
        _offer(tree, "supported_predictors")
        scope["_gennas_predictors"] = {job.config["predictor"]: make_predictor(job, job.config["predictor"])}
        job.say(f"supported_predictors: {job.config['predictor']} added")
    with _tensorboard(job):
        try:
            exec(compile(tree, str(script), "exec"), scope)
        except (KeyError, AttributeError, AssertionError, ValueError, TypeError) as error:
            if isinstance(error, GenNASError):
                raise
            raise GenNASError(
                f"NASLib's {script.relative_to(naslib.root)} stopped with {type(error).__name__}: {error} "
                f"({_place(error)}); check the keys of its configuration"
            ) from error


def _offer(tree: ast.Module, table: str) -> None:
    """Adds ``table.update(_gennas_predictors)`` after the statement that makes ``table``."""
    for number, statement in enumerate(tree.body):
        names = [target.id for target in getattr(statement, "targets", ()) if isinstance(target, ast.Name)]
        if table in names:
            addition = ast.parse(f"{table}.update(_gennas_predictors)").body
            tree.body[number + 1 : number + 1] = [ast.copy_location(line, statement) for line in addition]
            ast.fix_missing_locations(tree)
            return
    raise InputError(f"NASLib's predictors runner makes no {table}; check out its branch Develop")


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


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
    sys.modules[name].SummaryWriter = _SilentWriter
    try:
        yield
    finally:
        del sys.modules[name]


class _SilentWriter:
    def __init__(self, *args, **kwargs):
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None
