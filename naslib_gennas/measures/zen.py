"""Zen-score."""

from __future__ import annotations

import torch
from torch import nn

from ..errors import InputError
from .activation_modes import LastMapMode
from .base import measure
from .layers import batch_norms
from .measured_network import MeasuredNetwork, Tensors

GAMMA = 1e-2


@measure(
    "zen",
    source="Lin et al., ICCV 2021, https://arxiv.org/abs/2102.01063; as in NASLib",
    passes="2 forward, images of Gaussian noise",
    memory="one activation at a time",
    needs_images=False,
    rnn=False,
)
def zen(network: MeasuredNetwork) -> float:
    """log of mean over images of ||f(x) - f(x + gamma e)||_1, plus sum over BatchNorms of log sqrt(mean variance).

    f is the last feature map before the global average pooling, x and e are standard normal, gamma = 0.01;
    weights of convolutions and linear layers are standard normal, biases 0, BatchNorm's scale 1 and shift 0.
    As in NASLib the variance is the *running* one after the two passes.

    Any number. InputError for a network without global average pooling.

    >>> from naslib_gennas.measures.measured_network import example
    >>> isinstance(zen(example()), float)
    True
    """
    generator = network.generator()
    parameters, buffers = _gaussian(network, generator), network.buffers()
    x, e = (torch.randn(network.images.shape, generator=generator) for _ in range(2))
    with torch.no_grad():
        before = _last_map(network, parameters, buffers, x)
        after = _last_map(network, parameters, buffers, x + GAMMA * e)
        score = (before - after).abs().sum(dim=(1, 2, 3)).mean().log()
    for name, _, widths in batch_norms(network.module()):
        variance = buffers.get(f"{name}.running_var")
        if variance is not None:
            score = score + sum(0.5 * piece.mean().log() for piece in torch.split(variance, list(widths)))
    return float(score)


def _last_map(network: MeasuredNetwork, parameters: Tensors, buffers: Tensors, images: torch.Tensor) -> torch.Tensor:
    seen = LastMapMode()
    with seen:
        network.call(parameters, images.to(network.images.device), buffers)
    if seen.last_map is None:
        raise InputError("zen needs a network that ends in a global average pooling, and this one has none")
    return seen.last_map


def _gaussian(network: MeasuredNetwork, generator: torch.Generator) -> Tensors:
    """Parameters in place of its own, drawn in the order of the modules."""
    parameters = network.leaf_parameters()
    for name, module in network.module().named_modules():
        scale, shift = (f"{name}.{kind}" if name else kind for kind in ("weight", "bias"))
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if "weight" not in dict(module.named_parameters(recurse=False, remove_duplicate=False)):
                raise InputError(f"zen draws weights, and those of {name or 'the network'} are computed from others")
            if scale not in parameters:  # another module has them, too, and they are drawn
                continue
            like = parameters[scale]
            drawn = torch.randn(like.shape, generator=generator)
            parameters[scale] = torch.empty_like(like).copy_(drawn)  # in the layout of the original
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)) and scale in parameters:
            parameters[scale] = torch.ones_like(parameters[scale])
        else:
            continue
        if shift in parameters:
            parameters[shift] = torch.zeros_like(parameters[shift])
    return parameters
