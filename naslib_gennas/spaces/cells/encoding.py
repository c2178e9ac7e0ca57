"""Pairs of a normal and a reduction cell: their text forms, what makes two of them the same, and which parts
have an effect.

The text forms are those of the NDS records (https://github.com/facebookresearch/nds) and of NASLib.
"""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from typing_extensions import TypeGuard

from ...errors import ArchitectureError
from ...registry import unknown
from ...texts import parse_json
from ..cell_graph import CellGraph, short

NONE, SKIP = "none", "skip_connect"
POOLS = ("avg_pool_3x3", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7")
INPUTS = 2  # nodes 0 and 1 are the outputs of the two cells before
MIN_DEPTH, MIN_WIDTH = 3, 2  # one cell for each resolution; widths are even
MOST = 4096  # of both, in a text

DARTS = (NONE, "max_pool_3x3", "avg_pool_3x3", SKIP, "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
COMPACT = DARTS[1:]  # NASLib's numbering of the operations of NAS-Bench-301

Edge = tuple[str, int]  # operation, input node


@dataclass(frozen=True)
class Cell:
    """Node ``2 + i`` is the sum of ``edges[2 i]`` and ``edges[2 i + 1]``; nodes of ``concat`` are the output.

    >>> cell = Cell((("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("none", 0)), (3,))
    >>> cell.nodes, cell.pairs()[1]
    (2, (('max_pool_3x3', 2), ('none', 0)))
    """

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


def cell_numbers(cell: Cell, operations: Sequence[str]) -> dict[str, float]:
    """Counts of ``operations``, of edges from the cell's inputs, the longest path, and the nodes in the output.

    >>> cell = Cell((("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("none", 0)), (3,))
    >>> cell_numbers(cell, DARTS)["longest path"], cell_numbers(cell, DARTS)["sep_conv_3x3"]
    (2.0, 1.0)
    """
    depths = [0] * INPUTS
    for pair in cell.pairs():
        depths.append(1 + max(depths[source] for _, source in pair))
    counts = {name: sum(op == name for op, _ in cell.edges) for name in operations}
    inputs = sum(source < INPUTS for _, source in cell.edges)
    numbers = {**counts, "from inputs": inputs, "longest path": max(depths), "nodes read": len(cell.concat)}
    return {name: float(value) for name, value in numbers.items()}


def cell_graph(cell: Cell) -> CellGraph:
    """The cell as a graph: its inputs as in the DARTS paper, its nodes by number, and the output that joins nodes.

    >>> cell_graph(Cell((("sep_conv_3x3", 0), ("none", 1)), (2,)))
    CellGraph(nodes=('c_{k-2}', 'c_{k-1}', '0', 'c_{k}'), edges=((0, 2, 'sep conv 3x3'), (2, 3, '')), inputs=2)
    """
    nodes = ("c_{k-2}", "c_{k-1}", *map(str, range(cell.nodes)), "c_{k}")
    steps = enumerate(cell.edges)
    edges = [(source, INPUTS + number // 2, short(op)) for number, (op, source) in steps if op != NONE]
    return CellGraph(nodes, (*edges, *((node, INPUTS + cell.nodes, "") for node in cell.concat)), INPUTS)


KINDS = ("normal", "reduce")
Compact = tuple[tuple[tuple[int, int], ...], ...]  # (normal, reduce), each 8 pairs (input, operation number)


def compact(arch: CellArchitecture) -> Compact:
    """NASLib's form of an architecture of DARTS cells.

    >>> cell = Cell((("skip_connect", 0), ("sep_conv_3x3", 1)), (2,))
    >>> compact(CellArchitecture(cell, cell, depth=8, width=16))
    (((0, 2), (1, 3)), ((0, 2), (1, 3)))
    """
    return tuple(tuple((source, COMPACT.index(op)) for op, source in cell.edges) for cell in (arch.normal, arch.reduce))


@dataclass(frozen=True)
class Rules:
    """What a text of a space may hold: ``nodes`` in a cell, ``operations`` on its edges, and whether the two
    edges of a node must come from different inputs (``apart``). ``space`` and ``example`` stand in errors."""

    space: str
    example: str
    operations: tuple[str, ...]
    nodes: int
    apart: bool

    def allow(self, edges: Sequence[Edge]) -> bool:
        """Whether the inputs differ where they must."""
        return not self.apart or all(a[1] != b[1] for a, b in zip(edges[::2], edges[1::2]))

    def broken(self, why: str) -> ArchitectureError:
        """The error of a text."""
        return ArchitectureError(f"not a {self.space} architecture: {why}; an example is {self.example}")


def concatenated(edges: tuple[Edge, ...], loose: bool) -> Cell:
    """The cell that concatenates all its nodes, or, if ``loose``, those that no other node uses.

    >>> concatenated((("skip_connect", 0), ("skip_connect", 1), ("skip_connect", 2), ("skip_connect", 0)), True).concat
    (3,)
    """
    used = {source for _, source in edges} if loose else set()
    nodes = range(INPUTS, INPUTS + len(edges) // 2)
    return Cell(edges, tuple(node for node in nodes if node not in used))


def parse_net(text: str, rules: Rules) -> CellArchitecture:
    """The JSON of an NDS record's ``net``; ``aux`` and ``drop_prob`` concern training only and are dropped.

    ArchitectureError says where the text breaks.

    >>> parse_net("{}", Rules("mine", "...", DARTS, nodes=4, apart=False))
    Traceback (most recent call last):
    naslib_gennas.errors.ArchitectureError: not a mine architecture: the network lacks depth, genotype, width; an \
example is ...
    """
    net = _json_object(text, rules)
    _check_keys(net, {"depth", "width", "genotype"}, {"aux", "drop_prob"}, "the network", rules)
    genotype = net["genotype"]
    if not isinstance(genotype, dict):
        raise rules.broken(f"genotype must be an object, got {genotype!r}")
    _check_keys(genotype, {"normal", "normal_concat", "reduce", "reduce_concat"}, set(), "genotype", rules)
    normal, reduce = cells_of_genotype({kind: (genotype[kind], genotype[f"{kind}_concat"]) for kind in KINDS}, rules)
    depth, width = (_number(net, key, least, rules) for key, least in (("depth", MIN_DEPTH), ("width", MIN_WIDTH)))
    if width % 2:
        raise rules.broken(f"width must be even, got {width}")
    return CellArchitecture(normal, reduce, depth, width)


def cells_of_genotype(cells: Mapping[str, tuple[object, object]], rules: Rules) -> tuple[Cell, Cell]:
    """The two cells of lists of [operation, input] and of lists of the nodes that are read."""
    normal, reduce = (_parsed_cell(*cells[kind], kind, rules) for kind in KINDS)
    return normal, reduce


def parse_compact(text: str, rules: Rules) -> tuple[Cell, Cell]:
    """The two cells of NASLib's tuple as it writes it, or of the same as JSON lists.

    >>> rules = Rules("mine", "(((0, 2), (1, 3)), ((0, 2), (1, 3)))", COMPACT, nodes=1, apart=True)
    >>> parse_compact(rules.example, rules)[0].edges
    (('skip_connect', 0), ('sep_conv_3x3', 1))
    """
    try:
        cells = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise rules.broken(f"{text[:80]!r} is not a nested tuple of numbers") from None
    return cells_of_compact(cells, rules)


def cells_of_compact(cells: object, rules: Rules) -> tuple[Cell, Cell]:
    """The two cells of NASLib's ``get_hash()``/``compact``: (normal, reduce), pairs of integers of any type."""
    if not isinstance(cells, (tuple, list)) or len(cells) != 2:
        raise rules.broken("expected two cells, normal and reduction")
    return _compact_cell(cells[0], "normal", rules), _compact_cell(cells[1], "reduce", rules)


@lru_cache(maxsize=65_536)
def canonical_cell(cell: Cell) -> Cell:
    """The first of all cells that differ from ``cell`` in the numbering of nodes and the order of edges.

    >>> canonical_cell(Cell((("skip_connect", 1), ("none", 0)), (2,))).edges
    (('none', 0), ('skip_connect', 1))
    """
    pairs, concat = min(_encodings(cell))
    return Cell(tuple(edge for pair in pairs for edge in pair), concat)


def _encodings(cell: Cell) -> Iterator[tuple[tuple[tuple[Edge, ...], ...], tuple[int, ...]]]:
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

    >>> live_cell(Cell((("sep_conv_3x3", 0), ("none", 1), ("skip_connect", 0), ("none", 0)), (3,))).edges
    (('none', 0), ('none', 0), ('skip_connect', 0), ('none', 0))
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


def _json_object(text: str, rules: Rules) -> Mapping[str, object]:
    try:
        net = parse_json(text)
    except ValueError as error:
        raise rules.broken(f"{text[:80]!r} is not JSON: {error}") from None
    if not isinstance(net, dict):
        raise rules.broken("the text must be a JSON object with depth, width and genotype")
    return net


def _check_keys(found: Mapping[str, object], needed: set[str], optional: set[str], where: str, rules: Rules) -> None:
    missing, odd = sorted(needed - set(found)), sorted(set(found) - needed - optional)
    if missing:
        raise rules.broken(f"{where} lacks {', '.join(missing)}")
    if odd:
        raise rules.broken(f"{where} has the unknown key {odd[0]!r}; there are {', '.join(sorted(needed | optional))}")


def _number(net: Mapping[str, object], key: str, least: int, rules: Rules) -> int:
    value = net[key]
    if not _is_int(value) or not least <= value <= MOST:
        raise rules.broken(f"{key} must be a whole number from {least} to {MOST}, got {value!r}")
    return value


def _parsed_cell(edges: object, concat: object, kind: str, rules: Rules) -> Cell:
    if not isinstance(edges, list) or len(edges) != 2 * rules.nodes:
        count = len(edges) if isinstance(edges, list) else "no list of"
        raise rules.broken(f"the {kind} cell has {count} edges, expected {2 * rules.nodes}")
    cell = tuple(_parsed_edge(edge, index, kind, rules) for index, edge in enumerate(edges))
    if not rules.allow(cell):
        raise rules.broken(f"the two edges of a node of the {kind} cell must have different inputs")
    return Cell(cell, _parsed_concat(concat, kind, rules))


def _parsed_edge(edge: object, index: int, kind: str, rules: Rules) -> Edge:
    where = f"edge {index} of the {kind} cell"
    if not (isinstance(edge, list) and len(edge) == 2):
        raise rules.broken(f"{where} must read [operation, input node], got {edge!r}")
    operation, source = edge
    if operation not in rules.operations:
        raise rules.broken(f"{where}: {unknown('operation', str(operation), rules.operations)}")
    node = INPUTS + index // 2
    if not _is_int(source) or not 0 <= source < node:
        raise rules.broken(f"{where} leads to node {node}, so its input is 0 to {node - 1}, got {source!r}")
    return operation, source


def _parsed_concat(concat: object, kind: str, rules: Rules) -> tuple[int, ...]:
    last = INPUTS + rules.nodes - 1
    nodes = concat if isinstance(concat, list) else []
    fine = all(_is_int(node) and INPUTS <= node <= last for node in nodes)
    if not fine or not nodes or len(set(nodes)) != len(nodes):
        raise rules.broken(f"{kind}_concat must list different nodes out of {INPUTS} to {last}, got {concat!r}")
    return tuple(nodes)


def _compact_cell(pairs: object, kind: str, rules: Rules) -> Cell:
    edges = []
    for pair in pairs if isinstance(pairs, (tuple, list)) else ():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise rules.broken(f"an edge of the {kind} cell must read (input node, operation), got {pair!r}")
        source, number = map(_plain, pair)
        if not _is_int(number) or not 0 <= number < len(COMPACT):
            raise rules.broken(f"operations of the {kind} cell are 0 to {len(COMPACT) - 1}, got {number!r}")
        edges.append([COMPACT[number], source])
    return _parsed_cell(edges, list(range(INPUTS, INPUTS + rules.nodes)), kind, rules)


def _plain(value: Any) -> Any:
    """A numpy integer as Python's; anything else as it is."""
    return value if isinstance(value, bool) or not hasattr(value, "__index__") else int(value)


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
