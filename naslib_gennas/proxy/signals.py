"""Synthetic signal bases (paper, Section 3.1.2): shapes and a generator in, tensors out.

Every function returns float32 maps (n, c, h, w) on the CPU: ``n`` images for local signals, 1 for
global ones, ``c`` channels. Pixel indices run from 1, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

Shape = tuple[int, int, int, int]  # (n, c, h, w)

BANDS = {"low": (0.0, 0.125), "medium": (0.125, 0.375), "high": (0.375, 0.5)}
"""Frequency bands L, M, H of the paper's Table 1, in cycles per pixel."""
FREQUENCIES_PER_BAND = 10
GAUSSIAN_SIGMA = 1.0  # of GDot, in pixels
GAUSSIAN_TRUNCATE = 4.0  # the filter ends after this many sigmas


def band_frequencies(band: str) -> list[float]:
    """Ten evenly spaced frequencies of a band (``low``, ``medium``, ``high``), lower end included; cycles per pixel.

    >>> band_frequencies("high")[:3]
    [0.375, 0.3875, 0.4]
    """
    low, high = BANDS[band]
    return [low + (high - low) * i / FREQUENCIES_PER_BAND for i in range(FREQUENCIES_PER_BAND)]


def sin1d(shape: Shape, frequencies: Sequence[float], generator: torch.Generator) -> torch.Tensor:
    """sin(2 pi f x + phi) or sin(2 pi f y + phi); range [-1, 1], phi uniform, sine and cosine.

    Channels are drawn without replacement from the pool of frequencies x {x, y} x {sine, cosine},
    which is refilled where more channels are wanted than it holds.

    frequencies: cycles per pixel, 0 to 0.5.

    >>> maps = sin1d((2, 3, 8, 8), [0.25], torch.Generator().manual_seed(0))
    >>> maps.shape, bool(maps.abs().max() <= 1)
    (torch.Size([2, 3, 8, 8]), True)
    """
    f = torch.tensor(frequencies, dtype=torch.float32)
    zero = torch.zeros_like(f)
    return _draw_waves(shape, torch.cat([f, zero]), torch.cat([zero, f]), generator)


def sin2d(shape: Shape, frequencies: Sequence[float], generator: torch.Generator) -> torch.Tensor:
    """sin(2 pi fx x + 2 pi fy y + phi) for all pairs of frequencies, and their vertical flips; range [-1, 1].

    Channels are drawn without replacement as in :func:`sin1d`.

    >>> sin2d((2, 3, 8, 8), band_frequencies("low"), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 8, 8])
    """
    f = torch.tensor(frequencies, dtype=torch.float32)
    fx, fy = (grid.flatten() for grid in torch.meshgrid(f, f, indexing="ij"))
    return _draw_waves(shape, torch.cat([fx, fx]), torch.cat([fy, -fy]), generator)


def dot(shape: Shape, fraction: float, generator: torch.Generator) -> torch.Tensor:
    """round(fraction * h * w) pixels of every map are +1 or -1 with equal probability, the others 0.

    >>> int(dot((1, 1, 8, 8), 0.25, torch.Generator().manual_seed(0)).count_nonzero())
    16
    """
    n, c, h, w = shape
    order = torch.rand(n, c, h * w, generator=generator).argsort(dim=-1)
    chosen = order < round(fraction * h * w)  # argsort is a random permutation
    signs = torch.randint(0, 2, (n, c, h * w), generator=generator) * 2.0 - 1.0
    return (chosen * signs).view(n, c, h, w)


def gdot(shape: Shape, fraction: float, generator: torch.Generator) -> torch.Tensor:
    """:func:`dot` smoothed by a Gaussian of sigma 1 (edges reflected), each map divided by its largest |value|.

    >>> float(gdot((1, 1, 8, 8), 0.25, torch.Generator().manual_seed(0)).abs().max())
    1.0
    """
    maps = dot(shape, fraction, generator)
    rows, columns = gaussian_matrix(shape[2]), gaussian_matrix(shape[3])
    smooth = rows @ maps @ columns.T
    largest = smooth.abs().amax(dim=(2, 3), keepdim=True)
    scaled: torch.Tensor = smooth / largest.clamp_min(torch.finfo(smooth.dtype).tiny)
    return scaled


def resize(shape: Shape, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The images (n, colours, H, W), nearest-neighbour resized and scaled so that the batch spans [-1, 1].

    Every channel is a random pick of the colours, the same pick for all images.

    >>> images = torch.arange(12.0).view(1, 3, 2, 2)
    >>> resize((1, 4, 1, 1), images, torch.Generator().manual_seed(0)).shape
    torch.Size([1, 4, 1, 1])
    """
    _, c, h, w = shape
    return shrunk(images, h, w)[:, torch.randint(0, images.shape[1], (c,), generator=generator)]


def shrunk(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """All colours of what :func:`resize` picks from: (n, colours, height, width).

    >>> shrunk(torch.arange(12.0).view(1, 3, 2, 2), 1, 1).flatten().tolist()
    [-1.0, 0.0, 1.0]
    """
    small = F.interpolate(images.float(), size=(height, width), mode="nearest")
    low, high = small.min(), small.max()
    return (small - low) / (high - low).clamp_min(1e-12) * 2 - 1


def zero(shape: Shape) -> torch.Tensor:
    """The constant 0.

    >>> zero((1, 1, 1, 2))
    tensor([[[[0., 0.]]]])
    """
    return torch.zeros(shape)


def noise(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    """Independent standard normal pixels.

    >>> noise((2, 3, 8, 8), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 8, 8])
    """
    return torch.randn(shape, generator=generator)


def gaussian_matrix(size: int) -> torch.Tensor:
    """(size, size) matrix that filters a vector with the truncated Gaussian, edges reflected.

    >>> gaussian_matrix(5).sum(dim=1)
    tensor([1.0000, 1.0000, 1.0000, 1.0000, 1.0000])
    """
    radius = int(GAUSSIAN_TRUNCATE * GAUSSIAN_SIGMA + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets / GAUSSIAN_SIGMA) ** 2)
    kernel = kernel / kernel.sum()
    sources = (torch.arange(size)[:, None] + offsets[None, :]) % (2 * size)
    sources = torch.where(sources < size, sources, 2 * size - 1 - sources)  # d c b a | a b c d | d c b a
    return torch.zeros(size, size).scatter_add_(1, sources, kernel.expand(size, -1).contiguous())


def _draw_waves(shape: Shape, fx: torch.Tensor, fy: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    n, c, h, w = shape
    pool = 2 * len(fx)  # every wave as a sine and as a cosine
    refills = math.ceil(c / pool)
    picks = torch.rand(n, refills, pool, generator=generator).argsort(dim=-1).view(n, -1)[:, :c]  # (n, c)
    wave, cosine = picks % len(fx), picks // len(fx)
    phase = torch.rand(n, c, generator=generator) * (2 * math.pi) + cosine * (math.pi / 2)
    x, y = torch.arange(1, w + 1), torch.arange(1, h + 1)
    along_x = 2 * math.pi * fx[wave][..., None] * x  # (n, c, w)
    along_y = 2 * math.pi * fy[wave][..., None] * y  # (n, c, h)
    return torch.sin(along_x[:, :, None, :] + along_y[:, :, :, None] + phase[..., None, None])
