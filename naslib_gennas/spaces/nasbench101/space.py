"""NAS-Bench-101: cells that are directed acyclic graphs of at most seven vertices and nine edges.

Ying et al., "NAS-Bench-101", ICML 2019, https://arxiv.org/abs/1902.09635.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ...errors import ArchitectureError
from ...proxy.fidelity import NetworkOption
from ..base import SPACES, SearchSpace, or_pasted
from ..cell_graph import CellGraph, drawn_operations, short
from .encoding import (
    EDGE_SLOTS,
    EXAMPLE,
    MAX_VERTICES,
    OPERATIONS,
    NASBench101Architecture,
    cell_of_bits,
    fault,
    first_relabelling,
    graph_hash,
    graph_numbers,
    padded_bits,
    parse_cell,
    valid_part,
    widened,
)
from .forms import FORMS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.expressions import Graph
    from ...proxy.fidelity import Fidelity
    from ...proxy.layers import Layer


@SPACES.register("nasbench101")
class NASBench101(SearchSpace[NASBench101Architecture]):
    """All valid cells, listed once each; the benchmark numbers them by its own files only: an index needs a table.

    >>> space = NASBench101()
    >>> space.parse("5:397:000").ops
    (0, 0, 0)
    >>> space.canonical(space.parse("3:7:0")) == space.canonical(space.parse("4:3a:01"))  # one vertex leads nowhere
    True
    """

    name = "nasbench101"
    shares_parts = True
    description = "NAS-Bench-101: acyclic cells, at most 7 vertices and 9 edges, 3 operations"
    size = unique = 423_624
    cells = 3
    channels = 16
    options = {"network_init": NetworkOption(own="default", paper="default", paper_code="fan_out")}
    example = EXAMPLE
    forms = FORMS
    metrics = ("cifar10_test",)
    full_channels = 128

    def __iter__(self) -> Iterator[NASBench101Architecture]:
        from .enumeration import all_cells

        return all_cells()

    def sample(self, rng: np.random.Generator) -> NASBench101Architecture:
        """Uniform over the valid 7-vertex encodings (random matrix and operations, until valid)."""
        while True:
            bits = rng.integers(2, size=EDGE_SLOTS)
            ops = rng.integers(len(OPERATIONS), size=MAX_VERTICES - 2)
            arch = cell_of_bits(MAX_VERTICES, bits.tolist(), ops.tolist())
            if fault(arch) is None:
                return arch

    def mutate(self, arch: NASBench101Architecture, rng: np.random.Generator) -> NASBench101Architecture:
        """Each of the 21 edge slots flips with probability 1/7, each of the 5 operations changes with 1/5.

        Repeated until the child is valid and not isomorphic to the parent (paper, A.2.3).
        """
        bits, ops = padded_bits(arch, rng)
        parent = self.canonical(arch)
        while True:
            flip = rng.random(EDGE_SLOTS) < 1 / MAX_VERTICES
            change = rng.random(len(ops)) < 1 / len(ops)
            shift = rng.integers(1, len(OPERATIONS), size=len(ops))
            child = cell_of_bits(
                MAX_VERTICES,
                [bit ^ int(f) for bit, f in zip(bits, flip)],
                [(op + int(s)) % len(OPERATIONS) if c else op for op, c, s in zip(ops, change, shift)],
            )
            if fault(child) is None and self.canonical(child) != parent:
                return child

    @or_pasted
    def parse(self, text: str) -> NASBench101Architecture:
        """``V:hex:digits`` or ``{"matrix": [[...]], "ops": [...]}``, or one of ``forms``."""
        return parse_cell(text)

    def canonical(self, arch: NASBench101Architecture) -> str:
        """The benchmark's graph hash (MD5 by iterated neighbourhoods) of the pruned cell."""
        return graph_hash(valid_part(arch))

    def representative(self, arch: NASBench101Architecture) -> NASBench101Architecture:
        """The pruned cell, relabelled to the smallest of its topological orders."""
        return first_relabelling(arch)

    def build(self, arch: NASBench101Architecture, fidelity: Fidelity) -> nn.Module:
        from ...proxy.layers import start_by_fan_out
        from .networks import Backbone

        network = Backbone(valid_part(arch), fidelity.cells or self.cells, fidelity.channels or self.channels)
        if self.option(fidelity, "network_init") == "fan_out":
            start_by_fan_out(network)
        return network

    def expressions(
        self, arch: NASBench101Architecture, fidelity: Fidelity, graph: Graph, stages: int = 3
    ) -> tuple[int, ...]:
        from .graph import stage_nodes

        cells, channels = fidelity.cells or self.cells, fidelity.channels or self.channels
        return stage_nodes(graph, valid_part(arch), cells, channels, stages)

    def layers(self, arch: NASBench101Architecture, fidelity: Fidelity, stages: int = 3) -> list[Layer]:
        from .graph import network_layers

        cells, channels = fidelity.cells or self.cells, fidelity.channels or self.channels
        return network_layers(valid_part(arch), cells, channels, stages)

    def parameters(self, arch: NASBench101Architecture) -> int:
        from .networks import network_parameters

        return network_parameters(valid_part(arch), self.cells, self.full_channels, classes=10)

    def encoding(self, arch: NASBench101Architecture) -> dict[str, float]:
        """Counts and lengths of the pruned cell's graph.

        >>> space = NASBench101()
        >>> space.encoding(space.parse("5:397:000"))["longest path"]
        3.0
        """
        return graph_numbers(valid_part(arch))

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """Every edge of seven vertices, and the operations of the inner ones."""
        vertices = range(MAX_VERTICES)
        edges = {f"edge_{source}_{target}": ("no", "yes") for source in vertices for target in vertices[source + 1 :]}
        return {**edges, **{f"operation_{vertex}": OPERATIONS for vertex in vertices[1:-1]}}

    def configuration(self, arch: NASBench101Architecture) -> dict[str, str]:
        """Vertices that the cell does not have get no edge, and the first operation."""
        bits, ops = widened(arch)
        return dict(zip(self.categories, [*(("no", "yes")[bit] for bit in bits), *(OPERATIONS[op] for op in ops)]))

    def _chosen(self, values: list[str]) -> NASBench101Architecture:
        """Without what is on no path from the input to the output."""
        bits = [int(value == "yes") for value in values[:EDGE_SLOTS]]
        arch = cell_of_bits(MAX_VERTICES, bits, list(map(OPERATIONS.index, values[EDGE_SLOTS:])))
        why = fault(arch)
        if why:
            raise ArchitectureError(f"not a {self.name} architecture: {why}")
        return valid_part(arch)

    @cached_property
    def cell_operations(self) -> tuple[str, ...]:
        return drawn_operations(OPERATIONS)

    def cell_graphs(self, arch: NASBench101Architecture) -> dict[str, CellGraph]:
        nodes = ("in", *(short(OPERATIONS[op]) for op in arch.ops), "out")
        size = range(len(arch.matrix))
        return {"cell": CellGraph(nodes, tuple((s, t, "") for s in size for t in size if arch.matrix[s][t]))}

    def build_network(self, arch: NASBench101Architecture, classes: int = 10) -> nn.Module:
        from .networks import Network

        return Network(valid_part(arch), self.cells, self.full_channels, classes)
