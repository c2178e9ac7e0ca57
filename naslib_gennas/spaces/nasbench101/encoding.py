"""Cells of NAS-Bench-101: directed acyclic graphs, their text forms, and what makes two of them the same.

Ying et al., "NAS-Bench-101", ICML 2019, https://arxiv.org/abs/1902.09635.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Optional

from ...errors import ArchitectureError
from ...registry import unknown
from ...texts import parse_json

if TYPE_CHECKING:
    import numpy as np

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
INPUT, OUTPUT = "input", "output"
MAX_VERTICES, MAX_EDGES = 7, 9
EDGE_SLOTS = MAX_VERTICES * (MAX_VERTICES - 1) // 2

EXAMPLE = "5:397:000"

Matrix = tuple[tuple[int, ...], ...]  # rows of 0 and 1

remembered = lru_cache(maxsize=1 << 14)  # more than are prepared together: every cell is asked for several times


@dataclass(frozen=True)
class NASBench101Architecture:
    """``matrix``: upper-triangular adjacency, vertex 0 the input, the last one the output.

    ``ops``: indices in ``OPERATIONS`` of the inner vertices. The text form is ``V:hex:digits``: the number
    of vertices, the upper-triangular entries row by row as one hexadecimal number, one digit per operation.

    >>> str(NASBench101Architecture(((0, 1, 1), (0, 0, 1), (0, 0, 0)), (2,)))
    '3:7:2'
    """

    matrix: Matrix
    ops: tuple[int, ...]

    def __str__(self) -> str:
        bits = "".join(str(bit) for row, cells in enumerate(self.matrix) for bit in cells[row + 1 :])
        return f"{len(self.matrix)}:{int(bits, 2):x}:{''.join(map(str, self.ops))}"

    def to_json(self) -> str:
        """The benchmark's own form: ``{"matrix": [[...]], "ops": ["input", ..., "output"]}``."""
        names = [INPUT, *(OPERATIONS[op] for op in self.ops), OUTPUT]
        return json.dumps({"matrix": [list(row) for row in self.matrix], "ops": names})

    @cached_property
    def pruned(self) -> Optional[NASBench101Architecture]:
        """Without the vertices that are on no path from input to output; None if there is no such path."""
        matrix, last = self.matrix, len(self.matrix) - 1
        forward, backward = {0}, {last}
        for v in range(1, last + 1):
            if any(matrix[u][v] for u in forward):
                forward.add(v)
        for v in range(last - 1, -1, -1):
            if any(matrix[v][w] for w in backward):
                backward.add(v)
        keep = sorted(forward & backward)
        if not keep:
            return None
        ops = tuple(self.ops[v - 1] for v in keep[1:-1])
        return NASBench101Architecture(tuple(tuple(matrix[u][v] for v in keep) for u in keep), ops)


@remembered
def graph_hash(arch: NASBench101Architecture) -> str:
    """Equal for isomorphic labelled graphs; the benchmark's own invariant (paper of NAS-Bench-101, S1).

    >>> graph_hash(parse_cell("4:33:01")) == graph_hash(parse_cell("4:33:10"))  # two branches, exchanged
    True
    """
    size = len(arch.matrix)
    sources = [[u for u in range(size) if arch.matrix[u][v]] for v in range(size)]
    targets = [[v for v in range(size) if arch.matrix[u][v]] for u in range(size)]
    labels = (-1, *arch.ops, -2)
    hashes = [_md5(str((len(targets[v]), len(sources[v]), labels[v]))) for v in range(size)]
    for _ in range(size):
        hashes = [
            _md5(
                "".join(sorted(hashes[u] for u in sources[v]))
                + "|"
                + "".join(sorted(hashes[w] for w in targets[v]))
                + "|"
                + hashes[v]
            )
            for v in range(size)
        ]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def fault(arch: NASBench101Architecture) -> Optional[str]:
    """Why the cell is invalid, None if it is valid (limits apply to the pruned cell, as in the benchmark).

    >>> fault(cell_of_bits(3, [1, 0, 0], [0]))
    'it is disconnected: no path leads from the input to the output'
    """
    if len(arch.matrix) > MAX_VERTICES:
        return f"it has {len(arch.matrix)} vertices, at most {MAX_VERTICES} are allowed"
    if arch.pruned is None:
        return "it is disconnected: no path leads from the input to the output"
    edges = sum(map(sum, arch.pruned.matrix))
    if edges > MAX_EDGES:
        return f"it has {edges} edges between the input and the output, at most {MAX_EDGES} are allowed"
    return None


