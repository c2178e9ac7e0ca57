"""Networks of NAS-Bench-201, built for speed: live edges only, parallel convolutions as one operator."""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from ...proxy.layers import BatchNorm2d, Place, SplitConv, conv, placed, shallow_copy, shared_relu
from .encoding import OPERATIONS, SKIP, NASBench201Architecture

KERNELS = {OPERATIONS.index("nor_conv_1x1"): 1, OPERATIONS.index("nor_conv_3x3"): 3}
POOL = OPERATIONS.index("avg_pool_3x3")
STACKS = 3
STEM = ("stem",)


class Cell(nn.Module):
    """One cell: (b, c, h, w) -> (b, c, h, w); ``edges`` are (operation, source, target).

    ``affine``: of its BatchNorms, see :class:`~naslib_gennas.proxy.layers.SplitConv`. ``place``: of the cell.
    """

    def __init__(self, edges: list[tuple[int, int, int]], channels: int, affine: bool = True, place: Place = ()):
        super().__init__()
        self.plan: list[tuple[list[int], list[int], list[tuple[int, list[int]]]]] = []
        """Per node: targets by skip, targets by pooling, and (index, targets) of convolutions."""
        self.convs = nn.ModuleList()
        for node in range(3):
            outgoing = [(op, target) for op, source, target in edges if source == node]
            groups: list[tuple[int, list[int]]] = []
            for code, kernel in KERNELS.items():
                targets = [target for op, target in outgoing if op == code]
                if targets:
                    groups.append((len(self.convs), targets))
                    split = SplitConv(channels, [channels] * len(targets), kernel, affine=affine)
                    placed(split.conv, *(((*place, node, target), channels) for target in targets))
                    self.convs.append(split)
            skips = [target for op, target in outgoing if op == SKIP]
            pools = [target for op, target in outgoing if op == POOL]
            self.plan.append((skips, pools, groups))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes: list[Optional[torch.Tensor]] = [x, None, None, None]

        def add(target: int, value: torch.Tensor) -> None:
            before = nodes[target]
            nodes[target] = value if before is None else before + value

        for node, (skips, pools, groups) in enumerate(self.plan):
            value = nodes[node]
            if value is None:
                continue
            for target in skips:
                add(target, value)
            if pools:
                pooled = F.avg_pool2d(value, 3, 1, 1, count_include_pad=False)
                for target in pools:
                    add(target, pooled)
            if groups:
                active = shared_relu(value, sum(len(targets) for _, targets in groups))
                for index, targets in groups:
                    for target, branch in zip(targets, self.convs[index](active)):
                        add(target, branch)
        return torch.zeros_like(x) if nodes[3] is None else nodes[3]


class Reduction(nn.Module):
    """The residual block between stacks: (b, inputs, h, w) -> (b, outputs, h/2, w/2)."""

    def __init__(self, inputs: int, outputs: int, place: Place = ()):
        super().__init__()
        self.conv_a = placed(conv(inputs, outputs, 3, stride=2), ((*place, "a"), outputs))
        self.bn_a = BatchNorm2d(outputs)
        self.conv_b = placed(conv(outputs, outputs, 3), ((*place, "b"), outputs))
        self.bn_b = BatchNorm2d(outputs)
        self.shortcut = placed(conv(inputs, outputs, 1), ((*place, "shortcut"), outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn_a(self.conv_a(F.relu(x)))
        y = self.bn_b(self.conv_b(F.relu(y)))
        total: torch.Tensor = y + self.shortcut(F.avg_pool2d(x, 2, ceil_mode=True))
        return total


class Backbone(nn.Module):
    """(b, 3, s, s) -> feature maps after the three stacks, widths c, 2c, 4c, sizes s, s/2, s/4.

    ``live_only``: edges on no path from the input to the output are left out. ``affine``: of the BatchNorms in cells.

    >>> backbone = Backbone(NASBench201Architecture((3, 0, 1, 2, 4, 3)), cells=1, channels=4)
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 8, 8))]
    [(2, 4, 8, 8), (2, 8, 4, 4), (2, 16, 2, 2)]
    """

    def __init__(
        self, arch: NASBench201Architecture, cells: int, channels: int, live_only: bool = True, affine: bool = True
    ):
        super().__init__()
        edges = arch.live_edges() if live_only else arch.edges()
        self.channels = tuple(channels * 2**stack for stack in range(STACKS))
        self.stem = nn.Sequential(placed(conv(3, channels, 3), (STEM, channels)), BatchNorm2d(channels))
        self.stacks = nn.ModuleList(
            nn.Sequential(*(Cell(edges, width, affine, (stack, cell)) for cell in range(cells)))
            for stack, width in enumerate(self.channels)
        )
        self.reductions = nn.ModuleList(
            Reduction(width, 2 * width, (stack,)) for stack, width in enumerate(self.channels[:-1])
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = [self.stacks[0](self.stem(x))]
        for reduction, stack in zip(self.reductions, self.stacks[1:]):
            maps.append(stack(reduction(maps[-1])))
        return tuple(maps)

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same layers."""
        part = shallow_copy(self)
        part.channels, part.stacks = self.channels[:count], self.stacks[:count]
        part.reductions = self.reductions[: count - 1]
        return part


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes).

    Every edge is built, dead ones too, so that parameters are counted as the benchmark counts them.
    """

    def __init__(self, arch: NASBench201Architecture, cells: int, channels: int, classes: int):
        super().__init__()
        self.backbone = Backbone(arch, cells, channels, live_only=False)
        width = self.backbone.channels[-1]
        self.bn = BatchNorm2d(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.bn(self.backbone(x)[-1]))
        logits: torch.Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits
