"""Gradient signal preservation."""

from __future__ import annotations

import torch

from ..errors import UnscorableError
from ..proxy.taps import reason
from .base import measure
from .measured_network import MeasuredNetwork, gradients_of


@measure(
    "grasp",
    source="Wang et al., ICLR 2020, https://arxiv.org/abs/2002.07376; sign as in NASLib and Abdelfattah et al.",
    passes="1 forward, 1 backward, 1 backward through the backward",
    memory="activations, and those of the backward pass",
    needs_labels=True,
)
def grasp(network: MeasuredNetwork) -> float:
    """- sum over weights of theta * (H g), g = dL/dtheta, H the Hessian of the cross-entropy L.

    Any number.

    >>> from naslib_gennas.measures.measured_network import example
    >>> isinstance(grasp(example()), float)
    True
    """
    done, layers = network.forward(), network.layers()
    with torch.enable_grad():
        gradients = gradients_of(done, layers, create_graph=True)
        product = torch.stack([(g.detach() * g).sum() for g in gradients]).sum()
    weights = [done.parameters[layer.name] for layer in layers]
    try:
        found = torch.autograd.grad(product, weights, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        raise UnscorableError(f"grasp differentiates twice, and PyTorch says: {reason(error)}") from None
    return -sum(float((w.detach() * hg).sum()) for w, hg in zip(weights, found) if hg is not None)
