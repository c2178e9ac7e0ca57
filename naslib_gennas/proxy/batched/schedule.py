"""The operations of many networks in an order in which the same ones of all of them are one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..expressions import ADD, CONV, DEPTHWISE, HALVES, IMAGE, ZEROS, Graph, What
from ..layers import Place

Shape = tuple[int, int, int]
"""Channels, height and width."""
Where = tuple[int, int]
"""Number of a network, and of a node of its graph."""
Kind = tuple[int, What, tuple[Shape, ...], Shape, bool]
"""Operation, what without the place, shapes of its inputs (one of a sum's) and output, whether BatchNorm is plain."""

IMAGES: Shape = (0, 0, 0)
"""Stands for the shape of images, whose maps lie apart."""


@dataclass(frozen=True)
class Joint:
    """The same operation of several networks, or of several places in them."""

    kind: Kind
    members: tuple[Where, ...]


def schedule(networks: Sequence[tuple[Graph, Sequence[int], frozenset[Place]]]) -> Iterator[Joint]:
    """All operations that the outputs of ``networks`` need, each after those that it reads.

    networks: graph, outputs, and places of plain BatchNorms of each.

    >>> graph = Graph(size=8)
    >>> x = graph.conv(graph.image, 4, 3, ("stem",))
    >>> y = graph.add(graph.conv(x, 4, 1, (0,)), graph.conv(x, 4, 1, (1,)))
    >>> [(joint.kind[0], len(joint.members)) for joint in schedule([(graph, [y], frozenset())] * 3)]
    [(0, 3), (0, 6), (2, 3)]
    """
    kinds: dict[Where, Kind] = {}
    missing: dict[Where, int] = {}
    readers: dict[Where, list[Where]] = defaultdict(list)
    ready: dict[Kind, list[Where]] = defaultdict(list)
    for network, (graph, outputs, plain) in enumerate(networks):
        for node in sorted(_needed(graph, outputs)):
            where = network, node
            kinds[where] = _kind(graph, node, plain)
            sources = [s for s in set(graph.nodes[node].inputs) if graph.nodes[s].operation not in (IMAGE, ZEROS)]
            missing[where] = len(sources)
            for source in sources:
                readers[network, source].append(where)
            if not sources:
                ready[kinds[where]].append(where)
    rest = Counter(kinds.values())
    while ready:
        whole = (kind for kind in ready if len(ready[kind]) == rest[kind])
        kind = next(whole, None) or max(ready, key=lambda kind: len(ready[kind]))
        members = ready.pop(kind)
        rest[kind] -= len(members)
        yield Joint(kind, tuple(members))
        for where in (reader for member in members for reader in readers[member]):
            missing[where] -= 1
            if not missing[where]:
                ready[kinds[where]].append(where)


def shape_of(graph: Graph, node: int) -> Shape:
    """Of its map, images apart."""
    found = graph.nodes[node]
    return IMAGES if found.operation == IMAGE else found.shape


def _needed(graph: Graph, outputs: Sequence[int]) -> set[int]:
    """What has to be computed."""
    found: set[int] = set()
    rest = list(outputs)
    while rest:
        node = rest.pop()
        if node not in found and graph.nodes[node].operation not in (IMAGE, ZEROS):
            found.add(node)
            rest += graph.nodes[node].inputs
    return found


def _kind(graph: Graph, node: int, plain: frozenset[Place]) -> Kind:
    operation, inputs, what, shape, _ = graph.nodes[node]
    shapes = tuple(shape_of(graph, source) for source in inputs)
    if operation in (CONV, DEPTHWISE, HALVES):
        return operation, what[1:], shapes, shape, what[0] in plain
    return operation, what, shapes[:1] if operation == ADD else shapes, shape, False
