"""Synaptic flow."""

from __future__ import annotations

import math

import torch

from .activation_modes import ActivationMode
from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "synflow",
    source="Tanaka et al., NeurIPS 2020, https://arxiv.org/abs/2006.05467; as in NASLib",
    passes="1 forward, 1 backward, 1 image of ones, float64",
    memory="activations of one image in float64",
    needs_images=False,
)
def synflow(network: MeasuredNetwork) -> float:
    """log of the sum over weights of |theta * dR/dtheta|, R the summed outputs for an image of ones.

    All parameters are replaced by their absolute values and BatchNorm is left out. Everything is computed in
    float64 (in float32 deep networks overflow: 1e43 and more are common) and the logarithm is taken; a
    network through which nothing flows scores -inf, that is, it has failed.

    >>> from naslib_gennas.measures.measured_network import example
    >>> -20 < synflow(example()) < 20
    True
    """
    parameters = {n: p.detach().double().abs().requires_grad_() for n, p in network.leaf_parameters().items()}
    buffers = {n: b.double().abs() if b.is_floating_point() else b for n, b in network.buffers().items()}
    example = network.example
    ones = torch.ones_like(example, dtype=torch.float64 if example.is_floating_point() else None)
    with torch.enable_grad(), ActivationMode(skip_batch_norm=True):
        flow = network.call(parameters, ones, buffers).sum()
    weights = [parameters[layer.name] for layer in network.layers()]
    gradients = torch.autograd.grad(flow, weights, allow_unused=True) if flow.requires_grad else []
    total = sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients) if g is not None)
    return math.log(total) if total > 0 else -math.inf
