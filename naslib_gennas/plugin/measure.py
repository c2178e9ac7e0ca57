"""The score among NASLib's zero-cost measures: ``ZeroCost("gennas")`` and ``ZeroCost("gennas_<preset>")``."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Callable

import torch

from ..presets import load_preset, preset_names
from .compat import NASLib, load
from .graphs import GraphScorer

MEASURE = "gennas"
DEFAULT_PRESET = "fast"

_settings: dict[str, Any] = {"seed": 0, "device": None}


def register(seed: int | None = None, device: str | None = None, naslib: NASLib | None = None) -> list[str]:
    """Add ``gennas`` and ``gennas_<preset>`` to NASLib's registry; returns their names.

    Can be called again, which changes what is given. The measures leave the graph, the random numbers and
    PyTorch's flags alone; :class:`.graphs.GraphScorer` says what they compute, on the first images of the batch
    that NASLib hands over.

    Args:
        seed: of targets and weights [default: 0, or as before].
        device: to train on [default: the one that NASLib chooses, or as before].
        naslib: as :func:`.compat.load` gave it [default: it is loaded].

    Raises:
        MissingPackageError: NASLib or a package that it needs is missing.
        InputError: this NASLib has no registry of measures where its branch should have it.
    """
    naslib = naslib or load()
    _settings.update({key: value for key, value in (("seed", seed), ("device", device)) if value is not None})
    measure, known = naslib["measure"], naslib["measures"].available_measures
    names = measure_names()
    for name, preset in names.items():
        if name not in known:
            measure(name, copy_net=False)(_implementation(preset))
    return list(names)


def measure_names() -> dict[str, str]:
    """Name of a measure -> name of its preset, one for each preset that is for CNNs."""
    presets = [name for name in preset_names() if load_preset(name).kind == "cnn"]
    return {MEASURE: DEFAULT_PRESET, **{f"{MEASURE}_{preset}": preset for preset in presets}}


def _implementation(preset: str) -> Callable[..., torch.Tensor]:
    def gennas(net, inputs, targets=None, loss_fn=None, split_data=1):
        device = _settings["device"] or str(inputs.device)
        score = _scorer(preset, _settings["seed"], device).score(net, inputs)
        return torch.tensor([math.nan if score is None else score], dtype=torch.float64)

    return gennas


@cache
def _scorer(preset: str, seed: int, device: str) -> GraphScorer:
    return GraphScorer(preset, seed, device)
