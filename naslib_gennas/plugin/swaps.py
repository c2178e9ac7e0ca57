"""Objects of NASLib replaced for a while, wherever its modules hold them."""

from __future__ import annotations

import sys
from types import ModuleType, TracebackType

from .runner_config import Say


class Swaps:
    """A context: what is swapped while it is open is put back at its end.

    >>> class Metrics:
    ...     best = max
    >>> with Swaps(print) as swaps:
    ...     swaps.attribute(Metrics, "best", min)
    ...     Metrics.best is min
    True
    >>> Metrics.best is max
    True
    """

    def __init__(self, say: Say):
        self.say = say
        self._undo: list[tuple[object, str, object]] = []

    def __enter__(self) -> Swaps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)

    def swap(self, old: object, new: object, what: str | None = None) -> None:
        """Put ``new`` in the place of ``old``, and say ``what`` that does."""
        for name, module in sorted(sys.modules.items()):
            if name.split(".")[0] == "naslib" and isinstance(module, ModuleType):
                for key, value in list(vars(module).items()):
                    if value is old:
                        self.attribute(module, key, new)
        if what:
            self.say(what)

    def attribute(self, owner: object, name: str, new: object) -> None:
        """Put ``new`` in the place of one attribute of a module or class."""
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, new)
