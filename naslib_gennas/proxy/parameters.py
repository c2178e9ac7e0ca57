"""Parameters of a network as views of one vector, drawn at once from a generator of our own.

One vector makes initialisation one draw and an optimiser step four operators, whatever the network.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import nn

from .layers import FAN_OUTS

ALIGNED = 4  # numbers of 4 bytes
WEIGHT_BOUNDS = {
    "default": lambda fan_in, fan_out: 1 / math.sqrt(fan_in),  # PyTorch: kaiming_uniform(a=sqrt(5))
    "kaiming": lambda fan_in, fan_out: math.sqrt(6 / fan_in),
    "xavier": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
}


@dataclass
class FlatParameters:
    """``values``, ``gradients`` and ``decays`` (1 where weight decay applies): vectors of equal length.

    ``count``: of parameters, without the gaps between them that a GPU needs.
    """

    values: torch.Tensor
    gradients: torch.Tensor
    decays: torch.Tensor
    count: int


def adopt(module: nn.Module) -> FlatParameters:
    """Move the trainable parameters of ``module``, with their present values, into one vector.

    >>> layer = nn.Linear(2, 3)
    >>> flat = adopt(layer)
    >>> flat.count, flat.decays.tolist()  # weights decay, biases do not
    (9, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    >>> _ = flat.values.zero_()
    >>> layer.bias.tolist()
    [0.0, 0.0, 0.0]
    """
    parameters = [p for p in module.parameters() if p.requires_grad]  # shared ones once
    pieces = [_rows(p.detach()) for p in parameters]
    device = pieces[0].device
    values, offsets = _joined(pieces, device)
    gradients = torch.zeros_like(values)
    decays, _ = _joined([torch.full((p.numel(),), float(p.dim() >= 2), device=device) for p in parameters], device)
    for p, offset in zip(parameters, offsets):
        p.data = _view(values, offset, p.shape)
        p.grad = _view(gradients, offset, p.shape)
    return FlatParameters(values, gradients, decays, sum(map(len, pieces)))


@dataclass
class _Slot:
    owner: nn.Module
    name: str
    shape: torch.Size
    scale: float | torch.Tensor  # bound of uniform values, or the deviations of normal ones
    constant: float = 0.0  # without a scale

    @property
    def size(self) -> int:
        return self.shape.numel()


def initialise(
    module: nn.Module,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    weights: str = "default",
    biases: str = "default",
) -> None:
    """Give every parameter and buffer of ``module`` (of convolutions, linear layers, BatchNorm) its first value.

    Values are drawn on the CPU, uniform within the layer's bound, so that a seed means the same on every
    device; those of convolutions under :func:`naslib_gennas.proxy.layers.start_by_fan_out` from a normal
    distribution. Initialisers: ``default``, ``kaiming``, ``xavier`` for weights; ``default``, ``zero`` for biases
    (paper, Table 6). Convolution weights are laid out channels-last. TypeError for other layers with parameters.
    Parameters are views of one vector, as :func:`adopt` makes them.

    >>> from naslib_gennas.proxy.layers import uninitialised
    >>> with uninitialised():
    ...     layer = nn.Linear(4, 3)
    >>> initialise(layer, torch.Generator().manual_seed(0))
    >>> layer.weight.shape, bool(layer.weight.abs().max() <= 0.5)
    (torch.Size([3, 4]), True)
    """
    slots = [slot for layer in module.modules() for slot in _slots(layer, weights, biases)]
    values, offsets = _joined(_drawn(slots, generator), device)
    for slot, offset in zip(slots, offsets):
        slot.owner._parameters[slot.name] = nn.Parameter(_view(values, offset, slot.shape))
    _reset_buffers(module, device)


def _drawn(slots: list[_Slot], generator: torch.Generator) -> list[torch.Tensor]:
    """The values of each, flat: one draw for all that are uniform."""
    sizes = [slot.size for slot in slots]
    pieces = list(torch.split(uniform(sum(sizes), generator), sizes))
    for slot, piece in zip(slots, pieces):
        if isinstance(slot.scale, torch.Tensor):
            piece.normal_(generator=generator).mul_(slot.scale)
        elif slot.scale:
            piece.mul_(slot.scale)
        else:
            piece.fill_(slot.constant)
    return pieces


def _joined(pieces: list[torch.Tensor], device: torch.device | str) -> tuple[torch.Tensor, list[int]]:
    """One vector on ``device``, and where in it each of ``pieces`` begins: at a multiple of 16 bytes on a GPU, whose
    convolutions end the program otherwise."""
    step = ALIGNED if torch.device(device).type == "cuda" else 1
    rooms = [-(-len(piece) // step) * step for piece in pieces]
    if step > 1:
        pieces = [nn.functional.pad(piece, (0, room - len(piece))) for piece, room in zip(pieces, rooms)]
    return torch.cat(pieces).to(device), [0, *itertools.accumulate(rooms)][:-1]


def uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    """Numbers in [-1, 1) on the CPU; a longer draw of an equal generator starts with the same.

    >>> [round(x, 3) for x in uniform(2, torch.Generator().manual_seed(0)).tolist()]
    [-0.007, 0.536]
    """
    return torch.rand(count, generator=generator).mul_(2).sub_(1)


def _slots(layer: nn.Module, weights: str, biases: str) -> list[_Slot]:
    if all(parameter is None for parameter in layer._parameters.values()):
        return []
    if isinstance(layer, nn.BatchNorm2d):
        return [
            _Slot(layer, "weight", layer.weight.shape, 0.0, constant=1.0),
            _Slot(layer, "bias", layer.bias.shape, 0.0),
        ]
    if not isinstance(layer, (nn.Conv2d, nn.Linear)):
        raise TypeError(f"no initialiser for the parameters of {type(layer).__name__}")
    shape = layer.weight.shape
    receptive = math.prod(shape[2:])
    fan_in = shape[1] * receptive
    fan_out = shape[0] * receptive / getattr(layer, "branches", 1)
    fan_outs: tuple[int, ...] | None = getattr(layer, FAN_OUTS, None)
    if fan_outs is None:
        slots = [_Slot(layer, "weight", shape, WEIGHT_BOUNDS[weights](fan_in, fan_out))]
    else:
        slots = [_Slot(layer, "weight", shape, _deviations(fan_outs, receptive, fan_in))]
    if layer.bias is not None:
        bound = 0.0 if biases == "zero" else 1 / math.sqrt(fan_in)
        slots.append(_Slot(layer, "bias", layer.bias.shape, bound))
    return slots


def _deviations(fan_outs: tuple[int, ...], receptive: int, fan_in: int) -> torch.Tensor:
    """Of every weight of a convolution, in the order of :func:`_view`."""
    widths = torch.tensor(fan_outs)
    return (2 / (receptive * widths)).sqrt().repeat_interleave(widths * fan_in)


def _view(vector: torch.Tensor, offset: int, shape: torch.Size) -> torch.Tensor:
    piece = vector[offset : offset + shape.numel()]
    if len(shape) != 4:
        return piece.view(shape)
    outputs, inputs, height, width = shape
    return piece.view(outputs, height, width, inputs).permute(0, 3, 1, 2)


def _rows(p: torch.Tensor) -> torch.Tensor:
    """The values in the order in which :func:`_view` reads them."""
    return (p.permute(0, 2, 3, 1) if p.dim() == 4 else p).reshape(-1)


def _reset_buffers(module: nn.Module, device: torch.device | str) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats:
            layer._buffers["running_mean"] = torch.zeros(layer.num_features, device=device)
            layer._buffers["running_var"] = torch.ones(layer.num_features, device=device)
            layer._buffers["num_batches_tracked"] = torch.zeros((), dtype=torch.long, device=device)
