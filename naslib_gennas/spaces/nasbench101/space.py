"""NAS-Bench-101: cells that are directed acyclic graphs of at most seven vertices and nine edges.

Ying et al., "NAS-Bench-101", ICML 2019, https://arxiv.org/abs/1902.09635.
"""

from __future__ import annotations

from ..base import SPACES, SearchSpace
from .encoding import (
    EDGE_SLOTS,
    EXAMPLE,
    MAX_VERTICES,
    OPERATIONS,
    _broken,
    _fault,
    _from_bits,
    _padded,
    _parse_compact,
    _parse_json,
    _relabelled,
    _sort_key,
    _topological_orders,
    graph_hash,
)


@SPACES.register("nasbench101")
class NASBench101(SearchSpace):
    """All valid cells; the benchmark numbers them by its own files only, so an index needs a table."""

    name = "nasbench101"
    description = "NAS-Bench-101: acyclic cells, at most 7 vertices and 9 edges, 3 operations"
    unique = 423_624
    cells = 3
    channels = 16
    example = EXAMPLE
    metrics = ("cifar10_test",)
    full_channels = 128

    def sample(self, rng):
        """Uniform over the valid 7-vertex encodings (random matrix and operations, until valid)."""
        while True:
            bits = rng.integers(2, size=EDGE_SLOTS)
            ops = rng.integers(len(OPERATIONS), size=MAX_VERTICES - 2)
            arch = _from_bits(MAX_VERTICES, bits.tolist(), ops.tolist())
            if _fault(arch) is None:
                return arch

    def mutate(self, arch, rng):
        """Each of the 21 edge slots flips with probability 1/7, each of the 5 operations changes with 1/5.

        Repeated until the child is valid and not isomorphic to the parent (paper, A.2.3).
        """
        bits, ops = _padded(arch, rng)
        parent = self.canonical(arch)
        while True:
            flip = rng.random(EDGE_SLOTS) < 1 / MAX_VERTICES
            change = rng.random(len(ops)) < 1 / len(ops)
            shift = rng.integers(1, len(OPERATIONS), size=len(ops))
            child = _from_bits(
                MAX_VERTICES,
                [bit ^ int(f) for bit, f in zip(bits, flip)],
                [(op + int(s)) % len(OPERATIONS) if c else op for op, c, s in zip(ops, change, shift)],
            )
            if _fault(child) is None and self.canonical(child) != parent:
                return child

    def parse(self, text):
        """``V:hex:digits`` or ``{"matrix": [[...]], "ops": [...]}``."""
        text = str(text).strip()
        arch = _parse_json(text) if text.startswith("{") else _parse_compact(text)
        fault = _fault(arch)
        if fault:
            raise _broken(text, fault)
        return arch

    def canonical(self, arch):
        """The benchmark's graph hash (MD5 by iterated neighbourhoods) of the pruned cell."""
        return graph_hash(arch.pruned)

    def representative(self, arch):
        """The pruned cell, relabelled to the smallest of its topological orders."""
        pruned = arch.pruned
        return min((_relabelled(pruned, order) for order in _topological_orders(pruned.matrix)), key=_sort_key)

    def build(self, arch, fidelity):
        from .networks import Backbone

        return Backbone(arch.pruned, fidelity.cells or self.cells, fidelity.channels or self.channels)

    def build_network(self, arch, classes=10):
        from .networks import Network

        return Network(arch.pruned, self.cells, self.full_channels, classes)
