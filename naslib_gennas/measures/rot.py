"""Pretext training: by how much a picture is rotated."""

from __future__ import annotations

import torch

from .base import training
from .measured_network import MeasuredNetwork
from .pretext_data import TrainTestSplit
from .short_training import accuracy

TURNS = 4


@training(
    "rot@N",
    source="Gidaris et al., ICLR 2018, https://arxiv.org/abs/1803.07728; for NAS Liu et al., 2020, "
    "https://arxiv.org/abs/2003.12056",
    passes="N epochs of training",
    memory="activations of 64 images, three copies of the parameters",
)
def rot(network: MeasuredNetwork, epochs: int) -> float:
    """Held-out accuracy in percent after N epochs of telling rotations by 0, 90, 180 and 270 degrees apart.

    Every picture is seen in all four ways in an epoch, and so are the held-out ones.

    From 0 to 100. InputError for a network with fewer than 4 outputs.

    >>> from naslib_gennas.measures.measured_network import example
    >>> 0 <= rot(example(), epochs=1) <= 100
    True
    """
    images, held_out = network.training_images.unlabelled
    return accuracy(network, TrainTestSplit(*turned(images), *turned(held_out)), TURNS, epochs)


def turned(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, s, s) -> (4 n, 3, s, s) and the number of quarter turns (4 n,).

    >>> turned(torch.zeros(2, 3, 8, 8))[1]
    tensor([0, 0, 1, 1, 2, 2, 3, 3])
    """
    ways = [torch.rot90(images, turns, (2, 3)) for turns in range(TURNS)]
    return torch.cat(ways), torch.arange(TURNS).repeat_interleave(len(images))
