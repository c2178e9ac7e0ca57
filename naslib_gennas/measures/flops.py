"""Multiply-accumulate operations."""

from __future__ import annotations

import warnings
from contextlib import ExitStack

import torch
from torch.utils.flop_counter import FlopCounterMode

from .base import measure
from .measured_network import MeasuredNetwork


def prepare() -> None:
    """PyTorch loads its counting machinery at the first use, which takes seconds."""
    with torch.no_grad(), FlopCounterMode(display=False):
        torch.nn.functional.conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))


@measure(
    "flops",
    source="the plain baseline; what the NAS benchmarks call FLOPs",
    passes="1 forward, 1 image",
    memory="one activation at a time",
    needs_images=False,
    prepare=prepare,
)
def flops(network: MeasuredNetwork) -> float:
    """Multiply-accumulate operations of convolutions and matrix products for one image (or sequence), in millions.

    Those inside attention and recurrent layers are counted, too.

    >>> from naslib_gennas.measures.measured_network import example
    >>> flops(example()) > 0
    True
    """
    parameters, modules = network.leaf_parameters(), network.module().modules()
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of settings for other devices
        if any(isinstance(part, torch.nn.RNNBase) for part in modules):  # else their kernels hide the products
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        counter = stack.enter_context(FlopCounterMode(display=False))
        network.call(parameters, network.example, training=False)
    return float(counter.get_total_flops()) / 2 / 1e6  # the counter takes a multiplication and an addition as two
