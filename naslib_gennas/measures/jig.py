"""Pretext training: how the tiles of a picture were shuffled."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from .base import training
from .measured_network import Subject
from .pretext_data import Lesson
from .short_training import accuracy

SIDE = 2  # tiles a side
ORDERS = 10  # as many as a network for ten classes has outputs
PER_PICTURE = 4  # orders a picture is shown in


@training(
    "jig@N",
    source="Noroozi & Favaro, ECCV 2016, https://arxiv.org/abs/1603.09246; for NAS Liu et al., 2020, "
    "https://arxiv.org/abs/2003.12056",
    passes="N epochs of training",
    memory="activations of 64 images, three copies of the parameters",
)
def jig(subject: Subject, epochs: int) -> float:
    """Held-out accuracy in percent after N epochs of telling apart 10 orders of the four quarters of a picture.

    The orders are a fixed draw of the 24; every picture is shown in four of them. (The papers use 3 x 3 tiles and
    up to 1,000 orders, with a network that has that many outputs.)
    """
    images, held = subject.pictures.plain
    return accuracy(subject, Lesson(*shuffled(images), *shuffled(held)), ORDERS, epochs)


def shuffled(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, s, s) -> (4 n, 3, s', s') and the orders' numbers (4 n,); s' is s or, where s is odd, s - 1."""
    rng = np.random.default_rng(0)
    orders = rng.permutation(list(permutations(range(SIDE * SIDE))))[:ORDERS]
    chosen = rng.integers(ORDERS, size=PER_PICTURE * len(images))
    pictures = images.repeat(PER_PICTURE, 1, 1, 1)
    tile = images.shape[2] // SIDE
    tiles = [pictures[:, :, y : y + tile, x : x + tile] for y in (0, tile) for x in (0, tile)]
    tiles = torch.stack(tiles, dim=1)  # (4 n, tile, 3, s / 2, s / 2)
    rows = torch.arange(len(pictures))
    moved = [tiles[rows, torch.from_numpy(orders[chosen, place])] for place in range(SIDE * SIDE)]
    upper, lower = torch.cat(moved[:SIDE], dim=3), torch.cat(moved[SIDE:], dim=3)
    return torch.cat([upper, lower], dim=2), torch.from_numpy(chosen)
