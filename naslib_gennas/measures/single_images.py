"""Gradients image by image, of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import torch

from .measured_network import MeasuredNetwork

Values = Callable[[torch.Tensor], torch.Tensor]

PASSES = "1 forward, as many backward as images"
MEMORY = "activations, as many gradients as images"
"""Of measures that read :func:`tangent_kernel`."""


def gradients_of_images(network: MeasuredNetwork, values_of: Values) -> Iterator[list[torch.Tensor]]:
    """For every image the gradients of its entry of ``values_of(outputs)`` (b,) by the layers' weights; zero if unused.

    The outputs are those of the shared forward pass, whose batch normalisation saw the whole batch.

    >>> from naslib_gennas.measures.measured_network import example
    >>> len(list(gradients_of_images(example(), lambda outputs: outputs.sum(dim=1))))
    4
    """
    done = network.forward()
    weights = [done.parameters[layer.name] for layer in network.layers()]
    with torch.enable_grad():
        values = list(values_of(done.outputs))
    for value in values:
        found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
        yield [torch.zeros_like(weight) if gradient is None else gradient for weight, gradient in zip(weights, found)]


def tangent_kernel(network: MeasuredNetwork) -> torch.Tensor:
    """(b, b), float64: K[i, j] = g_i . g_j, g the gradient of an image's summed logits by all weights; computed once.

    >>> from naslib_gennas.measures.measured_network import example
    >>> tangent_kernel(example()).shape
    torch.Size([4, 4])
    """
    return network.shared_result("tangent_kernel", _tangent_kernel)


def _tangent_kernel(network: MeasuredNetwork) -> torch.Tensor:
    found = gradients_of_images(network, lambda outputs: outputs.sum(dim=1))
    rows = torch.stack([torch.cat([part.flatten() for part in parts]) for parts in found]).double()
    return rows @ rows.T
