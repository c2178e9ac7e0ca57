"""All cells of NAS-Bench-201 in one network: every edge has every operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import torch
import torch.nn.functional as F
from torch import nn

from ..proxy.layers import conv, shared_relu
from ..spaces.nasbench201.encoding import EDGES, NONE, OPERATIONS, SKIP
from ..spaces.nasbench201.networks import KERNELS, STACKS, Reduction

Chosen = Sequence[int]  # an operation for every edge
SHAPE = (len(EDGES), len(OPERATIONS))


class MixedEdge(nn.Module):
    """The convolutions of one edge; the other operations have no weights."""

    def __init__(self, channels: int):
        super().__init__()
        self.convs = nn.ModuleDict(
            {
                str(op): nn.Sequential(conv(channels, channels, kernel), nn.BatchNorm2d(channels))
                for op, kernel in KERNELS.items()
            }
        )

    def forward(self, x: torch.Tensor, active: torch.Tensor, op: int) -> torch.Tensor:
        """What operation number ``op`` makes of ``x``; ``active``: ``x`` after a ReLU."""
        if op == SKIP:
            return x
        if str(op) in self.convs:
            value: torch.Tensor = self.convs[str(op)](active)
            return value
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class MixedCell(nn.Module):
    """(b, c, h, w) -> the same: the weighted operations of all edges, or of each edge the chosen one."""

    def __init__(self, channels: int):
        super().__init__()
        self.edges = nn.ModuleList(MixedEdge(channels) for _ in EDGES)

    def forward(self, x: torch.Tensor, weights: torch.Tensor, chosen: Optional[Chosen] = None) -> torch.Tensor:
        nodes: list[torch.Tensor] = [x]
        active: dict[int, torch.Tensor] = {}
        terms: dict[int, list[torch.Tensor]] = {1: [], 2: [], 3: []}
        for number, (source, target) in enumerate(EDGES):
            while len(nodes) <= source:
                nodes.append(_sum(terms[len(nodes)], x))
            value = nodes[source]
            if source not in active:
                active[source] = shared_relu(value, 2)
            ops = range(len(OPERATIONS)) if chosen is None else (chosen[number],)
            for op in ops:
                if op != NONE:
                    terms[target].append(weights[number, op] * self.edges[number](value, active[source], op))
            if chosen is not None and weights.requires_grad:
                terms[target].append(weights[number].sum() - weights[number, chosen[number]])  # 0, with its gradient
        return _sum(terms[3], x)


class Supernet(nn.Module):
    """(b, 3, s, s) -> logits (b, classes), for weights (6, 5) of the operations.

    BatchNorms see the statistics of the batch, and those in cells have no scale and shift, so that operations compete
    by what they compute.

    >>> net = Supernet(channels=4, cells=1, classes=3)
    >>> net(torch.zeros(2, 3, 8, 8), torch.full(SHAPE, 0.2)).shape
    torch.Size([2, 3])
    """

    def __init__(self, channels: int, cells: int, classes: int):
        super().__init__()
        widths = [channels * 2**stack for stack in range(STACKS)]
        self.stem = nn.Sequential(conv(3, channels, 3), nn.BatchNorm2d(channels))
        self.stacks = nn.ModuleList(nn.ModuleList(MixedCell(width) for _ in range(cells)) for width in widths)
        self.reductions = nn.ModuleList(Reduction(width, 2 * width) for width in widths[:-1])
        self.bn = nn.BatchNorm2d(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)
        for stack in self.stacks:
            _without_affine(stack)
        _by_batch(self)

    def forward(self, x: torch.Tensor, weights: torch.Tensor, chosen: Optional[Chosen] = None) -> torch.Tensor:
        x = self.stem(x)
        for number, stack in enumerate(self.stacks):
            if number:
                x = self.reductions[number - 1](x)
            for cell in stack:  # type: ignore[attr-defined]  # a ModuleList
                x = cell(x, weights, chosen)
        logits: torch.Tensor = self.classifier(F.relu(self.bn(x)).mean(dim=(2, 3)))
        return logits


def one_hot(chosen: Chosen, device: torch.device) -> torch.Tensor:
    """Weights (6, 5) that are 1 for the chosen operations.

    >>> one_hot((0, 0, 0, 1, 0, 4), torch.device("cpu")).sum(dim=1).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    return F.one_hot(torch.tensor(tuple(chosen), device=device), len(OPERATIONS)).float()


def _sum(terms: list[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(like)
    for term in terms:
        total = total + term
    return total


def _without_affine(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.affine, part.weight, part.bias = False, None, None  # type: ignore[assignment]


def _by_batch(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
