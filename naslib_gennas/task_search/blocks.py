"""The parts of a proxy task that a search draws independently (paper, A.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional, TypedDict, TypeVar

import numpy as np

PRESENT = 0.5  # probability of a signal
LOCAL = 0.5  # probability that a signal is local
NOISE_LEVELS = tuple(i / 10 for i in range(10))
SIGNAL_LEVELS = tuple(i / 10 for i in range(5, 30))
CHANNELS = (16, 32, 48, 64, 80, 96)  # 64 x 0.25, 0.5, .. 1.5
DIMENSIONS = (16, 32, 48, 64, 80, 96)
HIGHEST_FREQUENCY, FREQUENCIES = 0.5, 10
DECIMALS = 6  # of frequencies and fractions, so that files stay readable

Block = tuple[str, ...]
"""A place in a task, ("stage 1", "sin1d") for instance."""
Blocks = dict[Block, Any]
Draw = Callable[[np.random.Generator], Any]
T = TypeVar("T")


class PlainNoise(TypedDict):
    """Plain data of the noise of a task."""

    distribution: str
    level: float


class PlainSignal(TypedDict, total=False):
    """Plain data of a signal; which keys it has depends on its kind."""

    kind: str
    level: float
    scope: str
    frequencies: list[float]
    fraction: float


class PlainStage(TypedDict):
    """Plain data of what a stage is to produce."""

    channels: int
    signals: list[PlainSignal]


class PlainTask(TypedDict, total=False):
    """Plain data of a task: weights and stages of one for CNNs, the rest of one for RNNs."""

    noise: PlainNoise
    weights: list[float]
    score_weights: Optional[list[float]]
    stages: list[PlainStage]
    dimension: int
    inputs: list[PlainSignal]
    targets: list[PlainSignal]


def one_of(values: Sequence[T]) -> Callable[[np.random.Generator], T]:
    """A draw of one of the values, all alike."""
    return lambda rng: values[int(rng.integers(len(values)))]


def noise(rng: np.random.Generator) -> PlainNoise:
    """Of the input: distribution and level."""
    distribution = ("gaussian", "symmetric")[int(rng.integers(2))]
    return {"distribution": distribution, "level": one_of(NOISE_LEVELS)(rng)}


def signal(kind: str, scopes: bool) -> Callable[[np.random.Generator], list[PlainSignal]]:
    """A list of one signal of ``kind``, or of none."""

    def draw(rng: np.random.Generator) -> list[PlainSignal]:
        if rng.random() >= PRESENT:
            return []
        drawn: PlainSignal = {"kind": kind, "level": one_of(SIGNAL_LEVELS)(rng)}
        if kind in ("sin1d", "sin2d"):
            low, high = np.sort(rng.uniform(0, HIGHEST_FREQUENCY, 2))
            drawn["frequencies"] = rng.uniform(low, high, FREQUENCIES).round(DECIMALS).tolist()
        elif kind in ("dot", "gdot"):
            drawn["fraction"] = round(float(rng.uniform()), DECIMALS)
        if scopes and kind != "resize" and rng.random() >= LOCAL:
            drawn["scope"] = "global"
        return [drawn]

    return draw
