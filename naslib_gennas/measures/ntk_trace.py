"""Trace of the neural tangent kernel."""

from __future__ import annotations

import math

from .base import measure
from .measured_network import MeasuredNetwork
from .single_images import MEMORY, PASSES, tangent_kernel


@measure(
    "ntk_trace",
    source="after Shu et al., ICLR 2022 (NASI), https://arxiv.org/abs/2109.00817, who approximate it by one batch",
    passes=PASSES,
    memory=MEMORY,
    rnn=False,
)
def ntk_trace(network: MeasuredNetwork) -> float:
    """log of the trace of the kernel of ``ntk`` by the number of images: mean squared norm of the images' gradients.

    NASI searches for a large trace below a limit; this is the trace alone. -inf for a network without gradients.

    >>> from naslib_gennas.measures.measured_network import example
    >>> math.isfinite(ntk_trace(example()))
    True
    """
    kernel = tangent_kernel(network)
    mean = float(kernel.trace()) / len(kernel)
    return math.log(mean) if mean > 0 else -math.inf
