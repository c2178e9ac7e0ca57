"""Cells and skeletons of TransNAS-Bench-101: the benchmark's strings, and what makes two of them the same.

Duan et al., "TransNAS-Bench-101", CVPR 2021, https://arxiv.org/abs/2105.11871.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from functools import lru_cache

from ...errors import ArchitectureError
from ..nasbench201.encoding import EDGES

NONE, SKIP = 0, 1
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
BASE = 64  # channels after the stem in the benchmark's networks

MICRO_SKELETON = "41414"
MODULES = "1234"
"""A module keeps its input's shape (1), doubles the channels (2), halves the size (3) or does both (4)."""
DOUBLING, HALVING = "24", "34"
LENGTHS, HALVINGS, DOUBLINGS = (4, 5, 6), (1, 2, 3, 4), (1, 2, 3)
"""Of macro skeletons: modules, modules that halve the size, modules that double the channels."""


@dataclass(frozen=True)
class TextForm:
    """How the architectures of a space are written: a ``pattern``, the same in words, and an ``example``."""

    space: str
    pattern: str
    words: str
    example: str

    def match(self, text: str) -> re.Match[str]:
        """The parts of ``text``; ArchitectureError if it reads otherwise."""
        found = re.fullmatch(self.pattern, text)
        if found is None:
            raise self.broken(f"{text[:80]!r} does not read {self.words}")
        return found

    def broken(self, why: str) -> ArchitectureError:
        """The error of a text."""
        return ArchitectureError(f"not a {self.space} architecture: {why}; an example is {self.example}")


MICRO = TextForm(
    "transnas101_micro",
    rf"{BASE}-{MICRO_SKELETON}-([0-3])_([0-3]{{2}})_([0-3]{{3}})",
    f"{BASE}-{MICRO_SKELETON}-a_bc_def with operations 0 to 3",
    "64-41414-1_02_333",
)
MACRO = TextForm(
    "transnas101_macro",
    rf"{BASE}-([{MODULES}]{{{LENGTHS[0]},{LENGTHS[-1]}}})-basic",
    f"{BASE}-<{LENGTHS[0]} to {LENGTHS[-1]} digits from 1 to 4>-basic",
    "64-1234-basic",
)


@dataclass(frozen=True)
class TransNASMicroArchitecture:
    """``ops[i]`` is the index in ``OPERATIONS`` of the operation on edge ``EDGES[i]`` of NAS-Bench-201's cell.

    >>> str(TransNASMicroArchitecture((1, 0, 2, 3, 3, 3)))
    '64-41414-1_02_333'
    """

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
    """``modules``: a digit of ``MODULES`` for each module of two residual blocks.

    >>> str(TransNASMacroArchitecture("1234"))
    '64-1234-basic'
    """

    modules: str

    def __str__(self) -> str:
        return f"{BASE}-{self.modules}-basic"


def parse_micro(text: str) -> TransNASMicroArchitecture:
    """The cell of the benchmark's string; ArchitectureError if it is none.

    >>> parse_micro("64-41414-1_02_333").live().ops
    (1, 0, 2, 3, 3, 3)
    """
    return TransNASMicroArchitecture(tuple(int(digit) for digit in "".join(MICRO.match(text).groups())))


def parse_macro(text: str) -> TransNASMacroArchitecture:
    """The skeleton of the benchmark's string; ArchitectureError if it is none.

    >>> parse_macro("64-1234-basic").modules
    '1234'
    """
    modules = MACRO.match(text)[1]
    if not is_skeleton(modules):
        raise MACRO.broken(
            f"{modules} must halve the size (3, 4) one to four times and double the channels (2, 4) one to three times"
        )
    return TransNASMacroArchitecture(modules)


def first_exchange(arch: TransNASMicroArchitecture) -> TransNASMicroArchitecture:
    """The first of the cells in which nodes 1 and 2 are exchanged or not, which they can be where no edge joins them.

    >>> first_exchange(TransNASMicroArchitecture((3, 0, 0, 0, 1, 2))).ops
    (0, 3, 0, 0, 2, 1)
    """
    a, b, joined, d, e, f = arch.ops
    exchanged = (b, a, NONE, d, f, e) if joined == NONE else arch.ops
    return TransNASMicroArchitecture(min(arch.ops, exchanged))


def ends_of_thirds(modules: str) -> tuple[int, int, int]:
    """How many modules of a skeleton have run when its three stages are read.

    >>> ends_of_thirds("12341")
    (2, 4, 5)
    """
    first, second = (math.ceil(len(modules) * part / 3) for part in (1, 2))
    return first, second, len(modules)


def is_skeleton(modules: str) -> bool:
    """Whether a macro network may have these modules.

    >>> is_skeleton("1234"), is_skeleton("1111")
    (True, False)
    """
    halvings, doublings = sum(m in HALVING for m in modules), sum(m in DOUBLING for m in modules)
    return len(modules) in LENGTHS and halvings in HALVINGS and doublings in DOUBLINGS


@lru_cache(maxsize=1)
def skeletons() -> tuple[str, ...]:
    """All of them, shorter ones first, then in the order of the digits.

    >>> len(skeletons()), skeletons()[0]
    (3256, '1114')
    """
    every = ("".join(digits) for length in LENGTHS for digits in itertools.product(MODULES, repeat=length))
    return tuple(filter(is_skeleton, every))


def edits(modules: str) -> list[str]:
    """The other skeletons in which one module is changed, inserted or removed, sorted.

    >>> edits("1114")[:3]
    ['11114', '11124', '11134']
    """
    found = {modules[:i] + modules[i + 1 :] for i in range(len(modules))}
    found |= {modules[:i] + digit + modules[i + 1 :] for i in range(len(modules)) for digit in MODULES}
    found |= {modules[:i] + digit + modules[i:] for i in range(len(modules) + 1) for digit in MODULES}
    return sorted(other for other in found if other != modules and is_skeleton(other))
