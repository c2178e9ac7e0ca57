"""PyTorch's global settings, which belong to the caller's program: set for the time of a score, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from ..errors import SpecError

CUDNN = {"allow_tf32": False, "deterministic": True, "benchmark": False}
"""Settings of a GPU's convolutions: the second and third, so that a seed means one score there."""

_threads = 1


MOST_THREADS = 1024
"""The OpenMP library ends the process where there is no memory for more."""


def use_threads(count: int) -> None:
    """Compute scores of this process in ``count`` threads of PyTorch [default: 1].

    Other numbers of threads add in another order, and a training carries that on: scores differ by more than their last
    digits. Small networks gain little from a second thread. SpecError for less than 1 or more than 1,024.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_THREADS:
        raise SpecError(f"threads must be a whole number from 1 to {MOST_THREADS}, got {count!r}")
    global _threads
    _threads = count


def threads() -> int:
    """In which scores of this process are computed."""
    return _threads


@contextmanager
def settled() -> Iterator[None]:
    """While open, PyTorch is as scores need it, whatever the caller has set; then it is as it was.

    What is set: float32 as default type, the CPU as default device, no autocast, gradients that can be had, oneDNN,
    full precision of matrix products and of a GPU's convolutions, which are the same each time, the number of threads.

    >>> torch.set_default_dtype(torch.float64)
    >>> with settled():
    ...     print(torch.zeros(1).dtype)
    torch.float32
    >>> torch.get_default_dtype()
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    before = torch.get_default_dtype(), torch.get_num_threads(), torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device, enabled=False))
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if not torch.backends.mkldnn.enabled:
            stack.enter_context(torch.backends.mkldnn.flags(enabled=True))
        for name, value in CUDNN.items() if torch.version.cuda else ():
            if getattr(torch.backends.cudnn, name) != value:
                stack.callback(setattr, torch.backends.cudnn, name, not value)
                setattr(torch.backends.cudnn, name, value)
        stack.callback(_set, *before)
        _set(torch.float32, _threads, "highest")
        yield


def _set(dtype: torch.dtype, count: int, precision: str) -> None:
    """Only what is to change: some of it takes time."""
    if torch.get_default_dtype() != dtype:
        torch.set_default_dtype(dtype)
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
    if torch.get_float32_matmul_precision() != precision:
        torch.set_float32_matmul_precision(precision)
