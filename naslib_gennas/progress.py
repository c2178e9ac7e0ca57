"""Progress on standard error: a bar with rate and ETA on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

PLAIN_EVERY = 10.0  # seconds between plain lines


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yield ``items``, telling on standard error how many of ``total`` are done; ``label`` says of what.

    >>> [item * item for item in progress([1, 2, 3], 3, "squares")]
    [1, 4, 9]
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, file=sys.stderr, unit="arch", smoothing=0.05)
        return
    started = spoken = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - spoken >= PLAIN_EVERY or done == total:
            left = (now - started) / done * (total - done)
            print(f"{label}: {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)
            spoken = now
