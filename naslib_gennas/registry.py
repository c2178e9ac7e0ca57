"""Names to objects: registered by decorator, duplicates refused, unknown names answered with near matches.

Other packages add objects by an entry point, whose module registers them when it is imported::

    [project.entry-points."naslib_gennas.spaces"]
    my_space = "my_package.spaces:MySpace"
"""

from __future__ import annotations

import difflib
import fnmatch
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Callable, Generic, Optional, TypeVar

from .errors import BrokenPackageError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """An ordered name -> object mapping for one ``kind`` of thing ("search space", "measure", ...).

    Args:
        kind: what the objects are called in errors.
        group: of the entry points of other packages; they are imported once, when a name is not found or when
            the names are listed.

    >>> shapes = Registry("shape")
    >>> @shapes.register("square")
    ... def square(side):
    ...     return side * side
    >>> shapes["square"](3), shapes.names()
    (9, ['square'])
    >>> shapes["sqare"]
    Traceback (most recent call last):
    naslib_gennas.errors.UnknownNameError: no shape is called 'sqare'; did you mean square?
    """

    def __init__(self, kind: str, group: Optional[str] = None):
        self.kind, self.group = kind, group
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._broken: dict[str, str] = {}  # name of an entry point -> why it could not be imported
        self._complete = group is None

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds its object under ``name``; raises ValueError if the name is taken."""

        def add(entry: T) -> T:
            self._refuse_taken(name)
            self._entries[name] = entry
            return entry

        return add

    def alias(self, name: str, target: str) -> None:
        """Another spelling, understood but not listed; ValueError if the name is taken."""
        self._refuse_taken(name)
        self._aliases[name] = target

    def __getitem__(self, name: str) -> T:
        """The object called ``name``.

        UnknownNameError if there is none, BrokenPackageError if the package that offers it cannot be imported.
        """
        if name in self:
            return self._entries[self._aliases.get(name, name)]
        if name in self._broken:
            raise BrokenPackageError(self._broken[name])
        raise UnknownNameError(unknown(self.kind, name, self._entries))

    def __contains__(self, name: str) -> bool:
        if not self._has(name):
            self._import_entry_points()
        return self._has(name)

    def __iter__(self) -> Iterator[str]:
        """The names, as :meth:`names` gives them."""
        return iter(self.names())

    def items(self) -> list[tuple[str, T]]:
        """Names and objects, in order of registration."""
        return [(name, self._entries[name]) for name in self.names()]

    def holds(self, entry: object) -> bool:
        """Whether this very object is registered."""
        return any(known is entry for known in self._entries.values())

    def names(self, pattern: str = "*") -> list[str]:
        """Registered names matching a shell-style ``pattern``, in order of registration.

        Warns of every entry point that cannot be imported.
        """
        self._import_entry_points()
        for sentence in self._broken.values():
            warnings.warn(sentence, stacklevel=2)
        return [name for name in self._entries if fnmatch.fnmatch(name, pattern)]

    def _has(self, name: str) -> bool:
        return self._aliases.get(name, name) in self._entries

    def _refuse_taken(self, name: str) -> None:
        if self._has(name):
            raise ValueError(f"{self.kind} {name!r} is already registered; choose another name")

    def _import_entry_points(self) -> None:
        if self._complete or self.group is None:
            return
        self._complete = True
        for point in _entry_points(self.group):
            try:
                point.load()
            except Exception as error:  # another package's code runs here
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self._broken[point.name] = (
                    f"the {self.kind} {point.name!r} of {point.value} cannot be imported: {reason}; "
                    "repair or uninstall the package that it belongs to"
                )


def _entry_points(group: str) -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # slow to import, and often not needed

    if sys.version_info >= (3, 10):
        return entry_points(group=group)
    return entry_points().get(group, ())


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: near matches first, otherwise everything there is.

    >>> unknown("colour", "bleu", ["red", "blue"])
    "no colour is called 'bleu'; did you mean blue?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
    return f"no {kind} is called {name!r}; {hint}"
