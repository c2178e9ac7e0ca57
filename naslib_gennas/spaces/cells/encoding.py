from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

NONE, SKIP = "none", "skip_connect"
POOLS = ("avg_pool_3x3", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7")
INPUTS = 2  # nodes 0 and 1 are the outputs of the two cells before


DARTS = (NONE, "max_pool_3x3", "avg_pool_3x3", SKIP, "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
COMPACT = DARTS[1:]  # NASLib's numbering of the operations of NAS-Bench-301

Edge = tuple[str, int]  # operation, input node


@dataclass(frozen=True)
class Cell:
    """Node ``2 + i`` is the sum of ``edges[2 i]`` and ``edges[2 i + 1]``; nodes of ``concat`` are the output."""

    edges: tuple[Edge, ...]
    concat: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """Number of nodes, the two inputs apart."""
        return len(self.edges) // 2

    def pairs(self) -> list[tuple[Edge, Edge]]:
        """The two edges of every node."""
        return list(zip(self.edges[::2], self.edges[1::2]))


@dataclass(frozen=True)
class CellArchitecture:
    """Two cells, the number of cells in the network, and the channels of the first."""

    normal: Cell
    reduce: Cell
    depth: int
    width: int

    def __str__(self) -> str:
        """The JSON of ``net`` in the records of NDS."""
        genotype = {
            "normal": self.normal.edges,
            "normal_concat": self.normal.concat,
            "reduce": self.reduce.edges,
            "reduce_concat": self.reduce.concat,
        }
        net = {"aux": False, "depth": self.depth, "drop_prob": 0.0, "genotype": genotype, "width": self.width}
        return json.dumps(net)


@dataclass(frozen=True)
class CompactArchitecture(CellArchitecture):
    """As above; its text is NASLib's compact form."""

    def __str__(self) -> str:
        return str(compact(self))


def compact(arch: CellArchitecture) -> tuple:
    """NASLib's form of an architecture of DARTS cells: (normal, reduce), each 8 pairs (input, operation number)."""
    return tuple(tuple((source, COMPACT.index(op)) for op, source in cell.edges) for cell in (arch.normal, arch.reduce))


@lru_cache(maxsize=65_536)
def canonical_cell(cell: Cell) -> Cell:
    """The first of all cells that differ from ``cell`` in the numbering of nodes and the order of edges."""
    best = min(_encodings(cell))
    pairs, concat = best
    return Cell(tuple(edge for pair in pairs for edge in pair), concat)


def _encodings(cell: Cell) -> Iterator[tuple]:
    """(sorted edges per node, sorted concat) for every numbering that keeps inputs before their users."""
    pairs = cell.pairs()
    for order in itertools.permutations(range(cell.nodes)):
        label = {0: 0, 1: 1}
        encoded = []
        for new, old in enumerate(order):
            if any(source not in label for _, source in pairs[old]):
                break
            encoded.append(tuple(sorted((op, label[source]) for op, source in pairs[old])))
            label[INPUTS + old] = INPUTS + new
        else:
            yield tuple(encoded), tuple(sorted(label[node] for node in cell.concat))


@lru_cache(maxsize=65_536)
def live_cell(cell: Cell) -> Cell:
    """The same function with every edge that has no effect written ``('none', 0)``.

    Without effect: edges of nodes that no output sees; 'none'; 'skip_connect' and pools of zeros.
    """
    zero: set[int] = set()
    edges = list(cell.edges)
    for index, (op, source) in enumerate(edges):
        if op == NONE or (source in zero and op in (SKIP, *POOLS)):
            edges[index] = (NONE, 0)
        if index % 2 and edges[index - 1 : index + 1] == [(NONE, 0)] * 2:
            zero.add(INPUTS + index // 2)
    seen = set(cell.concat)
    for index in reversed(range(len(edges))):
        if INPUTS + index // 2 not in seen:
            edges[index] = (NONE, 0)
        elif edges[index][0] != NONE:
            seen.add(edges[index][1])
    return Cell(tuple(edges), cell.concat)
