"""Number of parameters."""

from __future__ import annotations

from .base import measure
from .measured_network import Subject


@measure(
    "params",
    source="the plain baseline; counted as the benchmarks count",
    passes="none",
    memory="none: counted without storage",
    needs_images=False,
)
def params(subject: Subject) -> float:
    """Trainable parameters, in millions."""
    return sum(p.numel() for p in subject.shape().parameters() if p.requires_grad) / 1e6
