"""TransNAS-Bench-101: a cell space (micro) and a space of skeletons (macro).

Duan et al., "TransNAS-Bench-101", CVPR 2021, https://arxiv.org/abs/2105.11871.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ..base import SPACES, Arch, SearchSpace, or_pasted
from ..cell_graph import CellGraph, drawn_operations, on_edges
from ..nasbench201.encoding import EDGES
from .encoding import (
    BASE,
    HALVING,
    MACRO,
    MICRO,
    MICRO_SKELETON,
    NONE,
    OPERATIONS,
    TransNASMacroArchitecture,
    TransNASMicroArchitecture,
    edits,
    ends_of_thirds,
    first_exchange,
    parse_macro,
    parse_micro,
    skeletons,
)
from .forms import MACRO_FORMS, MICRO_FORMS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.expressions import Graph
    from ...proxy.fidelity import Fidelity

CLASSES = 75  # of the benchmark's object classification
REDRAWN = 1 / 5  # probability for an edge in a mutation, as in NAS-Bench-201


MICRO_READ = (2, 4, 5)  # before the halvings of modules 3 and 5, and at the end


class TransNASSpace(SearchSpace[Arch]):
    """What both spaces share. In the proxy networks the stem, which divides the size by 4, has no strides."""

    shares_parts = True
    metrics = ("accuracy",)
    cells = 2  # in a module, as in the benchmark
    channels = 16

    def canonical(self, arch: Arch) -> str:
        return str(self.representative(arch))


@SPACES.register("transnas101_micro")
class TransNASMicro(TransNASSpace[TransNASMicroArchitecture]):
    """All 4^6 cells of NAS-Bench-201's shape without pooling, in a skeleton of five modules of two cells.

    The first cell of modules 1, 3 and 5 halves the size and doubles the channels. Stages are read before each
    further halving and at the end.

    >>> TransNASMicro().parse("64-41414-1_02_333").ops
    (1, 0, 2, 3, 3, 3)
    """

    family = "nasbench201"  # cells of that shape
    name = MICRO.space
    description = "TransNAS-Bench-101 micro: cells of 4 nodes, 6 edges, 4 operations"
    size = len(OPERATIONS) ** len(EDGES)
    unique = 3616
    strides = (2, 4, 8)
    example = MICRO.example
    forms = MICRO_FORMS

    def sample(self, rng: np.random.Generator) -> TransNASMicroArchitecture:
        """Uniform over all 4,096 cells, disconnected ones included, as the benchmark has them."""
        return TransNASMicroArchitecture(tuple(int(op) for op in rng.integers(len(OPERATIONS), size=len(EDGES))))

    def mutate(self, arch: TransNASMicroArchitecture, rng: np.random.Generator) -> TransNASMicroArchitecture:
        """Each edge is redrawn with probability 1/5, until the cell differs."""
        while True:
            redraw = rng.random(len(EDGES)) < REDRAWN
            fresh = rng.integers(len(OPERATIONS), size=len(EDGES))
            child = TransNASMicroArchitecture(
                tuple(int(new) if change else old for old, new, change in zip(arch.ops, fresh, redraw))
            )
            if child != arch:
                return child

    @or_pasted
    def parse(self, text: str) -> TransNASMicroArchitecture:
        """The benchmark's string."""
        return parse_micro(text)

    def representative(self, arch: TransNASMicroArchitecture) -> TransNASMicroArchitecture:
        """Nodes 1 and 2 can be exchanged where no edge joins them."""
        return first_exchange(arch)

    def reduced(self, arch: TransNASMicroArchitecture) -> TransNASMicroArchitecture:
        return self.representative(arch.live())

    def build(self, arch: TransNASMicroArchitecture, fidelity: Fidelity) -> nn.Module:
        from .networks import Backbone

        cells = fidelity.cells or self.cells
        return Backbone(arch.live(), MICRO_SKELETON, fidelity.channels or self.channels, cells, MICRO_READ)

    def expressions(
        self, arch: TransNASMicroArchitecture, fidelity: Fidelity, graph: Graph, stages: int = 3
    ) -> tuple[int, ...]:
        from .graph import stage_nodes

        channels, cells = fidelity.channels or self.channels, fidelity.cells or self.cells
        return stage_nodes(graph, arch.live(), MICRO_SKELETON, channels, cells, MICRO_READ[:stages])

    def build_network(self, arch: TransNASMicroArchitecture, classes: int = CLASSES) -> nn.Module:
        from .networks import Network

        return Network(arch, MICRO_SKELETON, BASE, self.cells, classes)

    @cached_property
    def cell_operations(self) -> tuple[str, ...]:
        return drawn_operations(OPERATIONS)

    def cell_graphs(self, arch: TransNASMicroArchitecture) -> dict[str, CellGraph]:
        return {"cell": on_edges((source, target, OPERATIONS[op]) for op, (source, target) in zip(arch.ops, EDGES))}

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        return {f"edge_{source}_{target}": OPERATIONS for source, target in EDGES}

    def configuration(self, arch: TransNASMicroArchitecture) -> dict[str, str]:
        return {name: OPERATIONS[op] for name, op in zip(self.categories, arch.ops)}

    def _chosen(self, values: list[str]) -> TransNASMicroArchitecture:
        return TransNASMicroArchitecture(tuple(map(OPERATIONS.index, values)))

    def encoding(self, arch: TransNASMicroArchitecture) -> dict[str, float]:
        """1 for the operation that an edge has, 0 for the others."""
        return {
            f"{target}<-{source}={name}": float(op == number)
            for op, (source, target) in zip(arch.ops, EDGES)
            for number, name in enumerate(OPERATIONS)
        }

    def parameters(self, arch: TransNASMicroArchitecture) -> int:
        return self._bare + sum(self._weights[edge][op] for edge, op in enumerate(arch.ops))

    @cached_property
    def _bare(self) -> int:
        return super().parameters(TransNASMicroArchitecture((NONE,) * len(EDGES)))

    @cached_property
    def _weights(self) -> list[list[int]]:
        """Parameters of every operation on every edge, in all cells."""
        count = super().parameters
        places = range(len(EDGES))
        return [
            [
                count(TransNASMicroArchitecture(tuple(op if e == edge else NONE for e in places))) - self._bare
                for op in range(len(OPERATIONS))
            ]
            for edge in places
        ]

    def __iter__(self) -> Iterator[TransNASMicroArchitecture]:
        """In lexical order of the digits."""
        return map(TransNASMicroArchitecture, itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)))


