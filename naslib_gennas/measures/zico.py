"""Inverse coefficient of variation of the gradients."""

from __future__ import annotations

import math

import torch

from .base import measure
from .measured_network import MeasuredNetwork, gradients_of


@measure(
    "zico",
    source="Li et al., ICLR 2023, https://arxiv.org/abs/2301.11300, Eq. 9",
    passes="2 forward, 2 backward, half the batch each",
    memory="activations of half the batch, two gradients",
    needs_labels=True,
    rnn=False,
)
def zico(network: MeasuredNetwork) -> float:
    """sum over layers of log(sum over weights of mean |g| / std |g|), over the gradients of two mini-batches.

    The mini-batches are the halves of the batch; g is the gradient of the cross-entropy. Weights whose
    gradient does not vary, and layers that have no others, are left out. (The published code lets gradients
    add up from batch to batch; this is the paper's formula.)

    Any number.

    >>> from naslib_gennas.measures.measured_network import example
    >>> isinstance(zico(example()), float)
    True
    """
    half = len(network.images) // 2
    layers = network.layers()
    first, second = (gradients_of(network.run(rows), layers) for rows in (slice(0, half), slice(half, 2 * half)))
    score = 0.0
    for layer, a, b in zip(layers, first, second):
        both = torch.stack([a.abs(), b.abs()]).double()  # (2, weight)
        mean, std = both.mean(dim=0), both.std(dim=0, unbiased=False)
        ratio = torch.where(std > 0, mean / std, torch.zeros_like(mean))
        for piece in layer.split(ratio):
            total = float(piece.sum())
            score += math.log(total) if total > 0 else 0.0
    return score
