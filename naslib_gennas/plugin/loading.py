"""NASLib from a plain checkout, usable on current Python: found, imported once, repaired in memory.

>>> naslib = load()                     # or load("/path/to/NASLib")  # doctest: +SKIP
>>> naslib.layout.name  # doctest: +SKIP
'develop'
>>> zero_cost = naslib["ZeroCost"]("synflow")  # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple

from ..errors import InputError, MissingPackageError, UnknownNameError
from ..registry import unknown
from .first_import import disarm
from .locate import LAYOUTS, Layout, available, layout_of, locate, require
from .repairs import REPAIRS, Repair, StubPackages
from .stub_packages import install_hint

__all__ = ["NASLib", "RepairRow", "available", "describe", "load", "locate", "on_load", "require"]

_PARTS = tuple(dict.fromkeys(part for layout in LAYOUTS for part in layout.parts))  # of any NASLib


class RepairRow(NamedTuple):
    """A line of ``gennas doctor``. ``needed`` is None where a package is missing and nobody can tell."""

    name: str
    needed: bool | None
    applied: bool
    why: str


@dataclass(frozen=True)
class NASLib:
    """The imported and repaired NASLib; ``naslib["ZeroCost"]`` is the part of that name, whatever the branch.

    ``problems`` maps a module of NASLib that could not be imported to the reason; ``stubs`` are the
    optional packages that NASLib imports and that are missing.
    """

    root: Path
    layout: Layout
    repairs: tuple[RepairRow, ...]
    stubs: tuple[str, ...]
    problems: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        """The function, class or module ``name`` of :mod:`.locate`'s table.

        Raises InputError naming it if this NASLib lacks it, UnknownNameError if no NASLib has it.
        """
        if name not in _PARTS:
            raise UnknownNameError(unknown("part of NASLib", name, _PARTS))
        reason = self._lacks(name)
        if reason:
            there = ", ".join(self.parts()) or "nothing"
            raise InputError(f"the NASLib in {self.root} lacks {name} ({reason}); it has: {there}")
        module, _, attribute = self.layout.parts[name].partition(":")
        return getattr(sys.modules[module], attribute) if attribute else sys.modules[module]

    def __contains__(self, name: str) -> bool:
        return name in _PARTS and not self._lacks(name)

    def parts(self) -> list[str]:
        """The names that ``naslib[name]`` answers here."""
        return [name for name in self.layout.parts if name in self]

    def missing(self) -> list[str]:
        """The names that some NASLib has and this one lacks."""
        return [name for name in _PARTS if name not in self]

    def runner(self, command: str) -> Path:
        """The stock script behind ``gennas naslib COMMAND``; InputError if this NASLib has none."""
        if command not in self.layout.runners:
            raise UnknownNameError(unknown("NASLib runner", command, self.layout.runners))
        script = self.root / self.layout.runners[command]
        if not script.is_file():
            there = [name for name, path in self.layout.runners.items() if (self.root / path).is_file()]
            raise InputError(
                f"the NASLib in {self.root} has no {self.layout.runners[command]}; "
                f"its runners are: {', '.join(there) or 'none'}"
            )
        return script

    def _lacks(self, name: str) -> str | None:
        """Why there is no ``name`` here, or None if there is."""
        place = self.layout.parts.get(name)
        if place is None:
            return f"branch {self.layout.name} has none"
        module, _, attribute = place.partition(":")
        if module in self.problems:
            return f"{module}: {self.problems[module]}"
        if attribute and not hasattr(sys.modules[module], attribute):
            return f"not in {module}"
        return None


Callback = Callable[[NASLib], object]

_loaded: NASLib | None = None
_callbacks: list[Callback] = []


def on_load(callback: Callback) -> None:
    """Call ``callback`` with NASLib as soon as it is loaded, at once if it is."""
    _callbacks.append(callback)
    if _loaded is not None:
        callback(_loaded)


def load(path: str | os.PathLike[str] | None = None, *, skip: Collection[str] = ()) -> NASLib:
    """NASLib, imported at the first call and repaired where this Python needs it.

    ``path`` is a checkout, see :func:`locate`; ``skip`` names repairs to leave out at the first call, which
    shows what they are good for. Takes 2 to 3 s without the optional packages. Raises MissingPackageError if
    NASLib or a package that it cannot do without is missing, InputError if ``path`` is no NASLib.
    """
    global _loaded
    for name in skip:
        if name not in {repair.name for repair in REPAIRS}:
            raise UnknownNameError(unknown("repair", name, [repair.name for repair in REPAIRS]))
    root = require(path)
    if _loaded is None:
        disarm()
        state = random.getstate()  # importing scikit-learn draws from it
        try:
            _loaded = _load(root, skip)
        finally:
            random.setstate(state)
        for callback in _callbacks:
            callback(_loaded)
    return _loaded


def describe() -> list[RepairRow]:
    """Every repair with what became of it; before :func:`load` with whether this Python needs it."""
    if _loaded is not None:
        return list(_loaded.repairs)
    return [RepairRow(repair.name, _needed(repair), False, repair.why) for repair in REPAIRS]


def _load(root: Path, skip: Collection[str]) -> NASLib:
    layout = layout_of(root)
    _need_packages(layout)
    wanted = [repair for repair in REPAIRS if repair.needed()]
    active = [repair for repair in wanted if repair.name not in skip]
    problems = _import(root, layout, active)
    return NASLib(root, layout, _apply(wanted, active), _stubs(active), problems)


def _needed(repair: Repair) -> bool | None:
    try:
        return repair.needed()
    except ImportError:
        return None


def _need_packages(layout: Layout) -> None:
    """Imports what NASLib cannot do without, all of it before any stub can be seen by it."""
    lacking = []
    for package in layout.packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            lacking.append(error.name or package)
    if lacking:
        raise MissingPackageError(
            f"NASLib needs the missing package{'s' * (len(lacking) > 1)} {', '.join(lacking)}; "
            "pip install 'naslib-gennas[naslib]'"
        )


def _import(root: Path, layout: Layout, active: list[Repair]) -> dict[str, str]:
    """Imports every module that ``layout`` names; returns the ones that do not import, with the reason."""
    problems = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_path_with(root))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for repair in active:
            stack.enter_context(repair.during())
        for module in dict.fromkeys(place.partition(":")[0] for place in layout.parts.values()):
            reason = _problem(module)
            if reason:
                problems[module] = reason
    return problems


def _problem(module: str) -> str | None:
    """Why ``module`` of NASLib does not import, or None if it does."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = error.name or ""
        if not name.startswith("naslib"):
            package = name.split(".")[0]
            raise MissingPackageError(
                f"NASLib's {module} needs the missing package {name}; {install_hint(package)}"
            ) from error
        return f"there is no {name}"
    except Exception as error:  # another commit of NASLib can fail in any way, and the rest may still work
        return f"{type(error).__name__}: {error}"
    return None


@contextlib.contextmanager
def _path_with(root: Path) -> Iterator[None]:
    """Puts ``root`` last on sys.path for good, and takes its inside off, which NASLib adds when imported.

    With that left in front, ``import utils`` anywhere would mean NASLib's.
    """
    before = set(sys.path)
    if str(root) not in before:
        sys.path.append(str(root))
    try:
        yield
    finally:
        inside = str(root / "naslib")
        sys.path[:] = [entry for entry in sys.path if entry in before or not entry.startswith(inside)]


def _apply(wanted: list[Repair], active: list[Repair]) -> tuple[RepairRow, ...]:
    modules = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "naslib"]
    rows = []
    for repair in REPAIRS:
        applied = repair in active and repair.apply(modules)
        skipped = repair in wanted and repair not in active
        rows.append(RepairRow(repair.name, applied or skipped, applied, repair.why))
    return tuple(rows)


def _stubs(active: list[Repair]) -> tuple[str, ...]:
    return tuple(sorted(name for repair in active if isinstance(repair, StubPackages) for name in repair.used))
