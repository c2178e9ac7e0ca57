"""Networks of NAS-Bench-101, built for speed: projections of the cell's input as one operator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ...errors import SpecError
from ...proxy.layers import BatchNorm2d, Place, SplitConv, conv, placed, shallow_copy
from .encoding import OPERATIONS, Matrix, NASBench101Architecture

KERNELS = {OPERATIONS.index("conv3x3-bn-relu"): 3, OPERATIONS.index("conv1x1-bn-relu"): 1}
STACKS = 3
STEM = ("stem",)


class ConvBnRelu(nn.Sequential):
    """(b, inputs, h, w) -> (b, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, place: Place = ()):
        layer = placed(conv(inputs, outputs, kernel), (place, outputs))
        super().__init__(layer, BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Cell(nn.Module):
    """A pruned cell: (b, inputs, h, w) -> (b, outputs, h, w).

    Vertices feeding the output are concatenated; an edge from the input is a 1x1 projection; a vertex that
    receives wider tensors uses their first channels (NAS-Bench-101 paper, Section 2.3).
    """

    def __init__(self, arch: NASBench101Architecture, inputs: int, outputs: int, place: Place = ()):
        super().__init__()
        matrix = arch.matrix
        self.last = len(matrix) - 1
        self.widths = vertex_channels(matrix, inputs, outputs)
        self.sources = [[u for u in range(v) if matrix[u][v]] for v in range(self.last + 1)]
        self.projected = [v for v in range(1, self.last + 1) if matrix[0][v]]
        self.projections = SplitConv(inputs, [self.widths[v] for v in self.projected], 1)
        placed(self.projections.conv, *(((*place, "input", v), self.widths[v]) for v in self.projected))
        self.operations = nn.ModuleList(
            ConvBnRelu(width, width, KERNELS[op], (*place, vertex)) if op in KERNELS else nn.MaxPool2d(3, 1, 1)
            for vertex, (op, width) in enumerate(zip(arch.ops, self.widths[1:]), start=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = self.projections
        projected = F.relu(p.bn(p.conv(x)), inplace=True)
        branches = dict(zip(self.projected, torch.split(projected, p.widths, dim=1)))
        tensors = [x]  # of the vertices; the input enters by its projections only
        for vertex in range(1, self.last):
            terms = [_first(tensors[u], self.widths[vertex]) for u in self.sources[vertex] if u]
            if vertex in branches:
                terms.append(branches[vertex])
            tensors.append(self.operations[vertex - 1](_sum(terms)))
        inner = [tensors[u] for u in self.sources[self.last] if u]
        terms = [torch.cat(inner, dim=1) if len(inner) > 1 else inner[0]] if inner else []
        if self.last in branches:
            terms.append(branches[self.last])
        return _sum(terms)


class Backbone(nn.Module):
    """(b, 3, s, s) -> feature maps after the three stacks, widths c, 2c, 4c, sizes s, s/2, s/4.

    >>> from naslib_gennas.spaces.nasbench101.encoding import parse_cell
    >>> backbone = Backbone(parse_cell("3:7:0"), cells=1, channels=4)
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 8, 8))]
    [(2, 4, 8, 8), (2, 8, 4, 4), (2, 16, 2, 2)]
    """

    def __init__(self, arch: NASBench101Architecture, cells: int, channels: int):
        super().__init__()
        self.channels = tuple(channels * 2**stack for stack in range(STACKS))
        self.stem = ConvBnRelu(3, channels, 3, STEM)
        self.stacks = nn.ModuleList()
        inputs = channels
        for stack, width in enumerate(self.channels):
            widths = [inputs] + [width] * (cells - 1)
            self.stacks.append(nn.Sequential(*(Cell(arch, w, width, (stack, cell)) for cell, w in enumerate(widths))))
            inputs = width

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps = [self.stacks[0](self.stem(x))]
        for stack in self.stacks[1:]:
            maps.append(stack(F.max_pool2d(maps[-1], 2)))
        return tuple(maps)

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same layers."""
        part = shallow_copy(self)
        part.channels, part.stacks = self.channels[:count], self.stacks[:count]
        return part


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes)."""

    def __init__(self, arch: NASBench101Architecture, cells: int, channels: int, classes: int):
        super().__init__()
        self.backbone = Backbone(arch, cells, channels)
        self.classifier = nn.Linear(self.backbone.channels[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.backbone(x)[-1].mean(dim=(2, 3)))
        return logits


def network_parameters(arch: NASBench101Architecture, cells: int, channels: int, classes: int) -> int:
    """Of the :class:`Network`, without building it.

    >>> from naslib_gennas.spaces.nasbench101.encoding import parse_cell
    >>> network = Network(parse_cell("4:2b:01"), cells=2, channels=8, classes=5)
    >>> network_parameters(parse_cell("4:2b:01"), 2, 8, 5) == sum(p.numel() for p in network.parameters())
    True
    """
    total, inputs = 27 * channels + 2 * channels, channels
    for width in (channels * 2**stack for stack in range(STACKS)):
        total += _cell_parameters(arch, inputs, width)
        total += (cells - 1) * _cell_parameters(arch, width, width) if cells > 1 else 0
        inputs = width
    return total + (inputs + 1) * classes


def _cell_parameters(arch: NASBench101Architecture, inputs: int, outputs: int) -> int:
    matrix = arch.matrix
    widths = vertex_channels(matrix, inputs, outputs)
    total = sum((inputs + 2) * width for vertex, width in enumerate(widths) if vertex and matrix[0][vertex])
    for op, width in zip(arch.ops, widths[1:]):
        total += (KERNELS[op] ** 2 * width + 2) * width if op in KERNELS else 0
    return total


def vertex_channels(matrix: Matrix, inputs: int, outputs: int) -> list[int]:
    """Channels of every vertex: those that feed the output share its channels, the others take what they feed.

    SpecError if there are fewer channels than vertices that feed the output.

    >>> vertex_channels(((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0)), 16, 33)
    [16, 17, 16, 33]
    """
    last = len(matrix) - 1
    widths = [inputs] + [0] * (last - 1) + [outputs]
    feeding = [v for v in range(1, last) if matrix[v][last]]
    if outputs < len(feeding):
        raise SpecError(
            f"the cell concatenates {len(feeding)} branches, "
            f"so the fidelity needs at least that many channels; got {outputs}"
        )
    for place, v in enumerate(feeding):
        widths[v] = outputs // len(feeding) + (place < outputs % len(feeding))
    for v in range(last - 1, 0, -1):
        if v not in feeding:
            widths[v] = max(widths[w] for w in range(v + 1, last) if matrix[v][w])
    return widths


def _first(x: torch.Tensor, channels: int) -> torch.Tensor:
    return x if x.shape[1] == channels else x[:, :channels]


def _sum(terms: list[torch.Tensor]) -> torch.Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
