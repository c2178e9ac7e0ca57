"""The networks of :mod:`.networks` as expressions."""

from __future__ import annotations

from typing import Optional

from ...proxy.expressions import Graph, Value
from ...proxy.layers import ConvLayer, Layer, NormLayer
from .encoding import NONE, SKIP, NASBench201Architecture
from .networks import KERNELS, STEM

Edges = list[tuple[int, int, int]]
"""(operation, source, target)."""


def stage_nodes(graph: Graph, arch: NASBench201Architecture, cells: int, channels: int, stages: int) -> tuple[int, ...]:
    """The feature maps after the first ``stages`` stacks.

    >>> graph = Graph(size=8)
    >>> nodes = stage_nodes(graph, NASBench201Architecture((3, 0, 1, 2, 4, 3)), cells=1, channels=4, stages=2)
    >>> [graph.nodes[node].shape for node in nodes]
    [(4, 8, 8), (8, 4, 4)]
    """
    edges = arch.live_edges()
    x = graph.conv(graph.image, channels, 3, STEM)
    maps = []
    for stack in range(stages):
        if stack:
            x = reduction(graph, x, 2 * channels, (stack - 1,))
            channels *= 2
        for cell in range(cells):
            x = _cell(graph, x, edges, channels, (stack, cell))
        maps.append(graph.there(x, channels, 2**stack))
    return tuple(maps)


def _cell(graph: Graph, x: Value, edges: Edges, channels: int, place: tuple[int, int]) -> Value:
    nodes: list[Value] = [x, None, None, None]
    terms: list[list[Value]] = [[], [], [], []]
    active: dict[int, Value] = {}
    for op, source, target in edges:
        value: Optional[int] = nodes[source]
        if op == SKIP:
            terms[target].append(value)
        elif op in KERNELS:
            if source not in active:
                active[source] = graph.relu(value)
            terms[target].append(graph.conv(active[source], channels, KERNELS[op], (*place, source, target)))
        elif op != NONE:
            terms[target].append(graph.pool(value, "average", 3, 1, 1))
        nodes[target] = graph.add(*terms[target])
    return nodes[3]


def reduction(graph: Graph, x: Value, channels: int, place: tuple[int]) -> Value:
    """The residual block between stacks, which halves the size."""
    y = graph.conv(graph.relu(x), channels, 3, (*place, "a"), stride=2)
    y = graph.conv(graph.relu(y), channels, 3, (*place, "b"))
    short = graph.pool(x, "average", 2, 2, 0, ceil=True)
    return graph.add(y, graph.conv(short, channels, 1, (*place, "shortcut"), norm=False))


def network_layers(
    arch: NASBench201Architecture, cells: int, channels: int, stages: int, affine: bool = True
) -> list[Layer]:
    """Of the network up to its ``stages``-th stage, in the order of its modules.

    >>> len(network_layers(NASBench201Architecture((3, 0, 1, 2, 4, 3)), cells=1, channels=4, stages=1))
    8
    """
    layers: list[Layer] = [ConvLayer(((STEM, channels),), 3, 3), NormLayer(channels)]
    groups = _groups(arch.live_edges())
    for stack in range(stages):
        width = channels * 2**stack
        for cell in range(cells):
            for source, kernel, targets in groups:
                branches = tuple(((stack, cell, source, target), width) for target in targets)
                layers += [ConvLayer(branches, width, kernel), NormLayer(width * len(targets), affine)]
    for stack in range(stages - 1):
        width = channels * 2**stack
        for name, inputs in (("a", width), ("b", 2 * width)):
            layers += [ConvLayer((((stack, name), 2 * width),), inputs, 3), NormLayer(2 * width)]
        layers.append(ConvLayer((((stack, "shortcut"), 2 * width),), width, 1))
    return layers


def _groups(edges: Edges) -> list[tuple[int, int, list[int]]]:
    """(source, kernel, targets) of convolutions that a cell has as one operator."""
    found = []
    for node in range(3):
        for code, kernel in KERNELS.items():
            targets = [target for op, source, target in edges if (op, source) == (code, node)]
            if targets:
                found.append((node, kernel, targets))
    return found
