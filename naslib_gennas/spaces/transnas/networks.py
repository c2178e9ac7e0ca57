"""Networks of TransNAS-Bench-101, built for speed: in the proxy networks only live edges, convolutions of one
node with the same kernel as one operator."""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from ...proxy.layers import BatchNorm2d, FactorizedReduce, Place, SplitConv, conv, placed, shallow_copy, shared_relu
from ..nasbench201.encoding import EDGES
from .encoding import DOUBLING, HALVING, SKIP, TransNASMicroArchitecture

KERNELS = {2: 1, 3: 3}  # operation -> kernel size
STEM = ("stem",)


class MicroCell(nn.Module):
    """(b, inputs, h, w) -> (b, outputs, h / stride, w / stride); edges from node 0 change the shape.

    Where the channels change the size is halved, too, as in the benchmark's skeleton.
    """

    def __init__(self, ops: tuple[int, ...], inputs: int, outputs: int, stride: int, place: Place = ()):
        super().__init__()
        self.outputs, self.stride = outputs, stride
        self.convs, self.skips = nn.ModuleList(), nn.ModuleList()
        self.plan: list[tuple[list[int], list[int], list[tuple[int, list[int]]]]] = []
        """Per node: targets of identities, of reductions, and (index, targets) of convolutions."""
        for node in range(3):
            outgoing = [(op, target) for op, (source, target) in zip(ops, EDGES) if source == node]
            width, step = (inputs, stride) if node == 0 else (outputs, 1)
            skips = [target for op, target in outgoing if op == SKIP]
            reductions = skips if node == 0 and stride > 1 else []
            self.skips.extend(FactorizedReduce(width, outputs, (*place, node, target)) for target in reductions)
            groups: list[tuple[int, list[int]]] = []
            for code, kernel in KERNELS.items():
                targets = [target for op, target in outgoing if op == code]
                if targets:
                    groups.append((len(self.convs), targets))
                    split = SplitConv(width, [outputs] * len(targets), kernel, step)
                    placed(split.conv, *(((*place, node, target), outputs) for target in targets))
                    self.convs.append(split)
            self.plan.append(([] if reductions else skips, reductions, groups))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes: list[Optional[torch.Tensor]] = [x, None, None, None]

        def add(target: int, value: torch.Tensor) -> None:
            before = nodes[target]
            nodes[target] = value if before is None else before + value

        for node, (identities, reductions, groups) in enumerate(self.plan):
            value = nodes[node]
            readers = len(reductions) + sum(len(targets) for _, targets in groups)
            if value is None:
                if not readers and not identities:
                    continue
                value = self._zeros(x)
            for target in identities:
                add(target, value)
            if readers:
                active = shared_relu(value, readers)
                for index, target in enumerate(reductions):
                    add(target, self.skips[index](active))
                for index, targets in groups:
                    for target, branch in zip(targets, self.convs[index](active)):
                        add(target, branch)
        return self._zeros(x) if nodes[3] is None else nodes[3]

    def _zeros(self, like: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = like.shape
        return like.new_zeros(batch, self.outputs, -(-height // self.stride), -(-width // self.stride))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, ReLU before each convolution but not before the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, place: Place = ()):
        super().__init__()
        self.conv_a = placed(conv(inputs, outputs, 3, stride), ((*place, "a"), outputs))
        self.conv_b = placed(conv(outputs, outputs, 3), ((*place, "b"), outputs))
        self.bn_a, self.bn_b = BatchNorm2d(outputs), BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            short = placed(conv(inputs, outputs, 1, stride), ((*place, "shortcut"), outputs))
            self.shortcut = nn.Sequential(short, BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn_a(self.conv_a(F.relu(x)))
        total: torch.Tensor = self.bn_b(self.conv_b(F.relu_(y))) + self.shortcut(x)
        return total


class Backbone(nn.Module):
    """(b, 3, s, s) -> the maps after as many modules as ``read`` says.

    ``arch``: the cell; None takes residual blocks. ``stem_stride``: of each of the two convolutions of the stem.

    >>> backbone = Backbone(None, "1441", channels=4, cells=1, read=(1, 2, 4))
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 8, 8))]
    [(2, 4, 8, 8), (2, 8, 4, 4), (2, 16, 2, 2)]
    """

    def __init__(
        self,
        arch: Optional[TransNASMicroArchitecture],
        skeleton: str,
        channels: int,
        cells: int,
        read: tuple[int, ...],
        stem_stride: int = 1,
    ):
        super().__init__()
        half = max(1, channels // 2)
        self.stem = nn.Sequential(
            placed(conv(3, half, 3, stem_stride), (STEM, half)),
            BatchNorm2d(half),
            nn.ReLU(inplace=True),
            placed(conv(half, channels, 3, stem_stride), ((*STEM, 2), channels)),
            BatchNorm2d(channels),
        )
        self.read = read
        widths = [channels]
        self.blocks = nn.ModuleList()
        for number, digit in enumerate(skeleton):
            width = widths[-1] * (2 if digit in DOUBLING else 1)
            cells_here = [_cell(arch, widths[-1], width, 2 if digit in HALVING else 1, (number, 0))]
            cells_here += [_cell(arch, width, width, 1, (number, cell)) for cell in range(1, cells)]
            self.blocks.append(nn.Sequential(*cells_here))
            widths.append(width)
        self.channels = tuple(widths[end] for end in read)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.stem(x)
        outputs = []
        for module in self.blocks:
            x = module(x)
            outputs.append(x)
        return tuple(outputs[end - 1] for end in self.read)

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same layers."""
        part = shallow_copy(self)
        part.channels, part.read = self.channels[:count], self.read[:count]
        part.blocks = self.blocks[: part.read[-1]]
        return part


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes); every edge is built."""

    def __init__(
        self, arch: Optional[TransNASMicroArchitecture], skeleton: str, channels: int, cells: int, classes: int
    ):
        super().__init__()
        self.backbone = Backbone(arch, skeleton, channels, cells, (len(skeleton),), stem_stride=2)
        self.classifier = nn.Linear(self.backbone.channels[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.backbone(x)[-1].mean(dim=(2, 3)))
        return logits


def _cell(arch: Optional[TransNASMicroArchitecture], inputs: int, outputs: int, stride: int, place: Place) -> nn.Module:
    if arch is None:
        return BasicBlock(inputs, outputs, stride, place)
    return MicroCell(arch.ops, inputs, outputs, stride, place)


def macro_parameters(skeleton: str, channels: int, cells: int, classes: int) -> int:
    """Of the :class:`Network` of residual blocks, block by block.

    >>> network = Network(None, "1441", channels=8, cells=2, classes=5)
    >>> macro_parameters("1441", 8, 2, 5) == sum(p.numel() for p in network.parameters())
    True
    """
    width, half = channels, max(1, channels // 2)
    total = 27 * half + 2 * half + 9 * half * channels + 2 * channels
    for digit in skeleton:
        wider = width * (2 if digit in DOUBLING else 1)
        total += 9 * (width + wider) * wider + 4 * wider  # first block
        if digit in HALVING or wider != width:
            total += width * wider + 2 * wider  # its shortcut
        total += (cells - 1) * (18 * wider * wider + 4 * wider)
        width = wider
    return total + (width + 1) * classes
