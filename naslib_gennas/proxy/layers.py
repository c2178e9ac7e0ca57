"""Layers that the search spaces share."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar, Union

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import handle_torch_function, has_torch_function_unary

M = TypeVar("M", bound=nn.Module)
C = TypeVar("C", bound=nn.Conv2d)
Place = tuple[Hashable, ...]
"""Where a weight lives in the networks of a space, whatever the architecture."""


@contextmanager
def uninitialised() -> Iterator[None]:
    """Modules created inside hold no storage and draw no random numbers.

    >>> with uninitialised():
    ...     layer = nn.Linear(2, 3)
    >>> layer.weight.device.type
    'meta'
    """
    with torch.device("meta"):
        yield


class Conv2d(nn.Conv2d):
    """As PyTorch's, (b, c, h, w) -> (b, k, h', w'); made faster under :func:`uninitialised`: no weights are drawn.

    >>> with uninitialised():
    ...     Conv2d(3, 4, 3)
    Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1))
    """

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class BatchNorm2d(nn.BatchNorm2d):
    """As PyTorch's, (b, c, h, w) -> the same; made faster under :func:`uninitialised`: no values are set.

    >>> BatchNorm2d(3)(torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    def reset_parameters(self) -> None:
        if not (self.affine and self.weight.is_meta):
            super().reset_parameters()


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout and the like draw from ``seed``; the global generators of the CPU and of CUDA are left as they were.

    Those operators take no generator. ``torch.manual_seed`` would set the generators of all devices for good.

    >>> with own_randomness(0, torch.device("cpu")):
    ...     first = torch.rand(3)
    >>> with own_randomness(0, torch.device("cpu")):
    ...     bool((torch.rand(3) == first).all())
    True
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield


NARROW = 16  # channels in one vector of AVX-512; AVX2 has 8


class Conv(Conv2d):
    """A bias-free convolution that keeps the map size. ``branches``: see :func:`conv`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, branches: int):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.branches = branches


class Subsampled(Conv):
    """A 1x1 convolution with a stride: the pixels that it looks at are cut out, then convolved with stride 1.

    PyTorch's own backward pass of a channels-last 1x1 convolution with a stride writes outside its memory where a
    vector of the CPU holds more channels than there are inputs, which ends the interpreter or spoils other values
    (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = self.stride
        return F.conv2d(x[:, :, ::rows, ::columns], self.weight)


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, branches: int = 1) -> Conv:
    """A bias-free convolution that keeps the map size; ``outputs`` counts the channels of all branches.

    ``branches`` parallel convolutions of the same input are one operator here; initialisation
    (Xavier's fan-out) and parameter counts are those of the separate ones.

    >>> conv(4, 32, stride=2)
    Subsampled(4, 32, kernel_size=(1, 1), stride=(2, 2), bias=False)
    >>> conv(4, 32, stride=2)(torch.ones(1, 4, 7, 7)).shape
    torch.Size([1, 32, 4, 4])
    """
    kind = Subsampled if kernel == 1 and stride > 1 and inputs < NARROW else Conv
    return kind(inputs, outputs, kernel, stride, branches)


class DropPath(nn.Dropout):
    """Drops all of an example's map with probability ``p`` in training, and scales what is left by 1 / (1 - p).

    Larsson et al., "FractalNet", ICLR 2017, as the training of found cells uses it.

    >>> DropPath(0.5).eval()(torch.ones(1, 2, 2, 2)).sum()
    tensor(8.)
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * F.dropout(torch.ones_like(x[:, :1, :1, :1]), self.p, self.training)


def shallow_copy(module: M) -> M:
    """Another module with the same submodules, which can then be replaced in one of the two.

    >>> whole = nn.Sequential(nn.ReLU(), nn.Flatten())
    >>> part = shallow_copy(whole)
    >>> del part[1]
    >>> len(whole), len(part), whole[0] is part[0]
    (2, 1, True)
    """
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other


class SplitConv(nn.Module):
    """Convolution and BatchNorm of several parallel branches: (b, c, h, w) -> one tensor per branch.

    ``affine``: whether the BatchNorm has scale, shift and running statistics; without, it knows the batch only.

    >>> [tuple(branch.shape) for branch in SplitConv(3, [4, 2], kernel=3, stride=2)(torch.zeros(1, 3, 8, 8))]
    [(1, 4, 4, 4), (1, 2, 4, 4)]
    """

    def __init__(self, inputs: int, widths: list[int], kernel: int, stride: int = 1, affine: bool = True):
        super().__init__()
        self.widths = widths
        self.conv = conv(inputs, sum(widths), kernel, stride, branches=len(widths))
        self.bn = BatchNorm2d(sum(widths), affine=affine, track_running_stats=affine)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.bn(self.conv(x))
        return (y,) if len(self.widths) == 1 else torch.split(y, self.widths, dim=1)


PLACES = "places"
"""Attribute of a convolution: (place, output channels) of each of its branches in the space's expressions."""


def placed(layer: C, *branches: tuple[Place, int]) -> C:
    """``layer``, whose branches have these places and output channels.

    >>> placed(conv(3, 6), (("stem",), 6)).places
    ((('stem',), 6),)
    """
    setattr(layer, PLACES, branches)
    return layer


class ConvLayer(NamedTuple):
    """Weights of a convolution without bias.

    Attributes:
        branches: (place, output channels) of each.
        inputs: channels that an output sees; 1 of a depthwise one.
        kernel: a side of it, in pixels.
        line: whether it is a row or a column, not a square.
    """

    branches: tuple[tuple[Place, int], ...]
    inputs: int
    kernel: int
    line: bool = False

    @property
    def area(self) -> int:
        return self.kernel if self.line else self.kernel**2


class NormLayer(NamedTuple):
    """A BatchNorm; ``affine``: with scale, shift and running statistics."""

    width: int
    affine: bool = True


Layer = Union[ConvLayer, NormLayer]


def layers_of(network: nn.Module) -> list[Layer]:
    """The layers with parameters of ``network``, whose convolutions have places, in the order of initialisation.

    >>> layers_of(nn.Sequential(placed(conv(3, 6), (("stem",), 6)), nn.BatchNorm2d(6)))
    [ConvLayer(branches=((('stem',), 6),), inputs=3, kernel=1, line=False), NormLayer(width=6, affine=True)]
    """
    found: list[Layer] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            rows, columns = module.kernel_size
            branches, inputs = getattr(module, PLACES), module.in_channels // module.groups
            found.append(ConvLayer(branches, inputs, max(rows, columns), line=rows != columns))
        elif isinstance(module, nn.BatchNorm2d):
            found.append(NormLayer(module.num_features, module.affine))
    return found


FAN_OUTS = "fan_outs"
"""Attribute of a convolution that starts from a normal draw: output channels of each of its branches."""


def start_by_fan_out(network: nn.Module) -> None:
    """Let all convolutions of ``network`` start from N(0, sqrt(2 / (kernel area x output channels))).

    :func:`naslib_gennas.proxy.parameters.initialise` draws the values. A merged convolution starts as its separate
    branches would.

    >>> split = SplitConv(3, [4, 2], kernel=3)
    >>> start_by_fan_out(split)
    >>> getattr(split.conv, FAN_OUTS)
    (4, 2)
    """
    for module in network.modules():  # parents come first
        if isinstance(module, SplitConv):
            setattr(module.conv, FAN_OUTS, tuple(module.widths))
        elif isinstance(module, nn.Conv2d) and not hasattr(module, FAN_OUTS):
            setattr(module, FAN_OUTS, (module.out_channels,))


def shared_relu(x: torch.Tensor, readers: int) -> torch.Tensor:
    """ReLU computed once where the benchmark's network has one for each of ``readers`` branches.

    The function shows itself to PyTorch's function modes, so that measures can count as the benchmark does.

    >>> shared_relu(torch.tensor([-1.0, 2.0]), readers=3)
    tensor([0., 2.])
    """
    if has_torch_function_unary(x):
        return handle_torch_function(shared_relu, (x,), x, readers)
    return F.relu(x)


class Pointwise(Conv2d):
    """A 1x1 convolution as a matrix product: up to twice as fast on small channels-last maps, backward included.

    >>> Pointwise(3, 8)(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 8, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, branches: int = 1):
        super().__init__(inputs, outputs, 1, bias=False)
        self.branches = branches  # as in layers.conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1)).permute(0, 3, 1, 2)
        return y


class FactorizedReduce(nn.Module):
    """Halves the map: one half of the channels sees the even pixels, the other the odd ones. ReLU is the caller's.

    >>> FactorizedReduce(3, 8)(torch.zeros(2, 3, 5, 6)).shape
    torch.Size([2, 8, 3, 3])
    """

    def __init__(self, inputs: int, outputs: int, place: Place = ()):
        super().__init__()
        self.even = placed(Pointwise(inputs, outputs // 2), ((*place, "even"), outputs // 2))
        self.odd = placed(Pointwise(inputs, outputs // 2), ((*place, "odd"), outputs // 2))
        self.bn = BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        halves = [self.even(x[:, :, ::2, ::2]), self.odd(x[:, :, 1::2, 1::2])]
        y: torch.Tensor = self.bn(torch.cat(halves, dim=1))
        return y
