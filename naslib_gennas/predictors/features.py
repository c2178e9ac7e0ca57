"""What a predictor reads of architectures: numbers of untrained networks, sizes, encodings, scores.

An extractor is registered under a name and makes named columns::

    @FEATURES.register("depth")
    def depth(reading):
        return [Column("depth", [arch.depth for arch in reading.archs])]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import GenNASError, InputError, UnscorableError
from ..progress import progress
from ..proxy.closed_form import effective_rank, spectrum, white_residual
from ..proxy.presets import Preset, load_preset
from ..proxy.rnn import RNNTask
from ..proxy.surroundings import settled
from ..proxy.tasks import Expected, ProxyTask
from ..registry import Registry
from ..scoring.ensemble import parse_measure
from ..scoring.gennas import AT_ONCE, GenNASScorer
from ..scoring.measure import measure_scorers
from ..scoring.spectra import folded
from ..scoring.stage_rows import Rows, StageReader, white_at_every_stage
from ..spaces.base import SearchSpace
from .scaling import Array

PIXELS = 4  # a side of the maps whose spectra are taken
SIDE = PIXELS // 2 + 1  # frequencies from 0 to 1/2
PRESET = "instant"
DEFAULT = ("closed_form", "size", "spectrum", "encoding", "paths")
SCORE = "score:"


@dataclass(frozen=True)
class Column:
    """One number of every architecture, NaN where it has none."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Stages:
    """Of the stages of untrained networks, first dimension the architectures.

    residuals, ranks: (n, stages). spectra: of every stage (n, numbers); no numbers for recurrent networks.
    """

    residuals: Array
    ranks: Array
    spectra: tuple[Array, ...]


class Reading:
    """Architectures of a space, as extractors look at them; what several of them need is computed once.

    space: of ``archs``. preset: in closed form, whose network and read-out are used. seed: of the random weights.
    ranks: whether effective ranks will be asked for, which take longer than the rest.
    """

    def __init__(
        self, space: SearchSpace, archs: Sequence[Any], preset: str = PRESET, seed: int = 0, ranks: bool = False
    ):
        self.space, self.seed, self._with_ranks = space, seed, ranks
        self.archs = [space.reduced(arch) for arch in archs]
        self.preset = load_preset(preset).suited(space.family or space.name)
        if self.preset.fidelity.solver != "ridge" or self.preset.also:
            raise InputError(f"features are read in closed form; the preset {preset} is of another kind: use instant")

    @cached_property
    def sizes(self) -> Array:
        """(n,): natural logarithms of the parameters of the benchmark's networks."""
        return np.array([math.log(self.space.parameters(arch)) for arch in self.archs])

    @cached_property
    def stages(self) -> Stages:
        """Mean over the preset's repeats; NaN where a network cannot be read."""
        parts = [self._stages(repeat) for repeat in range(self.preset.fidelity.repeats)]
        spectra = zip(*(part.spectra for part in parts))
        return Stages(
            residuals=np.mean([part.residuals for part in parts], axis=0),
            ranks=np.mean([part.ranks for part in parts], axis=0),
            spectra=tuple(np.mean(draws, axis=0) for draws in spectra),
        )

    def _stages(self, repeat: int) -> Stages:
        reader = GenNASScorer(self.space, _all_stages(self.preset, self.space), self.seed).reader(0, repeat)
        unique = list(dict.fromkeys(self.archs))
        found: dict[Any, tuple[Array, ...]] = {}
        with settled():
            for places, stages in _read(reader, unique):
                numbers = _numbers(stages, reader, self._with_ranks)
                plain = [values.double().cpu().numpy() for values in numbers]
                found.update((unique[place], tuple(values[i] for values in plain)) for i, place in enumerate(places))
        if not found:
            raise UnscorableError(f"no network of these {len(self.archs)} architectures can be read")
        nothing = tuple(np.full_like(values, np.nan) for values in next(iter(found.values())))
        columns = zip(*(found.get(arch, nothing) for arch in self.archs))
        residuals, ranks, *spectra = (np.stack(values) for values in columns)
        return Stages(residuals, ranks, tuple(spectra))


