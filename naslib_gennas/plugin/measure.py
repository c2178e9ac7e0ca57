"""The score among NASLib's zero-cost measures: ``ZeroCost("gennas")`` and ``ZeroCost("gennas_<preset>")``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Callable

import numpy as np
import torch
from torch.backends import cudnn

from ..errors import UnknownNameError
from ..progress import progress
from ..proxy.presets import DEFAULT_PRESET, load_preset, preset_names
from ..registry import unknown
from ..runs.score_files import FAILURE
from .graphs import GraphScorer, Loader
from .image_batch import EMBEDDED_BATCH, SIZE, Batch, image_batch, task_batch
from .loading import NASLib, load
from .settings import SECTION, is_ours


@dataclass
class MeasureSettings:
    """What :func:`register` was told last."""

    seed: int = 0
    device: str | None = None  # None is NASLib's choice


_settings = MeasureSettings()


def register(seed: int | None = None, device: str | None = None, naslib: NASLib | None = None) -> list[str]:
    """Add ``gennas`` and ``gennas_<preset>`` to NASLib's registry; returns their names.

    Can be called again, which changes what is given. The measures leave the graph, the random numbers and
    PyTorch's flags alone; :class:`.graphs.GraphScorer` says what they compute, on the first images of the data
    loader, or on the embedded photographs where there is none.

    Args:
        seed: of targets and weights [default: 0, or as before].
        device: to train on [default: the one that NASLib chooses, or as before].
        naslib: as :func:`.loading.load` gave it [default: it is loaded].

    Raises:
        MissingPackageError: NASLib or a package that it needs is missing.
        InputError: this NASLib has no registry of measures where its branch should have it.

    >>> register(seed=3)[0]  # doctest: +SKIP
    'gennas'
    """
    naslib = naslib or load()
    _settings.seed = _settings.seed if seed is None else seed
    _settings.device = _settings.device if device is None else device
    measure, known = naslib["measure"], naslib["measures"].available_measures
    names = measure_names()
    for name, preset in names.items():
        if name not in known:
            measure(name, copy_net=False)(_implementation(preset))
    _answer_directly(naslib["ZeroCost"])
    return list(names)


@cache
def measure_names() -> dict[str, str]:
    """Name of a measure -> name of its preset, one for each preset that is for CNNs.

    >>> measure_names()["gennas"], measure_names()["gennas_best"]
    ('hybrid', 'best')
    """
    presets = [name for name in preset_names() if load_preset(name).kind == "cnn"]
    return {SECTION: DEFAULT_PRESET, **{f"{SECTION}_{preset}": preset for preset in presets}}


def _implementation(preset: str) -> Callable[..., torch.Tensor]:
    def gennas(
        net: Any, inputs: torch.Tensor, targets: Any = None, loss_fn: Any = None, split_data: int = 1
    ) -> torch.Tensor:
        return torch.tensor([_score(preset, net, inputs, inputs.device)], dtype=torch.float64)

    return gennas


def _answer_directly(zero_cost: Any) -> None:
    """Let ``ZeroCost.query`` come to our measures without NASLib's detour, once; and take lists as well as graphs.

    The detour needs a loader, moves the graph between devices and leaves it in training mode; and the constructor
    sets flags of cuDNN for the whole process. NASLib's comparison of predictors hands over a list of graphs that have
    no networks yet, and no loader: its own measures see the embedded photographs then, or ``train_loader``.
    """
    if hasattr(zero_cost, "_gennas"):
        return
    construct, stock = zero_cost.__init__, zero_cost.query

    @wraps(construct)
    def __init__(self: Any, method_type: str = "jacov") -> None:
        flags = cudnn.deterministic, cudnn.benchmark
        construct(self, method_type)
        if is_ours(method_type):
            cudnn.deterministic, cudnn.benchmark = flags

    @wraps(stock)
    def query(self: Any, graph: Any, dataloader: Loader = None, info: Any = None) -> Any:
        name, names = self.method_type, measure_names()
        if isinstance(graph, (list, tuple, np.ndarray)):
            loader = None if _is_info(dataloader) else dataloader
            graphs = progress(graph, len(graph), name)
            return np.array([query(self, each, loader, info) for each in graphs], dtype=np.float64)
        if not is_ours(name):
            loader = getattr(self, "train_loader", None) if dataloader is None else dataloader
            return stock(self, _parsed(graph), [_photographs(graph)] if loader is None else loader, info)
        if name not in names:
            raise UnknownNameError(unknown("measure of gennas", name, names))
        score = _score(names[name], graph, dataloader, self.device)
        return FAILURE if math.isnan(score) else score

    zero_cost.__init__, zero_cost.query, zero_cost._gennas = __init__, query, True


def _is_info(given: Any) -> bool:
    """What a list of graphs is accompanied by in NASLib's comparison of predictors: a dictionary for each."""
    return isinstance(given, list) and all(isinstance(each, dict) for each in given)


def _parsed(graph: Any) -> Any:
    """``graph`` if it has a network, else a copy that has one."""
    if getattr(graph, "is_parsed", True):
        return graph
    copied = graph.clone()
    copied.parse()
    return copied


def _photographs(graph: Any) -> Batch:
    return task_batch(str(getattr(graph, "dataset", "")), *image_batch(None, EMBEDDED_BATCH, SIZE))


def _score(preset: str, graph: Any, loader: Loader, device: torch.device) -> float:
    """NaN where there is no score; NASLib makes -1e8 of it."""
    score = _scorer(preset, _settings.seed, _settings.device or str(device)).score(graph, loader)
    return math.nan if score is None else score


@cache
def _scorer(preset: str, seed: int, device: str) -> GraphScorer:
    return GraphScorer(preset, seed, device)
