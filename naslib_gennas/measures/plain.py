"""First-order change of the loss."""

from __future__ import annotations

from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "plain",
    source="Abdelfattah et al., ICLR 2021, https://arxiv.org/abs/2101.08134; as in NASLib",
    passes="1 forward, 1 backward",
    memory="activations, one gradient",
    needs_labels=True,
)
def plain(network: MeasuredNetwork) -> float:
    """sum over weights of theta * dL/dtheta, L the cross-entropy.

    Any number.

    >>> from naslib_gennas.measures.measured_network import example
    >>> isinstance(plain(example()), float)
    True
    """
    return sum(float((w * g).sum()) for w, g in zip(network.weights(), network.gradients()))
