"""Networks that are read at some of their submodules, and copies of them that can be changed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Literal, Optional

import torch
from torch import nn

from ..errors import ModelError

PROBE_BATCH = 2
LONGEST_REASON = 160  # characters

Layout = Literal["channels first", "channels last", "tokens"]
Hook = Callable[[nn.Module, tuple[Any, ...], Any], None]


@dataclass(frozen=True)
class Tap:
    """One stage: the output of the submodule ``name``, which becomes (b, channels, height, width).

    ``layout`` of what the submodule returns: ``tokens`` are (b, prefix + height * width, channels).

    >>> tap = Tap("blocks.3", channels=8, height=2, width=2, layout="tokens", prefix=1)
    >>> str(tap), tap.read(torch.zeros(3, 5, 8)).shape
    ('blocks.3 (8x2x2)', torch.Size([3, 8, 2, 2]))
    """

    name: str
    channels: int
    height: int
    width: int
    layout: Layout = "channels first"
    prefix: int = 0

    def __str__(self) -> str:
        return f"{self.name} ({self.channels}x{self.height}x{self.width})"

    def read(self, output: object) -> torch.Tensor:
        """The feature map (b, channels, height, width) in what the submodule returned; ModelError if there is none."""
        value = tensor_of(output)
        if value is None:
            raise ModelError(f"the submodule {self.name} does not return one feature map every time")
        if self.layout == "channels last":
            return value.permute(0, 3, 1, 2)
        if self.layout == "tokens":
            grid = value[:, self.prefix :].transpose(1, 2)
            return grid.reshape(len(value), self.channels, self.height, self.width)
        return value


class _Finished(Exception):
    """Ends a forward pass once the last stage has been read."""


class Tapped(nn.Module):
    """A network read at ``taps``: (b, 3, s, s) -> their feature maps; what lies behind the last is not run.

    ``channels``: widths of the feature maps. The network is used as it is; give :func:`skeleton` of one that
    must not change.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1, 1))
    >>> (features,) = Tapped(network, [Tap("1", 4, 6, 6)])(torch.zeros(2, 3, 8, 8))  # the linear layer would fail
    >>> features.shape
    torch.Size([2, 4, 6, 6])
    """

    def __init__(self, network: nn.Module, taps: Sequence[Tap]):
        super().__init__()
        self.network, self.taps = network, tuple(taps)
        self.channels = tuple(tap.channels for tap in taps)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps: dict[str, torch.Tensor] = {}

        def keep(tap: Tap) -> Hook:
            def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
                maps[tap.name] = tap.read(output).clone()  # the network may go on in place
                if len(maps) == len(self.taps):
                    raise _Finished

            return hook

        hooks = [self.network.get_submodule(tap.name).register_forward_hook(keep(tap)) for tap in self.taps]
        try:
            with suppress(_Finished):
                self.network(x)
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(maps[tap.name] for tap in self.taps)


def skeleton(network: nn.Module) -> nn.Module:
    """The same network with modules and buffers of its own; values of parameters are shared, not copied.

    New values may be assigned to its parameters (as :func:`naslib_gennas.proxy.parameters.adopt` does), but the
    shared ones must not be changed in place. ModelError for a network that cannot be copied.

    >>> layer = nn.Linear(2, 2)
    >>> other = skeleton(layer)
    >>> other is layer, other.weight is layer.weight, other.weight.data_ptr() == layer.weight.data_ptr()
    (False, False, True)
    """
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=p.requires_grad and p.is_floating_point())
        for p in network.parameters()
    }
    try:
        return copy.deepcopy(network, shared)
    except Exception as error:  # whatever a user's module does when copied
        raise ModelError(
            f"{title(network)} cannot be copied ({reason(error)}); give a function that returns a new one"
        ) from error


def check_shapes(network: nn.Module) -> None:
    """ModelError if a lazy layer of ``network`` has no parameters yet.

    >>> check_shapes(nn.LazyLinear(3))
    Traceback (most recent call last):
    naslib_gennas.errors.ModelError: the parameter weight of LazyLinear has no shape yet; run the model once
    """
    for name, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ModelError(f"the parameter {name} of {title(network)} has no shape yet; run the model once")


def check_model(network: object) -> None:
    """ModelError unless ``network`` is a module that images alone can be given to.

    >>> check_model(nn.Bilinear(3, 3, 1))
    Traceback (most recent call last):
    naslib_gennas.errors.ModelError: the forward of Bilinear needs several inputs (input1, input2); wrap it in a \
module whose forward takes the images only
    """
    if not isinstance(network, nn.Module):
        raise ModelError(f"expected a torch.nn.Module, got {type(network).__name__}")
    if isinstance(network, torch.jit.ScriptModule):
        raise ModelError(f"{title(network)} is a TorchScript module; give the Python module it was made from")
    check_shapes(network)
    needed = [
        p.name
        for p in inspect.signature(network.forward).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if len(needed) > 1:
        raise ModelError(
            f"the forward of {title(network)} needs several inputs ({', '.join(needed)}); wrap it in a module "
            "whose forward takes the images only"
        )


def freeze_unused(tapped: Tapped, size: int) -> None:
    """Parameters on which no stage depends (a classifier, for instance) need no gradient.

    size: height and width of the images, in pixels.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10))
    >>> freeze_unused(Tapped(network, [Tap("0", 4, 6, 6)]), 8)
    >>> [parameter.requires_grad for parameter in network.parameters()]
    [True, True, False, False]
    """
    probe = Tapped(skeleton(tapped.network), tapped.taps)
    stages = probe.train()(probe_images(probe, size))
    loss = torch.stack([stage.float().sum() for stage in stages]).sum()
    own = [(p, q) for p, q in zip(tapped.network.parameters(), probe.network.parameters()) if q.requires_grad]
    if not loss.requires_grad:
        return
    gradients = torch.autograd.grad(loss, [q for _, q in own], allow_unused=True)
    for (parameter, _), gradient in zip(own, gradients):
        parameter.requires_grad_(gradient is not None)


def probe_images(network: nn.Module, size: int) -> torch.Tensor:
    """Standard normal (2, 3, size, size) where the network is, and of its type; always the same.

    >>> probe_images(nn.Conv2d(3, 4, 3).double(), 8).dtype
    torch.float64
    """
    images = torch.randn(PROBE_BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
    like = next((p for p in network.parameters() if p.is_floating_point()), images)
    return images.to(like.device, like.dtype)


def tensor_of(output: object) -> Optional[torch.Tensor]:
    """The tensor that a submodule returned, alone or first in a tuple; None for several feature maps.

    >>> tensor_of((torch.zeros(2), None)), tensor_of([torch.zeros(1, 1, 1, 1)] * 2)
    (tensor([0., 0.]), None)
    """
    if isinstance(output, (tuple, list)) and output:
        maps = [item for item in output if isinstance(item, torch.Tensor) and item.dim() == 4]
        return tensor_of(output[0]) if len(maps) <= 1 else None
    return output if isinstance(output, torch.Tensor) else None


def reason(error: Exception) -> str:
    """The first line of what an error says, or its type; not too long.

    >>> reason(ValueError("no such layer\\nsee above")), reason(KeyError())
    ('no such layer', 'KeyError')
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= LONGEST_REASON else lines[0][:LONGEST_REASON] + "..."


def title(network: nn.Module) -> str:
    """The name of the network's class.

    >>> title(nn.ReLU())
    'ReLU'
    """
    return type(network).__name__
