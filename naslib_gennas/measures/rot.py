"""Pretext training: by how much a picture is rotated."""

from __future__ import annotations

import torch

from .base import training
from .measured_network import Subject
from .pretext_data import Lesson
from .short_training import accuracy

TURNS = 4


@training(
    "rot@N",
    source="Gidaris et al., ICLR 2018, https://arxiv.org/abs/1803.07728; for NAS Liu et al., 2020, "
    "https://arxiv.org/abs/2003.12056",
    passes="N epochs of training",
    memory="activations of 64 images, three copies of the parameters",
)
def rot(subject: Subject, epochs: int) -> float:
    """Held-out accuracy in percent after N epochs of telling rotations by 0, 90, 180 and 270 degrees apart.

    Every picture is seen in all four ways in an epoch, and so are the held-out ones.
    """
    images, held = subject.pictures.plain
    return accuracy(subject, Lesson(*turned(images), *turned(held)), TURNS, epochs)


def turned(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, s, s) -> (4 n, 3, s, s) and the number of quarter turns (4 n,)."""
    ways = [torch.rot90(images, turns, (2, 3)) for turns in range(TURNS)]
    return torch.cat(ways), torch.arange(TURNS).repeat_interleave(len(images))
