"""What a measure costs on this machine: seconds an architecture of a space, each measure alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from .. import predictors  # noqa: F401 - it registers fit:
from ..errors import InputError
from ..measures import MEASURES
from ..progress import progress
from ..scoring.gennas import GenNASScorer
from ..scoring.measure import measure_scorers
from ..spaces.base import SearchSpace
from .result import Result

PRESETS = {"cnn": ("instant", "fast", "hybrid", "best"), "rnn": ("instant", "rnn-fast")}


@dataclass(frozen=True)
class MeasureTime(Result):
    """What an architecture costs, its network included.

    Attributes:
        measure: its name.
        seconds: mean of the architectures after the first, wall-clock; None where it has no value.
        passes: forward and backward passes through the network; empty for a measure that is computed from a file.
        source: where it was published; empty likewise.
        problem: why it has no value; empty otherwise.
    """

    measure: str
    seconds: Optional[float]
    passes: str
    source: str
    problem: str = ""


def all_timed(space: SearchSpace) -> list[str]:
    """Names of all measures of one network of ``space`` that do not train it, ``gennas`` by some of its presets."""
    rnn = space.kind == "rnn"
    found = [name for name in MEASURES.names() if MEASURES[name].function and (MEASURES[name].rnn or not rnn)]
    return found + [f"gennas@{preset}" for preset in PRESETS[space.kind]]


def measure_times(
    space: SearchSpace, names: Sequence[str], sample: int = 5, seed: int = 0, batch_size: int = 32
) -> Iterator[MeasureTime]:
    """Of ``names`` on ``sample`` random architectures; one more is measured first, untimed.

    UnknownNameError or InputError for a measure that does not exist, is of another space, or ranks sets only.

    >>> from naslib_gennas import load_space
    >>> [found.measure for found in measure_times(load_space("nasbench201"), ["params"], sample=1)]
    ['params']
    """
    if sample < 1:
        raise InputError(f"the times are those of at least 1 architecture, got {sample}")
    rng = np.random.default_rng(seed)
    archs = [space.sample(rng) for _ in range(sample + 1)]
    gennas = GenNASScorer(space, seed=seed)
    scorers = [measure_scorers([name], gennas, batch_size)[0] for name in names]
    for name, scorer in progress(zip(names, scorers), len(names), "timing"):
        first = next(iter(scorer.score_many(archs[:1])))
        started = time.perf_counter()
        scores = list(scorer.score_many(archs[1:]))
        seconds = (time.perf_counter() - started) / sample
        problem = next((score.message for score in [first, *scores] if score.value is None), "") or ""
        done = any(score.value is not None for score in scores)
        passes, source = ("", "") if ":" in name else (MEASURES[name].passes, MEASURES[name].source)
        yield MeasureTime(name, seconds if done else None, passes, source, problem)
