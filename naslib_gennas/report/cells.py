"""Cells drawn as arcs over a row of nodes, for the spaces whose architecture is one small cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Optional

from ..errors import ArchitectureError
from ..spaces.nasbench101 import encoding as cells101
from ..spaces.nasbench101.space import NASBench101
from ..spaces.nasbench201 import encoding as cells201
from ..spaces.nasbench201.space import NASBench201

STEP, EDGE, RISE = 118, 34, 34  # pixels between nodes, to the border, and of an arc for every node it spans
SHORT = {"conv3x3-bn-relu": "conv 3x3", "conv1x1-bn-relu": "conv 1x1", "maxpool3x3": "max pool 3x3"}
SHORT.update({"nor_conv_3x3": "conv 3x3", "nor_conv_1x1": "conv 1x1", "avg_pool_3x3": "avg pool 3x3"})
SHORT["skip_connect"] = "skip"
Edge = tuple[int, int, str]  # source, target, operation


def cell(space: str, text: str, title: str) -> Optional[str]:
    """The cell as SVG; None for spaces that this does not draw and for text that is no architecture.

    >>> cell("nasbench101", "4:33:02", "a cell").count("<rect")
    4
    >>> cell("nds_darts", "4:33:02", "a cell") is None
    True
    """
    if space not in ("nasbench101", "nasbench201"):
        return None
    try:
        nodes, edges = _graph101(text) if space == "nasbench101" else _graph201(text)
    except ArchitectureError:
        return None
    return _svg(nodes, edges, title)


def _graph201(text: str) -> tuple[list[str], list[Edge]]:
    arch = NASBench201().parse(text)
    names = [cells201.OPERATIONS[op] for op in arch.ops]
    edges = [(s, t, SHORT[name]) for name, (s, t) in zip(names, cells201.EDGES) if name != "none"]
    return ["in", "1", "2", "out"], edges


def _graph101(text: str) -> tuple[list[str], list[Edge]]:
    arch = NASBench101().parse(text)
    nodes = ["in", *(SHORT[cells101.OPERATIONS[op]] for op in arch.ops), "out"]
    size = range(len(arch.matrix))
    return nodes, [(s, t, "") for s in size for t in size if arch.matrix[s][t]]


def _svg(nodes: Sequence[str], edges: Sequence[Edge], title: str) -> str:
    above = max([1, *(t - s for s, t, _ in edges if not _below(s, t))])
    below = max([1, *(t - s for s, t, _ in edges if _below(s, t))])
    middle = RISE * (above - 1) + 26
    width, height = 2 * EDGE + STEP * (len(nodes) - 1), middle + RISE * (below - 1) + 30
    parts = [*(part for edge in edges for part in _arc(edge, middle)), *_nodes(nodes, middle)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" class="cell" '
        f'viewBox="0 0 {width} {height}" width="{width * 0.8:.0f}" height="{height * 0.8:.0f}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _below(source: int, target: int) -> bool:
    """Arcs that start at every other node hang below the row, so that two of them seldom meet."""
    return source % 2 == 1 and target - source > 1


def _arc(edge: Edge, middle: int) -> Iterable[str]:
    source, target, name = edge
    start, end = EDGE + STEP * source, EDGE + STEP * target
    rise = RISE * (target - source - 1) * (-1 if not _below(source, target) else 1)
    control = middle + 4 * rise / 3  # of a cubic curve whose apex lies at middle + rise
    curve = f"M{start} {middle}C{start + 20} {control:.0f} {end - 20} {control:.0f} {end} {middle}"
    yield f'<path class="edge" d="{curve}"/>'
    if name:
        at = middle + rise + (14 if rise > 0 else -5)
        yield f'<text class="name" x="{(start + end) / 2}" y="{at:.0f}" text-anchor="middle">{escape(name)}</text>'


def _nodes(nodes: Sequence[str], middle: int) -> Iterable[str]:
    for number, name in enumerate(nodes):
        width, x = max(26, 6.4 * len(name) + 10), EDGE + STEP * number
        yield f'<rect class="node" x="{x - width / 2:.1f}" y="{middle - 11}" width="{width:.1f}" height="22" rx="6"/>'
        yield f'<text class="name" x="{x}" y="{middle + 4}" text-anchor="middle">{escape(name)}</text>'
