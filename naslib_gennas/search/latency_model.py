"""Latencies of a large space from a few that were measured: a linear model of what architectures are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..progress import progress, warn
from ..spaces.base import SearchSpace

FEWEST = 10
PENALTIES = 10.0 ** np.arange(-4, 3)  # of the ridge, on standardised features
SEED = 0  # of the architectures that are measured
ODD = 0.25  # of the latencies, the median error of the model from which it is told to be doubtful

Floats = npt.NDArray[np.float64]
Known = Callable[[Any], Optional[float]]


@dataclass(frozen=True)
class Linear:
    """Standardised features times ``weights``, plus ``mean``; ``error``: median of |left-out error| / latency."""

    centre: Floats
    scale: Floats
    weights: Floats
    mean: float
    error: float

    @classmethod
    def of(cls, features: Floats, values: Floats) -> Linear:
        """Ridge regression; its penalty is the one with the lowest left-out error.

        >>> x = np.arange(12.0)[:, None]
        >>> model = Linear.of(x, 3 * x[:, 0] + 5)
        >>> bool(abs(model(np.array([20.0])) - 65) < 0.1), model.error < 0.01
        (True, True)
        """
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        x, mean = (features - centre) / scale, float(values.mean())
        u, s, v = np.linalg.svd(x, full_matrices=False)
        fits = []
        for penalty in PENALTIES:
            shrunk = s**2 / (s**2 + penalty)
            leverage = (u**2 * shrunk).sum(axis=1) + 1 / len(values)
            left_out = (values - mean - u @ (shrunk * (u.T @ (values - mean)))) / np.maximum(1 - leverage, 1e-9)
            weights = v.T @ (np.divide(shrunk, s, out=np.zeros_like(s), where=s > 0) * (u.T @ (values - mean)))
            fits.append((float(np.median(np.abs(left_out) / values)), weights))
        error, weights = min(fits, key=lambda fit: fit[0])
        return cls(centre, scale, weights, mean, error)

    def __call__(self, features: Floats) -> float:
        return self.mean + float((features - self.centre) / self.scale @ self.weights)


class PredictedLatency:
    """``measure`` for ``samples`` architectures of ``space``, a linear model of them for all others.

    ``sizes``: costs that are features, too, such as the operations. InputError for fewer than 10 samples.
    """

    def __init__(self, space: SearchSpace, measure: Known, samples: int, sizes: Sequence[Known]):
        if samples < FEWEST:
            raise InputError(f"a model of latencies needs at least {FEWEST} measured ones, got {samples}")
        self.space, self.sizes = space, sizes
        rng = np.random.default_rng(SEED)
        self.measured: dict[str, float] = {}
        archs = []
        for arch in progress([space.sample(rng) for _ in range(samples)], samples, "measuring latencies"):
            self.measured[str(arch)] = float(measure(arch) or 0.0)
            archs.append(arch)
        self.model = Linear.of(np.array([self._features(arch) for arch in archs]), self._values(archs))
        self._tell()

    def __call__(self, arch: Any) -> float:
        text = str(arch)
        if text not in self.measured:
            least = min(self.measured.values())
            self.measured[text] = max(self.model(self._features(arch)), 0.5 * least)
        return self.measured[text]

    def _values(self, archs: Sequence[Any]) -> Floats:
        return np.array([self.measured[str(arch)] for arch in archs])

    def _features(self, arch: Any) -> Floats:
        numbers = self.space.encoding(arch).values()  # not of what is reduced: dead parts take time, too
        return np.array([*numbers, *(float(size(arch) or 0.0) for size in self.sizes)])

    def _tell(self) -> None:
        error = f"{100 * self.model.error:.0f} % median error on ones left out"
        text = f"latencies are predicted from {len(self.measured)} that were measured, {error}"
        warn(f"{text}; measure more, or all of them" if self.model.error > ODD else text)
