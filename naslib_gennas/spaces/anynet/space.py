"""AnyNet spaces of NDS: ResNet, ResNeXt-A and ResNeXt-B, with plain (vanilla) networks understood as well.

An architecture gives depth, width, bottleneck ratio and groups of every stage. Radosavovic et al., "On Network
Design Spaces for Visual Recognition", ICCV 2019, Section 4, https://arxiv.org/abs/1905.13214.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Optional, TypedDict, Union

import numpy as np

from ...errors import ArchitectureError
from ...proxy.fidelity import NetworkOption
from ..base import SPACES, SearchSpace, or_pasted
from ..forms import Form
from .counts import counts
from .encoding import (
    BASIC,
    BOTTLENECK,
    AnyNetArchitecture,
    Numbers,
    Rules,
    fitted_width,
    parse_net,
    similarity_vector,
    written_out,
)
from .forms import forms

if TYPE_CHECKING:
    from torch import nn

    from ...proxy.fidelity import Fidelity

Choices = dict[str, tuple[float, ...]]

CHOICES: dict[str, Choices] = {
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


class AnyNetSpace(SearchSpace[AnyNetArchitecture]):
    """Base of the spaces: what one of them is, is in its class attributes.

    With ``architectures`` samples come from them, and a child is the most similar of 200 of them.

    Attributes:
        block: the kind of block that is sampled.
        choices: what a stage may have, by the names of the records.
        stages: entries of an architecture, the stem's included.
        stem_widths, stem_stride: of the full-size networks.
        imagenet: networks for ImageNet, not for CIFAR-10.

    >>> space = SPACES["nds_resnet"]()
    >>> arch = space.sample(np.random.default_rng(0))
    >>> arch.ds, arch.ws
    ((1, 16, 8, 6), (16, 40, 40, 16))
    """

    family = "anynet"
    metrics = ("accuracy",)
    block: ClassVar[str]
    choices: ClassVar[Choices]
    stages: ClassVar[int] = 4
    stem_widths: ClassVar[Numbers] = (16,)
    stem_stride: ClassVar[int] = 1
    imagenet: ClassVar[bool] = False
    cells = 1
    channels = 12  # of the paper's CIFAR stem
    options = {"network_init": NetworkOption(own="default", paper="fan_out", paper_code="fan_out")}

    def __init__(self, architectures: Iterable[Union[str, AnyNetArchitecture]] = ()):
        self.architectures = tuple(self.parse(a) if isinstance(a, str) else a for a in architectures)

    def over(self, architectures: Iterable[Union[str, AnyNetArchitecture]], origin: str) -> AnyNetSpace:
        """Sampled from the list given; a child is the most similar of 200 of them."""
        space = type(self)(architectures)
        space.origin = origin
        return space

    @property
    def example(self) -> str:
        """The text of the architecture in the middle."""
        return str(self._made([len(values) // 2 for values in self._values()], self.stem_widths[0]))

    @cached_property
    def rules(self) -> Rules:
        """What a text may hold."""
        return Rules(self.name, self.example, self.block, self.stages)

    def sample(self, rng: np.random.Generator) -> AnyNetArchitecture:
        """Every number of every stage uniform among the published values, or one of the list given."""
        if self.architectures:
            return self.architectures[rng.integers(len(self.architectures))]
        picks = [int(rng.integers(len(values))) for values in self._values()]
        return self._made(picks, self.stem_widths[rng.integers(len(self.stem_widths))])

    def mutate(self, arch: AnyNetArchitecture, rng: np.random.Generator) -> AnyNetArchitecture:
        """The most similar of 200 random architectures out of the list given, or out of 25,000 fixed samples."""
        own = self.representative(arch)
        others = [other for other in self._candidates(rng) if self.representative(other) != own]
        if not others:
            raise ArchitectureError(f"{self.name}: no other architecture to mutate to; give a longer list")
        vectors = np.array([similarity_vector(other) for other in others])
        return others[int(np.abs(vectors - similarity_vector(arch)).sum(axis=1).argmin())]

    @or_pasted
    def parse(self, text: str) -> AnyNetArchitecture:
        """The JSON of an NDS record's ``net``, or one of ``forms``."""
        return parse_net(text, self.rules)

    @cached_property
    def forms(self) -> tuple[Form, ...]:  # type: ignore[override]
        return forms(self.rules, self.stem_stride)

    def canonical(self, arch: AnyNetArchitecture) -> str:
        return str(self.representative(arch))

    def representative(self, arch: AnyNetArchitecture) -> AnyNetArchitecture:
        """Ratios and groups written out where blocks have them, left out elsewhere; the stem has none."""
        return written_out(arch)

    def proxy(self, arch: AnyNetArchitecture, fidelity: Fidelity) -> AnyNetArchitecture:
        """The architecture of the proxy network: all of ``arch`` if the fidelity leaves cells and channels open.

        Otherwise the network is made smaller: ``fidelity.channels`` / 4 channels for the least of the space,
        the others in proportion, and ``fidelity.cells`` / 4 blocks times the square root of the depth, since
        depths span a factor of 16 and more.
        """
        ds: Numbers = arch.ds
        ws: Sequence[float] = arch.ws
        if fidelity.cells is not None:
            ds = (1, *(max(1, round(fidelity.cells / 4 * math.sqrt(d))) for d in ds[1:]))
        if fidelity.channels is not None:
            ws = [max(1, fidelity.channels / 4 * w / self.choices["ws"][0]) for w in ws]
        return replace(arch, ds=ds, ws=tuple(map(fitted_width, ws, arch.ratios(), arch.groups())))

    def build(self, arch: AnyNetArchitecture, fidelity: Fidelity) -> nn.Module:
        from ...proxy.layers import start_by_fan_out
        from .networks import Backbone

        network = Backbone(self.proxy(arch, fidelity), fidelity.channels or self.channels)
        if self.option(fidelity, "network_init") == "fan_out":
            start_by_fan_out(network)
        return network

    def build_network(self, arch: AnyNetArchitecture, classes: Optional[int] = None) -> nn.Module:
        """``classes``: 1000 for the ImageNet spaces, otherwise 10."""
        from .networks import Network

        return Network(arch, classes or self.classes)

    def encoding(self, arch: AnyNetArchitecture) -> dict[str, float]:
        """Depth, width, bottleneck ratio and groups of every stage, as logarithms."""
        numbers = similarity_vector(arch)
        stages = len(numbers) // 4
        names = [f"{what} {stage + 1}" for what in ("depth", "width", "ratio", "groups") for stage in range(stages)]
        return dict(zip(names, numbers.tolist()))

    def parameters(self, arch: AnyNetArchitecture) -> int:
        return self.counts(arch)[0]

    def counts(self, arch: AnyNetArchitecture, classes: Optional[int] = None) -> tuple[int, int]:
        """(parameters, FLOPs) of the full-size network, equal to ``params`` and ``flops`` of the NDS records."""
        return counts(arch, IMAGENET_SIZE if self.imagenet else CIFAR_SIZE, classes or self.classes)

    @property
    def classes(self) -> int:
        """Of the data set the networks are made for."""
        return 1000 if self.imagenet else 10

    @property
    def image_size(self) -> int:  # type: ignore[override]
        """Of the data set the networks are made for."""
        return IMAGENET_SIZE if self.imagenet else CIFAR_SIZE

    def _candidates(self, rng: np.random.Generator) -> list[AnyNetArchitecture]:
        if self.architectures:
            count = min(CANDIDATES, len(self.architectures))
            return [self.architectures[i] for i in rng.choice(len(self.architectures), count, replace=False)]
        numbers = rng.choice(SUBSPACE, CANDIDATES, replace=False)
        return [self.sample(np.random.default_rng([SUBSPACE_SEED, int(number)])) for number in numbers]

    def _values(self) -> list[tuple[float, ...]]:
        """The choices of every number of an architecture: key by key, stage by stage."""
        return [values for values in self.choices.values() for _ in range(self.stages - 1)]

    def _made(self, picks: Sequence[int], stem_width: int) -> AnyNetArchitecture:
        chosen = iter([values[pick] for values, pick in zip(self._values(), picks)])
        rows = {key: tuple(next(chosen) for _ in range(self.stages - 1)) for key in self.choices}
        bottleneck = self.block == BOTTLENECK
        return AnyNetArchitecture(
            block_type=self.block,
            bot_muls=(1.0, *rows["bot_muls"]) if bottleneck else (),
            ds=_whole(1, rows["ds"]),
            num_gs=_whole(1, rows["num_gs"]) if bottleneck else (),
            ss=(self.stem_stride, 1, *(2,) * (self.stages - 2)),
            ws=_whole(stem_width, rows["ws"]),
        )


def _whole(first: int, others: Iterable[float]) -> Numbers:
    return (first, *map(int, others))


class Facts(TypedDict, total=False):
    """Class attributes of a space."""

    stages: int
    stem_widths: Numbers
    stem_stride: int
    strides: tuple[int, int, int]


def _register(family: str, title: str, block: str, imagenet: Facts) -> None:
    small: Facts = {}
    for ending, facts in (("", small), ("_in", imagenet)):
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
        SPACES.register(name)(type(name, (AnyNetSpace,), attributes))
        if "_" in family:
            SPACES.alias(name.replace(family, family.replace("_", "-")), name)


RESNEXT_IN: Facts = {"stem_widths": (64,), "stem_stride": 8}
RESNET_IN: Facts = {"stem_widths": (16, 32, 64), "stem_stride": 4, "stages": 5, "strides": (2, 4, 8)}
_register("resnet", "ResNet", BASIC, RESNET_IN)
_register("resnext_a", "ResNeXt-A", BOTTLENECK, RESNEXT_IN)
_register("resnext_b", "ResNeXt-B", BOTTLENECK, RESNEXT_IN)
