"""The weights of a network, and what its layers give on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Callable

import torch
from torch import nn

from ..proxy.layers import SplitConv

Hook = Callable[[nn.Module, Any, Any], Any]
"""(module, inputs, output) -> what replaces the output, or None."""


@dataclass(frozen=True)
class Layer:
    """A weight matrix or kernel: its ``name``, the ``module`` that holds it, and its output ``widths``.

    These are the weights of convolutions and linear layers, and every other parameter of two or more
    dimensions, which recurrent networks are made of.
    Parallel convolutions that a space runs as one operator have several widths; a measure that is not
    additive over weights (a norm, for instance) treats them apart.
    """

    name: str
    module: nn.Module
    widths: tuple[int, ...]

    def split(self, tensor: torch.Tensor) -> Sequence[torch.Tensor]:
        """A weight or its gradient (out, ...), cut into the separate layers' own."""
        return torch.split(tensor, list(self.widths))


def layers_of(network: nn.Module) -> Iterator[Layer]:
    """Every weight of ``network``, in the order of its modules; one that several modules share, once.

    A weight that is computed from others, as by ``weight_norm``, is none: those others are.
    """
    joined = {id(m.conv): tuple(m.widths) for m in network.modules() if isinstance(m, SplitConv)}
    known = {name for name, _ in network.named_parameters()}
    for name, module in network.named_modules():
        weight = f"{name}.weight" if name else "weight"
        if isinstance(module, (nn.Conv2d, nn.Linear)) and weight in known:
            widths = joined.get(id(module), (module.weight.shape[0],))
            yield Layer(weight, module, widths)
            continue
        for own, parameter in module.named_parameters(prefix=name, recurse=False):
            if parameter.dim() >= 2 and own in known:
                yield Layer(own, module, (parameter.shape[0],))


def batch_norms(network: nn.Module) -> Iterator[tuple[str, nn.BatchNorm2d, tuple[int, ...]]]:
    """(name, layer, widths) of every BatchNorm2d; several widths as in :class:`Layer`.

    >>> import torch
    >>> [(name, widths) for name, _, widths in batch_norms(torch.nn.Sequential(torch.nn.BatchNorm2d(4)))]
    [('0', (4,))]
    """
    joined = {id(m.bn): tuple(m.widths) for m in network.modules() if isinstance(m, SplitConv)}
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            yield name, module, joined.get(id(module), (module.num_features,))


@contextmanager
def mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Training or evaluation mode for all modules; afterwards each is as it was."""
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


@contextmanager
def unfused() -> Iterator[None]:
    """Attention is computed by matrix products, which can be counted and differentiated twice."""
    sdp: Any = torch.backends.cuda
    paths: Any = getattr(torch.backends, "mha", None)
    flash, efficient = sdp.flash_sdp_enabled(), sdp.mem_efficient_sdp_enabled()
    fast = paths is not None and paths.get_fastpath_enabled()
    sdp.enable_flash_sdp(False)
    sdp.enable_mem_efficient_sdp(False)
    if paths is not None:
        paths.set_fastpath_enabled(False)
    try:
        yield
    finally:
        sdp.enable_flash_sdp(flash)
        sdp.enable_mem_efficient_sdp(efficient)
        if paths is not None:
            paths.set_fastpath_enabled(fast)


@contextmanager
def following(hooks: Iterable[tuple[nn.Module, Hook]]) -> Iterator[None]:
    """While open, every module calls its hook with itself, its inputs and its output, which the hook may replace.

    >>> import torch
    >>> seen = []
    >>> layer = torch.nn.Linear(2, 3)
    >>> with following([(layer, lambda module, inputs, output: seen.append(tuple(output.shape)))]):
    ...     _ = layer(torch.zeros(1, 2))
    >>> _ = layer(torch.zeros(1, 2))
    >>> seen
    [(1, 3)]
    """
    with ExitStack() as stack:
        for module, hook in hooks:
            stack.callback(module.register_forward_hook(hook).remove)
        yield


class Products:
    """Layer outputs times their gradients, summed over positions while the backward pass goes by.

    ``sums``: by layer, and once for each time that it was called, (b, channels).
    """

    def __init__(self) -> None:
        self.sums: dict[str, list[torch.Tensor]] = {}
        self._recording = False

    @contextmanager
    def of(self, layers: Iterable[Layer]) -> Iterator[None]:
        """Follows what convolutions and linear layers return while the context lasts."""
        own = [layer for layer in layers if isinstance(layer.module, (nn.Conv2d, nn.Linear))]
        with following((layer.module, self._follower(layer)) for layer in own):
            yield

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """A backward pass inside is recorded."""
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def _follower(self, layer: Layer) -> Hook:
        def follow(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            value = output.detach().clone()  # not the output: what follows may overwrite it, and it holds this hook

            def record(gradient: torch.Tensor) -> None:
                if self._recording:
                    product = value * gradient.detach()
                    self.sums.setdefault(layer.name, []).append(
                        product.flatten(2).sum(2) if product.dim() > 2 else product
                    )

            output.register_hook(record)  # type: ignore[no-untyped-call]  # PyTorch's has no types

        return follow
