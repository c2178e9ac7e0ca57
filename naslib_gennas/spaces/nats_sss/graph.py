"""The networks of :mod:`.networks` as expressions."""

from __future__ import annotations

from ...proxy.expressions import Graph, Value
from ...proxy.layers import Place
from ..nasbench201.graph import reduction
from ..nasbench201.networks import STEM
from .networks import READ


def stage_nodes(graph: Graph, widths: tuple[int, ...], cells: int, stages: int) -> tuple[int, ...]:
    """The feature maps of the first ``stages`` stages; arguments as of :class:`.networks.Backbone`.

    >>> graph = Graph(size=8)
    >>> [graph.nodes[node].shape for node in stage_nodes(graph, (4, 8, 4, 8, 6), cells=1, stages=2)]
    [(4, 8, 8), (4, 4, 4)]
    """
    x = graph.conv(graph.image, widths[0], 3, STEM)
    inputs, maps = widths[0], []
    for place, width in enumerate(widths[: READ[stages - 1]]):
        if place % 2:
            x = reduction(graph, x, width, (place,))
        else:
            for cell in range(cells):
                x = _cell(graph, x, width if cell else inputs, width, (place, cell))
            maps.append(graph.there(x, width, 2 ** (place // 2)))
        inputs = width
    return tuple(maps)


def _cell(graph: Graph, x: Value, inputs: int, width: int, place: Place) -> Value:
    def conv(value: Value, source: int, target: int) -> Value:
        return graph.conv(graph.relu(value), width, 3, (*place, source, target))

    first = conv(x, 0, 1)
    second = graph.add(conv(x, 0, 2), conv(first, 1, 2))
    short = x if inputs == width else graph.conv(x, width, 1, (*place, "shortcut"))
    return graph.add(short, conv(first, 1, 3), conv(second, 2, 3))
