"""Layers of NAS-Bench-Macro: the benchmark's digits, and what makes two architectures the same.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021, https://arxiv.org/abs/2103.11922.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import ArchitectureError

OPERATIONS = ("identity", "ir_3x3_e3", "ir_5x5_e6")
IDENTITY = 0
STAGES = (2, 3, 3)
"""Layers of each; the first halves the size and doubles the channels."""
LAYERS = sum(STAGES)
COUNT = len(OPERATIONS) ** LAYERS
EXAMPLE = "12012210"


@dataclass(frozen=True)
class NASBenchMacroArchitecture:
    """``ops[i]`` is the index in ``OPERATIONS`` of layer i.

    >>> str(NASBenchMacroArchitecture((1, 2, 0, 1, 2, 2, 1, 0)))
    '12012210'
    """

    ops: tuple[int, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.ops))

    def stages(self) -> list[tuple[int, ...]]:
        """The operations, stage by stage."""
        layers = iter(self.ops)
        return [tuple(itertools.islice(layers, count)) for count in STAGES]


def parse_layers(text: str) -> NASBenchMacroArchitecture:
    """The architecture of eight digits; ArchitectureError if it is none.

    >>> parse_layers("12012210").ops
    (1, 2, 0, 1, 2, 2, 1, 0)
    """
    if not re.fullmatch(f"[0-{len(OPERATIONS) - 1}]{{{LAYERS}}}", text):
        raise ArchitectureError(
            f"not a nasbench_macro architecture: {text[:80]!r} is not {LAYERS} digits from 0 to "
            f"{len(OPERATIONS) - 1}, leading zeros included; an example is {EXAMPLE}"
        )
    return NASBenchMacroArchitecture(tuple(map(int, text)))


def packed(arch: NASBenchMacroArchitecture) -> NASBenchMacroArchitecture:
    """Identities that change no shape go to the end of their stage: equal for architectures that are one network.

    >>> str(packed(NASBenchMacroArchitecture((1, 0, 2, 0, 1, 0, 0, 2))))
    '10210020'
    """
    ops: list[int] = []
    for first, *rest in arch.stages():
        kept = [op for op in rest if op != IDENTITY]
        ops += [first, *kept, *[IDENTITY] * (len(rest) - len(kept))]
    return NASBenchMacroArchitecture(tuple(ops))


def every() -> Iterator[NASBenchMacroArchitecture]:
    """All 6,561, in the order of the digits."""
    return map(NASBenchMacroArchitecture, itertools.product(range(len(OPERATIONS)), repeat=LAYERS))
