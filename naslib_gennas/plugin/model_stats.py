"""Parameters and operations of a network as NAS-Bench-Suite-Zero's ``params`` and ``flops`` count them.

NASLib takes both from the package tensorwatch. What that counts: leaf modules that a forward pass of one image in
evaluation mode calls, each once. A convolution counts a multiplication and addition as one operation, batch
normalisation two an element (one without affine parameters), activations one, pools their window.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.PReLU, nn.ELU, nn.LeakyReLU)
ADAPTIVE_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class ModelStats:
    """Parameters and operations of one image, both plain numbers; named as those of tensorwatch are."""

    parameters: int
    Flops: int


def get_model_stats(model: nn.Module, input_tensor_shape: Sequence[int], clone_model: bool = True) -> ModelStats:
    """``input_tensor_shape``: (1, c, h, w) of the image; ``clone_model``: whether ``model`` is left as it is.

    >>> stats = get_model_stats(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU()), (1, 3, 8, 8))
    >>> stats.parameters, stats.Flops == 8 * 8 * 3 * 4 * 9 + 4 * 8 * 8
    (108, True)
    """
    model = copy.deepcopy(model) if clone_model else model
    parameters: dict[str, int] = {}
    operations: dict[str, int] = {}

    def counted(name: str, module: nn.Module) -> Any:
        def hook(module: nn.Module, given: Any, returned: Any) -> None:
            parameters[name] = sum(parameter.numel() for parameter in module.parameters())
            operations[name] = _operations(module, _first(given), _first(returned))

        return module.register_forward_hook(hook)

    hooks = [counted(name, module) for name, module in model.named_modules() if not any(module.children())]
    try:
        device = next(itertools.chain(model.parameters(), [torch.zeros(())])).device
        with torch.no_grad():
            model.eval()(torch.zeros(*input_tensor_shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return ModelStats(sum(parameters.values()), sum(operations.values()))


def _first(values: Any) -> torch.Tensor:
    while not isinstance(values, torch.Tensor):
        values = values[0]
    return values


def _operations(module: nn.Module, given: torch.Tensor, returned: torch.Tensor) -> int:
    if isinstance(module, nn.Conv2d):
        window = math.prod(module.kernel_size) * module.in_channels * (module.out_channels // module.groups)
        biases = 0 if module.bias is None else module.out_channels
        return (window + biases) * returned[:, 0].numel()
    if isinstance(module, nn.BatchNorm2d):
        return given.numel() * (2 if module.affine else 1)
    if isinstance(module, (nn.AvgPool2d, nn.MaxPool2d)):
        return _pool(module, given)
    if isinstance(module, ADAPTIVE_POOLS):
        return given[:, :, 0, 0].numel() * math.prod(
            sum(end - start + 1 for start, end in _windows(size, wanted))
            for size, wanted in zip(given.shape[-2:], returned.shape[-2:])
        )
    if isinstance(module, nn.Linear):
        return given.numel() * module.out_features
    if isinstance(module, ACTIVATIONS):
        return given.numel()
    return returned[:, 0].numel() if isinstance(module, nn.Upsample) else 0


def _windows(size: int, wanted: int) -> list[tuple[int, int]]:
    """Starts and ends of the places that each of ``wanted`` outputs of an adaptive pool sees."""
    return [(place * size // wanted, -(-(place + 1) * size // wanted)) for place in range(wanted)]


def _pool(module: Any, given: torch.Tensor) -> int:
    kernel, stride, padding = (
        (value, value) if isinstance(value, int) else value
        for value in (module.kernel_size, module.stride, module.padding)
    )
    width = (given.shape[3] + 2 * padding[0] - kernel[0]) // stride[0] + 1
    height = (given.shape[2] + 2 * padding[1] - kernel[1]) // stride[0] + 1
    return given[:, :, 0, 0].numel() * width * height * math.prod(kernel)
