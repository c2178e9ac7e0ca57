"""The networks of :mod:`.networks` as expressions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Callable

from ...proxy.expressions import Graph, Value
from ...proxy.layers import Place
from .encoding import INPUTS, NONE, SKIP, Cell, CellArchitecture
from .networks import DENSE, FACTORED, POOLS, SEPARABLE, STEM, input_place


def stage_nodes(graph: Graph, arch: CellArchitecture, imagenet: bool, stages: int) -> tuple[int, ...]:
    """The outputs of the cells at one third, two thirds and the end; what they do not need is left out.

    >>> graph = Graph(size=8)
    >>> cell = Cell((("sep_conv_3x3", 0), ("skip_connect", 1)), (2,))
    >>> nodes = stage_nodes(graph, CellArchitecture(cell, cell, depth=3, width=4), imagenet=False, stages=3)
    >>> [graph.nodes[node].shape for node in nodes]
    [(4, 8, 8), (8, 4, 4), (16, 2, 2)]
    """
    reductions = (arch.depth // 3, 2 * arch.depth // 3)
    maps = dict(enumerate(_stem(graph, arch.width, imagenet)))
    taps = (*(1 + cell for cell in reductions), 1 + arch.depth)[:stages]

    def the_map(index: int) -> int:
        if index not in maps:
            cell = index - INPUTS
            level = sum(cell >= start for start in reductions)
            which = arch.reduce if cell in reductions else arch.normal
            stride = 2 if cell in reductions else 1
            inputs = [partial(the_input, cell, slot, arch.width * 2**level) for slot in range(INPUTS)]
            maps[index] = _cell(graph, which, inputs, arch.width * 2**level, stride, (cell,), 2**level)
        return maps[index]

    def the_input(cell: int, slot: int, width: int) -> Value:
        x, place = graph.relu(the_map(cell + slot)), input_place(cell, slot)
        halved = slot == 0 and cell - 1 in reductions
        return graph.halves(x, width, place) if halved else graph.conv(x, width, 1, place)

    return tuple(the_map(tap) for tap in taps)


def _stem(graph: Graph, width: int, imagenet: bool) -> tuple[int, int]:
    """Of size 1 / 1 also for ImageNet, as the proxy networks have it."""
    if not imagenet:
        first = graph.conv(graph.image, 3 * width, 3, STEM)
        assert first is not None
        return first, first
    first = graph.conv(graph.image, width // 2, 3, (*STEM, 1), relu=True)
    first = graph.conv(first, width, 3, (*STEM, 2))
    second = graph.conv(graph.relu(first), width, 3, (*STEM, 3))
    assert first is not None and second is not None
    return first, second


def _cell(
    graph: Graph,
    cell: Cell,
    inputs: Sequence[Callable[[], Value]],
    channels: int,
    stride: int,
    place: Place,
    shrunk: int,
) -> int:
    """Its output. ``inputs``: are made where something reads them. ``shrunk``: what the images' size is divided by."""
    states: dict[int, Value] = {}
    for node, pair in enumerate(cell.pairs(), start=INPUTS):
        terms: list[Value] = []
        for turn, (op, source) in enumerate(pair):
            if op == NONE:
                continue
            if source not in states:
                states[source] = inputs[source]()
            step = stride if source < INPUTS else 1
            terms.append(_operation(graph, op, states[source], channels, step, (*place, node, turn)))
        states[node] = graph.there(graph.add(*terms), channels, shrunk)
    return graph.concat(*(graph.there(states[node], channels, shrunk) for node in cell.concat))


def _operation(graph: Graph, op: str, x: Value, channels: int, stride: int, place: Place) -> Value:
    if op == SKIP and stride == 1:
        return x
    if op in POOLS:
        kind, kernel, padding = POOLS[op]
        return graph.pool(x, kind, kernel, stride, padding)
    x = graph.relu(x)
    if op == SKIP:
        return graph.halves(x, channels, place)
    if op in DENSE:
        return graph.conv(x, channels, DENSE[op], place, stride)
    if op in FACTORED:
        kernel = FACTORED[op]
        row = graph.conv(x, channels, (1, kernel), (*place, "row"), (1, stride), norm=False)
        return graph.conv(row, channels, (kernel, 1), (*place, "column"), (stride, 1))
    kernel, dilation, repeats = SEPARABLE[op]
    for repeat in range(repeats):
        x = graph.relu(x) if repeat else x
        x = graph.depthwise(x, kernel, (*place, "depthwise", repeat), 1 if repeat else stride, dilation)
        x = graph.conv(x, channels, 1, (*place, "pointwise", repeat))
    return x
