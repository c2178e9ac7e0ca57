"""The networks of :mod:`.networks` as expressions."""

from __future__ import annotations

from typing import Optional

from ...proxy.expressions import Graph, Value
from ...proxy.layers import Place
from ..nasbench201.encoding import EDGES
from .encoding import DOUBLING, HALVING, SKIP, TransNASMicroArchitecture
from .networks import KERNELS, STEM


def stage_nodes(
    graph: Graph,
    arch: Optional[TransNASMicroArchitecture],
    skeleton: str,
    channels: int,
    cells: int,
    read: tuple[int, ...],
) -> tuple[int, ...]:
    """The maps after as many modules as ``read`` says; arguments as of :class:`.networks.Backbone`.

    >>> graph = Graph(size=8)
    >>> nodes = stage_nodes(graph, None, "1441", channels=4, cells=1, read=(1, 2, 4))
    >>> [graph.nodes[node].shape for node in nodes]
    [(4, 8, 8), (8, 4, 4), (16, 2, 2)]
    """
    x = graph.relu(graph.conv(graph.image, max(1, channels // 2), 3, STEM))
    x = graph.conv(x, channels, 3, (*STEM, 2))
    maps, strides = [], 1
    for module, digit in enumerate(skeleton[: read[-1]]):
        channels *= 2 if digit in DOUBLING else 1
        stride = 2 if digit in HALVING else 1
        strides *= stride
        for cell in range(cells):
            step = 1 if cell else stride
            if arch is None:
                x = _block(graph, x, channels, step, (module, cell))
            else:
                x = _cell(graph, x, arch, channels, step, (module, cell))
        maps.append(graph.there(x, channels, strides))
    return tuple(maps[end - 1] for end in read)


def _block(graph: Graph, x: Value, channels: int, stride: int, place: Place) -> Value:
    y = graph.conv(graph.relu(x), channels, 3, (*place, "a"), stride)
    y = graph.conv(graph.relu(y), channels, 3, (*place, "b"))
    if x is not None and (stride > 1 or graph.nodes[x].shape[0] != channels):
        x = graph.conv(x, channels, 1, (*place, "shortcut"), stride)
    return graph.add(y, x)


def _cell(graph: Graph, x: Value, arch: TransNASMicroArchitecture, channels: int, stride: int, place: Place) -> Value:
    nodes: list[Value] = [x, None, None, None]
    active = [graph.relu(x), None, None, None]
    terms: list[list[Value]] = [[], [], [], []]
    for op, (source, target) in zip(arch.ops, EDGES):  # in the order of the targets
        if op == SKIP and source == 0 and stride > 1:
            terms[target].append(graph.halves(active[0], channels, (*place, source, target)))
        elif op == SKIP:
            terms[target].append(nodes[source])
        elif op in KERNELS:
            step = stride if source == 0 else 1
            terms[target].append(graph.conv(active[source], channels, KERNELS[op], (*place, source, target), step))
        nodes[target] = graph.add(*terms[target])
        active[target] = graph.relu(nodes[target])
    return nodes[3]
