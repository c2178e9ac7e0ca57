"""The networks of :mod:`.networks` as expressions."""

from __future__ import annotations

from typing import cast

from ...proxy.expressions import Graph
from ...proxy.layers import ConvLayer, Layer, NormLayer, Place
from .encoding import NASBench101Architecture
from .networks import KERNELS, STEM, vertex_channels


def stage_nodes(graph: Graph, arch: NASBench101Architecture, cells: int, channels: int, stages: int) -> tuple[int, ...]:
    """The feature maps after the first ``stages`` stacks, of a pruned cell.

    >>> from naslib_gennas.spaces.nasbench101.encoding import parse_cell
    >>> graph = Graph(size=8)
    >>> nodes = stage_nodes(graph, parse_cell("3:7:0"), cells=1, channels=4, stages=2)
    >>> [graph.nodes[node].shape for node in nodes]
    [(4, 8, 8), (8, 4, 4)]
    """
    x = _conv(graph, graph.image, channels, 3, STEM)
    maps = []
    for stack in range(stages):
        if stack:
            x = cast("int", graph.pool(x, "max", 2, 2, 0))
        for cell in range(cells):
            x = _cell(graph, x, arch, channels * 2**stack, (stack, cell))
        maps.append(x)
    return tuple(maps)


def _cell(graph: Graph, x: int, arch: NASBench101Architecture, outputs: int, place: Place) -> int:
    matrix, last = arch.matrix, len(arch.matrix) - 1
    widths = vertex_channels(matrix, graph.nodes[x].shape[0], outputs)
    values = [x]

    def reading(vertex: int) -> list[int]:
        """What enters a vertex from the cell's input."""
        there = matrix[0][vertex]
        return [_conv(graph, x, widths[vertex], 1, (*place, "input", vertex))] if there else []

    for vertex in range(1, last):
        terms = [graph.first(values[u], widths[vertex]) for u in range(1, vertex) if matrix[u][vertex]]
        value = cast("int", graph.add(*terms, *reading(vertex)))
        op = arch.ops[vertex - 1]
        if op in KERNELS:
            values.append(_conv(graph, value, widths[vertex], KERNELS[op], (*place, vertex)))
        else:
            values.append(cast("int", graph.pool(value, "max", 3, 1, 1)))
    inner = [values[u] for u in range(1, last) if matrix[u][last]]
    return cast("int", graph.add(*([graph.concat(*inner)] if inner else []), *reading(last)))


def _conv(graph: Graph, x: int, outputs: int, kernel: int, place: Place) -> int:
    return cast("int", graph.conv(x, outputs, kernel, place, relu=True))


def network_layers(arch: NASBench101Architecture, cells: int, channels: int, stages: int) -> list[Layer]:
    """Of the network of a pruned cell up to its ``stages``-th stage, in the order of its modules.

    >>> from naslib_gennas.spaces.nasbench101.encoding import parse_cell
    >>> len(network_layers(parse_cell("3:7:0"), cells=1, channels=4, stages=2))
    10
    """
    layers = _conv_layers((STEM, channels), inputs=3, kernel=3)
    inputs = channels
    for stack in range(stages):
        outputs = channels * 2**stack
        for cell in range(cells):
            layers += _cell_layers(arch, inputs, outputs, (stack, cell))
            inputs = outputs
    return layers


def _cell_layers(arch: NASBench101Architecture, inputs: int, outputs: int, place: Place) -> list[Layer]:
    widths = vertex_channels(arch.matrix, inputs, outputs)
    projected = [((*place, "input", v), width) for v, width in enumerate(widths) if v and arch.matrix[0][v]]
    layers = _conv_layers(*projected, inputs=inputs, kernel=1)
    for vertex, (op, width) in enumerate(zip(arch.ops, widths[1:]), start=1):
        if op in KERNELS:
            layers += _conv_layers(((*place, vertex), width), inputs=width, kernel=KERNELS[op])
    return layers


def _conv_layers(*branches: tuple[Place, int], inputs: int, kernel: int) -> list[Layer]:
    return [ConvLayer(branches, inputs, kernel), NormLayer(sum(width for _, width in branches))]
