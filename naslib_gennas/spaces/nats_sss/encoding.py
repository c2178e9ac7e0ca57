"""Widths of NATS-Bench's size space: their text, their numbers.

Dong et al., "NATS-Bench", TPAMI 2021, https://arxiv.org/abs/2009.00437.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import ArchitectureError

WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
PLACES = 5
"""The stem with the first cell, and then by turns a residual block that halves the size and a cell."""
COUNT = len(WIDTHS) ** PLACES
EXAMPLE = "8:16:24:32:40"


@dataclass(frozen=True)
class NATSSizeArchitecture:
    """``widths``: channels at the five places.

    >>> str(NATSSizeArchitecture((8, 16, 24, 32, 40)))
    '8:16:24:32:40'
    """

    widths: tuple[int, ...]

    def __str__(self) -> str:
        return ":".join(map(str, self.widths))


def parse_widths(text: str) -> NATSSizeArchitecture:
    """The architecture of the benchmark's string or of its number; ArchitectureError says where the text breaks.

    >>> parse_widths("8:16:24:32:40").widths
    (8, 16, 24, 32, 40)
    >>> str(parse_widths("32767"))
    '64:64:64:64:64'
    """
    if re.fullmatch(r"[0-9]{1,9}", text):
        return numbered(int(text))
    parts = text.split(":")
    if len(parts) != PLACES:
        raise _broken(text, f"it has {len(parts)} widths separated by ':', expected {PLACES}")
    for part in parts:
        if part not in map(str, WIDTHS):
            raise _broken(text, f"{part[:20]!r} is none of the widths {WIDTHS[0]}, {WIDTHS[1]}, ..., {WIDTHS[-1]}")
    return NATSSizeArchitecture(tuple(map(int, parts)))


def numbered(index: int) -> NATSSizeArchitecture:
    """In the benchmark's order the last width changes first.

    >>> [str(numbered(index)) for index in (0, 1, 8)]
    ['8:8:8:8:8', '8:8:8:8:16', '8:8:8:16:8']
    """
    if index >= COUNT:
        raise ArchitectureError(f"nats_sss numbers its architectures 0 to {COUNT - 1}; got {index}")
    base = len(WIDTHS)
    return NATSSizeArchitecture(tuple(WIDTHS[index // base**place % base] for place in reversed(range(PLACES))))


def _broken(text: str, why: str) -> ArchitectureError:
    return ArchitectureError(f"not a nats_sss architecture: {text[:80]!r}: {why}; an example is {EXAMPLE}")
