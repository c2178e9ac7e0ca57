"""The configuration of one of NASLib's runner scripts, completed and checked before NASLib sees it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Union

from ..errors import InputError
from ..proxy.presets import validate
from ..registry import unknown
from ..spaces.pasted import OUR_NAMES
from ..tables import Table
from ..texts import parse_yaml
from .locate import DEVELOP, ZEROCOST, Layout
from .settings import SECTION, Section, is_ours

COMMANDS = ("zc", "zc-benchmarks", "predictors", "bbo", "xgb")
KEYS = {  # what the scripts cannot do without, and a user has to choose
    "zc": ("search_space", "dataset", "predictor", "test_size", "out_dir", "seed"),
    "zc-benchmarks": ("search_space", "dataset", "predictor", "start_idx", "n_models", "out_dir", "seed"),
    "predictors": ("search_space", "dataset", "predictor", "test_size", "out_dir", "seed"),
    "bbo": ("search_space", "dataset", "optimizer", "out_dir", "seed"),
    "xgb": ("search_space", "dataset", "zc_names", "train_size", "test_size", "out_dir", "seed"),
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
    "xgb": {"config_type": "xgb", "predictor": "xgb", "zc_ensemble": True, "zc_only": False, **LOADER},
}
ZEROCOST_DEFAULTS: dict[str, dict[str, Any]] = {  # where branch zerocost needs others
    "bbo": {
        "config_type": "bbo",
        "predictor": "zc",
        **LOADER,
        "search": {
            "predictor_type": "xgb",
            "acq_fn_optimization": "random_sampling",
            "zc_ensemble": False,
            "zc_names": [],
            "zc_only": False,
        },
    },
}
OPTIMIZERS = {"develop": ("re", "rs", "ls", "bananas", "npenas"), "zerocost": ("bananas", "npenas")}  # of bbo
NINAPRO = ("ninapro", "svhn", "scifar100")
TASKS = ("class_scene", "class_object", "autoencoder", "normal", "jigsaw", "room_layout", "segmentsemantic")
DATASETS = {
    "nasbench101": ("cifar10",),
    "nasbench201": ("cifar10", "cifar100", "ImageNet16-120", *NINAPRO),
    "nasbench301": ("cifar10", *NINAPRO),
    "transbench101_micro": (*TASKS, *NINAPRO),
    "transbench101_macro": TASKS,
}
"""NASLib's search spaces that every runner takes, and their data sets."""
SPARSE = {"nlp": ("bbo", "predictors"), "asr": ("bbo", "predictors")}  # the others, and the runners that take them
NOT_TRAINABLE = {
    "asr": "NASLib builds no network for a sampled architecture of it",
    "nlp": "NASLib has no network for its recipes",
}
NASLIB_NAMES = {ours: theirs for theirs, ours in OUR_NAMES.items()}
FITNESS = "fitness"  # a key of ours

