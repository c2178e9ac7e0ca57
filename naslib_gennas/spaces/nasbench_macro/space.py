"""NAS-Bench-Macro: eight layers, each an identity or one of two inverted bottlenecks.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021, https://arxiv.org/abs/2103.11922.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import SPACES, SearchSpace, or_pasted
from .encoding import COUNT, EXAMPLE, LAYERS, OPERATIONS, NASBenchMacroArchitecture, every, packed, parse_layers
from .forms import FORMS

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.fidelity import Fidelity


@SPACES.register("nasbench_macro")
class NASBenchMacro(SearchSpace[NASBenchMacroArchitecture]):
    """All 3^8 networks; stages of two, three and three layers, whose first halves the size and doubles the channels.

    A stage is read at its end. ``fidelity.cells`` has no meaning here: what differs are the layers themselves.

    >>> space = NASBenchMacro()
    >>> space.parameters(space.parse("00000122"))
    2170538
    >>> str(space.representative(space.parse("10202110")))
    '10220110'
    """

    name = "nasbench_macro"
    description = "NAS-Bench-Macro: 8 layers, identity or inverted bottleneck"
    size = COUNT
    unique = 3969
    cells = 1
    channels = 32
    strides = (2, 4, 8)
    example = EXAMPLE
    forms = FORMS
    metrics = ("cifar10_test", "mean_acc")

    def sample(self, rng: np.random.Generator) -> NASBenchMacroArchitecture:
        """Uniform over all 6,561."""
        return NASBenchMacroArchitecture(tuple(int(op) for op in rng.integers(len(OPERATIONS), size=LAYERS)))

    def mutate(self, arch: NASBenchMacroArchitecture, rng: np.random.Generator) -> NASBenchMacroArchitecture:
        """One layer gets another operation."""
        ops = list(arch.ops)
        place = int(rng.integers(LAYERS))
        ops[place] = (ops[place] + int(rng.integers(1, len(OPERATIONS)))) % len(OPERATIONS)
        return NASBenchMacroArchitecture(tuple(ops))

    @or_pasted
    def parse(self, text: str) -> NASBenchMacroArchitecture:
        """The benchmark's eight digits."""
        return parse_layers(text)

    def canonical(self, arch: NASBenchMacroArchitecture) -> str:
        return str(self.representative(arch))

    def representative(self, arch: NASBenchMacroArchitecture) -> NASBenchMacroArchitecture:
        """Identities that change no shape, moved to the end of their stage."""
        return packed(arch)

    def build(self, arch: NASBenchMacroArchitecture, fidelity: Fidelity) -> nn.Module:
        from .networks import Backbone

        return Backbone(arch, fidelity.channels or self.channels)

    def build_network(self, arch: NASBenchMacroArchitecture, classes: int = 10) -> nn.Module:
        from .networks import Network

        return Network(arch, classes)

    def parameters(self, arch: NASBenchMacroArchitecture) -> int:
        from .networks import network_parameters

        return network_parameters(arch, classes=10)

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        return {f"layer_{layer}": OPERATIONS for layer in range(1, LAYERS + 1)}

    def configuration(self, arch: NASBenchMacroArchitecture) -> dict[str, str]:
        return {name: OPERATIONS[op] for name, op in zip(self.categories, arch.ops)}

    def _chosen(self, values: list[str]) -> NASBenchMacroArchitecture:
        return NASBenchMacroArchitecture(tuple(map(OPERATIONS.index, values)))

    def encoding(self, arch: NASBenchMacroArchitecture) -> dict[str, float]:
        """1 for the operation that a layer has, 0 for the others.

        >>> space = NASBenchMacro()
        >>> sum(space.encoding(space.parse("12012210")).values())
        8.0
        """
        return {
            f"layer {layer}={name}": float(op == number)
            for layer, op in enumerate(arch.ops, start=1)
            for number, name in enumerate(OPERATIONS)
        }

    def __iter__(self) -> Iterator[NASBenchMacroArchitecture]:
        return every()
