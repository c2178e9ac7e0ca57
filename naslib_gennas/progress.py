"""Progress on standard error: a bar with rate, workers and time left on a terminal, plain lines otherwise."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Callable, Optional, TypeVar

T = TypeVar("T")

PLAIN_EVERY = 10.0  # seconds between plain lines
TOLD_EVERY = 5.0  # seconds between two standings that others are told


@dataclass(frozen=True)
class Standing:
    """How far something is: ``done`` of ``total`` in so many ``seconds``, by so many ``workers``.

    >>> print(Standing("scoring", done=30, total=90, seconds=20.0, workers=2))
    scoring: 30/90, 1.5 a second, 2 workers, 40 s left
    """

    label: str
    done: int
    total: int
    seconds: float
    workers: int = 1

    @property
    def rate(self) -> float:
        """A second."""
        return self.done / max(self.seconds, 1e-9)

    @property
    def left(self) -> float:
        """Seconds; infinite while nothing is done."""
        return (self.total - self.done) / self.rate if self.done else float("inf")

    def __str__(self) -> str:
        workers = f", {self.workers} workers" if self.workers > 1 else ""
        left = f"{self.left:.0f} s left" if self.done else "time left unknown"
        return f"{self.label}: {self.done}/{self.total}, {self.rate:.3g} a second{workers}, {left}"


Told = Callable[[Standing], None]


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


def progress(
    items: Iterable[T],
    total: int,
    label: str,
    workers: Callable[[], int] = lambda: 1,
    told: Optional[Told] = None,
) -> Iterator[T]:
    """Yield ``items``, telling on standard error how many of ``total`` are done; ``label`` says of what.

    workers: how many are at work now. told: is called with the standing, too: first after some seconds, then every few,
    and at the end.

    >>> [item * item for item in progress([1, 2, 3], 3, "squares")]
    [1, 4, 9]
    """
    started = time.monotonic()

    def standing(done: int) -> Standing:
        return Standing(label, done, total, time.monotonic() - started, workers())

    items = _heeded(items)
    items = items if told is None else _telling(items, total, standing, told)
    if sys.stderr.isatty():
        yield from _bar(items, total, label, workers)
        return
    spoken = started
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == 1 < total:
            spoken = now  # it may have waited for what many share, which tells nothing of the rest
        elif now - spoken >= PLAIN_EVERY or done == total:
            tell(str(standing(done)))
            spoken = now


def _bar(items: Iterable[T], total: int, label: str, workers: Callable[[], int]) -> Iterator[T]:
    from tqdm import tqdm

    with tqdm(total=total, desc=label, file=sys.stderr, unit="arch", smoothing=0.05) as bar:
        looked = time.monotonic()
        for item in items:
            yield item
            if time.monotonic() - looked >= 1 and (count := workers()) > 1:
                bar.set_postfix_str(f"{count} workers", refresh=False)
                looked = time.monotonic()
            bar.update()


def _telling(items: Iterable[T], total: int, standing: Callable[[int], Standing], told: Told) -> Iterator[T]:
    last, done, spoke = time.monotonic(), 0, False
    try:
        for item in items:
            yield item
            done += 1
            if time.monotonic() - last >= TOLD_EVERY:
                told(standing(done))
                last, spoke = time.monotonic(), True
    finally:  # also of one that is interrupted
        if spoke:
            told(standing(done))
