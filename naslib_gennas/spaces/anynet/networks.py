"""Networks of the AnyNet spaces. Blocks end before their last ReLU, which the next block or the head applies."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from ...proxy.layers import BatchNorm2d, Conv2d, Pointwise, conv, shallow_copy
from .encoding import BOTTLENECK, PLAIN, AnyNetArchitecture, stem_layers

STAGES_READ = 3


class Block(nn.Module, ABC):
    """(b, inputs, h, w) before ReLU -> (b, outputs, h / stride, w / stride) before ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, residual: bool):
        super().__init__()
        projected = residual and (stride > 1 or inputs != outputs)
        self.residual = residual
        self.shortcut = _normed(conv(inputs, outputs, 1, stride), outputs) if projected else nn.Identity()

    @abstractmethod
    def branch(self, x: torch.Tensor) -> torch.Tensor:
        """(b, inputs, h, w) -> (b, outputs, h / stride, w / stride)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(x)
        y = self.branch(x)
        if not self.residual:
            return y
        total: torch.Tensor = self.shortcut(x) + y
        return total


class Double(Block):
    """Two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, residual: bool):
        super().__init__(inputs, outputs, stride, residual)
        self.a = _normed(conv(inputs, outputs, 3, stride), outputs)
        self.b = _normed(conv(outputs, outputs, 3), outputs)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.b(F.relu_(self.a(x)))
        return y


class Bottleneck(Block):
    """1x1 to ``inner`` channels, grouped 3x3, 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int, inner: int, groups: int):
        super().__init__(inputs, outputs, stride, residual=True)
        self.a = _normed(Pointwise(inputs, inner), inner)
        self.b = _normed(Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False), inner)
        self.c = _normed(Pointwise(inner, outputs), outputs)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.c(F.relu_(self.b(F.relu_(self.a(x)))))
        return y


class Backbone(nn.Module):
    """(b, 3, s, s) -> outputs of the last three stages, before the last ReLU.

    As in the paper's proxy networks the stem is CIFAR's, a 3x3 convolution of ``stem_width`` channels, and the
    first entry of the architecture is a stage of its own, of stride 1.

    >>> from naslib_gennas.spaces.anynet.encoding import BASIC
    >>> backbone = Backbone(AnyNetArchitecture(BASIC, (), (1, 1, 1, 1), (), (1, 1, 2, 2), (4, 4, 6, 8)), stem_width=3)
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 8, 8))]
    [(2, 4, 8, 8), (2, 6, 4, 4), (2, 8, 2, 2)]
    """

    def __init__(self, arch: AnyNetArchitecture, stem_width: int):
        super().__init__()
        self.channels = arch.ws[-STAGES_READ:]
        self.stem = _normed(conv(3, stem_width, 3), stem_width)
        self.stages = _stages(arch, stem_width, first=0)
        self.unread = len(self.stages) - STAGES_READ

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.stem(x)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return tuple(outputs[self.unread :])

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same layers."""
        part = shallow_copy(self)
        part.channels, part.stages = self.channels[:count], self.stages[: self.unread + count]
        return part


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes)."""

    def __init__(self, arch: AnyNetArchitecture, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, stride, pool in stem_layers(arch):
            layers += [nn.ReLU(inplace=True)] if layers else []
            layers += [conv(inputs, outputs, kernel, stride), BatchNorm2d(outputs)]
            layers += [nn.MaxPool2d(3, pool, 1)] if pool > 1 else []  # commutes with the ReLU of the first block
        self.stem = nn.Sequential(*layers)
        self.stages = _stages(arch, arch.ws[0], first=1)
        self.classifier = nn.Linear(arch.ws[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        logits: torch.Tensor = self.classifier(F.relu(x).mean(dim=(2, 3)))
        return logits


def _stages(arch: AnyNetArchitecture, inputs: int, first: int) -> nn.ModuleList:
    """The stages from number ``first`` on; stage 0, if built, has stride 1."""
    stages = nn.ModuleList()
    for stage in range(first, len(arch.ds)):
        blocks = []
        for block in range(arch.ds[stage]):
            stride = arch.ss[stage] if stage and not block else 1
            blocks.append(_block(arch, stage, inputs, stride))
            inputs = arch.ws[stage]
        stages.append(nn.Sequential(*blocks))
    return stages


def _block(arch: AnyNetArchitecture, stage: int, inputs: int, stride: int) -> Block:
    outputs = arch.ws[stage]
    if arch.block_type == BOTTLENECK:
        return Bottleneck(inputs, outputs, stride, arch.inner(stage), arch.groups()[stage])
    return Double(inputs, outputs, stride, residual=arch.block_type != PLAIN)


def _normed(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, BatchNorm2d(channels))
