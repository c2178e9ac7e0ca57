"""Networks of three convolutions, whose kernel sizes are searched, and a measure: the width of the widest layer."""

import re
from dataclasses import dataclass

from torch import nn

from naslib_gennas.errors import ArchitectureError
from naslib_gennas.measures import measure
from naslib_gennas.spaces import SPACES, SearchSpace

KERNELS = (1, 3, 5, 7)


@dataclass(frozen=True)
class ToyArchitecture:
    kernels: tuple

    def __str__(self):
        return "k" + "-".join(map(str, self.kernels))


class ToyStages(nn.Module):
    """(b, 3, s, s) -> the feature maps of three stages, of s, s / 2 and s / 4 pixels a side."""

    def __init__(self, kernels, channels):
        super().__init__()
        self.channels = (channels, 2 * channels, 4 * channels)
        parts = zip(kernels, (3, *self.channels), self.channels, (1, 2, 2))
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, k, stride, k // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for k, a, b, stride in parts
        )

    def forward(self, x):
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


class ToyNetwork(nn.Module):
    """(b, 3, s, s) -> (b, classes)"""

    def __init__(self, stages, classes):
        super().__init__()
        self.stages, self.classifier = stages, nn.Linear(stages.channels[-1], classes)

    def forward(self, x):
        return self.classifier(self.stages(x)[-1].mean(dim=(2, 3)))


@SPACES.register("toy")
class ToySpace(SearchSpace):
    name = "toy"
    description = "three convolutions, kernels of 1, 3, 5 or 7 pixels"
    size = unique = len(KERNELS) ** 3
    cells, channels = 1, 16

    def sample(self, rng):
        return ToyArchitecture(tuple(int(k) for k in rng.choice(KERNELS, size=3)))

    def mutate(self, arch, rng):
        kernels, place = list(arch.kernels), rng.integers(3)
        kernels[place] = int(rng.choice([k for k in KERNELS if k != kernels[place]]))
        return ToyArchitecture(tuple(kernels))

    def parse(self, text):
        if not re.fullmatch("k[1357]-[1357]-[1357]", text.strip()):
            raise ArchitectureError(f"an architecture of toy is text such as k3-5-1, got {text!r}")
        return ToyArchitecture(tuple(map(int, text.strip()[1:].split("-"))))

    def canonical(self, arch):
        return str(arch)

    def representative(self, arch):
        return arch

    def build(self, arch, fidelity):
        return ToyStages(arch.kernels, fidelity.channels or self.channels)

    def build_network(self, arch, classes=10):
        return ToyNetwork(ToyStages(arch.kernels, self.channels), classes)


@measure("widest", source="an example", passes="none", memory="none", needs_images=False)
def widest(network):
    """Outputs of the widest layer."""
    return float(max(sum(layer.widths) for layer in network.layers()))
