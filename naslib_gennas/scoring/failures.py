"""What goes wrong with an architecture becomes its record here, and nowhere else.

Three kinds of errors are told apart. An error of the *settings* (a preset, images or a device that cannot work) would
come again with every architecture: it is raised. An error of the *architecture* is recorded: an exception while it is
built or measured, ``sys.exit`` of a user's module, a process that dies of it, a time limit. What is neither (Ctrl-C)
passes through.
"""

from __future__ import annotations

import signal
import time
from typing import Callable, Optional

import torch

from ..errors import DeviceError, GenNASError, ImageError, RunError, SpecError
from ..proxy.surroundings import settled
from .score import ErrorRecord, Score, Status

OF_THE_SETTINGS = (SpecError, ImageError, DeviceError, RunError)


class ProcessDied(Exception):
    """A worker process ended while it scored; ``exitcode``, if known, as Python has it: minus the signal's number."""

    def __init__(self, exitcode: Optional[int] = None):
        super().__init__(exitcode)
        self.exitcode = exitcode


class TimeLimit(Exception):
    """An architecture took longer than ``seconds``."""

    def __init__(self, seconds: float):
        super().__init__(seconds)
        self.seconds = seconds


def attempted(arch: str, key: str, measure: str, compute: Callable[[], Score]) -> Score:
    """What ``compute`` returns, or the record of what the architecture did wrong.

    Raises the errors of the settings, see the head of this module.
    """
    started = time.perf_counter()
    try:
        with settled():
            return compute()
    except OF_THE_SETTINGS:
        raise
    except (Exception, SystemExit) as error:
        _check_gpu(error)
        return failure(arch, key, measure, error, time.perf_counter() - started)


def _check_gpu(error: BaseException) -> None:
    """DeviceError if ``error`` took the GPU with it: every later architecture would fail without a fault of its own."""
    if not isinstance(error, RuntimeError) or "CUDA error" not in str(error):
        return
    try:
        torch.ones(1, device="cuda").add_(1).cpu()
    except torch.cuda.OutOfMemoryError:
        return
    except RuntimeError:
        raise DeviceError(
            f"the GPU does not answer any more after {_first_line(error)}; what is finished is kept, continue in a new "
            "process with --resume"
        ) from None


def failure(arch: str, key: str, measure: str, error: BaseException, seconds: float = 0.0) -> Score:
    """The record of an architecture that ``error`` was met with."""
    status, record = _described(error)
    return Score(arch, key, None, status, seconds, measure, record)


def _described(error: BaseException) -> tuple[Status, ErrorRecord]:
    kind = type(error).__name__
    if isinstance(error, ProcessDied):
        return "crashed", ErrorRecord(*_ending(error.exitcode))
    if isinstance(error, TimeLimit):
        return "timeout", ErrorRecord(kind, f"stopped after {error.seconds:g} s (--timeout)")
    if isinstance(error, SystemExit):
        return "crashed", ErrorRecord(kind, f"it called sys.exit({'' if error.code is None else repr(error.code)})")
    if isinstance(error, torch.cuda.OutOfMemoryError):
        torch.cuda.empty_cache()
        return "failed", ErrorRecord(kind, f"out of memory on the GPU: {_first_line(error)}")
    if isinstance(error, GenNASError):
        return "failed", ErrorRecord(kind, str(error))
    return "failed", ErrorRecord(kind, f"{kind}: {error}")


def _ending(exitcode: Optional[int]) -> tuple[str, str]:
    """Name and sentence of the end of a process."""
    if exitcode is None:
        return "ProcessExit", "every worker that scored it ended meanwhile"
    if exitcode >= 0:
        return "ProcessExit", f"its process ended with exit code {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    cause = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return name, f"its process was ended by {name}{cause}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
