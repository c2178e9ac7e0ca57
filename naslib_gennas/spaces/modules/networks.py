"""Sources of networks: functions of one's own, and the models of timm and torchvision, without pretrained weights."""

from __future__ import annotations

import fnmatch
import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Union, cast

from ...errors import MissingPackageError, ModelError, UnknownNameError
from ...registry import unknown

if TYPE_CHECKING:
    from torch import nn

    Source = Union[nn.Module, Callable[[], nn.Module], "SizedSource"]


@dataclass(frozen=True)
class PythonSource:
    """The text ``module:function``: called without arguments, the function returns a new network.

    >>> PythonSource("my_package.nets")()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    naslib_gennas.errors.ModelError: a model is named module:function, as in my_package.nets:make_net; ...
    """

    text: str

    def __call__(self) -> nn.Module:
        """A new network; ModelError if the text names no function, or if its code fails."""
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
            return cast("nn.Module", function())
        except Exception as error:
            raise ModelError(f"{name}(), called without arguments, fails: {_first_line(error)}") from error


@dataclass(frozen=True)
class SizedSource:
    """A model of a library without pretrained weights, made for the images it will see where that is fixed."""

    library: str
    name: str

    def __call__(self, size: int) -> nn.Module:
        """The model for images of ``size`` pixels a side; ModelError if the library makes none."""
        return (_timm_model if self.library == "timm" else _torchvision_model)(self.name, size)


def named_modules(
    models: Iterable[str] = (), timm: Iterable[str] = (), torchvision: Iterable[str] = ()
) -> dict[str, Source]:
    """Sources by name for ``module:function`` texts and for names or wildcards of timm's and torchvision's models.

    Raises MissingPackageError or UnknownNameError (near matches listed).

    >>> named_modules(models=["my_package.nets:make_net"])
    {'my_package.nets:make_net': PythonSource(text='my_package.nets:make_net')}
    """
    found: dict[str, Source] = {text: PythonSource(text) for text in models}
    for library, patterns in (("timm", timm), ("torchvision", torchvision)):
        for pattern in patterns:
            for name in _matching(library, pattern):
                found[f"{library}:{name}"] = SizedSource(library, name)
    return found


def _matching(library: str, pattern: str) -> list[str]:
    if library == "timm":
        known: list[str] = _imported("timm").list_models()
    else:
        models = _imported("torchvision").models
        known = models.list_models(module=models)  # classification
    names = [name for name in known if fnmatch.fnmatch(name, pattern)]
    if not names:
        raise UnknownNameError(unknown(f"{library} model", pattern, known))
    return names


def _timm_model(name: str, size: int) -> nn.Module:
    timm = _imported("timm")
    config = timm.get_pretrained_cfg(name)
    sized = {"img_size": size} if config is not None and config.fixed_input_size else {}
    return _made("timm", size, lambda: timm.create_model(name, pretrained=False, **sized))


def _torchvision_model(name: str, size: int) -> nn.Module:
    models = _imported("torchvision").models
    sized = {"image_size": size} if name.startswith("vit_") else {}
    return _made("torchvision", size, lambda: models.get_model(name, weights=None, **sized))


def _made(library: str, size: int, make: Callable[[], Any]) -> nn.Module:
    try:
        return cast("nn.Module", make())
    except Exception as error:  # of some models not all sizes can be made
        raise ModelError(f"{library} cannot make it for {size} x {size} pixels: {_first_line(error)}") from error


def _imported(library: str) -> ModuleType:
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
