"""Networks of NAS-Bench-Macro: inverted bottlenecks, whose last convolution has no ReLU."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from ...proxy.layers import BatchNorm2d, Conv2d, Pointwise, conv, shallow_copy
from .encoding import IDENTITY, STAGES, NASBenchMacroArchitecture

SHAPES = {1: (3, 3), 2: (5, 6)}
"""Operation -> kernel and expansion."""
STEM_WIDTH, LAST_WIDTH = 32, 1280
ENDS = tuple(itertools.accumulate(STAGES))
"""Layers up to the end of each stage."""


class InvertedBottleneck(nn.Module):
    """(b, inputs, h, w) -> (b, outputs, h / stride, w / stride); added to its input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, kernel: int, expansion: int):
        super().__init__()
        inner = expansion * inputs
        self.residual = stride == 1 and inputs == outputs
        self.expand, self.expand_bn = Pointwise(inputs, inner), BatchNorm2d(inner)
        self.depthwise = Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False)
        self.depthwise_bn = BatchNorm2d(inner)
        self.project, self.project_bn = Pointwise(inner, outputs), BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = F.relu_(self.depthwise_bn(self.depthwise(F.relu_(self.expand_bn(self.expand(x))))))
        y: torch.Tensor = self.project_bn(self.project(inner))
        return y + x if self.residual else y


class Backbone(nn.Module):
    """(b, 3, s, s) -> the maps after each stage: widths 2c, 4c, 8c, sizes s/2, s/4, s/8; ``channels``: c.

    >>> backbone = Backbone(NASBenchMacroArchitecture((1, 2, 0, 1, 2, 2, 1, 0)), channels=4)
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 16, 16))]
    [(2, 8, 8, 8), (2, 16, 4, 4), (2, 32, 2, 2)]
    """

    def __init__(self, arch: NASBenchMacroArchitecture, channels: int):
        super().__init__()
        self.channels = tuple(channels * 2**stage for stage in range(1, len(STAGES) + 1))
        self.stem = nn.Sequential(conv(3, channels, 3), BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            nn.Sequential(
                _layer(first, width // 2, width, 2), *(_layer(op, width, width, 1) for op in rest if op != IDENTITY)
            )
            for (first, *rest), width in zip(arch.stages(), self.channels)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same layers."""
        part = shallow_copy(self)
        part.channels, part.stages = self.channels[:count], self.stages[:count]
        return part


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes)."""

    def __init__(self, arch: NASBenchMacroArchitecture, classes: int):
        super().__init__()
        self.backbone = Backbone(arch, STEM_WIDTH)
        width = self.backbone.channels[-1]
        self.last = nn.Sequential(Pointwise(width, LAST_WIDTH), BatchNorm2d(LAST_WIDTH), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(LAST_WIDTH, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.last(self.backbone(x)[-1]).mean(dim=(2, 3)))
        return logits


def network_parameters(arch: NASBenchMacroArchitecture, classes: int) -> int:
    """Of the whole network, without building it.

    >>> network_parameters(NASBenchMacroArchitecture((0, 0, 0, 0, 0, 1, 2, 2)), classes=10)
    2170538
    """
    total, width = 3 * 9 * STEM_WIDTH + 2 * STEM_WIDTH, STEM_WIDTH
    for first, *rest in arch.stages():
        total += _layer_parameters(first, width, 2 * width)
        width *= 2
        total += sum(_layer_parameters(op, width, width) for op in rest if op != IDENTITY)
    return total + (width + 2) * LAST_WIDTH + (LAST_WIDTH + 1) * classes


def _layer_parameters(op: int, inputs: int, outputs: int) -> int:
    if op == IDENTITY:
        return (inputs + 2) * outputs
    kernel, expansion = SHAPES[op]
    return expansion * inputs * (inputs + kernel**2 + outputs + 4) + 2 * outputs


def _layer(op: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    """Of an operation that changes something."""
    if op == IDENTITY:
        return nn.Sequential(conv(inputs, outputs, 1, stride), BatchNorm2d(outputs))
    return InvertedBottleneck(inputs, outputs, stride, *SHAPES[op])
