"""The first ``import naslib`` of a process, answered by a function that loads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Callable

from .locate import HOME

NAME = "naslib"
Load = Callable[[], object]  # puts NASLib into sys.modules


class FirstImport(MetaPathFinder, Loader):
    """Answers ``import naslib`` by calling ``load``, which disarms it first."""

    def __init__(self, load: Load):
        self._load = load

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != NAME:
            return None
        others = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        real = next((spec for spec in others if spec is not None), None)
        if real is None and not os.environ.get(HOME):
            return None
        # an origin is what tells that NASLib can be imported without us
        return ModuleSpec(fullname, self, origin=real.origin if real else None, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._load()
        module = sys.modules[NAME]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has set ours


def arm(load: Load) -> None:
    """Let ``load`` answer the next first ``import naslib``; it must begin with :func:`disarm`."""
    if NAME not in sys.modules and not any(isinstance(finder, FirstImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, FirstImport(load))


def disarm() -> None:
    """Leave imports of NASLib alone."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, FirstImport)]
