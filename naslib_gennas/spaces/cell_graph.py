"""Cells as graphs of named nodes, for pictures and for what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

Edge = tuple[int, int, str]  # source, target, operation; "" where the operation stands in the node

NONE = "none"
SILENT = ("nor", "connect")  # words of operations that say nothing


@dataclass(frozen=True)
class CellGraph:
    """``nodes``: what stands in them, in the order in which they are computed; the last is the output, the first ones
    are the ``inputs``.

    >>> CellGraph(("in", "out"), ((0, 1, "skip"),)).inputs
    1
    """

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    inputs: int = 1


@lru_cache(maxsize=256)
def short(operation: str) -> str:
    """The name of an operation as people say it.

    >>> short("nor_conv_3x3"), short("skip_connect"), short("conv3x3-bn-relu"), short("dil_conv_5x5")
    ('conv 3x3', 'skip', 'conv 3x3', 'dil conv 5x5')
    """
    name = operation.removesuffix("-bn-relu").replace("conv3", "conv_3").replace("conv1x1", "conv_1x1")
    words = name.replace("pool3", "_pool_3").split("_")
    return " ".join(word for word in words if word not in SILENT)


def drawn_operations(operations: Iterable[str]) -> tuple[str, ...]:
    """As they stand in a graph, where "none" is no edge.

    >>> drawn_operations(["none", "skip_connect", "nor_conv_3x3"])
    ('skip', 'conv 3x3')
    """
    return tuple(short(name) for name in operations if name != NONE)


def on_edges(ops: Iterable[tuple[int, int, str]]) -> CellGraph:
    """The cell of four nodes of NAS-Bench-201 and TransNAS-Bench-101: source, target and operation of its edges.

    >>> on_edges([(0, 3, "nor_conv_3x3"), (0, 1, "none")]).edges
    ((0, 3, 'conv 3x3'),)
    """
    edges = tuple((source, target, short(name)) for source, target, name in ops if name != NONE)
    return CellGraph(("in", "1", "2", "out"), edges)


def differing(first: CellGraph, second: CellGraph) -> tuple[set[int], set[int]]:
    """Numbers of the edges of either that the other does not have: same ends, and the same in and between them."""

    def said(graph: CellGraph) -> list[tuple[Edge, str, str]]:
        return [(edge, graph.nodes[edge[0]], graph.nodes[edge[1]]) for edge in graph.edges]

    mine, other = said(first), said(second)
    return _lacking(mine, other), _lacking(other, mine)


def _lacking(edges: Iterable[object], others: list[tuple[Edge, str, str]]) -> set[int]:
    left: list[object] = list(others)
    lacking = set()
    for number, edge in enumerate(edges):
        if edge in left:
            left.remove(edge)
        else:
            lacking.add(number)
    return lacking
