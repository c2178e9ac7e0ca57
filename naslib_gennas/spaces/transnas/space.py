"""TransNAS-Bench-101: a cell space (micro) and a space of skeletons (macro).

Duan et al., "TransNAS-Bench-101", CVPR 2021, https://arxiv.org/abs/2105.11871.
"""

from __future__ import annotations

import itertools
import re

from ...errors import ArchitectureError
from ..base import SPACES, SearchSpace
from ..nasbench201.encoding import EDGES
from .encoding import (
    BASE,
    LENGTHS,
    MICRO_SKELETON,
    MODULES,
    NONE,
    OPERATIONS,
    TransNASMacroArchitecture,
    TransNASMicroArchitecture,
    _skeletons,
    _thirds,
    _valid,
)

CLASSES = 75  # of the benchmark's object classification
REDRAWN = 1 / 5  # probability for an edge in a mutation, as in NAS-Bench-201


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
        from .networks import Backbone

        read = (2, 4, 5)  # before the halvings of modules 3 and 5, and at the end
        cells = fidelity.cells or self.cells
        return Backbone(arch.live(), MICRO_SKELETON, fidelity.channels or self.channels, cells, read)

    def build_network(self, arch, classes=CLASSES):
        from .networks import Network

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
        from .networks import Backbone

        cells = fidelity.cells or self.cells
        return Backbone(None, arch.modules, fidelity.channels or self.channels, cells, _thirds(arch.modules))

    def build_network(self, arch, classes=CLASSES):
        from .networks import Network

        return Network(None, arch.modules, BASE, self.cells, classes)

    def __iter__(self):
        """Shorter ones first, then in the order of the digits."""
        return map(TransNASMacroArchitecture, _skeletons())
