"""What a measure is, and the registry of them. No tensors here: importing this module is quick."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Callable

from ..errors import InputError
from ..registry import Registry

if TYPE_CHECKING:
    from .measured_network import Subject

GENNAS = "gennas"
PLACEHOLDER = "@N"  # ends the name of a measure that is called with a number, such as cls@10


@dataclass(frozen=True)
class Measure:
    """A number for a network, higher is better, and the facts that decide where it can be used.

    ``function(subject)`` returns a float; one that is not finite is a failure. An ensemble has no function
    but an ``expression`` over other measures, because its value depends on the set it is computed on. One whose
    name ends in ``@N`` has none either but a ``family``, of the functions for N = 1, 2, ... epochs of training.
    """

    name: str
    function: Callable[[Subject], float] | None
    source: str
    passes: str  #: forward and backward passes through the network
    memory: str  #: what has to be kept at once, beside the network itself
    needs_images: bool = True
    needs_labels: bool = False
    rnn: bool = True  #: defined for recurrent networks
    late: bool = False  #: measured after the others, as it takes what they have computed or else a cheaper way
    formula: str | None = None  #: where no function documents it
    expression: str | None = None
    prepare: Callable[[], None] | None = None  #: to be called once a process, so that the first is not the slowest
    family: Callable[[Subject, int], float] | None = None

    @property
    def documentation(self) -> str:
        """The measure's formula."""
        return self.formula or self.expression or inspect.getdoc(self.function or self.family)

    @property
    def summary(self) -> str:
        """The first line of the measure's documentation."""
        return self.documentation.splitlines()[0]

    def at(self, name: str, epochs: int) -> Measure:
        """The member of a family called ``name``."""
        function = update_wrapper(partial(self.family, epochs=epochs), self.family)
        return replace(self, name=name, function=function, family=None)


class Measures(Registry[Measure]):
    """The measures by name; those called with a number are registered as ``NAME@N``.

    ``gennas@PRESET`` is ``gennas`` by one of the shipped presets, whatever the preset of the command.
    """

    def __getitem__(self, name: str) -> Measure:
        family, at, which = name.partition("@")
        if at and family == GENNAS:
            from ..proxy.presets import load_preset

            return replace(self[GENNAS], name=f"{GENNAS}@{load_preset(which).name}")
        if not at or name.endswith(PLACEHOLDER) or family + PLACEHOLDER not in self.names():
            return super().__getitem__(name)
        if not which.isdecimal() or int(which) < 1:
            raise InputError(f"{name}: after @ stands a number of epochs from 1, such as {family}@10")
        return super().__getitem__(family + PLACEHOLDER).at(name, int(which))


MEASURES = Measures("measure")


def in_order(names: Iterable[str]) -> list[str]:
    """The names in the order in which they should be measured on one subject."""
    return sorted(names, key=lambda name: MEASURES[name].late)


def measure(name: str, **facts) -> Callable:
    """Decorator: registers a function of a :class:`.subject.Subject` as the measure ``name``."""

    def add(function):
        MEASURES.register(name)(Measure(name, function, **facts))
        return function

    return add


def training(name: str, **facts) -> Callable:
    """Decorator: registers a function of a subject and a number of epochs as the measure ``name``, NAME@N."""

    def add(function):
        MEASURES.register(name)(Measure(name, None, family=function, rnn=False, **facts))
        return function

    return add
