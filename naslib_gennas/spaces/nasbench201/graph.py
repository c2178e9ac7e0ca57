"""The networks of :mod:`.networks` as expressions."""

from __future__ import annotations

from typing import Optional

from ...proxy.expressions import Graph, Value
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
            x = _reduction(graph, x, 2 * channels, (stack - 1,))
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


def _reduction(graph: Graph, x: Value, channels: int, place: tuple[int]) -> Value:
    y = graph.conv(graph.relu(x), channels, 3, (*place, "a"), stride=2)
    y = graph.conv(graph.relu(y), channels, 3, (*place, "b"))
    short = graph.pool(x, "average", 2, 2, 0, ceil=True)
    return graph.add(y, graph.conv(short, channels, 1, (*place, "shortcut"), norm=False))
