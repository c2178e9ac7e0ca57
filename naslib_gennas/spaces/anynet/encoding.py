from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

BASIC, BOTTLENECK, PLAIN = "res_basic_block", "res_bottleneck_block", "double_plain_block"
KEYS = ("block_type", "bot_muls", "ds", "num_gs", "ss", "ws")

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class AnyNetArchitecture:
    """Per stage: blocks ``ds``, widths ``ws``, strides ``ss``, bottleneck ratios ``bot_muls`` and groups ``num_gs``.

    The first entries are the stem's in the benchmark. Only bottleneck blocks have ratios and groups.
    """

    block_type: str
    bot_muls: tuple[float, ...]
    ds: Numbers
    num_gs: Numbers
    ss: Numbers
    ws: Numbers

    def __str__(self) -> str:
        """The JSON of ``net`` in the records of NDS."""
        return json.dumps({key: getattr(self, key) for key in KEYS})

    def ratios(self) -> tuple[float, ...]:
        """Bottleneck ratio of every stage; a written 0 means 1."""
        return tuple(ratio or 1.0 for ratio in self.bot_muls) or (1.0,) * len(self.ds)

    def groups(self) -> Numbers:
        return self.num_gs or (1,) * len(self.ds)

    def inner(self, stage: int) -> int:
        """Width inside the bottleneck of a stage."""
        return max(1, round(self.ws[stage] * self.ratios()[stage]))


def similarity_vector(arch: AnyNetArchitecture) -> np.ndarray:
    """Logarithms (base 2) of all numbers of the stages; architectures are similar where their sum of
    differences is small."""
    rows = [arch.ds[1:], arch.ws[1:], arch.ratios()[1:], arch.groups()[1:]]
    return np.log2(np.array(rows, dtype=float)).ravel()


def stem_layers(arch: AnyNetArchitecture) -> list[tuple[int, int, int, int, int]]:
    """(inputs, outputs, kernel, stride, stride of a pool behind it) of the convolutions of the full-size stem.

    Total stride 1: one 3x3 (CIFAR); 4: 7x7 and a pool, as in ResNets; 8: three 3x3. Inferred from the records.
    """
    width = arch.ws[0]
    if arch.ss[0] == 8:
        half = width // 2
        return [(3, half, 3, 2, 1), (half, width, 3, 2, 1), (width, width, 3, 2, 1)]
    return [(3, width, 7, 2, 2)] if arch.ss[0] == 4 else [(3, width, 3, 1, 1)]
