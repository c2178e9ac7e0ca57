"""What a measure is, and the registry of them. No tensors here: importing this module is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from ..registry import Registry

if TYPE_CHECKING:
    from .subject import Subject

MEASURES: Registry[Measure] = Registry("measure")


@dataclass(frozen=True)
class Measure:
    """A number for a network, higher is better, and the facts that decide where it can be used.

    ``function(subject)`` returns a float; one that is not finite is a failure. An ensemble has no function
    but an ``expression`` over other measures, because its value depends on the set it is computed on.
    """

    name: str
    function: Callable[[Subject], float] | None
    source: str
    passes: str  #: forward and backward passes through the network
    memory: str  #: what has to be kept at once, beside the network itself
    needs_images: bool = True
    needs_labels: bool = False
    rnn: bool = True  #: defined for recurrent networks
    expression: str | None = None
    prepare: Callable[[], None] | None = None  #: to be called once a process, so that the first is not the slowest

    @property
    def summary(self) -> str:
        """The first line of the measure's documentation."""
        return (self.function.__doc__ if self.function else f"{self.expression}").strip().splitlines()[0]


def measure(name: str, **facts) -> Callable:
    """Decorator: registers a function of a :class:`.subject.Subject` as the measure ``name``."""

    def add(function):
        MEASURES.register(name)(Measure(name, function, **facts))
        return function

    return add
