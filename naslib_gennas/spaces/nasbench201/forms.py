"""Other ways to write cells of NAS-Bench-201."""

from __future__ import annotations

import re
from typing import Any, Optional

from ...registry import unknown
from ..forms import Form, is_list, whole_numbers
from .encoding import EDGES, OPERATIONS, NASBench201Architecture

NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NASLIB_EDGES = tuple(sorted(EDGES))
"""NASLib's order: by source, then target."""
SYNONYMS = {
    "zero": "none", "zeroize": "none", "skip": "skip_connect", "identity": "skip_connect", "conv_1x1": "nor_conv_1x1",
    "conv1x1": "nor_conv_1x1", "conv_3x3": "nor_conv_3x3", "conv3x3": "nor_conv_3x3", "pool_3x3": "avg_pool_3x3",
    "avgpool3x3": "avg_pool_3x3", "avg_pool": "avg_pool_3x3",
}  # fmt: skip


def of_codes(value: Any) -> Optional[NASBench201Architecture]:
    """NASLib's tuple.

    >>> of_codes((4, 0, 3, 1, 4, 3))
    NASBench201Architecture(ops=(4, 1, 0, 2, 4, 2))
    """
    codes = whole_numbers(value, len(EDGES), len(NASLIB_OPERATIONS) - 1, "operation")
    if codes is None:
        return None
    on_edge = {edge: OPERATIONS.index(NASLIB_OPERATIONS[code]) for edge, code in zip(NASLIB_EDGES, codes)}
    return NASBench201Architecture(tuple(on_edge[edge] for edge in EDGES))


def to_codes(arch: NASBench201Architecture) -> tuple[int, ...]:
    """NASLib's tuple of a cell."""
    on_edge = {edge: NASLIB_OPERATIONS.index(OPERATIONS[op]) for edge, op in zip(EDGES, arch.ops)}
    return tuple(on_edge[edge] for edge in NASLIB_EDGES)


def of_edges(value: Any) -> Optional[NASBench201Architecture]:
    """Edge -> name of the operation; edges as 0_1, 0->1, 1<-0 or (0, 1), nodes counted from 0 or from 1."""
    if not isinstance(value, dict):
        return None
    found = {_edge(key): _operation(op) for key, op in value.items()}
    if {edge[1] for edge in found} == {2, 3, 4}:
        found = {(source - 1, target - 1): op for (source, target), op in found.items()}
    if set(found) != set(EDGES) or len(value) != len(EDGES):
        raise ValueError(f"its edges are {', '.join(map(str, value))}; expected six, from 0_1 to 2_3")
    return NASBench201Architecture(tuple(found[edge] for edge in EDGES))


def of_nodes(value: Any) -> Optional[NASBench201Architecture]:
    """Of every node after the first the pairs (operation, source), as in xautodl's structures."""
    if not is_list(value) or len(value) != 3 or not all(map(is_list, value)):
        return None
    found = {}
    for target, pairs in enumerate(value, start=1):
        for pair in pairs:
            if not is_list(pair) or len(pair) != 2:
                raise ValueError(f"node {target} has {pair!r}, expected (operation, source)")
            found[pair[1], target] = _operation(pair[0])
    if set(found) != set(EDGES):
        raise ValueError("every node needs one pair for each node before it")
    return NASBench201Architecture(tuple(found[edge] for edge in EDGES))


def _edge(key: Any) -> tuple[int, int]:
    text = "_".join(map(str, key)) if is_list(key) else str(key)
    match = re.fullmatch(r"\s*(\d)\s*(_|-|->|,|<-)\s*(\d)\s*", text)
    if match is None:
        raise ValueError(f"{key!r} is no edge such as 0_1")
    first, arrow, second = match.groups()
    return (int(second), int(first)) if arrow == "<-" else (int(first), int(second))


def _operation(name: Any) -> int:
    known = SYNONYMS.get(str(name), str(name))
    if known not in OPERATIONS:
        raise ValueError(unknown("operation", str(name), OPERATIONS))
    return OPERATIONS.index(known)


FORMS = (
    Form("NASLib's tuple", "(2, 2, 0, 2, 4, 0)", of_codes),
    Form(
        "operations by edge",
        '{"0_1": "conv_3x3", "0_2": "conv_3x3", "0_3": "skip_connect", "1_2": "avg_pool_3x3", "1_3": "conv_3x3", '
        '"2_3": "skip_connect"}',
        of_edges,
    ),
    Form(
        "xautodl's structure",
        "[(('nor_conv_3x3', 0),), (('nor_conv_3x3', 0), ('avg_pool_3x3', 1)), "
        "(('skip_connect', 0), ('nor_conv_3x3', 1), ('skip_connect', 2))]",
        of_nodes,
    ),
)
