"""Sample-wise activation patterns."""

from __future__ import annotations

import torch

from ..errors import InputError
from .base import measure
from .measured_network import MeasuredNetwork

BITS = 62  # of a pattern that fits into one integer


@measure(
    "swap",
    source="Peng et al., ICLR 2024, https://arxiv.org/abs/2403.04161, without regularisation",
    passes="1 forward",
    memory="one bit pattern a ReLU",
    rnn=False,
    late=True,
)
def swap(network: MeasuredNetwork) -> float:
    """Different patterns among the ReLU units of the whole network; a pattern: for which images a unit is active.

    The patterns are those that naswot compares; there between images, here between units.

    A whole number, at least 1. InputError for a network without ReLU.

    >>> from naslib_gennas.measures.measured_network import example
    >>> 1 < swap(example()) <= 2**4  # images
    True
    """
    patterns = network.patterns()
    if not patterns:
        raise InputError("swap needs a network with ReLU activations, and this one has none")
    seen = [torch.unique(_codes(active), dim=1) for active, _ in patterns]
    return float(torch.unique(torch.cat(seen, dim=1), dim=1).shape[1])


def _codes(active: torch.Tensor) -> torch.Tensor:
    """(b, units) bool -> int64 (ceil(b / 62), units): the columns as whole numbers."""
    pieces = torch.split(active, BITS)
    weights = [2 ** torch.arange(len(piece), device=active.device) for piece in pieces]
    return torch.stack([(weight[:, None] * piece).sum(dim=0) for weight, piece in zip(weights, pieces)])
