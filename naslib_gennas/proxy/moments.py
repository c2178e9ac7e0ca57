"""What a target asks for on average over its draws: mean and covariance of synthetic signals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional

import torch

DRAWS = 2048  # maps that stand for a signal without a formula
SEED = 0  # of these maps


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of one channel of a target over b images of p pixels each.

    The covariance is the sum of four parts, each of which may be missing.

    Attributes:
        white: variance of pixels that are independent of each other.
        local: (p, p), covariance of a map that is drawn afresh for every image.
        shared: (p, p), covariance of one map that is the same for all images.
        maps: (m, b, p), maps whose outer products, added, are the rest.
        mean: (b, p), or (1, p) if it is the same for all images.

    >>> (2.0 * Moments(white=0.5)).power(images=4, pixels=16)
    2.0
    """

    white: float = 0.0
    local: Optional[torch.Tensor] = None
    shared: Optional[torch.Tensor] = None
    maps: Optional[torch.Tensor] = None
    mean: Optional[torch.Tensor] = None

    def __add__(self, other: Moments) -> Moments:
        """Of the sum of two independent targets."""
        maps = [m for m in (self.maps, other.maps) if m is not None]
        return Moments(
            self.white + other.white,
            _sum(self.local, other.local),
            _sum(self.shared, other.shared),
            torch.cat(maps) if maps else None,
            _sum(self.mean, other.mean),
        )

    def __rmul__(self, level: float) -> Moments:
        """Of the target times ``level``."""
        square = level * level
        return Moments(
            square * self.white,
            None if self.local is None else square * self.local,
            None if self.shared is None else square * self.shared,
            None if self.maps is None else level * self.maps,
            None if self.mean is None else level * self.mean,
        )

    def power(self, images: int, pixels: int) -> float:
        """Mean square of the target over its images x pixels values."""
        total = images * pixels * self.white
        total += 0.0 if self.local is None else images * float(self.local.trace())
        total += 0.0 if self.shared is None else images * float(self.shared.trace())
        total += 0.0 if self.maps is None else float(self.maps.square().sum())
        total += 0.0 if self.mean is None else float(self.mean.expand(images, -1).square().sum())
        return total / (images * pixels)

    def to(self, device: torch.device) -> Moments:
        """The same on ``device``."""
        parts = (self.local, self.shared, self.maps, self.mean)
        return Moments(self.white, *(None if part is None else part.to(device) for part in parts))


def waves(fx: Sequence[float], fy: Sequence[float], height: int, width: int) -> torch.Tensor:
    """(h w, h w): of sin(2 pi (fx x + fy y) + phi) with phi uniform, on average over the pairs of frequencies.

    >>> waves([0.5], [0.0], 1, 2)
    tensor([[ 0.5000, -0.5000],
            [-0.5000,  0.5000]])
    """
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    frequencies = torch.tensor([list(fx), list(fy)], dtype=torch.float64)  # (2, n)
    phases = 2 * math.pi * (torch.stack([x.flatten(), y.flatten()], dim=1).double() @ frequencies)
    kernel = phases.cos() @ phases.cos().T + phases.sin() @ phases.sin().T
    return (kernel / (2 * frequencies.shape[1])).float()


def drawn(draw: Callable[[int, torch.Generator], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (p,) and covariance (p, p) of ``draw(count, generator)``, maps (count, p), always of the same draws.

    >>> mean, covariance = drawn(lambda count, generator: torch.ones(count, 2))
    >>> mean.tolist(), covariance.tolist()
    ([1.0, 1.0], [[0.0, 0.0], [0.0, 0.0]])
    """
    maps = draw(DRAWS, torch.Generator().manual_seed(SEED)).double()
    mean = maps.mean(dim=0)
    centred = maps - mean
    return mean.float(), (centred.T @ centred / len(maps)).float()


def factor(covariance: torch.Tensor) -> torch.Tensor:
    """(m, n), m <= n: vectors whose outer products add up to ``covariance`` (n, n).

    >>> factor(torch.tensor([[4.0, 0.0], [0.0, 0.0]])).abs()
    tensor([[2., 0.]])
    """
    values, vectors = torch.linalg.eigh(covariance.double())
    kept = values > values[-1].clamp_min(0) * 1e-7
    scaled: torch.Tensor = vectors[:, kept] * values[kept].sqrt()
    return scaled.T.float()


def _sum(one: Optional[torch.Tensor], other: Optional[torch.Tensor]) -> Optional[torch.Tensor]:
    return other if one is None else one if other is None else one + other
