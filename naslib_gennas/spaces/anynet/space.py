"""AnyNet spaces of NDS: ResNet, ResNeXt-A and ResNeXt-B, with plain (vanilla) networks understood as well.

An architecture gives depth, width, bottleneck ratio and groups of every stage. Radosavovic et al., "On Network
Design Spaces for Visual Recognition", ICCV 2019, Section 4, https://arxiv.org/abs/1905.13214.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ...errors import ArchitectureError
from ...registry import unknown
from ..base import SPACES, SearchSpace
from .counts import counts
from .encoding import BASIC, BOTTLENECK, KEYS, PLAIN, AnyNetArchitecture, Numbers, similarity_vector

CHOICES = {
    "resnet": {"ds": (1, 2, 3, 4, 6, 8, 12, 16, 24), "ws": (16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)},
    "resnet_in": {
        "ds": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24),
        "ws": (16, 32, 48, 64, 96, 128, 192, 256, 384, 512),
    },
    "resnext_a": {
        "ds": (1, 2, 4, 8, 16),
        "ws": (16, 32, 64, 128, 256),
        "bot_muls": (1.0, 0.5, 0.25),
        "num_gs": (1, 2, 4),
    },
    "resnext_b": {
        "ds": (1, 2, 4, 8, 16),
        "ws": (64, 128, 256, 512, 1024),
        "bot_muls": (1.0, 0.5, 0.25),
        "num_gs": (1, 2, 4, 8, 16),
    },
}
"""What a stage may have: n values even in log space from a to b, [a, b, n] in Table 2 of the paper. The values
for ResNet on ImageNet are those that occur in the records; the others of a range are rounded accordingly."""
SUBSPACE, CANDIDATES = 25_000, 200
"""A child is the most similar of 200 architectures out of a sub-space of 25,000 (facts of the search)."""
SUBSPACE_SEED = 0
IMAGENET_SIZE, CIFAR_SIZE = 224, 32


class AnyNetSpace(SearchSpace):
    """Base of the spaces: what one of them is, is in its class attributes.

    With ``architectures`` samples come from them, and a child is the most similar of 200 of them.
    """

    metrics = ("accuracy",)
    block: ClassVar[str]
    choices: ClassVar[dict[str, tuple]]
    stages: ClassVar[int] = 4  #: entries of an architecture, the stem's included
    stem_widths: ClassVar[Numbers] = (16,)
    stem_stride: ClassVar[int] = 1
    imagenet: ClassVar[bool] = False
    cells = 1
    channels = 12  # of the paper's CIFAR stem

    def __init__(self, architectures: Iterable[Any] = ()):
        self.architectures = tuple(self.parse(a) if isinstance(a, str) else a for a in architectures)

    def over(self, architectures, origin):
        """Sampled from the list given; a child is the most similar of 200 of them."""
        space = type(self)(architectures)
        space.origin = origin
        return space

    def sample(self, rng):
        """Every number of every stage uniform among the published values, or one of the list given."""
        if self.architectures:
            return self.architectures[rng.integers(len(self.architectures))]
        picks = [rng.integers(len(values)) for values in self._values()]
        return self._made(picks, self.stem_widths[rng.integers(len(self.stem_widths))])

    def mutate(self, arch, rng):
        """The most similar of 200 random architectures out of the list given, or out of 25,000 fixed samples."""
        own = self.representative(arch)
        others = [other for other in self._candidates(rng) if self.representative(other) != own]
        if not others:
            raise ArchitectureError(f"{self.name}: no other architecture to mutate to; give a longer list")
        vectors = np.array([similarity_vector(other) for other in others])
        return others[int(np.abs(vectors - similarity_vector(arch)).sum(axis=1).argmin())]

    def parse(self, text):
        """The JSON of an NDS record's ``net``."""
        try:
            net = json.loads(str(text))
        except (ValueError, RecursionError) as error:
            raise self._broken(f"{str(text)[:80]!r} is not JSON: {error}") from None
        if not isinstance(net, dict):
            raise self._broken(f"the text must be a JSON object with {', '.join(KEYS)}")
        missing, odd = sorted(set(KEYS) - set(net)), sorted(set(net) - set(KEYS))
        if missing or odd:
            why = f"the network lacks {', '.join(missing)}" if missing else f"there is no key {odd[0]!r}"
            raise self._broken(why)
        return self._parsed(net)

    def canonical(self, arch):
        return str(self.representative(arch))

    def representative(self, arch):
        """Ratios and groups written out where blocks have them, left out elsewhere; the stem has none."""
        if arch.block_type != BOTTLENECK:
            return replace(arch, bot_muls=(), num_gs=(), ds=(1, *arch.ds[1:]))
        ratios, groups = (1.0, *arch.ratios()[1:]), (1, *arch.groups()[1:])
        return replace(arch, bot_muls=ratios, num_gs=groups, ds=(1, *arch.ds[1:]))

    def proxy(self, arch, fidelity) -> AnyNetArchitecture:
        """The architecture of the proxy network: all of ``arch`` if the fidelity leaves cells and channels open.

        Otherwise the network is made smaller: ``fidelity.channels`` / 4 channels for the least of the space,
        the others in proportion, and ``fidelity.cells`` / 4 blocks times the square root of the depth, since
        depths span a factor of 16 and more.
        """
        ds, ws = arch.ds, arch.ws
        if fidelity.cells is not None:
            ds = (1, *(max(1, round(fidelity.cells / 4 * math.sqrt(d))) for d in ds[1:]))
        if fidelity.channels is not None:
            ws = tuple(max(1, fidelity.channels / 4 * w / self.choices["ws"][0]) for w in ws)
        fitted = [self._fitted(width, ratio, groups) for width, ratio, groups in zip(ws, arch.ratios(), arch.groups())]
        return replace(arch, ds=ds, ws=tuple(fitted))

    @staticmethod
    def _fitted(width: float, ratio: float, groups: int) -> int:
        """The width nearest to ``width`` whose bottleneck divides into the groups."""
        unit = groups / ratio
        return int(round(max(1, round(width / unit)) * unit))

    def build(self, arch, fidelity):
        from .networks import Backbone

        return Backbone(self.proxy(arch, fidelity), fidelity.channels or self._stem_width(arch))

    def _stem_width(self, arch) -> int:
        return self.channels

    def build_network(self, arch, classes=None):
        """``classes``: 1000 for the ImageNet spaces, otherwise 10."""
        from .networks import Network

        return Network(arch, classes or self.classes)

    def counts(self, arch, classes=None) -> tuple[int, int]:
        """(parameters, FLOPs) of the full-size network, equal to ``params`` and ``flops`` of the NDS records."""
        return counts(arch, IMAGENET_SIZE if self.imagenet else CIFAR_SIZE, classes or self.classes)

    @property
    def classes(self) -> int:
        """Of the data set the networks are made for."""
        return 1000 if self.imagenet else 10

    def _candidates(self, rng) -> list[AnyNetArchitecture]:
        if self.architectures:
            count = min(CANDIDATES, len(self.architectures))
            return [self.architectures[i] for i in rng.choice(len(self.architectures), count, replace=False)]
        numbers = rng.choice(SUBSPACE, CANDIDATES, replace=False)
        return [self.sample(np.random.default_rng([SUBSPACE_SEED, int(number)])) for number in numbers]

    def _values(self) -> list[tuple]:
        """The choices of every number of an architecture: key by key, stage by stage."""
        return [values for values in self.choices.values() for _ in range(self.stages - 1)]

    def _made(self, picks, stem_width: int) -> AnyNetArchitecture:
        chosen = iter([values[pick] for values, pick in zip(self._values(), picks)])
        rows = {key: tuple(next(chosen) for _ in range(self.stages - 1)) for key in self.choices}
        extra = {}
        if self.block == BOTTLENECK:
            extra = {"bot_muls": (1.0, *rows["bot_muls"]), "num_gs": (1, *rows["num_gs"])}
        return AnyNetArchitecture(
            block_type=self.block,
            ds=(1, *rows["ds"]),
            ws=(stem_width, *rows["ws"]),
            ss=(self.stem_stride, 1, *(2,) * (self.stages - 2)),
            **{"bot_muls": (), "num_gs": (), **extra},
        )

    def _parsed(self, net: dict) -> AnyNetArchitecture:
        allowed = (BOTTLENECK,) if self.block == BOTTLENECK else (BASIC, PLAIN)
        if net["block_type"] not in allowed:
            raise self._broken(unknown("block_type", str(net["block_type"]), allowed))
        rows = {key: self._row(net, key) for key in KEYS[1:]}
        arch = AnyNetArchitecture(net["block_type"], **rows)
        strides = (1, *(2,) * (self.stages - 2))
        if arch.ss[1:] != strides or arch.ss[0] not in (1, 4, 8):
            raise self._broken(f"ss must be [1, 4 or 8, {', '.join(map(str, strides))}], got {list(arch.ss)}")
        for stage in range(1, self.stages) if arch.block_type == BOTTLENECK else ():
            inner, groups = arch.inner(stage), arch.groups()[stage]
            if inner % groups:
                raise self._broken(
                    f"the {inner} channels inside the blocks of stage {stage} are no multiple of {groups} groups"
                )
        return arch

    def _row(self, net: dict, key: str) -> tuple:
        row = net[key]
        optional = key in ("bot_muls", "num_gs")
        if not isinstance(row, list) or len(row) != self.stages and not (optional and not row):
            raise self._broken(f"{key} must be a list of {self.stages} numbers, got {row!r}")
        for value in row:
            fine = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not fine or not (
                0 <= value <= 4 if key == "bot_muls" else isinstance(value, int) and 1 <= value <= 4096
            ):
                raise self._broken(f"{key} holds {value!r}, which is out of range")
        return tuple(float(value) if key == "bot_muls" else value for value in row)

    def _broken(self, why: str) -> ArchitectureError:
        return ArchitectureError(f"not a {self.name} architecture: {why}; an example is {self.example}")


