"""Layers that the search spaces share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def uninitialised() -> Iterator[None]:
    """Modules created inside hold no storage and draw no random numbers."""
    with torch.device("meta"):
        yield


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, branches: int = 1) -> nn.Conv2d:
    """A bias-free convolution that keeps the map size; ``outputs`` counts the channels of all branches.

    ``branches`` parallel convolutions of the same input are one operator here; initialisation
    (Xavier's fan-out) and parameter counts are those of the separate ones.
    """
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    layer.branches = branches
    return layer


class SplitConv(nn.Module):
    """Convolution and BatchNorm of several parallel branches: (b, c, h, w) -> one tensor per branch."""

    def __init__(self, inputs: int, widths: list[int], kernel: int, stride: int = 1):
        super().__init__()
        self.widths = widths
        self.conv = conv(inputs, sum(widths), kernel, stride, branches=len(widths))
        self.bn = nn.BatchNorm2d(sum(widths))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.bn(self.conv(x))
        return (y,) if len(self.widths) == 1 else torch.split(y, self.widths, dim=1)