def _all_stages(preset: Preset, space: SearchSpace) -> Preset:
    """White targets at every stage, on maps of ``PIXELS`` a side or what the smallest has."""
    if not isinstance(preset.task, ProxyTask):
        return preset.model_copy(update={"size_weight": 0.0})
    size = preset.fidelity.input_size
    return white_at_every_stage(preset).with_fidelity(
        target_size=min(PIXELS, *(-(-size // stride) for stride in space.strides))
    )


def _read(reader: StageReader, archs: Sequence[Any]) -> Iterator[tuple[list[int], Rows]]:
    """Places and rows; a network that cannot be read is left out."""
    at_once = AT_ONCE if reader.space.shares_parts else 1
    for start in range(0, len(archs), at_once):
        try:
            for places, rows in reader.read(archs[start : start + at_once]):
                yield [start + place for place in places], rows
        except (GenNASError, ArithmeticError, RuntimeError, TypeError, ValueError):
            if at_once > 1:
                raise


def _numbers(stages: Rows, reader: StageReader, with_ranks: bool) -> list[torch.Tensor]:
    """Residuals (a, stages), effective ranks (a, stages), and of every stage a spectrum (a, numbers)."""
    ridge = reader.preset.fidelity.ridge
    images = reader.batch.images
    residuals = torch.stack([white_residual(rows, ridge) for rows in stages], dim=1)
    ranks = torch.stack([effective_rank(rows) for rows in stages], dim=1) if with_ranks else residuals * math.nan
    if not isinstance(reader.batch, Expected):
        return [residuals, ranks, *(rows.new_zeros(len(rows), 0) for rows in stages)]
    return [residuals, ranks, *(_waves(folded(spectrum(rows, images, ridge))) for rows in stages)]


def _waves(shares: torch.Tensor) -> torch.Tensor:
    """(a, side, side) -> (a, SIDE^2): of smaller maps, which have fewer frequencies, those between by interpolation."""
    if shares.shape[-1] != SIDE:
        shares = F.interpolate(shares[:, None], size=(SIDE, SIDE), mode="bilinear", align_corners=True)[:, 0]
    return shares.flatten(1)


Extractor = Callable[[Reading], list[Column]]
FEATURES: Registry[Extractor] = Registry("feature", "naslib_gennas.features")
"""Name -> function of a :class:`Reading`."""


@FEATURES.register("closed_form")
def closed_form(reading: Reading) -> list[Column]:
    """The label-free score: minus the residual of the preset's stages, and its size term."""
    task: Any = reading.preset.task
    weights = (1.0,) if isinstance(task, RNNTask) else task.score_weights or task.weights
    values = -reading.stages.residuals @ np.array(weights) + reading.preset.size_weight * reading.sizes
    return [Column("closed form", values.tolist())]


@FEATURES.register("size")
def size(reading: Reading) -> list[Column]:
    """ln(parameters) of the benchmark's network."""
    return [Column("ln(parameters)", reading.sizes.tolist())]


@FEATURES.register("spectrum")
def spectra(reading: Reading) -> list[Column]:
    """Shares of waves that each stage explains, by frequency; of recurrent networks there are none."""
    found = []
    for stage, values in enumerate(reading.stages.spectra, start=1):
        for number, column in enumerate(values.T):
            wave = f"{number // SIDE}/{PIXELS} {number % SIDE}/{PIXELS}"
            found.append(Column(f"stage {stage}, wave {wave}", column.tolist()))
    return found


@FEATURES.register("residual")
def residuals(reading: Reading) -> list[Column]:
    """What each stage leaves of white targets."""
    return [Column(f"residual {i + 1}", values.tolist()) for i, values in enumerate(reading.stages.residuals.T)]


@FEATURES.register("effective_rank")
def ranks(reading: Reading) -> list[Column]:
    """Of each stage."""
    return [Column(f"effective rank {i + 1}", values.tolist()) for i, values in enumerate(reading.stages.ranks.T)]


@FEATURES.register("encoding")
def encoding(reading: Reading) -> list[Column]:
    """What the space says of an architecture; nothing in some spaces."""
    return _columns([reading.space.encoding(arch) for arch in reading.archs])


@FEATURES.register("paths")
def paths(reading: Reading) -> list[Column]:
    """How much of each operation is on the paths through its cells; nothing in spaces without cells."""
    return _columns([reading.space.path_numbers(arch) for arch in reading.archs])


def _columns(rows: Sequence[Mapping[str, float]]) -> list[Column]:
    return [Column(name, [row[name] for row in rows]) for name in rows[0]]


def extracted(reading: Reading, names: Sequence[str]) -> dict[str, list[Column]]:
    """The columns of every feature by name, the constant ones included.

    ``score:MEASURE`` is a measure, such as ``score:synflow`` or ``score:gennas@search-n``. UnknownNameError for a name
    that does not exist.

    >>> from naslib_gennas import load_space
    >>> space = load_space("nasbench201")
    >>> found = extracted(Reading(space, [space.parse("5"), space.parse("77")]), ["size", "spectrum"])
    >>> len(found["spectrum"]), found["size"][0].name
    (27, 'ln(parameters)')
    """
    measures = {name: name[len(SCORE) :] for name in names if name.startswith(SCORE)}
    functions = {name: FEATURES[name] for name in names if name not in measures}
    return {
        name: [_scores(reading, name, measures[name])] if name in measures else functions[name](reading)
        for name in names
    }


def check_features(names: Sequence[str]) -> None:
    """UnknownNameError or InputError unless all are names of features, and there are some."""
    if not names:
        raise InputError("a predictor needs at least one feature")
    for name in names:
        if name.startswith(SCORE):
            parse_measure(name[len(SCORE) :])
        else:
            FEATURES[name]


def _scores(reading: Reading, name: str, measure: str) -> Column:
    gennas = GenNASScorer(reading.space, seed=reading.seed)
    (scorer,) = measure_scorers([measure], gennas)
    scores = progress(scorer.score_many(reading.archs), len(reading.archs), measure)
    return Column(name, [math.nan if score.value is None else score.value for score in scores])
