"""Operations of many networks at once, forward and backward.

A map is (channels, images, height, width): weights times columns is then one matrix product a member, and BatchNorm one
mean a row. Nothing is shared between members, so a network that diverges disturbs no other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import torch
import torch.nn.functional as F

from .maps import Maps, Picks
from .weights import Parameters, Tensor

EPS, BN_MOMENTUM = 1e-5, 0.1  # nn.BatchNorm2d's


@dataclass
class Source:
    """What an operation reads: numbers of maps of one shape; ``trained`` unless nothing before it has parameters."""

    shape: int
    picks: Picks
    trained: bool

    def of(self, maps: Maps) -> torch.Tensor:
        return self.picks.of(maps[self.shape])

    def add(self, gradients: Maps, pieces: torch.Tensor) -> None:
        if self.trained:
            self.picks.add(gradients[self.shape], pieces)


@dataclass
class Target:
    """Where the maps of an operation lie: ``place`` in those of one shape."""

    shape: int
    place: slice

    def of(self, maps: Maps) -> torch.Tensor:
        return maps[self.shape][self.place]


class Operation(ABC):
    """Of all its members; ``forward`` writes maps, ``backward`` adds to gradients of what was read."""

    @abstractmethod
    def forward(self, maps: Maps, training: bool) -> None: ...

    @abstractmethod
    def backward(self, maps: Maps, gradients: Maps) -> None: ...


class Norm:
    """BatchNorm of (members, channels, numbers). ``affine``: with scale, shift and running statistics."""

    def __init__(self, members: int, channels: int, parameters: Parameters, affine: bool):
        self.affine = affine
        self.scale: Optional[Tensor] = parameters.reserve(members * channels) if affine else None
        self.shift: Optional[Tensor] = parameters.reserve(members * channels) if affine else None
        self.running: Optional[tuple[torch.Tensor, torch.Tensor]] = None

    def start(self, keep: bool) -> None:
        """Scale 1, shift 0; ``keep``: running statistics, too."""
        if self.scale is not None:
            self.scale.values.fill_(1.0)
            if keep:
                self.running = torch.zeros_like(self.scale.values), torch.ones_like(self.scale.values)

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        scale, shift = (t.values if t else None for t in (self.scale, self.shift))
        mean, variance = self.running or (None, None)
        flat = x.reshape(1, -1, x.shape[-1])
        batch = training or self.running is None
        y, self._mean, self._inverse = torch.native_batch_norm(
            flat, scale, shift, mean, variance, batch, BN_MOMENTUM, EPS
        )
        self._input = flat
        return y.view(x.shape)

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        flat = gradient.reshape(self._input.shape)
        found = torch.ops.aten.native_batch_norm_backward(
            flat, self._input, self.scale.values if self.scale else None, None, None, self._mean, self._inverse,
            True, EPS, [True, self.affine, self.affine],
        )  # fmt: skip
        if self.scale is not None and self.shift is not None:
            self.scale.gradients += found[1]
            self.shift.gradients += found[2]
        del self._input
        result: torch.Tensor = found[0]
        return result.view(gradient.shape)


class Convolution(Operation):
    """Without bias, its input kept in size or divided by ``stride``; BatchNorm (``norm``), ReLU (``relu``)."""

    def __init__(
        self,
        source: Source,
        target: Target,
        weight: Tensor,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        norm: Optional[Norm],
        relu: bool,
    ):
        self.source, self.target, self.weight = source, target, weight
        self.kernel, self.stride, self.norm, self.relu = kernel, stride, norm, relu

    def forward(self, maps: Maps, training: bool) -> None:
        out = self.target.of(maps)
        self._columns = columns(self.source.of(maps), self.kernel, self.stride)
        y = torch.bmm(self.weight.values, self._columns)
        if self.norm is not None:
            y = self.norm.forward(y, training)
        y = y.view(out.shape)
        if self.relu:
            torch.clamp_min(y, 0, out=out)
        else:
            out.copy_(y)

    def backward(self, maps: Maps, gradients: Maps) -> None:
        g = self.target.of(gradients)
        if self.relu:
            g = g * (self.target.of(maps) > 0)
        flat = g.flatten(2)
        if self.norm is not None:
            flat = self.norm.backward(flat)
        self.weight.gradients.baddbmm_(flat, self._columns.transpose(1, 2))
        del self._columns
        if self.source.trained:
            shape = torch.Size([len(flat), *maps[self.source.shape].shape[1:]])
            self.source.add(gradients, self._to_input(flat.view(g.shape), shape))

    def _to_input(self, g: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        weight = self.weight.values
        outputs, inputs = g.shape[1], shape[1]
        if self.kernel == self.stride == (1, 1):
            return torch.bmm(weight.transpose(1, 2), g.flatten(2)).view(shape)
        if self.stride == (1, 1):  # a convolution again, with the kernel turned round
            turned = weight.view(len(weight), outputs, -1, inputs).flip(2).permute(0, 3, 2, 1)
            return torch.bmm(turned.reshape(len(weight), inputs, -1), columns(g, self.kernel, (1, 1))).view(shape)
        pieces = torch.bmm(weight.transpose(1, 2), g.flatten(2))
        return folded(pieces.view(len(weight), *self.kernel, inputs, *g.shape[2:]), self.stride, shape)


class Depthwise(Operation):
    """One kernel a channel: a grouped convolution of the channels of all members."""

    def __init__(self, source: Source, target: Target, weight: Tensor, kernel: int, stride: int, dilation: int):
        self.source, self.target, self.weight = source, target, weight
        self.kernel, padding = kernel, dilation * (kernel // 2)
        self.window = [stride] * 2, [padding] * 2, [dilation] * 2

    def forward(self, maps: Maps, training: bool) -> None:
        out = self.target.of(maps)
        x, kernels = _in_one(self.source.of(maps)), self._kernels()
        y = F.conv2d(x, kernels, None, *self.window, groups=len(kernels))
        out.copy_(_apart(y, len(out)))

    def backward(self, maps: Maps, gradients: Maps) -> None:
        x, kernels = _in_one(self.source.of(maps)), self._kernels()
        given, weights, _ = torch.ops.aten.convolution_backward(
            _in_one(self.target.of(gradients)), x, kernels, None, *self.window, False, [0, 0], len(kernels),
            [self.source.trained, True, False],
        )  # fmt: skip
        self.weight.gradients += weights.view(self.weight.shape)
        if self.source.trained:
            self.source.add(gradients, _apart(given, len(self.weight.values)))

    def _kernels(self) -> torch.Tensor:
        return self.weight.values.reshape(-1, 1, self.kernel, self.kernel)


def _in_one(x: torch.Tensor) -> torch.Tensor:
    """(members, channels, images, h, w) -> (images, members * channels, h, w)."""
    return x.flatten(0, 1).transpose(0, 1).contiguous()


def _apart(x: torch.Tensor, members: int) -> torch.Tensor:
    """The opposite."""
    images, channels, height, width = x.shape
    return x.transpose(0, 1).reshape(members, channels // members, images, height, width)


class Halves(Operation):
    """1x1 convolutions of the even and of the odd pixels, side by side, and BatchNorm."""

    def __init__(self, source: Source, target: Target, weights: Sequence[Tensor], norm: Norm):
        self.source, self.target, self.weights, self.norm = source, target, weights, norm

    def forward(self, maps: Maps, training: bool) -> None:
        out = self.target.of(maps)
        parts = self._parts(self.source.of(maps))
        y = torch.cat([torch.bmm(w.values, part) for w, part in zip(self.weights, parts)], dim=1)
        out.copy_(self.norm.forward(y, training).view(out.shape))

    def backward(self, maps: Maps, gradients: Maps) -> None:
        g = self.target.of(gradients)
        x = self.source.of(maps)
        halves = self.norm.backward(g.flatten(2)).chunk(2, dim=1)
        given = torch.zeros_like(F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2)))
        for start, (weight, part, half) in enumerate(zip(self.weights, self._parts(x), halves)):
            weight.gradients.baddbmm_(half, part.transpose(1, 2))
            pixels = given[..., start::2, start::2]
            pixels.copy_(torch.bmm(weight.values.transpose(1, 2), half).view(pixels.shape))
        self.source.add(gradients, given[..., : x.shape[-2], : x.shape[-1]])

    @staticmethod
    def _parts(x: torch.Tensor) -> list[torch.Tensor]:
        even = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
        return [even[..., start::2, start::2].flatten(2) for start in (0, 1)]


class Relu(Operation):
    """Rectified maps."""

    def __init__(self, source: Source, target: Target):
        self.source, self.target = source, target

    def forward(self, maps: Maps, training: bool) -> None:
        torch.clamp_min(self.source.of(maps), 0, out=self.target.of(maps))

    def backward(self, maps: Maps, gradients: Maps) -> None:
        self.source.add(gradients, self.target.of(gradients) * (self.target.of(maps) > 0))


class Sum(Operation):
    """``terms``: of the members that have a first, a second, ... one; members are ordered so that these come first."""

    def __init__(self, terms: Sequence[Source], target: Target):
        self.terms, self.target = terms, target

    def forward(self, maps: Maps, training: bool) -> None:
        out = self.target.of(maps)
        out.copy_(self.terms[0].of(maps))
        for term in self.terms[1:]:
            found = term.of(maps)
            out[: len(found)] += found

    def backward(self, maps: Maps, gradients: Maps) -> None:
        g = self.target.of(gradients).clone()  # PyTorch refuses to add what lies in the same memory
        for term in self.terms:
            term.add(gradients, g[: len(term.picks.index)])


class Concat(Operation):
    """Channels of ``parts`` side by side."""

    def __init__(self, parts: Sequence[Source], target: Target):
        self.parts, self.target = parts, target

    def forward(self, maps: Maps, training: bool) -> None:
        torch.cat([part.of(maps) for part in self.parts], dim=1, out=self.target.of(maps))

    def backward(self, maps: Maps, gradients: Maps) -> None:
        widths = [maps[part.shape].shape[1] for part in self.parts]
        for part, piece in zip(self.parts, torch.split(self.target.of(gradients), widths, dim=1)):
            part.add(gradients, piece)


class First(Operation):
    """The first channels."""

    def __init__(self, source: Source, target: Target):
        self.source, self.target = source, target

    def forward(self, maps: Maps, training: bool) -> None:
        out = self.target.of(maps)
        out.copy_(self.source.of(maps)[:, : out.shape[1]])

    def backward(self, maps: Maps, gradients: Maps) -> None:
        g = self.target.of(gradients)
        if self.source.trained:
            self.source.picks.add(gradients[self.source.shape][:, : g.shape[1]], g)


class Pool(Operation):
    """``kind`` average (of the pixels that are there) or max."""

    def __init__(self, source: Source, target: Target, kind: str, kernel: int, stride: int, padding: int, ceil: bool):
        self.source, self.target, self.kind = source, target, kind
        self.window = [kernel] * 2, [stride] * 2, [padding] * 2
        self.ceil = ceil

    def forward(self, maps: Maps, training: bool) -> None:
        x, out = self.source.of(maps).flatten(1, 2), self.target.of(maps)
        if self.kind == "max":
            y, self._where = torch.ops.aten.max_pool2d_with_indices(x, *self.window, [1, 1], self.ceil)
        else:
            y = torch.ops.aten.avg_pool2d(x, *self.window, self.ceil, False, None)
        out.copy_(y.view(out.shape))

    def backward(self, maps: Maps, gradients: Maps) -> None:
        x = self.source.of(maps)
        g, flat = self.target.of(gradients).flatten(1, 2), x.flatten(1, 2)
        if self.kind == "max":
            given = torch.ops.aten.max_pool2d_with_indices_backward(
                g, flat, *self.window, [1, 1], self.ceil, self._where
            )
        elif self._stays:  # the same window again: faster than PyTorch's own
            given = F.avg_pool2d(g / self._seen(flat), *self.window, divisor_override=1)
        else:
            given = torch.ops.aten.avg_pool2d_backward(g, flat, *self.window, self.ceil, False, None)
        self.source.add(gradients, given.view(x.shape))

    @property
    def _stays(self) -> bool:
        """Whether the map keeps its size, every pixel in the middle of its window."""
        (kernel, _), (stride, _), (padding, _) = self.window
        return stride == 1 and kernel == 2 * padding + 1

    def _seen(self, flat: torch.Tensor) -> torch.Tensor:
        """How many pixels there are in the window of each."""
        return F.avg_pool2d(torch.ones_like(flat[:1, :1]), *self.window, divisor_override=1)


class Head:
    """The regression of one stage: nearest resize, BatchNorm, 1x1 convolution, mean squared error.

    target: (outputs, images * size * size), of all members. ``loss`` is (members,), in the type of the target.
    """

    def __init__(self, source: Source, weight: Tensor, bias: Tensor, norm: Norm, target: torch.Tensor, size: int):
        self.source, self.weight, self.bias, self.norm = source, weight, bias, norm
        self.target, self.size = target, [size, size]

    def forward(self, maps: Maps, training: bool) -> torch.Tensor:
        x = self.source.of(maps)
        self._shape = x.shape
        if [*x.shape[-2:]] != self.size:
            x = torch.ops.aten.upsample_nearest2d(x.flatten(1, 2), self.size)
        self._normal = self.norm.forward(x.reshape(*self._shape[:2], -1), training)
        y = torch.baddbmm(self.bias.values[:, :, None], self.weight.values, self._normal)
        self._difference = y.to(self.target.dtype) - self.target
        return self._difference.square().mean(dim=(1, 2))

    def backward(self, gradients: Maps, weight: float) -> None:
        """Of ``weight`` times the loss."""
        g = (self._difference * (2 * weight / self.target.numel())).to(self._normal.dtype)
        self.bias.gradients += g.sum(dim=2)
        self.weight.gradients.baddbmm_(g, self._normal.transpose(1, 2))
        given = self.norm.backward(torch.bmm(self.weight.values.transpose(1, 2), g))
        members, channels, images, height, width = self._shape
        if [height, width] != self.size:
            given = torch.ops.aten.upsample_nearest2d_backward(
                given.view(members, channels * images, *self.size), self.size,
                [members, channels * images, height, width],
            )  # fmt: skip
        self.source.add(gradients, given.view(self._shape))
        del self._normal, self._difference


def columns(x: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> torch.Tensor:
    """(n, c, b, h, w) -> (n, kernel area * c, b * pixels): what every pixel of a convolution's output sees.

    >>> columns(torch.zeros(2, 3, 4, 8, 8), (3, 3), (2, 2)).shape
    torch.Size([2, 27, 64])
    """
    (tall, wide), (down, right) = kernel, stride
    if kernel == (1, 1):
        return (x if stride == (1, 1) else x[..., ::down, ::right]).flatten(2)
    height, width = x.shape[-2:]
    padded = F.pad(x, (wide // 2, wide // 2, tall // 2, tall // 2))
    places = [padded[..., i : i + height : down, j : j + width : right] for i in range(tall) for j in range(wide)]
    return torch.stack(places, dim=1).view(len(x), tall * wide * x.shape[1], -1)


def folded(pieces: torch.Tensor, stride: tuple[int, int], shape: torch.Size) -> torch.Tensor:
    """The opposite of :func:`columns`, pieces of a pixel summed: (n, *kernel, c, b, rows, columns) -> ``shape``."""
    members, channels, images, height, width = shape
    tall, wide, rows, cols = *pieces.shape[1:3], *pieces.shape[-2:]
    down, right = stride
    given = pieces.new_zeros(members, channels, images, down * rows + tall, right * cols + wide)
    for i in range(tall):
        for j in range(wide):
            given[..., i : i + down * rows : down, j : j + right * cols : right] += pieces[:, i, j]
    return given[..., tall // 2 : tall // 2 + height, wide // 2 : wide // 2 + width]
