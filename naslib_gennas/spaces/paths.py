"""Cells as sums over their paths: how much of each operation stands between the inputs and the output."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .cell_graph import CellGraph, Edge

Numbers = npt.NDArray[np.float64]


def has_path(graph: CellGraph) -> bool:
    """Whether the output sees an input.

    >>> has_path(CellGraph(("in", "1", "out"), ((0, 1, "conv"),)))
    False
    """
    reached = set(range(graph.inputs))
    for source, target, _ in sorted(graph.edges, key=lambda edge: edge[1]):
        if source in reached:
            reached.add(target)
    return len(graph.nodes) - 1 in reached


def path_numbers(graph: CellGraph, operations: Sequence[str]) -> dict[str, float]:
    """Of the paths from the inputs to the output: ln(1 + how many), the fewest, most and mean operations on one.

    Of each of ``operations`` the same three numbers, how often it is there, and how often at either end: none of them
    below 0. Those of paths are 0 where there is none. They sum up what the path encoding of White et al., "BANANAS",
    AAAI 2021, lists.

    >>> graph = CellGraph(("in", "conv", "pool", "out"), ((0, 1, ""), (1, 2, ""), (1, 3, ""), (2, 3, "")))
    >>> numbers = path_numbers(graph, ["conv", "pool"])
    >>> [numbers[name] for name in ("most operations", "mean conv", "mean pool", "pool at the output")]
    [2.0, 1.0, 0.5, 1.0]
    """
    steps = [(source, target, name or graph.nodes[target]) for source, target, name in graph.edges]
    ways, fewest, most, total = _along(graph, steps, operations)
    numbers = {"paths": float(np.log1p(ways))}
    for place, kind in enumerate(("operations", *operations)):
        numbers |= {
            f"fewest {kind}": float(fewest[place]),
            f"most {kind}": float(most[place]),
            f"mean {kind}": float(total[place] / max(ways, 1.0)),
        }
    return {**numbers, **_counts(graph, steps, operations)}


def _along(
    graph: CellGraph, steps: Sequence[Edge], operations: Sequence[str]
) -> tuple[float, Numbers, Numbers, Numbers]:
    """The number of paths to the output; operations, of any kind and of each, on the shortest, longest and all."""
    weights = _weights(tuple(operations))
    shape = len(graph.nodes), 1 + len(operations)
    ways, total = np.zeros(shape[0]), np.zeros(shape)
    fewest, most = np.full(shape, np.inf), np.full(shape, -np.inf)
    ways[: graph.inputs], fewest[: graph.inputs], most[: graph.inputs] = 1.0, 0.0, 0.0
    for source, target, name in sorted(steps, key=lambda step: step[1]):
        if ways[source]:
            weight = weights.get(name, 0.0)
            ways[target] += ways[source]
            total[target] += total[source] + ways[source] * weight
            fewest[target] = np.minimum(fewest[target], fewest[source] + weight)
            most[target] = np.maximum(most[target], most[source] + weight)
    if not ways[-1]:
        fewest[-1] = most[-1] = 0.0
    return float(ways[-1]), fewest[-1], most[-1], total[-1]


@lru_cache(maxsize=64)
def _weights(operations: tuple[str, ...]) -> dict[str, Numbers]:
    """Of each operation: 1 for any, and 1 for its own kind."""
    return {name: np.array([1.0, *(name == kind for kind in operations)]) for name in operations}


def _counts(graph: CellGraph, steps: Sequence[Edge], operations: Sequence[str]) -> dict[str, float]:
    """Operations stand in the nodes or on the edges; the output may join nodes by edges without any."""
    in_nodes = not any(name for _, _, name in graph.edges)
    last = len(graph.nodes) - 1
    joined = {source for source, target, name in graph.edges if target == last and not name}
    everywhere = list(graph.nodes) if in_nodes else [name for _, _, name in steps]
    first = [name for source, _, name in steps if source < graph.inputs]
    final = [graph.nodes[node] for node in joined] if in_nodes else [n for _, t, n in steps if t in {*joined, last}]
    places = {"": everywhere, " at the inputs": first, " at the output": final}
    return {f"{name}{place}": float(found.count(name)) for name in operations for place, found in places.items()}
