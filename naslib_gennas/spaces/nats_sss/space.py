"""The size space of NATS-Bench: one cell, five widths.

Dong et al., "NATS-Bench", TPAMI 2021, https://arxiv.org/abs/2009.00437.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import SPACES, SearchSpace, or_pasted
from .encoding import COUNT, EXAMPLE, PLACES, WIDTHS, NATSSizeArchitecture, numbered, parse_widths
from .forms import FORMS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.expressions import Graph
    from ...proxy.fidelity import Fidelity

REDRAWN = 1 / 5  # probability for a width in a mutation, as for an edge of NAS-Bench-201


@SPACES.register("nats_sss")
class NATSSize(SearchSpace[NATSSizeArchitecture]):
    """All 8^5 choices of width in the skeleton of NAS-Bench-201 with one cell a stage.

    Proxy networks have all widths in proportion, ``fidelity.channels`` / 4 for the least, as those of AnyNet spaces;
    ``fidelity.cells`` cells a stage.

    >>> space = NATSSize()
    >>> space.parameters(space.parse("8:8:16:40:40"))
    107826
    """

    name = "nats_sss"
    family = "anynet"  # widths are what differs
    description = "NATS-Bench size space: 5 widths from 8 to 64 of a fixed cell"
    shares_parts = True
    size = unique = COUNT
    cells = 1
    channels = 16
    example = EXAMPLE
    forms = FORMS
    metrics = ("cifar10_test", "cifar100_test", "imagenet16_test")

    def sample(self, rng: np.random.Generator) -> NATSSizeArchitecture:
        """Uniform over all 32,768."""
        return numbered(int(rng.integers(COUNT)))

    def mutate(self, arch: NATSSizeArchitecture, rng: np.random.Generator) -> NATSSizeArchitecture:
        """Each width is redrawn with probability 1/5, until the architecture differs."""
        while True:
            redraw = rng.random(PLACES) < REDRAWN
            fresh = rng.integers(len(WIDTHS), size=PLACES)
            changed = (WIDTHS[new] if change else old for old, new, change in zip(arch.widths, fresh, redraw))
            child = NATSSizeArchitecture(tuple(changed))
            if child != arch:
                return child

    @or_pasted
    def parse(self, text: str) -> NATSSizeArchitecture:
        """The benchmark's string, or its number 0..32767."""
        return parse_widths(text)

    def canonical(self, arch: NATSSizeArchitecture) -> str:
        return str(arch)

    def representative(self, arch: NATSSizeArchitecture) -> NATSSizeArchitecture:
        return arch

    def build(self, arch: NATSSizeArchitecture, fidelity: Fidelity) -> nn.Module:
        from .networks import Backbone

        return Backbone(self._widths(arch, fidelity), fidelity.cells or self.cells)

    def expressions(
        self, arch: NATSSizeArchitecture, fidelity: Fidelity, graph: Graph, stages: int = 3
    ) -> tuple[int, ...]:
        from .graph import stage_nodes

        return stage_nodes(graph, self._widths(arch, fidelity), fidelity.cells or self.cells, stages)

    def build_network(self, arch: NATSSizeArchitecture, classes: int = 10) -> nn.Module:
        from .networks import Network

        return Network(arch.widths, classes)

    def parameters(self, arch: NATSSizeArchitecture) -> int:
        from .networks import network_parameters

        return network_parameters(arch.widths, classes=10)

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        return {f"width_{place}": tuple(map(str, WIDTHS)) for place in range(1, PLACES + 1)}

    def configuration(self, arch: NATSSizeArchitecture) -> dict[str, str]:
        return {name: str(width) for name, width in zip(self.categories, arch.widths)}

    def _chosen(self, values: list[str]) -> NATSSizeArchitecture:
        return NATSSizeArchitecture(tuple(map(int, values)))

    def encoding(self, arch: NATSSizeArchitecture) -> dict[str, float]:
        """The logarithm of every width.

        >>> space = NATSSize()
        >>> space.encoding(space.parse("8:8:8:8:64"))["log2 width 5"]
        6.0
        """
        return {f"log2 width {place}": math.log2(width) for place, width in enumerate(arch.widths, start=1)}

    def __iter__(self) -> Iterator[NATSSizeArchitecture]:
        return map(numbered, range(COUNT))

    def _widths(self, arch: NATSSizeArchitecture, fidelity: Fidelity) -> tuple[int, ...]:
        if fidelity.channels is None:
            return arch.widths
        return tuple(max(1, round(fidelity.channels / 4 * width / WIDTHS[0])) for width in arch.widths)