def valid_part(arch: NASBench101Architecture) -> NASBench101Architecture:
    """The pruned cell; ArchitectureError for a cell that has none.

    >>> str(valid_part(parse_cell("4:3a:01")))
    '3:7:0'
    """
    if arch.pruned is None:
        raise _broken(str(arch), "it is disconnected: no path leads from the input to the output")
    return arch.pruned


@remembered
def first_relabelling(arch: NASBench101Architecture) -> NASBench101Architecture:
    """The same for isomorphic cells: the pruned cell, relabelled to the smallest of its topological orders.

    >>> str(first_relabelling(parse_cell("4:33:10")))
    '4:33:01'
    """
    pruned = valid_part(arch)
    cells = (_relabelled(pruned, order) for order in topological_orders(pruned.matrix))
    return min(cells, key=lambda cell: (cell.ops, cell.matrix))


def graph_numbers(arch: NASBench101Architecture) -> dict[str, float]:
    """Of a pruned cell: vertices, edges, longest and shortest path, operations, degrees at both ends.

    >>> graph_numbers(parse_cell("3:7:2"))["maxpool3x3"], graph_numbers(parse_cell("3:7:2"))["shortest path"]
    (1.0, 1.0)
    """
    matrix, size = arch.matrix, len(arch.matrix)
    longest, shortest = [0] * size, [0] * size
    for v in range(1, size):
        sources = [u for u in range(v) if matrix[u][v]]
        longest[v] = 1 + max(longest[u] for u in sources)
        shortest[v] = 1 + min(shortest[u] for u in sources)
    numbers = {
        "vertices": size,
        "edges": sum(map(sum, matrix)),
        "longest path": longest[-1],
        "shortest path": shortest[-1],
        **{name: arch.ops.count(op) for op, name in enumerate(OPERATIONS)},
        "out of the input": sum(matrix[0]),
        "into the output": sum(row[-1] for row in matrix),
    }
    return {name: float(value) for name, value in numbers.items()}


def cell_of_bits(size: int, bits: Iterable[int], ops: Iterable[int]) -> NASBench101Architecture:
    """The cell of ``size`` vertices from its upper-triangular entries, row by row.

    >>> cell_of_bits(3, [1, 0, 1], [2]).matrix
    ((0, 1, 0), (0, 0, 1), (0, 0, 0))
    """
    entries = iter(bits)
    rows = tuple(tuple(next(entries) if v > u else 0 for v in range(size)) for u in range(size))
    return NASBench101Architecture(rows, tuple(ops))


def widened(arch: NASBench101Architecture) -> tuple[list[int], list[int]]:
    """Bits and operations of the same cell with seven vertices; unconnected ones, with the first operation, go before
    the output.

    >>> bits, ops = widened(parse_cell("2:1:"))
    >>> len(bits), sum(bits), len(ops)
    (21, 1, 5)
    """
    size = len(arch.matrix)
    names = [*range(size - 1), *[None] * (MAX_VERTICES - size), size - 1]
    bits = [0 if u is None or v is None else arch.matrix[u][v] for i, u in enumerate(names) for v in names[i + 1 :]]
    return bits, [*arch.ops, *[0] * (MAX_VERTICES - size)]


