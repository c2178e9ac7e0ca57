"""Multiply-accumulate operations."""

from __future__ import annotations

import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from .base import measure
from .subject import Subject, mode


@measure(
    "flops",
    source="the plain baseline; what the NAS benchmarks call FLOPs",
    passes="1 forward without storage, 1 image",
    memory="none: counted without storage",
    needs_images=False,
    needs_weights=False,
)
def flops(subject: Subject) -> float:
    """Multiply-accumulate operations of convolutions and matrix products for one image, in millions."""
    network = subject.shape()
    state = [*network.named_parameters(), *network.named_buffers()]
    image = torch.empty_like(subject.images[:1], device="meta")
    with torch.no_grad(), mode(network, training=False), FlopCounterMode(display=False) as counter:
        functional_call(network, {name: tensor.to("meta") for name, tensor in state}, (image,))
    return counter.get_total_flops() / 2 / 1e6  # the counter takes a multiplication and an addition as two
