"""What a target asks for on average over its draws: the second moments of synthetic signals."""

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
    """Second moments E[y y^T] of one channel of a target y over b images of p pixels each.

    Attributes:
        white: variance of pixels that are independent of each other.
        local: (p, p), of a map that is drawn afresh for every image.
        shared: (p, p), of one map that is the same for all images.
        maps: (m, b, p); their outer products, added, are the rest.

    >>> (2.0 * Moments(white=0.5)).power(images=4, pixels=16)
    2.0
    """

    white: float = 0.0
    local: Optional[torch.Tensor] = None
    shared: Optional[torch.Tensor] = None
    maps: Optional[torch.Tensor] = None

    def __add__(self, other: Moments) -> Moments:
        """Of the sum of two independent targets, one of which has mean 0."""
        maps = [m for m in (self.maps, other.maps) if m is not None]
        return Moments(
            self.white + other.white,
            _sum(self.local, other.local),
            _sum(self.shared, other.shared),
            torch.cat(maps) if maps else None,
        )

    def __rmul__(self, level: float) -> Moments:
        """Of the target times ``level``."""
        square = level * level
        return Moments(
            square * self.white,
            None if self.local is None else square * self.local,
            None if self.shared is None else square * self.shared,
            None if self.maps is None else level * self.maps,
        )

    def power(self, images: int, pixels: int) -> float:
        """Mean square of the target over its images x pixels values."""
        total = images * pixels * self.white
        total += 0.0 if self.local is None else images * float(self.local.trace())
        total += 0.0 if self.shared is None else images * float(self.shared.trace())
        total += 0.0 if self.maps is None else float(self.maps.square().sum())
        return total / (images * pixels)

    def to(self, device: torch.device) -> Moments:
        """The same on ``device``."""
        return Moments(self.white, *(None if x is None else x.to(device) for x in (self.local, self.shared, self.maps)))


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


def drawn(draw: Callable[[int, torch.Generator], torch.Tensor]) -> torch.Tensor:
    """(p, p): the mean of y y^T over ``draw(count, generator)``, maps (count, p), always of the same draws.

    >>> drawn(lambda count, generator: torch.ones(count, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    maps = draw(DRAWS, torch.Generator().manual_seed(SEED))
    return maps.T @ maps / len(maps)


def _sum(one: Optional[torch.Tensor], other: Optional[torch.Tensor]) -> Optional[torch.Tensor]:
    return other if one is None else one if other is None else one + other
