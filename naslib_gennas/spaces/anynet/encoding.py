"""Numbers of the stages of AnyNet networks, as the NDS records write them, and how similar two networks are.

Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019, Section 4,
https://arxiv.org/abs/1905.13214.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ArchitectureError
from ...registry import unknown
from ...texts import parse_json

BASIC, BOTTLENECK, PLAIN = "res_basic_block", "res_bottleneck_block", "double_plain_block"
KEYS = ("block_type", "bot_muls", "ds", "num_gs", "ss", "ws")
STEM_STRIDES = (1, 4, 8)
MOST = 4096  # blocks, channels or groups
MOST_RATIO = 4

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class AnyNetArchitecture:
    """Per stage: blocks ``ds``, widths ``ws``, strides ``ss``, bottleneck ratios ``bot_muls`` and groups ``num_gs``.

    The first entries are the stem's in the benchmark. Only bottleneck blocks have ratios and groups.

    >>> arch = AnyNetArchitecture(BOTTLENECK, (1.0, 0.5), (1, 2), (1, 4), (1, 1), (16, 32))
    >>> arch.inner(1), arch.groups()[1]
    (16, 4)
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
        """Of the 3x3 convolutions of every stage."""
        return self.num_gs or (1,) * len(self.ds)

    def inner(self, stage: int) -> int:
        """Width inside the bottleneck of a stage."""
        return max(1, round(self.ws[stage] * self.ratios()[stage]))


@dataclass(frozen=True)
class Rules:
    """What a text of a space may hold: the kind of ``block`` and the number of ``stages``, the stem's entry
    included. ``space`` and ``example`` stand in errors."""

    space: str
    example: str
    block: str
    stages: int

    @property
    def strides(self) -> Numbers:
        """Of the stages after the stem."""
        return (1, *(2,) * (self.stages - 2))

    def broken(self, why: str) -> ArchitectureError:
        """The error of a text."""
        return ArchitectureError(f"not a {self.space} architecture: {why}; an example is {self.example}")


def parse_net(text: str, rules: Rules) -> AnyNetArchitecture:
    """The JSON of an NDS record's ``net``; ArchitectureError says where the text breaks.

    >>> arch = AnyNetArchitecture(BASIC, (), (1, 2, 3, 4), (), (1, 1, 2, 2), (16, 16, 32, 64))
    >>> rules = Rules("nds_resnet", str(arch), BASIC, stages=4)
    >>> parse_net(str(arch), rules) == arch
    True
    >>> parse_net(str(arch).replace("2, 3", "0, 3"), rules)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    naslib_gennas.errors.ArchitectureError: not a nds_resnet architecture: ds holds 0, which is out of range; an ...
    """
    try:
        net = parse_json(text)
    except ValueError as error:
        raise rules.broken(f"{text[:80]!r} is not JSON: {error}") from None
    if not isinstance(net, dict):
        raise rules.broken(f"the text must be a JSON object with {', '.join(KEYS)}")
    missing, odd = sorted(set(KEYS) - set(net)), sorted(set(net) - set(KEYS))
    if missing or odd:
        raise rules.broken(f"the network lacks {', '.join(missing)}" if missing else f"there is no key {odd[0]!r}")
    return _parsed(net, rules)


def _parsed(net: Mapping[str, object], rules: Rules) -> AnyNetArchitecture:
    allowed = (BOTTLENECK,) if rules.block == BOTTLENECK else (BASIC, PLAIN)
    if net["block_type"] not in allowed:
        raise rules.broken(unknown("block_type", str(net["block_type"]), allowed))
    rows = {key: _row(net, key, rules) for key in KEYS[1:]}
    arch = AnyNetArchitecture(str(net["block_type"]), **rows)
    if arch.ss[1:] != rules.strides or arch.ss[0] not in STEM_STRIDES:
        raise rules.broken(f"ss must be [1, 4 or 8, {', '.join(map(str, rules.strides))}], got {list(arch.ss)}")
    for stage in range(1, rules.stages) if arch.block_type == BOTTLENECK else ():
        inner, groups = arch.inner(stage), arch.groups()[stage]
        if inner % groups:
            raise rules.broken(
                f"the {inner} channels inside the blocks of stage {stage} are no multiple of {groups} groups"
            )
    return arch


def _row(net: Mapping[str, object], key: str, rules: Rules) -> tuple[Any, ...]:
    row = net[key]
    optional = key in ("bot_muls", "num_gs")
    if not isinstance(row, list) or len(row) != rules.stages and not (optional and not row):
        raise rules.broken(f"{key} must be a list of {rules.stages} numbers, got {row!r}")
    for value in row:
        if not (_is_ratio(value) if key == "bot_muls" else _is_number(value)):
            raise rules.broken(f"{key} holds {value!r}, which is out of range")
    return tuple(float(value) if key == "bot_muls" else value for value in row)


def _is_ratio(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST_RATIO


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def written_out(arch: AnyNetArchitecture) -> AnyNetArchitecture:
    """The same network, ratios and groups written out where blocks have them, left out elsewhere; the stem has none.

    >>> written_out(AnyNetArchitecture(BOTTLENECK, (), (1, 2), (), (1, 1), (16, 32))).bot_muls
    (1.0, 1.0)
    """
    if arch.block_type != BOTTLENECK:
        return replace(arch, bot_muls=(), num_gs=(), ds=(1, *arch.ds[1:]))
    ratios, groups = (1.0, *arch.ratios()[1:]), (1, *arch.groups()[1:])
    return replace(arch, bot_muls=ratios, num_gs=groups, ds=(1, *arch.ds[1:]))


def fitted_width(width: float, ratio: float, groups: int) -> int:
    """The width nearest to ``width`` whose bottleneck divides into the groups.

    >>> fitted_width(21.0, ratio=0.5, groups=4)
    24
    """
    unit = groups / ratio
    return int(round(max(1, round(width / unit)) * unit))


def similarity_vector(arch: AnyNetArchitecture) -> npt.NDArray[np.float64]:
    """Logarithms (base 2) of all numbers of the stages; architectures are similar where their sum of
    differences is small.

    >>> similarity_vector(AnyNetArchitecture(BASIC, (), (1, 2), (), (1, 1), (16, 32)))  # depth, width, ratio, groups
    array([1., 5., 0., 0.])
    """
    rows = [arch.ds[1:], arch.ws[1:], arch.ratios()[1:], arch.groups()[1:]]
    logarithms: npt.NDArray[np.float64] = np.log2(np.array(rows, dtype=float))
    return logarithms.ravel()


def stem_layers(arch: AnyNetArchitecture) -> list[tuple[int, int, int, int, int]]:
    """(inputs, outputs, kernel, stride, stride of a pool behind it) of the convolutions of the full-size stem.

    Total stride 1: one 3x3 (CIFAR); 4: 7x7 and a pool, as in ResNets; 8: three 3x3. Inferred from the records.

    >>> stem_layers(AnyNetArchitecture(BASIC, (), (1, 2), (), (4, 1), (16, 32)))
    [(3, 16, 7, 2, 2)]
    """
    width = arch.ws[0]
    if arch.ss[0] == 8:
        half = width // 2
        return [(3, half, 3, 2, 1), (half, width, 3, 2, 1), (width, width, 3, 2, 1)]
    return [(3, width, 7, 2, 2)] if arch.ss[0] == 4 else [(3, width, 3, 1, 1)]
