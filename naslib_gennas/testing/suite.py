"""What the suites share: a check raises AssertionError, or is declared as one that cannot be applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import wraps
from typing import Callable, Generic, Optional, Protocol, TypeVar


class Case(Protocol):
    """One thing to check, and what a suite needs for it."""

    @property
    def unchecked(self) -> Mapping[str, str]:
        """Name of a check that cannot be applied to this thing -> why not."""
        ...


Tested = TypeVar("Tested", bound=Case)
Check = Callable[[Tested], Optional[str]]
"""Raises AssertionError with what is wrong; returns why it was not applied, None if it was."""


class Inapplicable(AssertionError):
    """A check that cannot be applied to a thing fails with this, unless the thing declares it as unchecked."""


class Suite(Generic[Tested]):
    """The checks of one kind of thing.

    A check that a thing declares as unchecked is tried all the same, and fails if it can be applied.

    >>> class Thing:
    ...     unchecked = {"check_weight": "it has none"}
    >>> things: Suite[Thing] = Suite()
    >>> @things.check
    ... def check_weight(thing):
    ...     raise Inapplicable("nothing to weigh")
    >>> things.run(Thing())
    {'check_weight': 'it has none'}
    """

    def __init__(self) -> None:
        self.checks: list[Check[Tested]] = []

    def check(self, function: Callable[[Tested], None]) -> Check[Tested]:
        """Decorator: ``function`` belongs to the suite."""
        name = function.__name__

        @wraps(function)
        def checked(case: Tested) -> Optional[str]:
            reason = case.unchecked.get(name)
            try:
                function(case)
            except Inapplicable as error:
                if reason is not None:
                    return reason
                raise Inapplicable(
                    f"{name} cannot be applied: {error}; if that is as it must be, say why in `unchecked`"
                ) from None
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"{name} met {type(error).__name__}: {error}") from error
            assert reason is None, f"{name} is declared as unchecked ({reason}), but can be checked"
            return None

        self.checks.append(checked)
        return checked

    def run(self, case: Tested) -> dict[str, str]:
        """All checks in turn, the first that fails raises; returns those that were not applied, and why."""
        names = [check.__name__ for check in self.checks]
        strange = [name for name in case.unchecked if name not in names]
        assert not strange, f"declared as unchecked, but there is no check called {', '.join(strange)}"
        found = {name: check(case) for name, check in zip(names, self.checks)}
        return {name: reason for name, reason in found.items() if reason is not None}


def raised(error: type[Exception], act: Callable[[], object], what: str) -> Exception:
    """The error of this type that ``act`` raises; AssertionError saying ``what`` it should have been raised for."""
    try:
        act()
    except error as found:
        return found
    except Exception as other:
        raise AssertionError(f"{what} raises {type(other).__name__} ({other}), not {error.__name__}") from other
    raise AssertionError(f"{what} raises no {error.__name__}")


def listed(items: Iterable[object]) -> str:
    """For a message: the first few."""
    shown = [str(item) for item in items]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")
