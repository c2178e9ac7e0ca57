from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

from ..nasbench201.encoding import EDGES

NONE, SKIP = 0, 1
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
BASE = 64  # channels after the stem in the benchmark's networks

MICRO_SKELETON = "41414"
MODULES = "1234"
"""A module keeps its input's shape (1), doubles the channels (2), halves the size (3) or does both (4)."""
LENGTHS, HALVINGS, DOUBLINGS = (4, 5, 6), (1, 2, 3, 4), (1, 2, 3)
"""Of macro skeletons: modules, modules that halve the size, modules that double the channels."""


@dataclass(frozen=True)
class TransNASMicroArchitecture:
    """``ops[i]`` is the index in ``OPERATIONS`` of the operation on edge ``EDGES[i]`` of NAS-Bench-201's cell."""

    ops: tuple[int, ...]

    def __str__(self) -> str:
        a, b, c, d, e, f = self.ops
        return f"{BASE}-{MICRO_SKELETON}-{a}_{b}{c}_{d}{e}{f}"

    def live(self) -> TransNASMicroArchitecture:
        """Edges that are on no path from the input to the output become 'none'."""
        forward, backward = {0}, {3}
        for op, (source, target) in zip(self.ops, EDGES):
            if op != NONE and source in forward:
                forward.add(target)
        for op, (source, target) in reversed(list(zip(self.ops, EDGES))):
            if op != NONE and target in backward:
                backward.add(source)
        alive = [source in forward and target in backward for source, target in EDGES]
        return TransNASMicroArchitecture(tuple(op if keep else NONE for op, keep in zip(self.ops, alive)))


@dataclass(frozen=True)
class TransNASMacroArchitecture:
    """``modules``: a digit of ``MODULES`` for each module of two residual blocks."""

    modules: str

    def __str__(self) -> str:
        return f"{BASE}-{self.modules}-basic"


def _thirds(modules: str) -> tuple[int, int, int]:
    """How many modules have run when the three stages are read."""
    return tuple(math.ceil(len(modules) * part / 3) for part in (1, 2, 3))


def _valid(modules: str) -> bool:
    halvings, doublings = sum(m in "34" for m in modules), sum(m in "24" for m in modules)
    return len(modules) in LENGTHS and halvings in HALVINGS and doublings in DOUBLINGS


@lru_cache(maxsize=1)
def _skeletons() -> tuple[str, ...]:
    every = ("".join(digits) for length in LENGTHS for digits in itertools.product(MODULES, repeat=length))
    return tuple(filter(_valid, every))
