"""NAS-Bench-201: cells of four nodes, one of five operations on each of the six edges.

Dong & Yang, "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable

from ..errors import ArchitectureError
from ..registry import unknown
from .base import SPACES, SearchSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # (source, target), in the order of the text form
NONE, SKIP = 0, 1

EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


@dataclass(frozen=True)
class NASBench201Architecture:
    """``ops[i]`` is the index in ``OPERATIONS`` of the operation on edge ``EDGES[i]``."""

    ops: tuple[int, ...]

    def __str__(self) -> str:
        groups: list[list[str]] = [[], [], []]
        for op, (source, target) in zip(self.ops, EDGES):
            groups[target - 1].append(f"{OPERATIONS[op]}~{source}")
        return "+".join("|" + "|".join(group) + "|" for group in groups)

    def live_edges(self) -> list[tuple[int, int, int]]:
        """(operation, source, target) of the edges on a path from the input node 0 to the output node 3."""
        edges = [(op, s, t) for op, (s, t) in zip(self.ops, EDGES) if op != NONE]
        forward, backward = {0}, {3}
        for _, s, t in edges:  # EDGES is in topological order of the targets
            if s in forward:
                forward.add(t)
        for _, s, t in reversed(edges):
            if t in backward:
                backward.add(s)
        return [(op, s, t) for op, s, t in edges if s in forward and t in backward]


@SPACES.register("nasbench201")
class NASBench201(SearchSpace):
    """All 5^6 cells; an index is the architecture's number in the benchmark's own files."""

    name = "nasbench201"
    description = "NAS-Bench-201 / NATS-Bench topology space: 4 nodes, 6 edges, 5 operations"
    size = len(OPERATIONS) ** len(EDGES)
    unique = 6466
    cells = 5
    channels = 16
    example = EXAMPLE
    metrics = ("cifar10_test", "cifar100_test", "imagenet16_test")

    def sample(self, rng):
        """Uniform over all 15,625 cells, disconnected ones included, as the benchmark has them."""
        return NASBench201Architecture(tuple(int(op) for op in rng.integers(len(OPERATIONS), size=len(EDGES))))

    def mutate(self, arch, rng):
        """Each edge is redrawn with probability 1/5 (published search code), until the cell differs."""
        while True:
            redraw = rng.random(len(EDGES)) < 1 / 5
            fresh = rng.integers(len(OPERATIONS), size=len(EDGES))
            child = NASBench201Architecture(
                tuple(int(new) if change else old for old, new, change in zip(arch.ops, fresh, redraw))
            )
            if child != arch:
                return child

    def parse(self, text):
        """The benchmark's string, or its number 0..15624."""
        text = str(text).strip()
        if re.fullmatch(r"[0-9]{1,9}", text):
            return self._numbered(int(text))
        groups = text.split("+")
        if len(groups) != 3:
            raise _broken(text, f"it has {len(groups)} node groups separated by '+', expected 3")
        ops: list[int] = []
        for target, group in enumerate(groups, start=1):
            ops += _parse_group(text, target, group)
        return NASBench201Architecture(tuple(ops))

    def canonical(self, arch):
        return str(self.representative(arch))

    def representative(self, arch):
        return _first_cells(_expression)[_expression(arch)]

    def reduced(self, arch):
        """The first cell that computes the same function; there are 4,930 of them."""
        return _first_cells(_function)[_function(arch)]

    def build(self, arch, fidelity):
        from .networks201 import Backbone

        return Backbone(arch, fidelity.cells or self.cells, fidelity.channels or self.channels)

    def build_network(self, arch, classes=10):
        from .networks201 import Network

        return Network(arch, self.cells, self.channels, classes)

    def __iter__(self):
        return iter(_benchmark_order())

    def _numbered(self, index: int) -> NASBench201Architecture:
        if index >= self.size:
            raise ArchitectureError(f"nasbench201 numbers its architectures 0 to {self.size - 1}; got {index}")
        return _benchmark_order()[index]


def _parse_group(text: str, target: int, group: str) -> list[int]:
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
    """The output written as nested sums, 'skip_connect' transparent, whatever is zero written '#'.

    Cells with equal expressions are the benchmark paper's isomorphic cells (6,466 classes).
    """
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
def _first_cells(form: Callable[[NASBench201Architecture], Any]) -> dict[Any, NASBench201Architecture]:
    """``form`` of a cell -> the first cell that has it."""
    first: dict[Any, NASBench201Architecture] = {}
    for arch in _all_cells():
        first.setdefault(form(arch), arch)
    return first


@lru_cache(maxsize=1)
def _benchmark_order() -> tuple[NASBench201Architecture, ...]:
    """The benchmark numbered its cells after one shuffle, Python's generator seeded with 88."""
    cells = list(_all_cells())
    random.Random(88).shuffle(cells)
    return tuple(cells)
