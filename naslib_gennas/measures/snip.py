"""Connection sensitivity."""

from __future__ import annotations

from .base import measure
from .measured_network import Subject


@measure(
    "snip",
    source="Lee et al., ICLR 2019, https://arxiv.org/abs/1810.02340; as in NASLib",
    passes="1 forward, 1 backward",
    memory="activations, one gradient",
    needs_labels=True,
)
def snip(subject: Subject) -> float:
    """sum over weights of |theta * dL/dtheta|, L the cross-entropy."""
    return sum(float((w * g).abs().sum()) for w, g in zip(subject.weights(), subject.gradients()))
