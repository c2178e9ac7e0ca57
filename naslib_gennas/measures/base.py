"""What a measure is, and the registry of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Callable, Optional, Protocol, TypedDict

from ..errors import InputError
from ..proxy.presets import load_preset
from ..registry import Registry
from .measured_network import MeasuredNetwork

if TYPE_CHECKING:
    from typing_extensions import Unpack

GENNAS = "gennas"
PLACEHOLDER = "@N"  # ends the name of a measure that is called with a number, such as cls@10

MeasureFunction = Callable[[MeasuredNetwork], float]


class TrainingFunction(Protocol):
    """A measure of a network that is trained for a number of epochs."""

    def __call__(self, network: MeasuredNetwork, /, epochs: int) -> float: ...


class _NeededFacts(TypedDict):
    source: str
    passes: str
    memory: str


class TrainingFacts(_NeededFacts, total=False):
    """The facts of a measure that its function does not tell; see :class:`Measure` for what they mean."""

    needs_images: bool
    needs_labels: bool
    prepare: Callable[[], None]


class MeasureFacts(TrainingFacts, total=False):
    """Those of a measure that does not train."""

    rnn: bool
    late: bool


@dataclass(frozen=True)
class Measure:
    """A number for a network, higher is better, and the facts that decide where it can be used.

    A measure has one of three forms: a ``function``; an ``expression`` over other measures, because the value depends
    on the set that it is computed on (an ensemble); or a ``family`` of functions for N = 1, 2, ... epochs of training,
    whose name ends in ``@N``. ``gennas`` has none of them: it is computed by a scorer of its own.

    Attributes:
        function: of a :class:`.measured_network.MeasuredNetwork`; a value that is not finite is a failure.
        source: where it was published.
        passes: forward and backward passes through the network.
        memory: what has to be kept at once, beside the network itself.
        needs_images: whether the value depends on the images (or words) of the batch.
        needs_labels: whether it depends on their labels.
        rnn: whether it is defined for recurrent networks.
        late: measured after the others, as it takes what they have computed or else a cheaper way.
        formula: the documentation, where no function has it.
        prepare: to be called once a process, so that the first is not the slowest.

    >>> from naslib_gennas.measures import MEASURES
    >>> MEASURES["params"].passes
    'none'
    """

    name: str
    function: Optional[MeasureFunction]
    source: str
    passes: str
    memory: str
    needs_images: bool = True
    needs_labels: bool = False
    rnn: bool = True
    late: bool = False
    formula: Optional[str] = None
    expression: Optional[str] = None
    prepare: Optional[Callable[[], None]] = None
    family: Optional[TrainingFunction] = None

    @property
    def documentation(self) -> str:
        """The measure's formula: the docstring of its function, examples left out."""
        function = self.function or self.family
        text = self.formula or self.expression or (inspect.getdoc(function) if function else "") or ""
        return text.partition("\n>>>")[0].rstrip()

    @property
    def summary(self) -> str:
        """The first line of the measure's documentation."""
        return self.documentation.partition("\n")[0]

    def at(self, name: str, epochs: int) -> Measure:
        """The member of a family called ``name``; InputError if this is no family."""
        if self.family is None:
            raise InputError(f"{self.name} does not train, so it takes no number of epochs; write {self.name}")
        function: MeasureFunction = update_wrapper(partial(self.family, epochs=epochs), self.family)
        return replace(self, name=name, function=function, family=None)


MOST_DIGITS = 6  # of a number of epochs


class Measures(Registry[Measure]):
    """The measures by name; those called with a number are registered as ``NAME@N``.

    ``gennas@PRESET`` is ``gennas`` by one of the shipped presets, whatever the preset of the command.

    >>> from naslib_gennas.measures import MEASURES
    >>> MEASURES["cls@10"].name
    'cls@10'
    """

    def __getitem__(self, name: str) -> Measure:
        family, at, which = name.partition("@")
        if at and family == GENNAS:
            return replace(self[GENNAS], name=f"{GENNAS}@{load_preset(which).name}")
        if not at or name.endswith(PLACEHOLDER) or family + PLACEHOLDER not in self.names():
            return super().__getitem__(name)
        if not which.isdecimal() or len(which) > MOST_DIGITS or int(which) < 1:
            raise InputError(f"{name[:80]}: after @ stands a number of epochs from 1, such as {family}@10")
        return super().__getitem__(family + PLACEHOLDER).at(name, int(which))


MEASURES = Measures("measure", "naslib_gennas.measures")


def in_order(names: Iterable[str]) -> list[str]:
    """The names in the order in which they should be measured on one network.

    >>> from naslib_gennas.measures.base import in_order
    >>> in_order(["naswot", "snip"])  # naswot takes the forward pass of snip
    ['snip', 'naswot']
    """
    return sorted(names, key=lambda name: MEASURES[name].late)


def measure(name: str, **facts: Unpack[MeasureFacts]) -> Callable[[MeasureFunction], MeasureFunction]:
    """Decorator: registers a function of a :class:`.measured_network.MeasuredNetwork` as the measure ``name``.

    The function's docstring is the measure's documentation, its first line the formula in a sentence. ValueError if
    the name is taken.

        @measure("depth", source="the number of layers", passes="none", memory="none", needs_images=False)
        def depth(network):
            '''Number of convolutions, linear layers and other weights.'''
            return float(len(network.layers()))
    """

    def add(function: MeasureFunction) -> MeasureFunction:
        MEASURES.register(name)(Measure(name, function, **facts))
        return function

    return add


def training(name: str, **facts: Unpack[TrainingFacts]) -> Callable[[TrainingFunction], TrainingFunction]:
    """Decorator: registers a function of a network and a number of epochs as the measure ``name``, NAME@N.

    Recurrent networks are not trained by such measures.
    """

    def add(function: TrainingFunction) -> TrainingFunction:
        MEASURES.register(name)(Measure(name, None, family=function, rnn=False, **facts))
        return function

    return add
