"""Networks of three convolutions, whose kernel sizes are searched, and a measure: the width of the widest layer."""

import re
from dataclasses import dataclass

from torch import nn

from naslib_gennas.errors import ArchitectureError
from naslib_gennas.measures import measure
from naslib_gennas.spaces import SPACES, SearchSpace

KERNELS = (3, 5, 7)


@dataclass(frozen=True)
class ToyArchitecture:
    kernels: tuple

    def __str__(self):
        return "k" + "-".join(map(str, self.kernels))


class ToyBackbone(nn.ModuleList):
    """(b, 3, s, s) -> the feature maps of three stages, of s, s / 2 and s / 4 pixels a side."""

    def __init__(self, kernels, width):
        self.channels = (width, 2 * width, 4 * width)
        parts = zip(kernels, (3, *self.channels), self.channels, (1, 2, 2))
        convs = [nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False) for kernel, a, b, stride in parts]
        super().__init__(nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()) for conv in convs)

    def forward(self, x):
        return [x := stage(x) for stage in self]


@SPACES.register("toy")
class ToySpace(SearchSpace):
    name, description = "toy", "three convolutions, kernels of 3, 5 or 7 pixels"
    size = unique = len(KERNELS) ** 3
    cells, channels = 1, 16

    def sample(self, rng):
        return ToyArchitecture(tuple(rng.choice(KERNELS, size=3).tolist()))

    def mutate(self, arch, rng):
        kernels, place = list(arch.kernels), rng.integers(3)
        kernels[place] = int(rng.choice([kernel for kernel in KERNELS if kernel != kernels[place]]))
        return ToyArchitecture(tuple(kernels))

    def parse(self, text):
        if not re.fullmatch("k[357]-[357]-[357]", text.strip()):
            raise ArchitectureError(f"an architecture of toy is text such as k3-5-7, got {text!r}")
        return ToyArchitecture(tuple(map(int, text.strip()[1:].split("-"))))

    def canonical(self, arch):
        return str(arch)

    def representative(self, arch):
        return arch

    def build(self, arch, fidelity):
        return ToyBackbone(arch.kernels, fidelity.channels or self.channels)

    def build_network(self, arch, classes=10):
        head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * self.channels, classes)
        return nn.Sequential(*ToyBackbone(arch.kernels, self.channels), *head)


@measure("widest", source="an example", passes="none", memory="none", needs_images=False)
def widest(network):
    """Outputs of the widest layer."""
    return float(max(sum(layer.widths) for layer in network.layers()))
