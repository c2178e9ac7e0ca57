"""The neural tangent kernel at initialisation: its condition number and its trace."""

from __future__ import annotations

import math

import torch

from .base import measure
from .measured_network import MeasuredNetwork
from .single_images import gradients_of_images

PASSES = "1 forward, as many backward as images"


@measure(
    "ntk",
    source="Chen et al., ICLR 2021 (TE-NAS), https://arxiv.org/abs/2102.11535, its first part",
    passes=PASSES,
    memory="activations, as many gradients as images",
    rnn=False,
)
def ntk(network: MeasuredNetwork) -> float:
    """- log of the largest by the smallest eigenvalue of the kernel; K[i, j] = g_i . g_j, g the gradient of an image's
    summed logits by all weights.

    At most 0; -inf for a kernel that is singular to working precision.

    >>> from naslib_gennas.measures.measured_network import example
    >>> ntk(example()) < 0
    True
    """
    found = gradients_of_images(network, lambda outputs: outputs.sum(dim=1))
    gradients = [torch.cat([part.flatten() for part in parts]) for parts in found]
    rows = torch.stack(gradients).double()
    values = torch.linalg.eigvalsh(rows @ rows.T)
    smallest, largest = float(values[0]), float(values[-1])
    return -float(torch.log(torch.tensor(largest / smallest))) if smallest > 0 else float("-inf")


@measure(
    "ntk_trace",
    source="after Shu et al., ICLR 2022 (NASI), https://arxiv.org/abs/2109.00817, who approximate it by one batch",
    passes=PASSES,
    memory="activations, gradients of one image",
    rnn=False,
)
def ntk_trace(network: MeasuredNetwork) -> float:
    """log of the trace of the kernel of ``ntk`` by the number of images: mean squared norm of the images' gradients.

    NASI searches for a large trace below a limit; this is the trace alone. -inf for a network without gradients.

    >>> from naslib_gennas.measures.measured_network import example
    >>> math.isfinite(ntk_trace(example()))
    True
    """
    found = gradients_of_images(network, lambda outputs: outputs.sum(dim=1))
    norms = [sum(float(part.double().square().sum()) for part in parts) for parts in found]
    mean = math.fsum(norms) / len(norms)
    return math.log(mean) if mean > 0 else -math.inf
