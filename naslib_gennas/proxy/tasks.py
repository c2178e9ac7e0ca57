"""Proxy tasks: which signals are regressed at which stage (paper, Sections 3.1.2 and 3.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Callable, ClassVar, Literal, NamedTuple, Optional, TypeVar, Union

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from ..errors import SpecError
from ..registry import Registry, unknown
from .fidelity import Spec

if TYPE_CHECKING:
    import torch

    from .signals import Shape

STAGES = 3
STAGE_WEIGHTS = (0.25, 0.5, 1.0)  # 1 / 2^(3 - i), paper, Section 3.1.1

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

    level: Level = 1.0
    scope: Scope = "local"

    def maps(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        """Signal maps (b, c, h, w) or, for global scope, (1, c, h, w), not yet multiplied by the level.

        images: (b, colours, H, W), of signals that are made of them; others do without. generator: on the CPU.

        >>> import torch
        >>> Dot(fraction=0.5, scope="global").maps((16, 8, 4, 4), None, torch.Generator().manual_seed(0)).shape
        torch.Size([1, 8, 4, 4])
        """
        batch, channels, height, width = shape
        return self.draw((batch if self.scope == "local" else 1, channels, height, width), images, generator)

    @abstractmethod
    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        """Maps of this very shape."""


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
    kind = str(value["kind"])
    if kind not in SIGNALS:
        raise ValueError(unknown("signal", kind, SIGNALS))
    return SIGNALS[kind].model.model_validate(value)


AnySignal = Annotated[SerializeAsAny[Signal], BeforeValidator(signal_of)]
"""Of any registered kind."""


class _Sine(Signal):
    frequencies: Union[Literal["low", "medium", "high"], Annotated[list[Frequency], Field(min_length=1)]]
    """A band of the paper's Table 1 (ten even steps) or the frequencies themselves, cycles per pixel."""

    def values(self) -> list[float]:
        """The frequencies, cycles per pixel."""
        from .signals import band_frequencies

        return band_frequencies(self.frequencies) if isinstance(self.frequencies, str) else list(self.frequencies)


@register_signal("sine of one pixel coordinate, ten frequencies")
class Sin1D(_Sine):
    """Sines of one pixel coordinate, see :func:`naslib_gennas.proxy.signals.sin1d`."""

    kind: Literal["sin1d"] = "sin1d"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import sin1d

        return sin1d(shape, self.values(), generator)


@register_signal("sine of both pixel coordinates, all pairs of ten frequencies")
class Sin2D(_Sine):
    """Sines of both pixel coordinates, see :func:`naslib_gennas.proxy.signals.sin2d`."""

    kind: Literal["sin2d"] = "sin2d"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import sin2d

        return sin2d(shape, self.values(), generator)


@register_signal("a fraction of the pixels set to +1 or -1")
class Dot(Signal):
    """Pixels of +1 and -1, see :func:`naslib_gennas.proxy.signals.dot`."""

    kind: Literal["dot"] = "dot"
    fraction: Fraction = 1.0
    """Share of the pixels that are set."""

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import dot

        return dot(shape, self.fraction, generator)


@register_signal("dot, smoothed by a Gaussian of sigma 1")
class GDot(Signal):
    """Smoothed pixels, see :func:`naslib_gennas.proxy.signals.gdot`."""

    kind: Literal["gdot"] = "gdot"
    fraction: Fraction = 1.0
    """Share of the pixels that are set before smoothing."""

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import gdot

        return gdot(shape, self.fraction, generator)


@register_signal("the input images themselves, shrunk")
class Resize(Signal):
    """The images, see :func:`naslib_gennas.proxy.signals.resize`."""

    needs_images = True
    kind: Literal["resize"] = "resize"
    scope: Literal["local"] = "local"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import resize

        if images is None:
            raise SpecError("the signal 'resize' is made of images, and there are none; choose another")
        return resize(shape, images, generator)


@register_signal("the constant 0 (a control)")
class Zero(Signal):
    """The constant 0, see :func:`naslib_gennas.proxy.signals.zero`."""

    kind: Literal["zero"] = "zero"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import zero

        return zero(shape)


@register_signal("standard normal pixels (a control)")
class Noise(Signal):
    """Normal pixels, see :func:`naslib_gennas.proxy.signals.noise`."""

    kind: Literal["noise"] = "noise"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import noise

        return noise(shape, generator)


