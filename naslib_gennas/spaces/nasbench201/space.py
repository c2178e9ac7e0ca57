"""NAS-Bench-201: cells of four nodes, one of five operations on each of the six edges.

Dong & Yang, "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

import re

from ...errors import ArchitectureError
from ..base import SPACES, SearchSpace
from .encoding import (
    EDGES,
    EXAMPLE,
    OPERATIONS,
    NASBench201Architecture,
    _benchmark_order,
    _broken,
    _expression,
    _first_cells,
    _function,
    _parse_group,
)


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
        from .networks import Backbone

        return Backbone(arch, fidelity.cells or self.cells, fidelity.channels or self.channels)

    def build_network(self, arch, classes=10):
        from .networks import Network

        return Network(arch, self.cells, self.channels, classes)

    def __iter__(self):
        return iter(_benchmark_order())

    def _numbered(self, index: int) -> NASBench201Architecture:
        if index >= self.size:
            raise ArchitectureError(f"nasbench201 numbers its architectures 0 to {self.size - 1}; got {index}")
        return _benchmark_order()[index]