def _register(family: str, title: str, block: str, imagenet: dict) -> None:
    for ending, facts in (("", {}), ("_in", imagenet)):
        name = f"nds_{family}{ending}"
        choices = CHOICES.get(family + ending, CHOICES[family])
        data = "ImageNet" if ending else "CIFAR-10"
        stages = facts.get("stages", AnyNetSpace.stages)
        attributes = {
            "name": name,
            "description": f"NDS {title}: depth and width of {stages - 1} stages; {data} networks"
            if block == BASIC
            else f"NDS {title}: depth, width, bottleneck ratio and groups of 3 stages; {data} networks",
            "block": block,
            "choices": choices,
            "imagenet": bool(ending),
            "size": math.prod(map(len, choices.values())) ** (stages - 1) * len(facts.get("stem_widths", (1,))),
            "__doc__": f"{title} as in NDS; {data} networks.",
            **facts,
        }
        space = SPACES.register(name)(type(name, (AnyNetSpace,), attributes))
        space.example = str(space()._made([len(values) // 2 for values in space()._values()], space.stem_widths[0]))
        if "_" in family:
            SPACES.alias(name.replace(family, family.replace("_", "-")), name)


RESNEXT_IN = {"stem_widths": (64,), "stem_stride": 8}
RESNET_IN = {"stem_widths": (16, 32, 64), "stem_stride": 4, "stages": 5, "strides": (2, 4, 8)}
_register("resnet", "ResNet", BASIC, RESNET_IN)
_register("resnext_a", "ResNeXt-A", BOTTLENECK, RESNEXT_IN)
_register("resnext_b", "ResNeXt-B", BOTTLENECK, RESNEXT_IN)
