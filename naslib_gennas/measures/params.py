"""Number of parameters."""

from __future__ import annotations

from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "params",
    source="the plain baseline; counted as the benchmarks count",
    passes="none",
    memory="none: counted without storage",
    needs_images=False,
)
def params(network: MeasuredNetwork) -> float:
    """Trainable parameters, in millions.

    >>> from naslib_gennas.measures.measured_network import example
    >>> params(example())
    0.00071
    """
    count: int = sum(p.numel() for p in network.skeleton().parameters() if p.requires_grad)
    return count / 1e6
