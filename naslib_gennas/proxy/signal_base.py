"""What a kind of signal is, and those that there are, by name.

One's own is a class with one decorator, see :func:`register_signal`; other packages' are found by the entry point
group ``naslib_gennas.signals``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Callable, ClassVar, Literal, NamedTuple, Optional, TypeVar

from pydantic import BeforeValidator, Field, SerializeAsAny

from ..errors import InputError
from ..registry import Registry
from .fidelity import Spec

if TYPE_CHECKING:
    import torch

    from .moments import Moments
    from .signals import Shape

Level = Annotated[float, Field(ge=0, le=100)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Frequency = Annotated[float, Field(ge=0, le=0.5)]
Scope = Literal["local", "global"]
S = TypeVar("S", bound="Signal")


class Signal(Spec, ABC):
    """One basis map. ``level`` multiplies it; ``scope`` local: fresh maps per image, global: the same for all.

    ``needs_images``: the maps are made of the images, so that the signal is of no use to recurrent networks.
    """

    needs_images: ClassVar[bool] = False
    if TYPE_CHECKING:
        kind: str  # every subclass has one, a literal, which files show behind its other fields

    level: Level = 1.0
    scope: Scope = "local"

    def maps(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        """Signal maps (b, c, h, w) or, for global scope, (1, c, h, w), not yet multiplied by the level.

        images: (b, colours, H, W), of signals that are made of them; others do without. generator: on the CPU.

        >>> import torch
        >>> from naslib_gennas.proxy.tasks import Dot
        >>> Dot(fraction=0.5, scope="global").maps((16, 8, 4, 4), None, torch.Generator().manual_seed(0)).shape
        torch.Size([1, 8, 4, 4])
        """
        batch, channels, height, width = shape
        return self.draw((batch if self.scope == "local" else 1, channels, height, width), images, generator)

    @abstractmethod
    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        """Maps of this very shape."""

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        """Mean and covariance of the maps of ``size`` pixels a side, not yet multiplied by the level.

        Those of a signal without a formula of its own are taken over many draws, always the same ones.
        """
        from dataclasses import replace

        from .moments import Moments, drawn, factor

        if self.needs_images:
            count = len(images)
            mean, covariance = drawn(
                lambda n, g: self.draw((count, n, size, size), images, g).transpose(0, 1).reshape(n, -1)
            )
            return Moments(maps=factor(covariance).view(-1, count, size * size), mean=mean.view(count, -1))
        mean, covariance = drawn(lambda n, g: self.draw((n, 1, size, size), None, g).view(n, -1))
        return replace(self._scoped(covariance), mean=mean[None])

    def _scoped(self, kernel: torch.Tensor) -> Moments:
        from .moments import Moments

        return Moments(local=kernel) if self.scope == "local" else Moments(shared=kernel)

    def _white(self, variance: float, size: int) -> Moments:
        from .moments import Moments

        if self.scope == "local":
            return Moments(white=variance)
        import torch

        return Moments(shared=variance * torch.eye(size * size))


class SignalKind(NamedTuple):
    """A registered signal."""

    model: type[Signal]
    description: str


SIGNALS: Registry[SignalKind] = Registry("signal", group="naslib_gennas.signals")
"""``kind`` of a signal -> its class, and what it is in a line."""


def register_signal(description: str) -> Callable[[type[S]], type[S]]:
    """Decorator of a :class:`Signal` with a field ``kind``, under whose default tasks name it from then on::

        @register_signal("the constant 1")
        class One(Signal):
            kind: Literal["one"] = "one"

            def draw(self, shape, images, generator):
                return torch.ones(shape)

    ValueError if the name is taken.

    >>> SIGNALS["zero"].description
    'the constant 0 (a control)'
    """

    def add(model: type[S]) -> type[S]:
        SIGNALS.register(model.model_fields["kind"].default)(SignalKind(model, description))
        return model

    return add


def signal_of(value: object) -> Signal:
    """The signal that a mapping describes, or the one given; ValueError for anything else.

    >>> signal_of({"kind": "dot", "fraction": 0.5})
    Dot(level=1.0, scope='local', kind='dot', fraction=0.5)
    """
    if isinstance(value, Signal):
        return value
    if not isinstance(value, dict) or "kind" not in value:
        raise ValueError("a signal is a mapping with the key kind")
    try:
        model = SIGNALS[str(value["kind"])].model
    except InputError as error:  # no such kind, or a package that cannot be imported
        raise ValueError(str(error)) from None
    return model.model_validate(value)


AnySignal = Annotated[SerializeAsAny[Signal], BeforeValidator(signal_of)]
"""Of any registered kind."""


def weighted_sum(
    signals: Sequence[Signal], shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator
) -> torch.Tensor:
    """The maps of ``signals``, each times its level, added; (1, c, h, w) if all are global.

    >>> import torch
    >>> from naslib_gennas.proxy.tasks import Dot, Noise
    >>> signals = [Dot(scope="global"), Noise(level=0.1, scope="global")]
    >>> weighted_sum(signals, (16, 8, 4, 4), None, torch.Generator().manual_seed(0)).shape
    torch.Size([1, 8, 4, 4])
    """
    import torch

    total = torch.zeros(())
    for signal in signals:
        total = total + signal.level * signal.maps(shape, images, generator)
    return total
