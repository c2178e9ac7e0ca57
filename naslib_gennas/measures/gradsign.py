"""Agreement of gradients between images."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from .base import measure
from .measured_network import MeasuredNetwork
from .single_images import gradients_of_images


@measure(
    "gradsign",
    source="Zhang & Jia, ICLR 2022, https://arxiv.org/abs/2110.08616",
    passes="1 forward, as many backward as images",
    memory="activations, one gradient",
    needs_labels=True,
    rnn=False,
)
def gradsign(network: MeasuredNetwork) -> float:
    """sum over weights of |sum over images of sign(g)|, g the gradient of an image's cross-entropy; in millions.

    A number from 0 to images x parameters / 10^6.

    >>> from naslib_gennas.measures.measured_network import example
    >>> 0 < gradsign(example()) < 4 * 1e-3
    True
    """
    losses = partial(F.cross_entropy, target=network.labels, reduction="none")
    total = [torch.zeros_like(weight) for weight in network.weights()]
    for gradients in gradients_of_images(network, losses):
        for sums, gradient in zip(total, gradients):
            sums += gradient.sign()
    return sum(float(sums.abs().double().sum()) for sums in total) / 1e6
