"""Progress on standard error: a bar with rate and ETA on a terminal, plain lines otherwise."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Optional, TypeVar

T = TypeVar("T")

PLAIN_EVERY = 10.0  # seconds between plain lines


_interrupted = False


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """While open, a Ctrl-C ends every loop of :func:`progress`, even one that Python has swallowed.

    That happens where the interrupt arrives inside a finaliser or a callback whose exceptions are ignored.
    """
    global _interrupted
    heeded = threading.current_thread() is threading.main_thread()
    if not heeded or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _interrupted = False
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _interrupted = False


def _interrupt(number: int, frame: Optional[FrameType]) -> None:
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


def _heeded(items: Iterable[T]) -> Iterator[T]:
    for item in items:
        yield item
        if _interrupted:
            raise KeyboardInterrupt


def warn(message: str) -> None:
    """One line on standard error, for what is odd but no reason to stop."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def tell(message: str) -> None:
    """One line on standard error, for what was decided."""
    print(message, file=sys.stderr, flush=True)


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yield ``items``, telling on standard error how many of ``total`` are done; ``label`` says of what.

    >>> [item * item for item in progress([1, 2, 3], 3, "squares")]
    [1, 4, 9]
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(_heeded(items), total=total, desc=label, file=sys.stderr, unit="arch", smoothing=0.05)
        return
    started = spoken = time.monotonic()
    done = 0
    for item in _heeded(items):
        yield item
        done += 1
        now = time.monotonic()
        if done == 1 < total:
            spoken = now  # it may have waited for what many share, which tells nothing of the rest
        elif now - spoken >= PLAIN_EVERY or done == total:
            left = (now - started) / done * (total - done)
            print(f"{label}: {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)
            spoken = now
