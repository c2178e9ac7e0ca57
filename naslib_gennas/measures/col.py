"""Pretext training: the colours of a picture, of which only the lightness is seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..proxy.images import MEAN, STD
from .base import training
from .measured_network import Subject
from .pretext_data import Lesson
from .short_training import Painter

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
def col(subject: Subject, epochs: int) -> float:
    """Minus the held-out cross-entropy after N epochs of predicting the colours of pictures from their lightness.

    A 1x1 convolution on the map before the global pooling predicts, at every place of it, in which cell of a grid of
    the a-b plane of CIELAB (20 units a side) the mean colour of the pixels under it lies. (Zhang et al. use cells of
    10 units, at a quarter of the picture's size.)
    """
    images, held = (part.to(subject.images.device) for part in subject.pictures.plain)
    painter = Painter(subject, images, SIDE * SIDE)
    shape = painter.height, painter.width
    lesson = Lesson(*uncoloured(images, shape), *uncoloured(held, shape))
    if not painter.fit(lesson, epochs, F.cross_entropy):
        return math.nan
    return -F.cross_entropy(painter.outputs(lesson.test_images), lesson.test_targets).item()


def uncoloured(images: torch.Tensor, shape: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised pictures (n, 3, s, s) -> their lightness (n, 3, s, s), channels equal, and cells int64 (n, h, w)."""
    lab = to_lab(images)
    lightness = ((lab[:, :1] - 50) / 25).repeat(1, 3, 1, 1)
    colours = F.adaptive_avg_pool2d(lab[:, 1:], shape)
    a, b = ((colours + REACH) / STEP).floor().clamp(0, SIDE - 1).long().unbind(1)
    return lightness, SIDE * a + b


def to_lab(images: torch.Tensor) -> torch.Tensor:
    """Pictures normalised as :func:`naslib_gennas.proxy.images.load_images` does it -> CIELAB (n, 3, s, s)."""
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    rgb = ((images * std + mean) / 255).clamp(0, 1)
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = torch.einsum("ij,njhw->nihw", images.new_tensor(TO_XYZ), linear) / images.new_tensor(WHITE).view(1, 3, 1, 1)
    roots, line = xyz.clamp(min=1e-6) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29
    x, y, z = torch.where(xyz > (6 / 29) ** 3, roots, line).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
