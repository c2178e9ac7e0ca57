"""TransNAS-Bench-101: a cell space (micro) and a space of skeletons (macro).

Duan et al., "TransNAS-Bench-101", CVPR 2021, https://arxiv.org/abs/2105.11871.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from functools import lru_cache

from ..errors import ArchitectureError
from .base import SPACES, SearchSpace
from .nasbench201 import EDGES

NONE, SKIP = 0, 1
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
BASE = 64  # channels after the stem in the benchmark's networks
CLASSES = 75  # of the benchmark's object classification
MICRO_SKELETON = "41414"
MODULES = "1234"
"""A module keeps its input's shape (1), doubles the channels (2), halves the size (3) or does both (4)."""
LENGTHS, HALVINGS, DOUBLINGS = (4, 5, 6), (1, 2, 3, 4), (1, 2, 3)
"""Of macro skeletons: modules, modules that halve the size, modules that double the channels."""
REDRAWN = 1 / 5  # probability for an edge in a mutation, as in NAS-Bench-201


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


class TransNASSpace(SearchSpace):
    """What both spaces share. In the proxy networks the stem, which divides the size by 4, has no strides."""

    metrics = ("accuracy",)
    cells = 2  # in a module, as in the benchmark
    channels = 16
    pattern: str
    form: str

    def canonical(self, arch):
        return str(self.representative(arch))

    def _match(self, text) -> re.Match:
        text = str(text).strip()
        found = re.fullmatch(self.pattern, text)
        if found is None:
            raise ArchitectureError(
                f"not a {self.name} architecture: {text[:80]!r} does not read {self.form}; an example is {self.example}"
            )
        return found


@SPACES.register("transnas101_micro")
class TransNASMicro(TransNASSpace):
    """All 4^6 cells of NAS-Bench-201's shape without pooling, in a skeleton of five modules of two cells.

    The first cell of modules 1, 3 and 5 halves the size and doubles the channels. Stages are read before each
    further halving and at the end.
    """

    name = "transnas101_micro"
    description = "TransNAS-Bench-101 micro: cells of 4 nodes, 6 edges, 4 operations"
    size = len(OPERATIONS) ** len(EDGES)
    unique = 3616
    strides = (2, 4, 8)
    example = "64-41414-1_02_333"
    pattern = rf"{BASE}-{MICRO_SKELETON}-([0-3])_([0-3]{{2}})_([0-3]{{3}})"
    form = f"{BASE}-{MICRO_SKELETON}-a_bc_def with operations 0 to 3"

    def sample(self, rng):
        """Uniform over all 4,096 cells, disconnected ones included, as the benchmark has them."""
        return TransNASMicroArchitecture(tuple(int(op) for op in rng.integers(len(OPERATIONS), size=len(EDGES))))

    def mutate(self, arch, rng):
        """Each edge is redrawn with probability 1/5, until the cell differs."""
        while True:
            redraw = rng.random(len(EDGES)) < REDRAWN
            fresh = rng.integers(len(OPERATIONS), size=len(EDGES))
            child = TransNASMicroArchitecture(
                tuple(int(new) if change else old for old, new, change in zip(arch.ops, fresh, redraw))
            )
            if child != arch:
                return child

    def parse(self, text):
        """The benchmark's string."""
        return TransNASMicroArchitecture(tuple(int(digit) for digit in "".join(self._match(text).groups())))

    def representative(self, arch):
        """Nodes 1 and 2 can be exchanged where no edge joins them."""
        a, b, joined, d, e, f = arch.ops
        exchanged = (b, a, NONE, d, f, e) if joined == NONE else arch.ops
        return TransNASMicroArchitecture(min(arch.ops, exchanged))

    def reduced(self, arch):
        return self.representative(arch.live())

    def build(self, arch, fidelity):
        from .networks_transnas import Backbone

        read = (2, 4, 5)  # before the halvings of modules 3 and 5, and at the end
        cells = fidelity.cells or self.cells
        return Backbone(arch.live(), MICRO_SKELETON, fidelity.channels or self.channels, cells, read)

    def build_network(self, arch, classes=CLASSES):
        from .networks_transnas import Network

        return Network(arch, MICRO_SKELETON, BASE, self.cells, classes)

    def __iter__(self):
        """In lexical order of the digits."""
        return map(TransNASMicroArchitecture, itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)))


@SPACES.register("transnas101_macro")
class TransNASMacro(TransNASSpace):
    """Four to six modules of two residual blocks; the size is halved one to four times, the channels doubled
    one to three times. Stages are read after one third, two thirds and all of the modules."""

    name = "transnas101_macro"
    description = "TransNAS-Bench-101 macro: where a ResNet of 4 to 6 modules widens and shrinks"
    size = unique = 3256
    example = "64-1234-basic"
    pattern = rf"{BASE}-([{MODULES}]{{{LENGTHS[0]},{LENGTHS[-1]}}})-basic"
    form = f"{BASE}-<{LENGTHS[0]} to {LENGTHS[-1]} digits from 1 to 4>-basic"

    def sample(self, rng):
        """Uniform over all 3,256 skeletons."""
        everything = _skeletons()
        return TransNASMacroArchitecture(everything[rng.integers(len(everything))])

    def mutate(self, arch, rng):
        """One module changes, is inserted or removed: uniform over the valid skeletons one edit away."""
        text = arch.modules
        edits = {text[:i] + text[i + 1 :] for i in range(len(text))}
        edits |= {text[:i] + digit + text[i + 1 :] for i in range(len(text)) for digit in MODULES}
        edits |= {text[:i] + digit + text[i:] for i in range(len(text) + 1) for digit in MODULES}
        valid = sorted(other for other in edits if other != text and _valid(other))
        return TransNASMacroArchitecture(valid[rng.integers(len(valid))])

    def parse(self, text):
        """The benchmark's string."""
        modules = self._match(text)[1]
        if not _valid(modules):
            raise ArchitectureError(
                f"not a {self.name} architecture: {modules} must halve the size (3, 4) one to four times and double "
                f"the channels (2, 4) one to three times; an example is {self.example}"
            )
        return TransNASMacroArchitecture(modules)

    def representative(self, arch):
        return arch

    def stage_strides(self, arch):
        return tuple(2 ** sum(digit in "34" for digit in arch.modules[:end]) for end in _thirds(arch.modules))

    def build(self, arch, fidelity):
        from .networks_transnas import Backbone

        cells = fidelity.cells or self.cells
        return Backbone(None, arch.modules, fidelity.channels or self.channels, cells, _thirds(arch.modules))

    def build_network(self, arch, classes=CLASSES):
        from .networks_transnas import Network

        return Network(None, arch.modules, BASE, self.cells, classes)

    def __iter__(self):
        """Shorter ones first, then in the order of the digits."""
        return map(TransNASMacroArchitecture, _skeletons())


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
