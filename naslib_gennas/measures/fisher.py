"""Fisher information of the channels."""

from __future__ import annotations

from ..errors import InputError
from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "fisher",
    source="Theis et al., 2018, https://arxiv.org/abs/1801.05787; as in NASLib and Abdelfattah et al.",
    passes="1 forward, 1 backward",
    memory="activations, one gradient",
    needs_labels=True,
    rnn=False,
)
def fisher(network: MeasuredNetwork) -> float:
    """sum over channels k of n_k * 1/2 * mean over images of (sum over positions of a_k * dL/da_k)^2.

    a is the output of a convolution or linear layer, L the cross-entropy. n_k, the number of weights that
    make a channel, comes from the published code, which writes a channel's value to all of its weights
    before it sums.

    A number from 0.

    >>> from naslib_gennas.measures.measured_network import example
    >>> fisher(example()) > 0
    True
    """
    network.gradients()
    total, done = 0.0, network.forward()
    if not done.products.sums:
        raise InputError(
            "fisher needs convolutions or linear layers whose weights are parameters, and this network has none"
        )
    for layer in network.layers():
        weights_a_channel = done.parameters[layer.name][0].numel()
        for product in done.products.sums.get(layer.name, ()):  # (b, channels)
            total += weights_a_channel * 0.5 * float(product.pow(2).mean(dim=0).sum())
    return total
