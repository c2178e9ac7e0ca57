"""Stubs of optional third-party packages, there only while NASLib is imported for the first time.

NASLib imports every package that any of its parts ever needed. A stub lets those ``import`` lines pass and raises
:class:`~naslib_gennas.errors.MissingPackageError` when something of it is really used.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from abc import ABCMeta
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

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
    """Whether the module ``name`` imports here; tries it, since what is installed can be broken.

    >>> importable("json"), importable("no_such_package")
    (True, False)
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    except Exception:  # a package built for another numpy raises anything, and is as good as missing
        return False
    return True


def install_hint(package: str) -> str:
    """What a user does to get ``package``, in the words of a command line where there is one.

    >>> install_hint("skimage")
    'pip install scikit-image'
    """
    return NO_PIP.get(package, f"pip install {PIP_NAMES.get(package, package)}")


class _StubType(ABCMeta):
    """Classes that may be subclassed and looked into, but not called."""

    _wanted: str  # the name under which it was asked for

    def __getattr__(cls, name: str) -> type:
        return _stub(cls._wanted, name)

    def __call__(cls, *args: object, **kwargs: object) -> NoReturn:
        package = cls._wanted.split(".")[0]
        raise MissingPackageError(
            f"NASLib needs {cls._wanted} here, but {package} is missing or does not import; "
            f"{install_hint(package)}, then start again"
        )


def _stub(parent: str, name: str) -> type:
    if name.startswith("_"):
        raise AttributeError(f"{parent} is a stub and has no {name}")
    return _StubType(name, (), {"__module__": parent, "_wanted": f"{parent}.{name}"})


class StubModule(ModuleType):
    """A module all of whose attributes are classes that cannot be called."""

    def __getattr__(self, name: str) -> type:
        return _stub(self.__name__, name)


def is_stub(value: object) -> bool:
    """Whether ``value`` is the stub of a module, or a class of one."""
    return isinstance(value, (StubModule, _StubType))


class _Finder(MetaPathFinder, Loader):
    def __init__(self, packages: Iterable[str]):
        self.packages = frozenset(packages)
        self.used: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.split(".")[0]
        if package in self.packages:
            self.used.add(package)
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StubModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        return None


@contextlib.contextmanager
def stubbing(packages: Iterable[str]) -> Iterator[set[str]]:
    """While open, importing one of ``packages`` or a part of it that is not loaded yet gives a stub.

    Gives the set of packages for which that happened, filled as it happens. Name only packages for which
    :func:`importable` is False. On leaving, finder and stubs are taken out of ``sys.meta_path`` and
    ``sys.modules``, so that other libraries see the packages missing as before.

    >>> with stubbing(["no_such_package"]) as used:
    ...     import no_such_package.part
    >>> used, importable("no_such_package")
    ({'no_such_package'}, False)
    """
    finder = _Finder(packages)
    sys.meta_path.insert(0, finder)  # in front: a package can be installed and still not import
    try:
        yield finder.used
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, StubModule)]:
            del sys.modules[name]
