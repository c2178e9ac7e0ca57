"""The feature maps between the blocks of a network, with the graph that leads from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..errors import InputError
from .layers import Hook, following
from .measured_network import MeasuredNetwork

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

PROBES = 2  # images that tell which modules return feature maps


def feature_maps(network: MeasuredNetwork) -> list[torch.Tensor]:
    """What the blocks return, (b, c, h, w) each, in the order in which they run; computed once for all measures.

    Blocks are the largest modules in the network that return one feature map: stem, cells or residual blocks,
    reductions. InputError where there are fewer than two feature maps.

    >>> from naslib_gennas.measures.measured_network import example
    >>> [tuple(values.shape[1:]) for values in feature_maps(example())][:2]
    [(6, 8, 8), (6, 8, 8)]
    """
    return network.shared_result("feature_maps", _feature_maps)


def _feature_maps(network: MeasuredNetwork) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, output: object) -> torch.Tensor | None:
        if not _is_map(output) or not output.requires_grad:
            return None
        found.append(output)
        return output * 1.0  # which what follows may overwrite

    with following((block, keep) for block in _blocks(network)), torch.enable_grad():
        network.call(network.leaf_parameters(), network.images)
    maps = [values for values in found if values.shape[-1] > 1]
    if len(maps) < 2:
        raise InputError("this measure compares the feature maps of blocks, and this network has fewer than two")
    return maps


def _blocks(network: MeasuredNetwork) -> list[nn.Module]:
    """The modules that return a feature map (b, c, h, w) and are in no other one that does."""
    returning: dict[str, nn.Module] = {}

    def noting(name: str) -> Hook:
        def note(module: nn.Module, inputs: object, output: object) -> None:
            if _is_map(output):
                returning[name] = module

        return note

    hooks = [(module, noting(name)) for name, module in network.module().named_modules() if name]
    with following(hooks), torch.no_grad():
        network.call(network.leaf_parameters(), network.images[:PROBES])
    return [module for name, module in returning.items() if not any(outer in returning for outer in _outer(name))]


def _outer(name: str) -> Iterator[str]:
    """The modules that hold the module ``name``, itself left out."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _is_map(output: object) -> TypeGuard[torch.Tensor]:
    return isinstance(output, torch.Tensor) and output.dim() == 4
