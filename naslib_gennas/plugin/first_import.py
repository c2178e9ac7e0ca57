"""``import naslib`` once our plug-in is there: NASLib comes repaired, from NASLIB_HOME too, with our measures."""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

from .locate import HOME


class FirstImport(MetaPathFinder, Loader):
    """Answers the first ``import naslib`` of this process by :func:`.compat.load`, then is gone."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "naslib":
            return None
        others = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        real = next((spec for spec in others if spec is not None), None)
        if real is None and not os.environ.get(HOME):
            return None
        # an origin is what tells that NASLib can be imported without us
        return ModuleSpec(fullname, self, origin=real.origin if real else None, is_package=True)

    def create_module(self, spec):
        from .loading import load

        load()
        module = sys.modules["naslib"]
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self._spec  # the import system has set ours


def arm() -> None:
    """Answer the next first ``import naslib``."""
    if "naslib" not in sys.modules and not any(isinstance(finder, FirstImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, FirstImport())


def disarm() -> None:
    """Leave imports of NASLib alone."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, FirstImport)]
