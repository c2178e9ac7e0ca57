"""Other ways to write cells of NAS-Bench-101."""

from __future__ import annotations

from typing import Any, Optional

from ..forms import Form, all_whole, as_json, check_range, is_list
from .encoding import INPUT, MAX_VERTICES, OUTPUT, NASBench101Architecture, parse_cell

NASLIB_INPUT, NASLIB_OUTPUT, NASLIB_CONV3X3 = 0, 1, 4  # NASLib's codes; 4, 3, 2 are our operations 0, 1, 2
MATRIX_KEYS = ("matrix", "module_adjacency", "adjacency", "adj")
OPS_KEYS = ("ops", "module_operations", "operations")


def of_codes(value: Any) -> Optional[NASBench101Architecture]:
    """NASLib's tuple: row by row the whole adjacency matrix, then the operations with input and output."""
    if not all_whole(value):
        return None
    size = next((n for n in range(2, MAX_VERTICES + 1) if n * n + n == len(value)), None)
    if size is None:
        raise ValueError(f"it has {len(value)} numbers, expected n * n + n for a cell of 2 to {MAX_VERTICES} vertices")
    bits, ops = tuple(value[: size * size]), tuple(value[size * size :])
    check_range(bits, 1, "matrix entry")
    check_range(ops, NASLIB_CONV3X3, "operation")
    matrix = tuple(bits[row * size : (row + 1) * size] for row in range(size))
    if any(matrix[u][v] for u in range(size) for v in range(u + 1)):
        raise ValueError("its matrix has an edge on or below the diagonal")
    if (ops[0], ops[-1]) != (NASLIB_INPUT, NASLIB_OUTPUT) or set(ops[1:-1]) & {NASLIB_INPUT, NASLIB_OUTPUT}:
        raise ValueError("its first operation must be the input (0), its last one the output (1), and no other")
    return NASBench101Architecture(matrix, tuple(NASLIB_CONV3X3 - op for op in ops[1:-1]))


def to_codes(arch: NASBench101Architecture) -> tuple[int, ...]:
    """NASLib's tuple of a cell, filled up to seven vertices; unconnected ones go before the output."""
    size = len(arch.matrix)
    vertices = [*range(size - 1), *[None] * (MAX_VERTICES - size), size - 1]
    bits = [0 if u is None or v is None else arch.matrix[u][v] for u in vertices for v in vertices]
    spare = [NASLIB_CONV3X3] * (MAX_VERTICES - size)  # as NASLib fills up
    return (*bits, NASLIB_INPUT, *(NASLIB_CONV3X3 - op for op in arch.ops), *spare, NASLIB_OUTPUT)


def of_pair(value: Any) -> Optional[NASBench101Architecture]:
    """(matrix, operations)."""
    if not is_list(value) or len(value) != 2 or not all(map(is_list, value)):
        return None
    return _cell(*value)


def of_mapping(value: Any) -> Optional[NASBench101Architecture]:
    """The same by name, as in the benchmark's own records."""
    if not isinstance(value, dict):
        return None
    matrix, ops = (next((value[key] for key in keys if key in value), None) for keys in (MATRIX_KEYS, OPS_KEYS))
    if matrix is None or ops is None:
        raise ValueError(f"expected 'matrix' and 'ops', found {', '.join(map(repr, value))}")
    return _cell(matrix, ops)


def _cell(matrix: Any, ops: Any) -> NASBench101Architecture:
    if is_list(ops) and is_list(matrix) and len(ops) == len(matrix) - 2:
        ops = [INPUT, *ops, OUTPUT]
    return parse_cell(as_json({"matrix": matrix, "ops": ops}))


FORMS = (
    Form("NASLib's tuple", "(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 4, 1)", of_codes),
    Form(
        "matrix and operations", "([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ['input', 'conv1x1-bn-relu', 'output'])", of_pair
    ),
    Form(
        "the benchmark's record",
        "{'module_adjacency': array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), "
        "'module_operations': ['input', 'maxpool3x3', 'output']}",
        of_mapping,
    ),
)
