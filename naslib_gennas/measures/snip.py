"""Connection sensitivity."""

from __future__ import annotations

from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "snip",
    source="Lee et al., ICLR 2019, https://arxiv.org/abs/1810.02340; as in NASLib",
    passes="1 forward, 1 backward",
    memory="activations, one gradient",
    needs_labels=True,
)
def snip(network: MeasuredNetwork) -> float:
    """sum over weights of |theta * dL/dtheta|, L the cross-entropy.

    A number from 0.

    >>> from naslib_gennas.measures.measured_network import example
    >>> snip(example()) > 0
    True
    """
    return sum(float((w * g).abs().sum()) for w, g in zip(network.weights(), network.gradients()))
