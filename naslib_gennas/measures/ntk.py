"""Condition number of the neural tangent kernel."""

from __future__ import annotations

import torch

from .base import measure
from .measured_network import MeasuredNetwork
from .single_images import MEMORY, PASSES, tangent_kernel


@measure(
    "ntk",
    source="Chen et al., ICLR 2021 (TE-NAS), https://arxiv.org/abs/2102.11535, its first part",
    passes=PASSES,
    memory=MEMORY,
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
    values = torch.linalg.eigvalsh(tangent_kernel(network))
    smallest, largest = float(values[0]), float(values[-1])
    return -float(torch.log(torch.tensor(largest / smallest))) if smallest > 0 else float("-inf")
