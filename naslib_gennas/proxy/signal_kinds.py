"""The kinds of signals that tasks are made of (paper, Section 3.1.2), as checked specifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Optional, Union

from pydantic import Field

from ..errors import SpecError
from .signal_base import Fraction, Frequency, Signal, register_signal

if TYPE_CHECKING:
    import torch

    from .moments import Moments
    from .signals import Shape


class _Sine(Signal):
    frequencies: Union[Literal["low", "medium", "high"], Annotated[list[Frequency], Field(min_length=1)]]
    """A band of the paper's Table 1 (ten even steps) or the frequencies themselves, cycles per pixel."""

    def values(self) -> list[float]:
        """The frequencies, cycles per pixel."""
        from .signals import band_frequencies

        return band_frequencies(self.frequencies) if isinstance(self.frequencies, str) else list(self.frequencies)


@register_signal("sine of one pixel coordinate, ten frequencies")
class Sin1D(_Sine):
    """Sines of one pixel coordinate, see :func:`naslib_gennas.proxy.signals.sin1d`.

    >>> Sin1D(frequencies=[0.1, 0.2]).values()
    [0.1, 0.2]
    """

    kind: Literal["sin1d"] = "sin1d"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import sin1d

        return sin1d(shape, self.values(), generator)

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        from .moments import waves

        f, zero = self.values(), [0.0] * len(self.values())
        return self._scoped(waves([*f, *zero], [*zero, *f], size, size))


@register_signal("sine of both pixel coordinates, all pairs of ten frequencies")
class Sin2D(_Sine):
    """Sines of both pixel coordinates, see :func:`naslib_gennas.proxy.signals.sin2d`.

    >>> len(Sin2D(frequencies="low").values())
    10
    """

    kind: Literal["sin2d"] = "sin2d"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import sin2d

        return sin2d(shape, self.values(), generator)

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        from .moments import waves

        values = self.values()
        fx = [x for x in values for _ in values]
        fy = [y for _ in values for y in values]
        return self._scoped(waves([*fx, *fx], [*fy, *(-y for y in fy)], size, size))


@register_signal("a fraction of the pixels set to +1 or -1")
class Dot(Signal):
    """Pixels of +1 and -1, see :func:`naslib_gennas.proxy.signals.dot`.

    >>> Dot(fraction=0.5, level=2.0)
    Dot(level=2.0, scope='local', kind='dot', fraction=0.5)
    """

    kind: Literal["dot"] = "dot"
    fraction: Fraction = 1.0
    """Share of the pixels that are set."""

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import dot

        return dot(shape, self.fraction, generator)

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        return self._white(round(self.fraction * size * size) / (size * size), size)


@register_signal("dot, smoothed by a Gaussian of sigma 1")
class GDot(Signal):
    """Smoothed pixels, see :func:`naslib_gennas.proxy.signals.gdot`.

    >>> GDot().fraction
    1.0
    """

    kind: Literal["gdot"] = "gdot"
    fraction: Fraction = 1.0
    """Share of the pixels that are set before smoothing."""

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import gdot

        return gdot(shape, self.fraction, generator)


@register_signal("the input images themselves, shrunk")
class Resize(Signal):
    """The images, see :func:`naslib_gennas.proxy.signals.resize`.

    >>> Resize().needs_images, Resize().scope
    (True, 'local')
    """

    needs_images = True
    kind: Literal["resize"] = "resize"
    scope: Literal["local"] = "local"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import resize

        if images is None:
            raise SpecError("the signal 'resize' is made of images, and there are none; choose another")
        return resize(shape, images, generator)

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        from .moments import Moments
        from .signals import shrunk

        colours = shrunk(images, size, size).flatten(2).transpose(0, 1)
        mean = colours.mean(dim=0)
        return Moments(maps=(colours - mean) / len(colours) ** 0.5, mean=mean)


@register_signal("the constant 0 (a control)")
class Zero(Signal):
    """The constant 0, see :func:`naslib_gennas.proxy.signals.zero`.

    >>> Zero().kind
    'zero'
    """

    kind: Literal["zero"] = "zero"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import zero

        return zero(shape)

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        from .moments import Moments

        return Moments()


@register_signal("standard normal pixels (a control)")
class Noise(Signal):
    """Normal pixels, see :func:`naslib_gennas.proxy.signals.noise`.

    >>> Noise(scope="global").kind
    'noise'
    """

    kind: Literal["noise"] = "noise"

    def draw(self, shape: Shape, images: Optional[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        from .signals import noise

        return noise(shape, generator)

    def moments(self, size: int, images: torch.Tensor) -> Moments:
        return self._white(1.0, size)
