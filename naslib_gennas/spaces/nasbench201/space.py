"""NAS-Bench-201: cells of four nodes, one of five operations on each of the six edges.

Dong & Yang, "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ...proxy.fidelity import NetworkOption
from ..base import SPACES, SearchSpace, or_pasted
from ..cell_graph import CellGraph, drawn_operations, on_edges
from .encoding import (
    COUNT,
    EDGES,
    EXAMPLE,
    NONE,
    OPERATIONS,
    NASBench201Architecture,
    benchmark_order,
    first_equal,
    first_isomorphic,
    parse_cell,
)
from .forms import FORMS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.expressions import Graph
    from ...proxy.fidelity import Fidelity
    from ...proxy.layers import Layer

REDRAWN = 1 / 5  # probability for an edge in a mutation


@SPACES.register("nasbench201")
class NASBench201(SearchSpace[NASBench201Architecture]):
    """All 5^6 cells; an index is the architecture's number in the benchmark's own files.

    >>> space = NASBench201()
    >>> dead = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    >>> str(space.reduced(dead))  # its convolution leads nowhere
    '|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'
    """

    name = "nasbench201"
    description = "NAS-Bench-201 / NATS-Bench topology space: 4 nodes, 6 edges, 5 operations"
    shares_parts = True
    size = COUNT
    unique = 6466
    cells = 5
    channels = 16
    options = {"cell_norm": NetworkOption(own="affine", paper="plain", paper_code="plain")}
    example = EXAMPLE
    forms = FORMS
    metrics = ("cifar10_test", "cifar100_test", "imagenet16_test")

    def sample(self, rng: np.random.Generator) -> NASBench201Architecture:
        """Uniform over all 15,625 cells, disconnected ones included, as the benchmark has them."""
        return NASBench201Architecture(tuple(int(op) for op in rng.integers(len(OPERATIONS), size=len(EDGES))))

    def mutate(self, arch: NASBench201Architecture, rng: np.random.Generator) -> NASBench201Architecture:
        """Each edge is redrawn with probability 1/5 (published search code), until the cell differs."""
        while True:
            redraw = rng.random(len(EDGES)) < REDRAWN
            fresh = rng.integers(len(OPERATIONS), size=len(EDGES))
            child = NASBench201Architecture(
                tuple(int(new) if change else old for old, new, change in zip(arch.ops, fresh, redraw))
            )
            if child != arch:
                return child

    @or_pasted
    def parse(self, text: str) -> NASBench201Architecture:
        """The benchmark's string, its number 0..15624, or one of ``forms``."""
        return parse_cell(text)

    def canonical(self, arch: NASBench201Architecture) -> str:
        return str(self.representative(arch))

    def representative(self, arch: NASBench201Architecture) -> NASBench201Architecture:
        return first_isomorphic(arch)

    def reduced(self, arch: NASBench201Architecture) -> NASBench201Architecture:
        """The first cell that computes the same function; there are 4,930 of them."""
        return first_equal(arch)

    def build(self, arch: NASBench201Architecture, fidelity: Fidelity) -> nn.Module:
        from .networks import Backbone

        affine = self.option(fidelity, "cell_norm") == "affine"
        return Backbone(arch, fidelity.cells or self.cells, fidelity.channels or self.channels, affine=affine)

    def expressions(
        self, arch: NASBench201Architecture, fidelity: Fidelity, graph: Graph, stages: int = 3
    ) -> tuple[int, ...]:
        from .graph import stage_nodes

        return stage_nodes(graph, arch, fidelity.cells or self.cells, fidelity.channels or self.channels, stages)

    def layers(self, arch: NASBench201Architecture, fidelity: Fidelity, stages: int = 3) -> list[Layer]:
        from .graph import network_layers

        affine = self.option(fidelity, "cell_norm") == "affine"
        cells, channels = fidelity.cells or self.cells, fidelity.channels or self.channels
        return network_layers(arch, cells, channels, stages, affine)

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        return {f"edge_{source}_{target}": OPERATIONS for source, target in EDGES}

    def configuration(self, arch: NASBench201Architecture) -> dict[str, str]:
        return {name: OPERATIONS[op] for name, op in zip(self.categories, arch.ops)}

    def _chosen(self, values: list[str]) -> NASBench201Architecture:
        return NASBench201Architecture(tuple(map(OPERATIONS.index, values)))

    def encoding(self, arch: NASBench201Architecture) -> dict[str, float]:
        """1 for the operation that an edge has, 0 for the others.

        >>> space = NASBench201()
        >>> sum(space.encoding(space.parse("5")).values())
        6.0
        """
        return {
            f"{target}<-{source}={name}": float(op == number)
            for op, (source, target) in zip(arch.ops, EDGES)
            for number, name in enumerate(OPERATIONS)
        }

    @cached_property
    def cell_operations(self) -> tuple[str, ...]:
        return drawn_operations(OPERATIONS)

    def cell_graphs(self, arch: NASBench201Architecture) -> dict[str, CellGraph]:
        return {"cell": on_edges((source, target, OPERATIONS[op]) for op, source, target in arch.edges())}

    def build_network(self, arch: NASBench201Architecture, classes: int = 10) -> nn.Module:
        from .networks import Network

        return Network(arch, self.cells, self.channels, classes)

    def parameters(self, arch: NASBench201Architecture) -> int:
        return self._bare + sum(self._weights[op] for op in arch.ops)

    @cached_property
    def _bare(self) -> int:
        return super().parameters(NASBench201Architecture((NONE,) * len(EDGES)))

    @cached_property
    def _weights(self) -> list[int]:
        """Parameters of every operation, on one edge of all cells."""
        rest = (NONE,) * (len(EDGES) - 1)
        return [
            super(NASBench201, self).parameters(NASBench201Architecture((op, *rest))) - self._bare
            for op in range(len(OPERATIONS))
        ]

    def __iter__(self) -> Iterator[NASBench201Architecture]:
        return iter(benchmark_order())
