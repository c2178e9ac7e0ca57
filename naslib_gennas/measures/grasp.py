"""Gradient signal preservation."""

from __future__ import annotations

import torch

from .base import measure
from .measured_network import Subject, gradients_of


@measure(
    "grasp",
    source="Wang et al., ICLR 2020, https://arxiv.org/abs/2002.07376; sign as in NASLib and Abdelfattah et al.",
    passes="1 forward, 1 backward, 1 backward through the backward",
    memory="activations, and those of the backward pass",
    needs_labels=True,
)
def grasp(subject: Subject) -> float:
    """- sum over weights of theta * (H g), g = dL/dtheta, H the Hessian of the cross-entropy L."""
    done, layers = subject.forward(), subject.layers()
    product = sum((g.detach() * g).sum() for g in gradients_of(done, layers, create_graph=True))
    weights = [done.parameters[layer.name] for layer in layers]
    found = torch.autograd.grad(product, weights, retain_graph=True, allow_unused=True)
    return -sum(float((w.detach() * hg).sum()) for w, hg in zip(weights, found) if hg is not None)
