"""Anybody's networks as a search space: named sources of PyTorch modules, timm's and torchvision's among them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Union

from ...errors import ArchitectureError, MissingPackageError, ModelError, UnknownNameError
from ...registry import unknown
from ..base import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    Source = Union[nn.Module, Callable[[], nn.Module]]


DEFAULT_SIZE = 224  # of images, where none is asked for


@dataclass(frozen=True)
class ModuleArchitecture:
    """The name of a network in its :class:`ModuleSpace`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PythonSource:
    """The text ``module:function``: called without arguments, the function returns a new network."""

    text: str

    def __call__(self):
        place, _, name = self.text.partition(":")
        if not place or not name:
            raise ModelError(f"a model is named module:function, as in my_package.nets:make_net; got {self.text!r}")
        if "" not in sys.path:
            sys.path.insert(0, "")  # as with python -m: the current directory counts
        try:
            module = importlib.import_module(place)
        except Exception as error:  # the user's code runs here
            raise ModelError(f"the Python module {place} cannot be imported: {_first_line(error)}") from error
        function = getattr(module, name, None)
        if not callable(function):
            there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
            raise ModelError(f"{place}: {unknown('function', name, there)}")
        try:
            return function()
        except Exception as error:
            raise ModelError(f"{name}(), called without arguments, fails: {_first_line(error)}") from error


@dataclass(frozen=True)
class SizedSource:
    """A model of a library without pretrained weights, made for the images it will see where that is fixed."""

    library: str
    name: str

    def __call__(self, size: int):
        return (_timm_model if self.library == "timm" else _torchvision_model)(self.name, size)


class ModuleSpace(SearchSpace):
    """Networks by name.

    Args:
        modules: name -> a module, or a function without arguments that returns a new one.
        stages: names of the three submodules to read in all of them; None finds them.
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
        self.example = next(iter(self.modules))
        self._taps: dict[tuple[str, int], tuple] = {}

    def __iter__(self):
        return map(ModuleArchitecture, self.modules)

    def sample(self, rng):
        return ModuleArchitecture(list(self.modules)[rng.integers(len(self.modules))])

    def mutate(self, arch, rng):
        """Any other network."""
        others = [name for name in self.modules if name != arch.name]
        if not others:
            raise ArchitectureError(f"{arch.name} is the only network there is")
        return ModuleArchitecture(others[rng.integers(len(others))])

    def parse(self, text):
        name = str(text).strip()
        if name not in self.modules:
            raise ArchitectureError(f"modules: {unknown('network', name, self.modules)}")
        return ModuleArchitecture(name)

    def canonical(self, arch):
        return arch.name

    def representative(self, arch):
        return arch

    def build(self, arch, fidelity):
        """The network with its weights, read at its stages; parameters that no stage sees need no gradient."""
        from ...proxy.stages import Tapped, find_stages, freeze_unused

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

    def note(self, arch):
        """The stages that were read last."""
        taps = [taps for (name, _), taps in self._taps.items() if name == arch.name]
        return "stages " + ", ".join(map(str, taps[-1])) if taps else ""

    def build_network(self, arch, classes=None):
        """The network itself, as its source gives it."""
        return self._network(arch, DEFAULT_SIZE)

    def _network(self, arch: ModuleArchitecture, size: int) -> nn.Module:
        from torch import nn

        from ...proxy.stages import check_model, skeleton

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


MODULE_PRESET = "fast-three"  # one network to train, where fast trains two, and all stages count alike


def named_modules(
    models: Iterable[str] = (), timm: Iterable[str] = (), torchvision: Iterable[str] = ()
) -> dict[str, Source]:
    """Sources by name for ``module:function`` texts and for names or wildcards of timm's and torchvision's models.

    Raises MissingPackageError or UnknownNameError (near matches listed).
    """
    found: dict[str, Source] = {text: PythonSource(text) for text in models}
    for library, patterns in (("timm", timm), ("torchvision", torchvision)):
        for pattern in patterns:
            for name in _matching(library, pattern):
                found[f"{library}:{name}"] = SizedSource(library, name)
    return found


def _matching(library: str, pattern: str) -> list[str]:
    import fnmatch

    if library == "timm":
        known = _imported("timm").list_models()
    else:
        models = _imported("torchvision").models
        known = models.list_models(module=models)  # classification
    names = [name for name in known if fnmatch.fnmatch(name, pattern)]
    if not names:
        raise UnknownNameError(unknown(f"{library} model", pattern, known))
    return names


def _timm_model(name: str, size: int):
    timm = _imported("timm")
    config = timm.get_pretrained_cfg(name)
    sized = {"img_size": size} if config is not None and config.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=False, **sized)
    except Exception as error:  # of some models not all sizes can be made
        raise ModelError(f"timm cannot make it for {size} x {size} pixels: {_first_line(error)}") from error


def _torchvision_model(name: str, size: int):
    models = _imported("torchvision").models
    sized = {"image_size": size} if name.startswith("vit_") else {}
    try:
        return models.get_model(name, weights=None, **sized)
    except Exception as error:
        raise ModelError(f"torchvision cannot make it for {size} x {size} pixels: {_first_line(error)}") from error


def _imported(library: str):
    try:
        module = importlib.import_module(library)
        if library == "torchvision":
            importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:  # torchvision of another torch raises RuntimeError
        raise MissingPackageError(
            f"{library}'s models need the version of it for your torch ({_first_line(error)}): pip install {library}"
        ) from error
    return module


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
