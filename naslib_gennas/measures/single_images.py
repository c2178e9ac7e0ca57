"""Gradients image by image, of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .measured_network import MeasuredNetwork


def gradients_of_images(network: MeasuredNetwork, values: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """For every image the gradients of its entry of ``values`` (b,) by the layers' weights, zero where unused.

    ``values`` come from the outputs of the shared forward pass, whose batch normalisation saw the whole batch.

    >>> from naslib_gennas.measures.measured_network import example
    >>> network = example()
    >>> len(list(gradients_of_images(network, network.forward().outputs.sum(dim=1))))
    4
    """
    parameters = network.forward().parameters
    weights = [parameters[layer.name] for layer in network.layers()]
    for value in values:
        found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
        yield [torch.zeros_like(weight) if gradient is None else gradient for weight, gradient in zip(weights, found)]