Config = dict[str, Any]  # what a YAML file of NASLib's holds
File = Union[str, "os.PathLike[str]"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One call of a runner script: what its configuration says, and what we supply."""

    command: str
    config: Config
    table: Table | None = None
    metric: str | None = None
    images: str | None = None
    say: Say = print
    layout: Layout = DEVELOP
    loaded: list[Any] = field(default_factory=list)  # NASLib's own configuration objects, once the script has them
    failures: list[Exception] = field(default_factory=list)  # that the script passes over

    @property
    def section(self) -> Section:
        section: Section = validate(Section, self.config.get(SECTION) or {}, SECTION)
        return section

    @property
    def saved(self) -> list[str]:
        """Folders that the script writes to."""
        return [str(config.save) for config in self.loaded]

    @property
    def space(self) -> str:
        """NASLib's name of it."""
        return str(self.config["search_space"])

    @property
    def own_space(self) -> str:
        """Our name of it."""
        return OUR_NAMES.get(self.space, self.space)

    @property
    def dataset(self) -> str:
        return str(self.config["dataset"])

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @property
    def predictor(self) -> str:
        return str(self.config.get("predictor"))

    @property
    def fitness(self) -> str | None:
        return self.config.get(FITNESS)

    @property
    def search(self) -> Config:
        return self.config.get("search") or {}

    def of_develop(self) -> bool:
        return self.layout is DEVELOP

    def builds_no_networks(self) -> bool:
        """Whether specifications are all that the script itself needs."""
        if self.command in ("zc", "xgb") or (self.command == "bbo" and not self.of_develop()):
            return True  # what they score, they look up
        names = [*(self.search.get("zc_names") or ()), *([self.predictor] if self.command != "bbo" else ())]
        return all(map(is_ours, names))


def read_config(command: str, file: File, overrides: Sequence[str] = (), layout: Layout = DEVELOP) -> Config:
    """The YAML ``file`` with ``overrides`` and defaults, checked for what would fail deep inside NASLib.

    ``overrides`` alternate keys and values, as NASLib takes them; ``layout`` is the branch whose script is run. Raises
    InputError for a file that cannot be read, keys that are missing or look misspelt, settings of ours that do not
    exist, a space, data set or optimizer that the script does not have, a space and a data set that do not go
    together, and a space whose architectures cannot be scored.
    """
    try:
        with open(file, encoding="utf-8") as stream:
            config = parse_yaml(stream.read())
    except OSError as error:
        raise InputError(f"cannot read the configuration {file}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{file} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(config, dict):
        raise InputError(f"{file} must hold a mapping of keys to values")
    if command not in COMMANDS:
        raise InputError(unknown("runner", command, COMMANDS))
    if len(overrides) % 2:
        raise InputError(f"overrides are pairs of a key and a value; {overrides[-1]!r} has no value")
    if layout is ZEROCOST:
        config = _completed(config, ZEROCOST_DEFAULTS.get(command, {}))
    config = _completed(config, DEFAULTS[command])
    for key, value in zip(overrides[::2], overrides[1::2]):
        _override(config, key, value, [*KEYS[command], FITNESS], file)
    config["search_space"] = NASLIB_NAMES.get(str(config.get("search_space")), config.get("search_space"))
    _check_keys(command, config, file)
    _check_data(command, config, file)
    _check_script(command, config, layout, file)
    _use_features(config)
    return config


def _use_features(config: Config) -> None:
    """Zero-cost features are used if they are named; the branches call that by different keys."""
    search = config.get("search") or {}
    if search.get("zc_names") and not {"zc", "zc_ensemble"} <= set(search):
        used = search.get("zc", search.get("zc_ensemble") or True)
        search.update(zc=used, zc_ensemble=used)


def _completed(config: Config, defaults: Config) -> Config:
    """``config`` with the missing keys of ``defaults``, one level of groups included."""
    groups = {key: {**value, **(config.get(key) or {})} for key, value in defaults.items() if isinstance(value, dict)}
    return {**defaults, **config, **groups}


def _override(config: Config, key: str, text: str, known: Sequence[str], file: File) -> None:
    group, _, name = key.rpartition(".")
    place: object = config.setdefault(SECTION, {}) if group == SECTION else config.get(group) if group else config
    fresh = group == SECTION or (not group and name in known)
    if not isinstance(place, dict) or (name not in place and not fresh):
        near = difflib.get_close_matches(name, [*(place if isinstance(place, dict) else config), *known], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"the override {key!r} is no key of {file}{hint}")
    try:
        place[name] = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"the override {key} {text[:80]!r} is not YAML: {error}") from None


def _check_keys(command: str, config: Config, file: File) -> None:
    ours = [SECTION, FITNESS]
    known = [*KEYS[command], *DEFAULTS[command], *ours]
    for key in config:
        near = difflib.get_close_matches(str(key), [k for k in known if k not in config or k in ours], 1, 0.75)
        if key not in known and near:
            raise InputError(f"{file} has a key {key!r}; did you mean {near[0]}?")
    for key in KEYS[command]:
        if key not in config:
            raise InputError(f"{file} has no key {key!r}, which NASLib's runner {command} needs")
    fitness = config.get(FITNESS)
    if fitness is not None and not is_ours(str(fitness)):
        raise InputError(f"{file}: {FITNESS} must be {SECTION} or {SECTION}_<preset>, got {fitness!r}")
    if fitness is not None and command != "bbo":
        raise InputError(f"{file}: {FITNESS} is for the runner bbo; {command} takes a predictor")
    validate(Section, config.get(SECTION) or {}, f"{file}, {SECTION}")


def _check_data(command: str, config: Config, file: File) -> None:
    space, dataset = config["search_space"], config["dataset"]
    spaces = [*DATASETS, *(name for name, commands in SPARSE.items() if command in commands)]
    if space not in spaces:
        raise InputError(f"{file}: {unknown(f'search space for {command}', str(space), spaces)}")
    if space in DATASETS and dataset not in DATASETS[space]:
        raise InputError(f"{file}: {space} has no data set {dataset!r}; it has: {', '.join(DATASETS[space])}")
    if space in NOT_TRAINABLE and (is_ours(str(config.get("predictor"))) or config.get("fitness")):
        raise InputError(f"{file}: gennas cannot score {space}: {NOT_TRAINABLE[space]}")


def _check_script(command: str, config: Config, layout: Layout, file: File) -> None:
    if command not in layout.runners:
        there = ", ".join(layout.runners)
        raise InputError(f"branch {layout.name} of NASLib has no runner {command} that runs; it has: {there}")
    if command == "bbo":
        _check_optimizer(config, layout, file)
    features = config if command == "xgb" else config.get("search") or {}
    names = features.get("zc_names") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{file}: zc_names must be a list of measures, such as [gennas, synflow]; got {names!r}")
    if command == "xgb" and not names:
        raise InputError(f"{file}: zc_names is empty; name the measures that are features, such as [gennas, synflow]")


def _check_optimizer(config: Config, layout: Layout, file: File) -> None:
    known, chosen = OPTIMIZERS[layout.name], str(config["optimizer"])
    if chosen not in known:
        raise InputError(f"{file}: {unknown(f'optimizer of bbo in branch {layout.name}', chosen, known)}")
    if layout is ZEROCOST and config["search"]["acq_fn_optimization"] != "random_sampling":
        raise InputError(
            f"{file}: bbo of branch {layout.name} needs acq_fn_optimization: random_sampling; its bananas cannot mutate"
        )
