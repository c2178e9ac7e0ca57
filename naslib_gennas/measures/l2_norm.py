"""Norm of the weights."""

from __future__ import annotations

from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "l2_norm",
    source="Abdelfattah et al., ICLR 2021, https://arxiv.org/abs/2101.08134; as in NASLib",
    passes="none",
    memory="none",
    needs_images=False,
)
def l2_norm(network: MeasuredNetwork) -> float:
    """sum over layers of ||theta||, theta the weight of a convolution or linear layer at initialisation.

    A number from 0.

    >>> from naslib_gennas.measures.measured_network import example
    >>> l2_norm(example()) > 0
    True
    """
    layers = zip(network.layers(), network.weights())
    return sum(float(piece.norm()) for layer, weight in layers for piece in layer.split(weight))
