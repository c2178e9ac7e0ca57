"""Norm of the gradient."""

from __future__ import annotations

from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "grad_norm",
    source="Abdelfattah et al., ICLR 2021, https://arxiv.org/abs/2101.08134; as in NASLib",
    passes="1 forward, 1 backward",
    memory="activations, one gradient",
    needs_labels=True,
)
def grad_norm(network: MeasuredNetwork) -> float:
    """sum over layers of ||dL/dtheta||, L the cross-entropy, theta the weight of a convolution or linear layer.

    A number from 0.

    >>> from naslib_gennas.measures.measured_network import example
    >>> grad_norm(example()) > 0
    True
    """
    layers = zip(network.layers(), network.gradients())
    return sum(float(piece.norm()) for layer, gradient in layers for piece in layer.split(gradient))
