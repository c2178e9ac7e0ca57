"""Norm of the weights."""

from __future__ import annotations

from .base import measure
from .measured_network import Subject


@measure(
    "l2_norm",
    source="Abdelfattah et al., ICLR 2021, https://arxiv.org/abs/2101.08134; as in NASLib",
    passes="none",
    memory="none",
    needs_images=False,
)
def l2_norm(subject: Subject) -> float:
    """sum over layers of ||theta||, theta the weight of a convolution or linear layer at initialisation."""
    layers = zip(subject.layers(), subject.weights())
    return sum(float(piece.norm()) for layer, weight in layers for piece in layer.split(weight))
