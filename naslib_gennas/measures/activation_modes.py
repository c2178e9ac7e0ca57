"""PyTorch function modes that see ReLUs and poolings go by, be they modules or functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ..proxy.layers import shared_relu

RELUS = {
    *(F.relu, F.relu6, F.leaky_relu, F.prelu, F.rrelu, torch.relu, torch.relu_, torch.prelu, torch.rrelu),
    *(torch.Tensor.relu, torch.Tensor.relu_, torch.clamp_min, torch.Tensor.clamp_min, torch.Tensor.clamp_min_),
    *(F.hardtanh, F.hardtanh_, F.hardswish, F.threshold),
}
CLAMPS = {torch.clamp, torch.clamp_, torch.clip, torch.Tensor.clamp, torch.Tensor.clamp_, torch.Tensor.clip}
POOLINGS = {F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, torch.Tensor.mean}


class LastMapMode(TorchFunctionMode):
    """Sees every pooling; ``last_map``: the input (b, c, h, w) of the last one that left one number a channel."""

    last_map: Optional[torch.Tensor] = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Optional[dict[str, Any]] = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in POOLINGS and _collapses(args[0], result):
            self.last_map = args[0]
        return result


class ActivationMode(LastMapMode):
    """Sees every ReLU and every pooling, be it module or function, and can leave BatchNorm out.

    ``patterns``: for every ReLU, its input > 0 as bool (b, units), and the number of ReLUs of the published
    network that it stands for.

    >>> import torch
    >>> with ActivationMode() as seen:
    ...     _ = torch.relu(torch.tensor([[-1.0, 2.0]]))
    >>> seen.patterns
    [(tensor([[False,  True]]), 1)]
    """

    def __init__(self, skip_batch_norm: bool = False):
        super().__init__()
        self.skip_batch_norm = skip_batch_norm
        self.patterns: list[tuple[torch.Tensor, int]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Optional[dict[str, Any]] = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm and self.skip_batch_norm:
            return args[0] if args else kwargs["input"]
        if func is shared_relu:
            self.patterns.append((_active(args[0]), args[1]))
        elif func in RELUS or (func in CLAMPS and _clamps_at_zero(args, kwargs)):
            self.patterns.append((_active(args[0] if args else kwargs["input"]), 1))
        return super().__torch_function__(func, types, args, kwargs)


def _clamps_at_zero(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    low = kwargs.get("min", args[1] if len(args) > 1 else None)
    return isinstance(low, (int, float)) and low == 0


def _active(x: torch.Tensor) -> torch.Tensor:
    """(b, ...) -> bool (b, units)"""
    return (x.detach() > 0).flatten(1)


def _collapses(before: object, after: torch.Tensor) -> bool:
    """Whether a feature map (b, c, h, w) became (b, c) or (b, c, 1, 1)."""
    return (
        isinstance(before, torch.Tensor)
        and before.dim() == 4
        and after.shape[:2] == before.shape[:2]
        and after.numel() == before.shape[0] * before.shape[1]
    )
