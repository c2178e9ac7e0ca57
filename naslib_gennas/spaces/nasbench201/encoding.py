"""Cells of NAS-Bench-201: their text form, their numbers, and what makes two of them the same.

Dong & Yang, "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Callable

from ...errors import ArchitectureError
from ...registry import unknown

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # (source, target), in the order of the text form
NONE, SKIP = 0, 1
COUNT = len(OPERATIONS) ** len(EDGES)
SHUFFLE_SEED = 88

EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


@dataclass(frozen=True)
class NASBench201Architecture:
    """``ops[i]`` is the index in ``OPERATIONS`` of the operation on edge ``EDGES[i]``.

    >>> str(NASBench201Architecture((3, 0, 1, 2, 4, 3)))
    '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|'
    """

    ops: tuple[int, ...]

    def __str__(self) -> str:
        groups: list[list[str]] = [[], [], []]
        for op, (source, target) in zip(self.ops, EDGES):
            groups[target - 1].append(f"{OPERATIONS[op]}~{source}")
        return "+".join("|" + "|".join(group) + "|" for group in groups)

    def edges(self) -> list[tuple[int, int, int]]:
        """(operation, source, target) of the edges that are not 'none'."""
        return [(op, source, target) for op, (source, target) in zip(self.ops, EDGES) if op != NONE]

    def live_edges(self) -> list[tuple[int, int, int]]:
        """(operation, source, target) of the edges on a path from the input node 0 to the output node 3."""
        edges = self.edges()
        forward, backward = {0}, {3}
        for _, s, t in edges:  # EDGES is in topological order of the targets
            if s in forward:
                forward.add(t)
        for _, s, t in reversed(edges):
            if t in backward:
                backward.add(s)
        return [(op, s, t) for op, s, t in edges if s in forward and t in backward]


Form = Callable[[NASBench201Architecture], Hashable]


def parse_cell(text: str) -> NASBench201Architecture:
    """The cell of the benchmark's string or of its number; ArchitectureError says where the text breaks.

    >>> parse_cell(EXAMPLE).ops
    (3, 3, 4, 1, 3, 1)
    >>> str(parse_cell("9"))
    '|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|'
    """
    if re.fullmatch(r"[0-9]{1,9}", text):
        return _numbered(int(text))
    groups = text.split("+")
    if len(groups) != 3:
        raise _broken(text, f"it has {len(groups)} node groups separated by '+', expected 3")
    ops: list[int] = []
    for target, group in enumerate(groups, start=1):
        ops += _parsed_group(text, target, group)
    return NASBench201Architecture(tuple(ops))


def first_isomorphic(arch: NASBench201Architecture) -> NASBench201Architecture:
    """The first of the cells that the benchmark's paper calls isomorphic to ``arch``; there are 6,466 of them.

    >>> one = parse_cell("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    >>> two = parse_cell("|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|")
    >>> first_isomorphic(one) == first_isomorphic(two)
    True
    """
    return _first_cells(_expression)[arch]


def first_equal(arch: NASBench201Architecture) -> NASBench201Architecture:
    """The first cell that computes the same function as ``arch``; there are 4,930 of them.

    >>> str(first_equal(parse_cell("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")))
    '|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'
    """
    return _first_cells(_function)[arch]


@lru_cache(maxsize=1)
def benchmark_order() -> tuple[NASBench201Architecture, ...]:
    """The benchmark numbered its cells after one shuffle, Python's generator seeded with 88.

    >>> benchmark_order().index(parse_cell("9"))
    9
    """
    cells = list(_all_cells())
    random.Random(SHUFFLE_SEED).shuffle(cells)
    return tuple(cells)


def _numbered(index: int) -> NASBench201Architecture:
    if index >= COUNT:
        raise ArchitectureError(f"nasbench201 numbers its architectures 0 to {COUNT - 1}; got {index}")
    return benchmark_order()[index]


def _parsed_group(text: str, target: int, group: str) -> list[int]:
    if not (group.startswith("|") and group.endswith("|") and len(group) > 2):
        raise _broken(text, f"the group of node {target}, {group!r}, must start and end with '|'")
    edges = group[1:-1].split("|")
    if len(edges) != target:
        raise _broken(text, f"node {target} has {len(edges)} incoming edges, expected {target}")
    ops = []
    for source, edge in enumerate(edges):
        op, tilde, node = edge.partition("~")
        if not tilde or node != str(source):
            raise _broken(text, f"edge {edge!r} of node {target} must read 'operation~{source}'")
        if op not in OPERATIONS:
            raise _broken(text, unknown("operation", op, OPERATIONS))
        ops.append(OPERATIONS.index(op))
    return ops


def _broken(text: str, why: str) -> ArchitectureError:
    return ArchitectureError(f"not a nasbench201 architecture: {text!r}: {why}; an example is {EXAMPLE}")


def _expression(arch: NASBench201Architecture) -> str:
    """The output written as nested sums, 'skip_connect' transparent, whatever is zero written '#'."""
    nodes = ["x", "", "", ""]
    terms: list[list[str]] = [[], [], [], []]
    for op, (source, target) in zip(arch.ops, EDGES):
        value = nodes[source]
        zero = op == NONE or value == "#"
        terms[target].append("#" if zero else value if op == SKIP else f"({value}){op}")
        nodes[target] = "+".join(sorted(terms[target]))
    return nodes[3]


def _function(arch: NASBench201Architecture) -> tuple[str, ...]:
    """The output as a flat sum of terms without the zero ones: equal for cells that are the same network."""
    sums: list[tuple[str, ...]] = [("x",), (), (), ()]
    for op, (source, target) in zip(arch.ops, EDGES):
        value = sums[source]
        if op != NONE and value:
            added = value if op == SKIP else (f"({'+'.join(value)}){op}",)
            sums[target] = tuple(sorted(sums[target] + added))
    return sums[3]


@lru_cache(maxsize=1)
def _all_cells() -> tuple[NASBench201Architecture, ...]:
    return tuple(NASBench201Architecture(ops) for ops in itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)))


@lru_cache(maxsize=2)
def _first_cells(form: Form) -> dict[NASBench201Architecture, NASBench201Architecture]:
    """Every cell -> the first cell that has the same ``form``."""
    first: dict[Hashable, NASBench201Architecture] = {}
    return {arch: first.setdefault(form(arch), arch) for arch in _all_cells()}
