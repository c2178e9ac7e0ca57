"""Anybody's networks as a search space: named sources of PyTorch modules, timm's and torchvision's among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

from ...errors import ArchitectureError, ModelError
from ...registry import unknown
from ..base import SearchSpace
from .encoding import ModuleArchitecture
from .networks import SizedSource

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.fidelity import Fidelity
    from ...proxy.taps import Tap, Tapped
    from .networks import Source

DEFAULT_SIZE = 224  # of images, where none is asked for
MODULE_PRESET = "fast-three"  # one network to train, where fast trains two, and all stages count alike


class ModuleSpace(SearchSpace[ModuleArchitecture]):
    """Networks by name.

    Args:
        modules: name -> a module, or a function without arguments that returns a new one.
        stages: names of the three submodules to read in all of them; None finds them.

    Raises ModelError if there are no modules.

    >>> from torch import nn
    >>> space = ModuleSpace({"one": lambda: nn.Conv2d(3, 4, 3), "two": lambda: nn.Conv2d(3, 8, 3)})
    >>> [str(arch) for arch in space]
    ['one', 'two']
    >>> space.build_network(space.parse("two")).out_channels
    8
    """

    name = "modules"
    description = "networks of one's own, of timm or of torchvision"
    own_weights = True
    cells = channels = 0  # of no meaning here

    def __init__(self, modules: Mapping[str, Source], stages: Optional[Sequence[str]] = None):
        if not modules:
            raise ModelError("no networks were given")
        self.modules, self.stages = dict(modules), stages
        self.size = self.unique = len(self.modules)
        self._taps: dict[tuple[str, int], tuple[Tap, ...]] = {}

    @property
    def example(self) -> str:
        """The first name."""
        return next(iter(self.modules))

    def __iter__(self) -> Iterator[ModuleArchitecture]:
        return map(ModuleArchitecture, self.modules)

    def sample(self, rng: np.random.Generator) -> ModuleArchitecture:
        return ModuleArchitecture(list(self.modules)[rng.integers(len(self.modules))])

    def mutate(self, arch: ModuleArchitecture, rng: np.random.Generator) -> ModuleArchitecture:
        """Any other network."""
        others = [name for name in self.modules if name != arch.name]
        if not others:
            raise ArchitectureError(f"{arch.name} is the only network there is")
        return ModuleArchitecture(others[rng.integers(len(others))])

    def parse(self, text: str) -> ModuleArchitecture:
        """A name."""
        name = str(text).strip()
        if name not in self.modules:
            raise ArchitectureError(f"modules: {unknown('network', name, self.modules)}")
        return ModuleArchitecture(name)

    def canonical(self, arch: ModuleArchitecture) -> str:
        return arch.name

    def representative(self, arch: ModuleArchitecture) -> ModuleArchitecture:
        return arch

    def build(self, arch: ModuleArchitecture, fidelity: Fidelity) -> Tapped:
        """The network with its weights, read at its stages; parameters that no stage sees need no gradient."""
        from ...proxy.stages import find_stages
        from ...proxy.taps import Tapped, freeze_unused

        size = fidelity.input_size
        network = self._network(arch, size)
        try:
            if (arch.name, size) not in self._taps:
                self._taps[arch.name, size] = find_stages(network, size, self.stages)
            tapped = Tapped(network, self._taps[arch.name, size])
            freeze_unused(tapped, size)
        except ModelError as error:
            raise ModelError(f"{arch.name}: {error}") from error
        return tapped.float()

    def note(self, arch: ModuleArchitecture) -> str:
        """The stages that were read last."""
        taps = [taps for (name, _), taps in self._taps.items() if name == arch.name]
        return "stages " + ", ".join(map(str, taps[-1])) if taps else ""

    def build_network(self, arch: ModuleArchitecture, classes: Optional[int] = None) -> nn.Module:
        """The network itself, as its source gives it."""
        return self._network(arch, DEFAULT_SIZE)

    def _network(self, arch: ModuleArchitecture, size: int) -> nn.Module:
        from torch import nn

        from ...proxy.taps import check_model, skeleton

        source = self.modules[arch.name]
        try:
            if isinstance(source, nn.Module):
                check_model(source)
                return skeleton(source)
            network = source(size) if isinstance(source, SizedSource) else source()
            check_model(network)
        except ModelError as error:
            raise ModelError(f"{arch.name}: {error}") from error
        return network