def weighted_sum(
    signals: Sequence[Signal], shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator
) -> torch.Tensor:
    """The maps of ``signals``, each times its level, added; (1, c, h, w) if all are global."""
    import torch

    total = torch.zeros(())
    for signal in signals:
        total = total + signal.level * signal.maps(shape, images, generator)
    return total


class Stage(Spec):
    """The target of one stage: the level-weighted sum of its signals; without signals the stage is not used.

    >>> import torch
    >>> stage = Stage(channels=8, signals=[Dot(level=2.0), Noise(scope="global")])
    >>> stage.target(torch.zeros(4, 3, 32, 32), 8, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 8, 8, 8])
    """

    channels: int = Field(default=64, ge=1, le=4096)
    signals: list[AnySignal] = []

    def target(self, images: torch.Tensor, size: int, generator: torch.Generator) -> Optional[torch.Tensor]:
        """(b, channels, size, size), or None for an unused stage."""
        if not self.signals:
            return None
        shape = (len(images), self.channels, size, size)
        return weighted_sum(self.signals, shape, images, generator).expand(shape).contiguous()


class InputNoise(Spec):
    """Added to the images afresh at every step: standard normal, or uniform in [0, 1), times ``level``.

    >>> import torch
    >>> noise = InputNoise(distribution="uniform", level=0.5)
    >>> float(noise.add(torch.zeros(4, 3, 8, 8), torch.Generator().manual_seed(0)).max()) < 0.5
    True
    """

    distribution: Literal["gaussian", "uniform"] = "gaussian"
    level: float = Field(default=0.0, ge=0, le=10)

    def add(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """``images`` plus one fresh draw, same shape; ``generator`` lives on the images' device."""
        import torch

        if self.level == 0:
            return images
        draw = torch.randn if self.distribution == "gaussian" else torch.rand
        return images + self.level * draw(images.shape, generator=generator, device=images.device)


class ProxyTask(Spec):
    """Signals of the three stages, their weights in the loss, and the noise on the input.

    >>> import torch
    >>> task = ProxyTask(stages=[Stage(), Stage(), Stage(channels=4, signals=[Dot()])])
    >>> batch = task.materialise(torch.zeros(2, 3, 32, 32), 8, torch.Generator().manual_seed(0))
    >>> [target if target is None else tuple(target.shape) for target in batch.targets]
    [None, None, (2, 4, 8, 8)]
    """

    noise: InputNoise = InputNoise()
    weights: tuple[Level, Level, Level] = STAGE_WEIGHTS
    """Of the stages in the loss that is trained."""
    score_weights: Optional[tuple[Level, Level, Level]] = None
    """Of the stages in the read-out, which makes the score; None is ``weights`` (paper)."""
    stages: Annotated[list[Stage], Field(min_length=STAGES, max_length=STAGES)]

    @model_validator(mode="after")
    def _has_a_target(self) -> ProxyTask:
        if not any(weight and stage.signals for weight, stage in zip(self.weights, self.stages)):
            raise ValueError("at least one stage needs signals and a weight above 0")
        if not any(weight and stage.signals for weight, stage in zip(self.score_weights or self.weights, self.stages)):
            raise ValueError("score_weights must be above 0 for a stage that has signals")
        return self

    def materialise(self, images: torch.Tensor, size: int, generator: torch.Generator) -> Batch:
        """Fix the targets for one run.

        images: float (b, 3, s, s), normalised. size: height and width of the targets. Draws come from
        ``generator`` (CPU) in stage order.
        """
        targets = tuple(stage.target(images, size, generator) for stage in self.stages)
        return Batch(images, targets, self.weights, self.score_weights or self.weights, self.noise)


@dataclass(frozen=True)
class Batch:
    """What a regression is run on: inputs (b, 3, s, s), three targets (b, c_i, t, t) or None."""

    inputs: torch.Tensor
    targets: tuple[Optional[torch.Tensor], ...]
    weights: tuple[float, ...]
    score_weights: tuple[float, ...]
    noise: InputNoise

    @property
    def stages(self) -> int:
        """Up to which stage a network is needed."""
        return max(stage for stage, target in enumerate(self.targets, 1) if target is not None)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``, inputs channels-last."""
        import torch

        inputs = self.inputs.to(device).contiguous(memory_format=torch.channels_last)
        targets = tuple(None if t is None else t.to(device) for t in self.targets)
        return replace(self, inputs=inputs, targets=targets)
