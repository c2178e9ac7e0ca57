"""Cells drawn as graphs: short ones as arcs over a row of nodes, others from left to right, a row for every node."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from ..errors import InputError
from ..spaces.base import load_space
from ..spaces.cell_graph import CellGraph, Edge

STEP, EDGE, RISE = 118, 34, 34  # pixels between nodes, to the border, and of an arc for every node it spans
OVER_A_ROW = 4  # nodes, if names stand on arcs: of more they cannot be told apart
CURVE, NAME, NODE, PORT, ROW = 64, 92, 52, 19, 54  # pixels: turn, name before a node, node, between edges, rows
TOP = 30

SUBSCRIPT = re.compile(r"_\{(.*?)\}")


def cells(space: str, text: str, title: str) -> dict[str, str]:
    """Name of a cell -> its SVG; nothing for spaces without cells, and for text that is no architecture.

    >>> cells("nasbench101", "4:33:02", "mine")["cell"].count("<rect")
    4
    >>> cells("nds_resnet", "4:33:02", "mine")
    {}
    """
    try:
        opened = load_space(space.partition(":")[0])
        graphs = opened.cell_graphs(opened.parse(text))
    except InputError:
        return {}
    return {name: drawn(graph, f"{title}, {name}" if len(graphs) > 1 else title) for name, graph in graphs.items()}


def drawn(graph: CellGraph, title: str, marked: Collection[int] = ()) -> str:
    """The graph as SVG; edges whose numbers are ``marked`` stand out."""
    named = any(name for _, _, name in graph.edges)
    in_rows = named and len(graph.nodes) > OVER_A_ROW
    width, height, parts = _in_rows(graph, marked) if in_rows else _over_a_row(graph, marked)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" class="cell" '
        f'viewBox="0 0 {width} {height}" width="{width * 0.8:.0f}" height="{height * 0.8:.0f}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _over_a_row(graph: CellGraph, marked: Collection[int]) -> tuple[int, int, list[str]]:
    above = max([1, *(t - s for s, t, _ in graph.edges if not _below(s, t))])
    below = max([1, *(t - s for s, t, _ in graph.edges if _below(s, t))])
    middle = RISE * (above - 1) + 26
    width, height = 2 * EDGE + STEP * (len(graph.nodes) - 1), middle + RISE * (below - 1) + 30
    arcs = [part for number, edge in enumerate(graph.edges) for part in _arc(edge, middle, number in marked)]
    nodes = [part for number, name in enumerate(graph.nodes) for part in _node(name, EDGE + STEP * number, middle)]
    return width, height, arcs + nodes


def _below(source: int, target: int) -> bool:
    """Arcs that start at every other node hang below the row, so that two of them seldom meet."""
    return source % 2 == 1 and target - source > 1


def _arc(edge: Edge, middle: int, marked: bool) -> Iterable[str]:
    source, target, name = edge
    start, end = EDGE + STEP * source, EDGE + STEP * target
    rise = RISE * (target - source - 1) * (-1 if not _below(source, target) else 1)
    control = middle + 4 * rise / 3  # of a cubic curve whose apex lies at middle + rise
    yield _line(f"M{start} {middle}C{start + 20} {control:.0f} {end - 20} {control:.0f} {end} {middle}", marked)
    if name:
        yield _name(name, (start + end) / 2, middle + rise + (14 if rise > 0 else -5))


@dataclass(frozen=True)
class _Rows:
    """Where the nodes of a graph lie whose every inner node has a row of its own, so that edges meet no node."""

    columns: Sequence[int]
    heights: Sequence[float]

    @classmethod
    def of(cls, graph: CellGraph) -> _Rows:
        last, inputs = len(graph.nodes) - 1, range(graph.inputs)
        columns = [0] * (last + 1)
        for node in range(graph.inputs, last):
            columns[node] = 1 + max([columns[s] for s, target, _ in graph.edges if target == node], default=0)
        columns[last] = 1 + max(columns)
        inner = range(graph.inputs, last)
        height = ROW * max(1, len(inner))
        heights = [TOP + height / 2] * (last + 1)
        for place, node in enumerate(inputs):
            heights[node] = TOP + height * (place + 0.5) / len(inputs)
        for place, node in enumerate(inner):
            heights[node] = TOP + ROW * (place + 0.5)
        return cls(columns, heights)

    def left(self, node: int) -> float:
        return EDGE + self.columns[node] * (NODE + CURVE + NAME)


def _in_rows(graph: CellGraph, marked: Collection[int]) -> tuple[int, int, list[str]]:
    rows, last = _Rows.of(graph), len(graph.nodes) - 1
    parts: list[str] = []
    for node in range(last + 1):
        into = [(number, edge) for number, edge in enumerate(graph.edges) if edge[1] == node]
        for place, (number, edge) in enumerate(into):
            port = 0.0 if node == last else PORT * (place - (len(into) - 1) / 2)
            parts += _routed(edge, rows, rows.heights[node] + port, number in marked)
    for node, name in enumerate(graph.nodes):
        parts += _node(name, rows.left(node) + NODE / 2, rows.heights[node], NODE - 12)
    width = rows.left(last) + NODE + EDGE
    return round(width), round(2 * TOP + max(rows.heights) - min(rows.heights) + ROW / 2), parts


def _routed(edge: Edge, rows: _Rows, height: float, marked: bool) -> Iterator[str]:
    """Turns into the row of its target behind its source, or, without a name, into the output before it."""
    source, target, name = edge
    start, end = rows.left(source) + NODE - 6, rows.left(target) + 6
    before = rows.heights[source]
    turn = start + 4 if name else max(start + 4, end - CURVE)
    yield _line(
        f"M{start} {before}H{turn}C{turn + CURVE / 2} {before} {turn + CURVE / 2} {height} {turn + CURVE - 8} {height}"
        f"H{end}m-6 -3l6 3l-6 3",
        marked,
    )
    if name:
        yield _name(name, end - 10, height - 4, "end")


def _line(path: str, marked: bool) -> str:
    return f'<path class="edge{" differs" if marked else ""}" d="{path}"/>'


def _name(name: str, x: float, y: float, anchor: str = "middle") -> str:
    return f'<text class="name" x="{x}" y="{y:.0f}" text-anchor="{anchor}">{escape(name)}</text>'


def _node(name: str, x: float, middle: float, least: float = 26) -> Iterable[str]:
    width = max(least, 6.4 * len(SUBSCRIPT.sub(r"\1", name)) + 10)
    text = SUBSCRIPT.sub(r'<tspan dy="3" style="font-size: 9px">\1</tspan>', escape(name))
    yield f'<rect class="node" x="{x - width / 2:.1f}" y="{middle - 11}" width="{width:.1f}" height="22" rx="6"/>'
    yield f'<text class="name" x="{x}" y="{middle + 4}" text-anchor="middle">{text}</text>'
