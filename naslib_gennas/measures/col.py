"""Pretext training: the colours of a picture, of which only the lightness is seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..proxy.images import MEAN, STD
from .base import training
from .measured_network import MeasuredNetwork
from .pretext_data import TrainTestSplit
from .short_training import ColourTraining

STEP, REACH = 20.0, 110.0  # of the grid of colours, in units of CIELAB
SIDE = int(2 * REACH / STEP)
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))  # sRGB, D65
WHITE = (0.9505, 1.0, 1.089)


@training(
    "col@N",
    source="Zhang et al., ECCV 2016, https://arxiv.org/abs/1603.08511; for NAS Liu et al., 2020, "
    "https://arxiv.org/abs/2003.12056",
    passes="N epochs of training",
    memory="activations of 64 images, three copies of the parameters",
)
def col(network: MeasuredNetwork, epochs: int) -> float:
    """Minus the held-out cross-entropy after N epochs of predicting the colours of pictures from their lightness.

    A 1x1 convolution on the map before the global pooling predicts, at every place of it, in which cell of a grid of
    the a-b plane of CIELAB (20 units a side) the mean colour of the pixels under it lies. (Zhang et al. use cells of
    10 units, at a quarter of the picture's size.)

    At most 0. InputError for a network without global pooling.

    >>> from naslib_gennas.measures.measured_network import example
    >>> col(example(), epochs=1) < 0
    True
    """
    images, held_out = (part.to(network.images.device) for part in network.training_images.unlabelled)
    training = ColourTraining(network, images, SIDE * SIDE)
    data = TrainTestSplit(*uncoloured(images, training.shape), *uncoloured(held_out, training.shape))
    if not training.fit(data, epochs, F.cross_entropy):
        return math.nan
    return -F.cross_entropy(training.outputs(data.test_images), data.test_targets).item()


def uncoloured(images: torch.Tensor, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised pictures (n, 3, s, s) -> their lightness (n, 3, s, s), channels equal, and cells int64 (n, h, w).

    >>> lightness, cells = uncoloured(torch.zeros(1, 3, 8, 8), (2, 2))
    >>> lightness.shape, cells.tolist()
    (torch.Size([1, 3, 8, 8]), [[[60, 60], [60, 60]]])
    """
    lab = to_lab(images)
    lightness = ((lab[:, :1] - 50) / 25).repeat(1, 3, 1, 1)
    colours = F.adaptive_avg_pool2d(lab[:, 1:], shape)
    a, b = ((colours + REACH) / STEP).floor().clamp(0, SIDE - 1).long().unbind(1)
    return lightness, SIDE * a + b


def to_lab(images: torch.Tensor) -> torch.Tensor:
    """Pictures normalised as :func:`naslib_gennas.proxy.images.load_images` does it -> CIELAB (n, 3, s, s).

    L from 0 to 100, a and b from about -110 to 110; sRGB under D65.

    >>> black = -torch.tensor(MEAN).view(1, 3, 1, 1) / torch.tensor(STD).view(1, 3, 1, 1)
    >>> to_lab(black).flatten().abs().max().item() < 1e-3
    True
    """
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    rgb = ((images * std + mean) / 255).clamp(0, 1)
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = torch.einsum("ij,njhw->nihw", images.new_tensor(TO_XYZ), linear) / images.new_tensor(WHITE).view(1, 3, 1, 1)
    roots, line = xyz.clamp(min=1e-6) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29
    x, y, z = torch.where(xyz > (6 / 29) ** 3, roots, line).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
