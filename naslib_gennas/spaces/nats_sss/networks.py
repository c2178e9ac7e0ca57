"""Networks of NATS-Bench's size space, built for speed: convolutions of one input as one operator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ...proxy.layers import BatchNorm2d, Place, SplitConv, conv, placed, shallow_copy
from ..nasbench201.networks import STEM, Reduction

READ = (1, 3, 5)
"""Places after which the three stages are read."""


class Cell(nn.Module):
    """The best cell of NAS-Bench-201 on CIFAR-100: (b, inputs, h, w) -> (b, outputs, h, w).

    Five 3x3 convolutions, and from its input to its output a shortcut, a 1x1 convolution where the width changes.
    """

    def __init__(self, inputs: int, outputs: int, place: Place = ()):
        super().__init__()
        self.from_input = self._convs(inputs, outputs, place, 0, (1, 2))
        self.from_first = self._convs(outputs, outputs, place, 1, (2, 3))
        self.from_second = self._convs(outputs, outputs, place, 2, (3,))
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            short = placed(conv(inputs, outputs), ((*place, "shortcut"), outputs))
            self.shortcut = nn.Sequential(short, BatchNorm2d(outputs))

    @staticmethod
    def _convs(inputs: int, outputs: int, place: Place, source: int, targets: tuple[int, ...]) -> SplitConv:
        split = SplitConv(inputs, [outputs] * len(targets), kernel=3)
        placed(split.conv, *(((*place, source, target), outputs) for target in targets))
        return split

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.from_input(F.relu(x))
        more, third = self.from_first(F.relu(first))
        (last,) = self.from_second(F.relu(second + more))
        total: torch.Tensor = self.shortcut(x) + third + last
        return total


class Backbone(nn.Module):
    """(b, 3, s, s) -> feature maps after the three cells, sizes s, s/2, s/4; ``cells``: at each of their places.

    >>> backbone = Backbone((4, 8, 4, 8, 6), cells=1)
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 8, 8))]
    [(2, 4, 8, 8), (2, 4, 4, 4), (2, 6, 2, 2)]
    """

    def __init__(self, widths: tuple[int, ...], cells: int):
        super().__init__()
        self.channels = tuple(widths[end - 1] for end in READ)
        stem = placed(conv(3, widths[0], 3), (STEM, widths[0]))
        self.stem = nn.Sequential(stem, BatchNorm2d(widths[0]))
        self.blocks = nn.ModuleList()
        inputs = widths[0]
        for place, width in enumerate(widths):
            if place % 2:
                self.blocks.append(Reduction(inputs, width, (place,)))
            else:
                each = [Cell(width if cell else inputs, width, (place, cell)) for cell in range(cells)]
                self.blocks.append(nn.Sequential(*each))
            inputs = width

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.stem(x)
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return tuple(maps[::2])

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same layers."""
        part = shallow_copy(self)
        part.channels, part.blocks = self.channels[:count], self.blocks[: READ[count - 1]]
        return part


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes)."""

    def __init__(self, widths: tuple[int, ...], classes: int):
        super().__init__()
        self.backbone = Backbone(widths, cells=1)
        self.bn = BatchNorm2d(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.bn(self.backbone(x)[-1]))
        logits: torch.Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def network_parameters(widths: tuple[int, ...], classes: int) -> int:
    """Of the whole network, without building it.

    >>> network_parameters((8, 8, 16, 40, 40), classes=10)
    107826
    """
    inputs = widths[0]
    total = (27 + 2) * inputs
    for place, width in enumerate(widths):
        if place % 2:
            total += 9 * width * (inputs + width) + 4 * width + inputs * width
        else:
            total += 9 * width * (2 * inputs + 3 * width) + 10 * width
            total += (inputs + 2) * width if inputs != width else 0
        inputs = width
    return total + 2 * inputs + (inputs + 1) * classes
