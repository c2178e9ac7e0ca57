"""First-order change of the loss."""

from __future__ import annotations

from .base import measure
from .measured_network import Subject


@measure(
    "plain",
    source="Abdelfattah et al., ICLR 2021, https://arxiv.org/abs/2101.08134; as in NASLib",
    passes="1 forward, 1 backward",
    memory="activations, one gradient",
    needs_labels=True,
)
def plain(subject: Subject) -> float:
    """sum over weights of theta * dL/dtheta, L the cross-entropy."""
    return sum(float((w * g).sum()) for w, g in zip(subject.weights(), subject.gradients()))