@SPACES.register("transnas101_macro")
class TransNASMacro(TransNASSpace[TransNASMacroArchitecture]):
    """Four to six modules of two residual blocks; the size is halved one to four times, the channels doubled
    one to three times. Stages are read after one third, two thirds and all of the modules.

    >>> space = TransNASMacro()
    >>> space.stage_strides(space.parse("64-1234-basic"))
    (1, 2, 4)
    """

    name = MACRO.space
    description = "TransNAS-Bench-101 macro: where a ResNet of 4 to 6 modules widens and shrinks"
    size = unique = 3256
    example = MACRO.example
    forms = MACRO_FORMS

    def sample(self, rng: np.random.Generator) -> TransNASMacroArchitecture:
        """Uniform over all 3,256 skeletons."""
        everything = skeletons()
        return TransNASMacroArchitecture(everything[rng.integers(len(everything))])

    def mutate(self, arch: TransNASMacroArchitecture, rng: np.random.Generator) -> TransNASMacroArchitecture:
        """One module changes, is inserted or removed: uniform over the valid skeletons one edit away."""
        valid = edits(arch.modules)
        return TransNASMacroArchitecture(valid[rng.integers(len(valid))])

    @or_pasted
    def parse(self, text: str) -> TransNASMacroArchitecture:
        """The benchmark's string."""
        return parse_macro(text)

    def representative(self, arch: TransNASMacroArchitecture) -> TransNASMacroArchitecture:
        return arch

    def stage_strides(self, arch: TransNASMacroArchitecture) -> tuple[int, int, int]:
        """What the modules up to each of the thirds divide the size by."""
        first, second, third = (
            2 ** sum(digit in HALVING for digit in arch.modules[:end]) for end in ends_of_thirds(arch.modules)
        )
        return first, second, third

    def build(self, arch: TransNASMacroArchitecture, fidelity: Fidelity) -> nn.Module:
        from .networks import Backbone

        read = ends_of_thirds(arch.modules)
        return Backbone(None, arch.modules, fidelity.channels or self.channels, fidelity.cells or self.cells, read)

    def expressions(
        self, arch: TransNASMacroArchitecture, fidelity: Fidelity, graph: Graph, stages: int = 3
    ) -> tuple[int, ...]:
        from .graph import stage_nodes

        channels, cells = fidelity.channels or self.channels, fidelity.cells or self.cells
        read = ends_of_thirds(arch.modules)[:stages]
        return stage_nodes(graph, None, arch.modules, channels, cells, read)

    def build_network(self, arch: TransNASMacroArchitecture, classes: int = CLASSES) -> nn.Module:
        from .networks import Network

        return Network(None, arch.modules, BASE, self.cells, classes)

    def encoding(self, arch: TransNASMacroArchitecture) -> dict[str, float]:
        """How many modules of each kind there are, and where: the mean place of a kind, 0 first to 1 last.

        >>> space = TransNASMacro()
        >>> space.encoding(space.parse("64-1234-basic"))["place of 4"]
        1.0
        """
        modules, last = arch.modules, max(1, len(arch.modules) - 1)
        places = {kind: [i / last for i, digit in enumerate(modules) if digit == kind] for kind in "1234"}
        numbers = {"modules": float(len(modules))}
        for kind, found in places.items():
            numbers |= {f"modules {kind}": float(len(found)), f"place of {kind}": sum(found) / max(1, len(found))}
        return numbers

    def parameters(self, arch: TransNASMacroArchitecture) -> int:
        from .networks import macro_parameters

        return macro_parameters(arch.modules, BASE, self.cells, CLASSES)

    def __iter__(self) -> Iterator[TransNASMacroArchitecture]:
        """Shorter ones first, then in the order of the digits."""
        return map(TransNASMacroArchitecture, skeletons())
