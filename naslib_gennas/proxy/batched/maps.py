"""Feature maps of many networks, those of one shape in one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

Maps = list[torch.Tensor]
"""One tensor a shape, (maps, channels, images, height, width)."""


class Picks:
    """Which maps of a shape an operation reads: their numbers, in the order of its members.

    >>> picks = Picks([0, 2, 0], torch.device("cpu"))
    >>> maps = torch.tensor([1.0, 2.0, 3.0])
    >>> picks.of(maps).tolist()
    [1.0, 3.0, 1.0]
    >>> picks.add(maps, torch.tensor([10.0, 20.0, 30.0]))
    >>> maps.tolist()
    [41.0, 2.0, 23.0]
    """

    def __init__(self, numbers: Sequence[int], device: torch.device):
        index = np.asarray(numbers, dtype=np.int64)
        first, count = int(index[0]), len(index)
        self.range = slice(first, first + count) if bool((np.diff(index) == 1).all()) else None
        self.index = torch.from_numpy(index).to(device)
        self._rounds = [] if self.range else _rounds(index, device)

    def of(self, maps: torch.Tensor) -> torch.Tensor:
        """The maps; where they follow each other no copy."""
        return maps[self.range] if self.range else maps.index_select(0, self.index)

    def add(self, maps: torch.Tensor, pieces: torch.Tensor) -> None:
        """Add one piece to every map that was read, in an order that is always the same."""
        if self.range:
            maps[self.range] += pieces
            return
        for which, index in self._rounds:
            maps.index_add_(0, index, pieces if which is None else pieces.index_select(0, which))


def _rounds(index: np.ndarray, device: torch.device) -> list[tuple[torch.Tensor | None, torch.Tensor]]:
    """(places in ``index`` or None for all, numbers there), no number twice in a round."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    turn = np.empty(len(index), dtype=np.int64)
    turn[order] = np.arange(len(index)) - np.repeat(starts, np.diff(np.r_[starts, len(index)]))
    if turn.max() == 0:
        return [(None, torch.from_numpy(index).to(device))]
    whiches = [np.flatnonzero(turn == number) for number in range(int(turn.max()) + 1)]
    return [(torch.from_numpy(which).to(device), torch.from_numpy(index[which]).to(device)) for which in whiches]
