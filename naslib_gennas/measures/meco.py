"""Minimum eigenvalues of correlations between channels."""

from __future__ import annotations

import torch
from torch import nn

from ..errors import InputError
from .base import measure
from .layers import Hook, Layer, following
from .measured_network import MeasuredNetwork


@measure(
    "meco",
    source="Jiang et al., NeurIPS 2023, https://neurips.cc/virtual/2023/poster/72017",
    passes="1 forward, 1 image",
    memory="one activation at a time",
    rnn=False,
)
def meco(network: MeasuredNetwork) -> float:
    """sum over convolutions of the smallest eigenvalue of the correlations (c, c) between the channels of their output.

    The output is that of the first image of the batch. Constant channels have no correlation, taken as 0.

    Any number. InputError for a network without convolutions.

    >>> from naslib_gennas.measures.measured_network import example
    >>> isinstance(meco(example()), float)
    True
    """
    convolutions = [layer for layer in network.layers() if isinstance(layer.module, nn.Conv2d)]
    if not convolutions:
        raise InputError("meco needs a network with convolutions, and this one has none")
    found: list[float] = []
    with following((layer.module, _follower(layer, found)) for layer in convolutions), torch.no_grad():
        network.call(network.leaf_parameters(), network.example)
    return sum(found)


def _follower(layer: Layer, found: list[float]) -> Hook:
    def follow(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        for channels in layer.split(output[0].detach()):
            found.append(_smallest(channels.flatten(1).double()))

    return follow


def _smallest(channels: torch.Tensor) -> float:
    """(c, positions) -> the smallest eigenvalue of (c, c)."""
    if channels.shape[1] < 2:
        return 0.0
    correlations = torch.nan_to_num(torch.corrcoef(channels), nan=0.0, posinf=0.0, neginf=0.0)
    return float(torch.linalg.eigvalsh(correlations.reshape(len(channels), -1))[0])
