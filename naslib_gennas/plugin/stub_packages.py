"""Stand-ins for optional third-party modules, handed out only while NASLib is imported for the first time.

NASLib imports every package that any of its parts ever needed. A stand-in lets those ``import`` lines pass
and raises :class:`~naslib_gennas.errors.MissingPackageError` when something of it is really used.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from abc import ABCMeta
from collections.abc import Iterable, Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from ..errors import MissingPackageError

PIP_NAMES = {
    "pyro": "pyro-ppl",
    "pytorch_msssim": "pytorch-msssim",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "nasbench_pytorch": "nasbench-pytorch",
}
NO_PIP = {
    "turtle": "install Tk for this Python (python3-tk on Debian)",
    "distutils": "pip install setuptools",
    "archai": "install the archai release that NASLib pins",
}


def importable(name: str) -> bool:
    """Whether the module ``name`` imports here; tries it, since what is installed can be broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    except Exception:  # a package built for another numpy raises anything, and is as good as missing
        return False
    return True


def install_hint(package: str) -> str:
    """What a user does to get ``package``, in the words of a command line where there is one."""
    return NO_PIP.get(package, f"pip install {PIP_NAMES.get(package, package)}")


class _StandInType(ABCMeta):
    """Classes that may be subclassed and looked into, but not called."""

    def __getattr__(cls, name: str) -> type:
        return _stand_in(cls._wanted, name)

    def __call__(cls, *args, **kwargs):
        package = cls._wanted.split(".")[0]
        raise MissingPackageError(
            f"NASLib needs {cls._wanted} here, but {package} is missing or does not import; "
            f"{install_hint(package)}, then start again"
        )


def _stand_in(parent: str, name: str) -> type:
    if name.startswith("_"):
        raise AttributeError(f"{parent} is a stand-in and has no {name}")
    return _StandInType(name, (), {"__module__": parent, "_wanted": f"{parent}.{name}"})


class StandInModule(ModuleType):
    """A module all of whose attributes are stand-in classes."""

    def __getattr__(self, name: str) -> type:
        return _stand_in(self.__name__, name)


def is_stand_in(value: object) -> bool:
    """Whether ``value`` is a stand-in module or class."""
    return isinstance(value, (StandInModule, _StandInType))


class _Finder(MetaPathFinder, Loader):
    def __init__(self, packages: Iterable[str]):
        self.packages = frozenset(packages)
        self.used: set[str] = set()

    def find_spec(self, fullname, path=None, target=None):
        package = fullname.split(".")[0]
        if package in self.packages:
            self.used.add(package)
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandInModule(spec.name)

    def exec_module(self, module):
        pass


@contextlib.contextmanager
def standing_in(packages: Iterable[str]) -> Iterator[set[str]]:
    """While open, importing one of ``packages`` or a part of it that is not loaded yet gives a stand-in.

    Gives the set of packages for which that happened, filled as it happens. Name only packages for which
    :func:`importable` is False. On leaving, finder and stand-ins are taken out of ``sys.meta_path`` and
    ``sys.modules``, so that other libraries see the packages missing as before.
    """
    finder = _Finder(packages)
    sys.meta_path.insert(0, finder)  # in front: a package can be installed and still not import
    try:
        yield finder.used
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, StandInModule)]:
            del sys.modules[name]
