"""Names to objects: registered by decorator, duplicates refused, unknown names answered with near matches."""

from __future__ import annotations

import difflib
import fnmatch
from typing import Callable, Generic, TypeVar

from .errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """An ordered name -> object mapping for one ``kind`` of thing ("search space", "measure", ...)."""

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds its object under ``name``; raises ValueError if the name is taken."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is already registered; choose another name")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[self._aliases.get(name, name)]
        except KeyError:
            raise UnknownNameError(unknown(self.kind, name, self._entries)) from None

    def holds(self, entry: T) -> bool:
        """Whether this very object is registered."""
        return any(known is entry for known in self._entries.values())

    def __contains__(self, name: str) -> bool:
        return self._aliases.get(name, name) in self._entries

    def alias(self, name: str, target: str) -> None:
        """Another spelling, understood but not listed; ValueError if the name is taken."""
        if name in self:
            raise ValueError(f"{self.kind} {name!r} is already registered; choose another name")
        self._aliases[name] = target

    def names(self, pattern: str = "*") -> list[str]:
        """Registered names matching a shell-style ``pattern``, in order of registration."""
        return [name for name in self._entries if fnmatch.fnmatch(name, pattern)]


def unknown(kind: str, name: str, known) -> str:
    """The sentence for a name that does not exist: near matches first, otherwise everything there is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
    return f"no {kind} is called {name!r}; {hint}"
