"""Pretext training: how the tiles of a picture were shuffled."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from .base import training
from .measured_network import MeasuredNetwork
from .pretext_data import TrainTestSplit
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
def jig(network: MeasuredNetwork, epochs: int) -> float:
    """Held-out accuracy in percent after N epochs of telling apart 10 orders of the four quarters of a picture.

    The orders are a fixed draw of the 24; every picture is shown in four of them. (The papers use 3 x 3 tiles and
    up to 1,000 orders, with a network that has that many outputs.)

    From 0 to 100. InputError for a network with fewer than 10 outputs.

    >>> from naslib_gennas.measures.measured_network import example
    >>> 0 <= jig(example(), epochs=1) <= 100
    True
    """
    images, held_out = network.training_images.unlabelled
    return accuracy(network, TrainTestSplit(*shuffled(images), *shuffled(held_out)), ORDERS, epochs)


def shuffled(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, s, s) -> (4 n, 3, s', s') and the orders' numbers (4 n,); s' is s or, where s is odd, s - 1.

    >>> pictures, orders = shuffled(torch.zeros(2, 3, 9, 9))
    >>> pictures.shape, orders.shape
    (torch.Size([8, 3, 8, 8]), torch.Size([8]))
    """
    rng = np.random.default_rng(0)
    orders = rng.permutation(list(permutations(range(SIDE * SIDE))))[:ORDERS]
    chosen = rng.integers(ORDERS, size=PER_PICTURE * len(images))
    pictures = images.repeat(PER_PICTURE, 1, 1, 1)
    tile = images.shape[2] // SIDE
    tiles = [pictures[:, :, y : y + tile, x : x + tile] for y in (0, tile) for x in (0, tile)]
    stacked = torch.stack(tiles, dim=1)  # (4 n, tile, 3, s / 2, s / 2)
    rows = torch.arange(len(pictures))
    moved = [stacked[rows, torch.from_numpy(orders[chosen, place])] for place in range(SIDE * SIDE)]
    upper, lower = torch.cat(moved[:SIDE], dim=3), torch.cat(moved[SIDE:], dim=3)
    return torch.cat([upper, lower], dim=2), torch.from_numpy(chosen)