def padded_bits(arch: NASBench101Architecture, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """:func:`widened` with random operations of the unconnected vertices."""
    bits, ops = widened(arch)
    spare = rng.integers(len(OPERATIONS), size=MAX_VERTICES - len(arch.matrix)).tolist()
    return bits, [*arch.ops, *spare]


@remembered
def parse_cell(text: str) -> NASBench101Architecture:
    """The valid cell that ``V:hex:digits`` or ``{"matrix": [[...]], "ops": [...]}`` describes.

    ArchitectureError says where the text breaks.

    >>> parse_cell("5:397:000") == parse_cell(parse_cell("5:397:000").to_json())
    True
    """
    arch = _parsed_json(text) if text.startswith("{") else _parsed_compact(text)
    why = fault(arch)
    if why:
        raise _broken(text, why)
    return arch


def _parsed_compact(text: str) -> NASBench101Architecture:
    if re.fullmatch(r"\d+", text):
        raise _broken(text, "an index is known to the benchmark's tables only; name a table that has it")
    parts = text.split(":")
    if len(parts) != 3:
        raise _broken(text, f"expected 'vertices:hexadecimal:digits', found {len(parts)} part(s)")
    vertices, adjacency, digits = parts
    if not re.fullmatch(r"[2-9]", vertices):
        raise _broken(text, f"the number of vertices must be 2 to {MAX_VERTICES}, found {vertices!r}")
    size = int(vertices)
    slots = size * (size - 1) // 2
    if not re.fullmatch(r"[0-9a-fA-F]+", adjacency) or int(adjacency, 16) >= 2**slots:
        raise _broken(text, f"{adjacency!r} is not a hexadecimal number of at most {slots} bits")
    if len(digits) != size - 2 or not re.fullmatch(r"[0-2]*", digits):
        raise _broken(text, f"expected {size - 2} operation digit(s) 0, 1 or 2, found {digits!r}")
    bits = [int(bit) for bit in f"{int(adjacency, 16):0{slots}b}"]
    return cell_of_bits(size, bits, [int(digit) for digit in digits])


def _parsed_json(text: str) -> NASBench101Architecture:
    try:
        data = parse_json(text)
        matrix, names = data["matrix"], data["ops"]
        size = len(matrix)
        rows = [list(row) for row in matrix]
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(text, f"expected JSON with 'matrix' and 'ops' ({type(error).__name__}: {error})") from None
    if any(len(row) != size for row in rows) or size < 2:
        raise _broken(text, f"the matrix must be square with at least 2 rows; rows have {list(map(len, rows))}")
    for u, v in itertools.product(range(size), repeat=2):
        if rows[u][v] not in (0, 1):
            raise _broken(text, f"matrix[{u}][{v}] is {rows[u][v]!r}, expected 0 or 1")
        if rows[u][v] and v <= u:
            raise _broken(text, f"matrix[{u}][{v}] is set, but edges must go upwards (above the diagonal)")
    if not isinstance(names, list) or len(names) != size:
        raise _broken(text, f"'ops' must list {size} names, one per vertex")
    if (names[0], names[-1]) != (INPUT, OUTPUT):
        raise _broken(text, f"'ops' must start with {INPUT!r} and end with {OUTPUT!r}")
    for name in names[1:-1]:
        if name not in OPERATIONS:
            raise _broken(text, unknown("operation", str(name), OPERATIONS))
    ops = tuple(OPERATIONS.index(name) for name in names[1:-1])
    return NASBench101Architecture(tuple(tuple(int(bit) for bit in row) for row in rows), ops)


def _broken(text: str, why: str) -> ArchitectureError:
    shown = text if len(text) < 120 else text[:117] + "..."
    return ArchitectureError(f"not a nasbench101 architecture: {shown!r}: {why}; an example is {EXAMPLE}")


def topological_orders(matrix: Matrix) -> Iterator[tuple[int, ...]]:
    """All orders of the inner vertices in which every edge goes upwards."""
    inner = range(1, len(matrix) - 1)
    sources = {v: frozenset(u for u in inner if matrix[u][v]) for v in inner}

    def after(start: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(start) == len(inner):
            yield start
        for vertex in inner:
            if vertex not in start and sources[vertex].issubset(start):
                yield from after((*start, vertex))

    return after(())


def relabelled_matrix(matrix: Matrix, order: tuple[int, ...]) -> Matrix:
    """The same graph with its inner vertices in ``order``."""
    vertices = (0, *order, len(matrix) - 1)
    return tuple(tuple(matrix[u][v] for v in vertices) for u in vertices)


def _relabelled(arch: NASBench101Architecture, order: tuple[int, ...]) -> NASBench101Architecture:
    return NASBench101Architecture(relabelled_matrix(arch.matrix, order), tuple(arch.ops[v - 1] for v in order))
