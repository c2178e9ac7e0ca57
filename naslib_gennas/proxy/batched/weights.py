"""Parameters of many networks in one vector, with what momentum leaves of their gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..parameters import ALIGNED
from .layout import Piece


@dataclass
class Tensor:
    """Parameters of the members of one operation: ``values`` and ``gradients`` are views of the vectors."""

    shape: tuple[int, ...]
    values: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    gradients: torch.Tensor = field(default_factory=lambda: torch.empty(0))


class Parameters:
    """Reserve all, then :meth:`allocate`, then give them their first values.

    ``momentum`` and the others as in :class:`~naslib_gennas.proxy.fidelity.Fidelity`.
    """

    def __init__(self) -> None:
        self._decaying: list[Tensor] = []
        self._others: list[Tensor] = []

    def reserve(self, *shape: int, decays: bool = False) -> Tensor:
        """Room for a tensor, whose weights decay or not."""
        tensor = Tensor(shape)
        (self._decaying if decays else self._others).append(tensor)
        return tensor

    def allocate(self, device: torch.device, dtype: torch.dtype) -> None:
        """Make the vectors."""
        sizes = [[_room(t) for t in part] for part in (self._decaying, self._others)]
        self.values = torch.zeros(sum(map(sum, sizes)), device=device, dtype=dtype)
        self.velocity = torch.zeros_like(self.values)
        self._end = sum(sizes[0])  # of those that decay
        offset = 0
        for tensor, size in zip(self._decaying + self._others, sizes[0] + sizes[1]):
            end = offset + math.prod(tensor.shape)
            tensor.values = self.values[offset:end].view(tensor.shape)
            tensor.gradients = self.velocity[offset:end].view(tensor.shape)
            offset += size

    def before_backward(self, momentum: float) -> None:
        """Gradients are added to what momentum leaves of those before."""
        self.velocity.mul_(momentum)

    def step(self, learning_rate: float, weight_decay: float) -> None:
        """Of SGD."""
        if weight_decay:
            self.velocity[: self._end].add_(self.values[: self._end], alpha=weight_decay)
        self.values.add_(self.velocity, alpha=-learning_rate)


def _room(tensor: Tensor) -> int:
    """Numbers, a multiple of so many as a GPU reads at once."""
    return -(-math.prod(tensor.shape) // ALIGNED) * ALIGNED


def first_values(draw: torch.Tensor, pieces: Sequence[Piece]) -> torch.Tensor:
    """(pieces, size), of pieces of one size.

    >>> first_values(torch.arange(5.0), [Piece(0, 2, 1.0), Piece(3, 2, 10.0)]).tolist()
    [[0.0, 1.0], [30.0, 40.0]]
    """
    offsets = torch.tensor([piece.offset for piece in pieces], device=draw.device)
    scales = torch.tensor([piece.scale for piece in pieces], device=draw.device)
    index = offsets[:, None] + torch.arange(pieces[0].size, device=draw.device)
    return draw[index] * scales[:, None]
