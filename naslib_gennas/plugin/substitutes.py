"""What stands in for files that NASLib wants and nobody can get, while one of its scripts runs."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Callable

import numpy as np
import torch

from ..errors import InputError
from ..proxy.images import load_images
from ..runs.score_files import FAILURE
from ..spaces.pasted import CONVERTERS, from_naslib, to_naslib
from .dataset_api import from_table, metric_of
from .loading import NASLib
from .measure import register
from .predictor import predictor_class
from .runner_config import SECTION, Job, Say, is_ours
from .search import KINDS, specification, validity_api

EMBEDDED_BATCH = 64  # images at most, where none are named
SIZES = {"ImageNet16-120": 16}  # pixels; 32 elsewhere
STOCK_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}


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


def supply(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Everything that this job needs and NASLib lacks."""
    register(naslib=naslib)
    _note_folders(job, naslib, swaps)
    _supply_loaders(job, naslib, swaps)
    _supply_ground_truth(job, naslib, swaps)
    _supply_scores(job, naslib, swaps)
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
    if source is None:
        count = min(count, EMBEDDED_BATCH)
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
            return from_table(self.job.table, dataset, self.job.metric)
        if self.job.fitness:
            try:
                return self._original["get_dataset_api"](search_space, dataset)
            except (AssertionError, OSError, ImportError):
                self.job.say("ground truth: none; name a --table to have accuracies in the report")
                return validity_api(self.naslib, search_space)
        return self._stock("get_dataset_api", search_space, dataset)

    def get_zc_benchmark_api(self, search_space, dataset):
        if self.job.command == "bbo" and (self.job.fitness or not self.job.search.get("use_zc_api")):
            return {}  # NASLib would take its accuracies for the fitness
        if self.job.table is not None:
            return {str(spec): {"val_accuracy": value} for spec, value in self._rows()}
        return self._stock("get_zc_benchmark_api", search_space, dataset)

    def load_sampled_architectures(self, search_space, postfix=""):
        if self.job.table is not None:
            return {str(number): str(spec) for number, (spec, _) in enumerate(self._rows())}
        return self._stock("load_sampled_architectures", search_space, postfix)

    def _rows(self) -> Iterator[tuple[Any, float]]:
        """(NASLib's compact form, accuracy) of the architectures whose accuracy is known."""
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


def _supply_scores(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """``ZeroCost("gennas")`` with the settings of the section ``gennas``; scores missing in a file, computed."""
    stock = naslib["ZeroCost"]

    @functools.cache
    def ours(name: str):
        return make_predictor(job, name)

    def zero_cost(method_type="jacov"):
        return ours(method_type) if is_ours(method_type) else stock(method_type)

    swaps.swap(stock, zero_cost, "ZeroCost: gennas and gennas_<preset> with the settings of the section 'gennas'")
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
    """The predictor behind ``gennas`` or ``gennas_<preset>``, with the settings of the section ``gennas``."""
    settings = job.section.model_dump()
    if name != SECTION:
        settings["preset"] = name[len(SECTION) + 1 :]
    predictor = predictor_class()(**settings)
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
    if job.space not in KINDS or job.space not in CONVERTERS or not job.builds_no_networks():
        return
    kind, stock = naslib[KINDS[job.space]], naslib["get_search_space"]
    fitness = _fitness(job) if job.fitness else None
    truth = job.table is not None or fitness is None
    light = specification(naslib, kind, fitness, truth)

    def get_search_space(name, dataset):
        return light() if name == job.space else stock(name, dataset)

    swaps.swap(kind, light, f"{kind.__name__}: individuals are specifications, no networks are kept")
    swaps.swap(stock, get_search_space)
    if fitness:
        job.say(f"fitness: the score of {job.fitness}, never an accuracy")


def _fitness(job: Job) -> Callable[[Any], float]:
    """NASLib's compact form -> score."""
    scorer = make_predictor(job, job.fitness).scorer(job.space, job.images)

    def fitness(spec: Any) -> float:
        score = scorer.score(from_naslib(job.space, spec)).score
        return FAILURE if score is None else score

    return fitness
