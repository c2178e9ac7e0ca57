"""Networks of the cell spaces, built for speed: live parts only, convolutions of one input as one operator.

Stem, cells with reductions after one and two thirds, as in NDS (which follows DARTS, Liu et al., 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional, Union, cast

import torch
import torch.nn.functional as F
from torch import nn

from ...proxy.layers import (
    BatchNorm2d,
    Conv2d,
    DropPath,
    FactorizedReduce,
    Place,
    Pointwise,
    conv,
    placed,
    shallow_copy,
    shared_relu,
)
from .encoding import INPUTS, NONE, SKIP, Cell, CellArchitecture

POOLS = {
    "avg_pool_3x3": ("average", 3, 1),
    "max_pool_3x3": ("max", 3, 1),
    "max_pool_5x5": ("max", 5, 2),
    "max_pool_7x7": ("max", 7, 3),
}
"""Pool -> kind, kernel, padding."""


def pool(name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
    """An average is over the pixels that are there."""
    kind, kernel, padding = POOLS[name]
    if kind == "average":
        return F.avg_pool2d(x, kernel, stride, padding, count_include_pad=False)
    return F.max_pool2d(x, kernel, stride, padding)


STEM: Place = ("stem",)


def input_place(cell: int, slot: int) -> Place:
    """Of what prepares one of a cell's two inputs."""
    return cell, "input", slot


def depthwise(channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    """One kernel a channel."""
    padding = dilation * (kernel // 2)
    return Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)


def separable(channels: int, kernel: int, stride: int, place: Place, dilation: int, repeats: int) -> nn.Sequential:
    """Depthwise and pointwise convolution and BatchNorm, ``repeats`` times; the first ReLU is the caller's."""
    layers: list[nn.Module] = []
    for repeat in range(repeats):
        if repeat:
            layers.append(nn.ReLU(inplace=True))
        alone = depthwise(channels, kernel, 1 if repeat else stride, dilation)
        layers.append(placed(alone, ((*place, "depthwise", repeat), channels)))
        layers.append(placed(Pointwise(channels, channels), ((*place, "pointwise", repeat), channels)))
        layers.append(BatchNorm2d(channels))
    return nn.Sequential(*layers)


def dense(channels: int, kernel: int, stride: int, place: Place = ()) -> nn.Sequential:
    """A plain convolution."""
    layer = placed(conv(channels, channels, kernel, stride), (place, channels))
    return nn.Sequential(layer, BatchNorm2d(channels))


def factored(channels: int, kernel: int, stride: int, place: Place = ()) -> nn.Sequential:
    """A row convolution, then a column convolution."""
    pad = kernel // 2
    row = Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad), bias=False)
    column = Conv2d(channels, channels, (kernel, 1), (stride, 1), (pad, 0), bias=False)
    return nn.Sequential(
        placed(row, ((*place, "row"), channels)),
        placed(column, ((*place, "column"), channels)),
        BatchNorm2d(channels),
    )


SEPARABLE = {
    "sep_conv_3x3": (3, 1, 2),
    "sep_conv_5x5": (5, 1, 2),
    "sep_conv_7x7": (7, 1, 2),
    "dil_conv_3x3": (3, 2, 1),
    "dil_conv_5x5": (5, 2, 1),
    "dil_sep_conv_3x3": (3, 2, 2),
}
"""Operation -> kernel, dilation, and how often it is there."""
DENSE = {"conv_1x1": 1, "conv_3x3": 3}
FACTORED = {"conv_3x1_1x3": 3, "conv_7x1_1x7": 7}
"""Operation -> kernel."""


def operation(name: str, channels: int, stride: int, place: Place) -> nn.Module:
    """One with parameters, applied to an input after ReLU; ``skip_connect`` is one where it halves the map."""
    if name in SEPARABLE:
        kernel, dilation, repeats = SEPARABLE[name]
        return separable(channels, kernel, stride, place, dilation, repeats)
    if name in DENSE:
        return dense(channels, DENSE[name], stride, place)
    if name in FACTORED:
        return factored(channels, FACTORED[name], stride, place)
    assert name == SKIP, name
    return FactorizedReduce(channels, channels, place)


class CellBlock(nn.Module):
    """The nodes of one cell: two maps of ``channels`` channels -> (b, len(concat) channels, h / stride, w / stride).

    place: of its weights. drop_path: probability in training that an edge is dropped for an example, unless it hands
    on its input.
    """

    def __init__(self, cell: Cell, channels: int, stride: int, place: Place = (), drop_path: float = 0.0):
        super().__init__()
        self.drop = DropPath(drop_path) if drop_path else None
        self.channels, self.stride, self.concat = channels, stride, cell.concat
        self.plan: list[list[tuple[str, int, int]]] = []  # per node: (operation, input, stride)
        self.readers = [0] * (INPUTS + cell.nodes)  # operations after a ReLU of that node
        self.operations = nn.ModuleList()
        for number, pair in enumerate(cell.pairs(), start=INPUTS):
            node = []
            for turn, (op, source) in enumerate(pair):
                if op != NONE:
                    step = stride if source < INPUTS else 1
                    node.append((op, source, step))
                    if op not in POOLS and (op != SKIP or step > 1):
                        self.operations.append(operation(op, channels, step, (*place, number, turn)))
                        self.readers[source] += 1
            self.plan.append(node)
        self.uses = {source for node in self.plan for _, source, _ in node if source < INPUTS} or {1}

    def forward(self, first: Optional[torch.Tensor], second: Optional[torch.Tensor]) -> torch.Tensor:
        states = {node: x for node, x in enumerate((first, second)) if x is not None}
        pooled: dict[tuple[str, int], torch.Tensor] = {}
        active: dict[int, torch.Tensor] = {}
        operations = iter(self.operations)
        zeros = [] if all(self.plan) else [self._zeros(next(iter(states.values())))]

        def term(op: str, source: int, stride: int) -> torch.Tensor:
            if op == SKIP and stride == 1:
                return states[source]
            value = computed(op, source, stride)
            return value if self.drop is None else self.drop(value)

        def computed(op: str, source: int, stride: int) -> torch.Tensor:
            if op in POOLS:
                if (op, source) not in pooled:
                    pooled[op, source] = pool(op, states[source], stride)
                return pooled[op, source]
            if source not in active:
                active[source] = shared_relu(states[source], self.readers[source])
            value: torch.Tensor = next(operations)(active[source])
            return value

        for node, edges in enumerate(self.plan, start=INPUTS):
            terms = [term(*edge) for edge in edges] or zeros
            states[node] = terms[0] + terms[1] if len(terms) == 2 else terms[0]
        outputs = [states[node] for node in self.concat]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _zeros(self, like: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = like.shape
        return like.new_zeros(batch, self.channels, -(-height // self.stride), -(-width // self.stride))


class Projections(nn.Module):
    """What the cells that read one map need of it: ReLU, 1x1 convolution and BatchNorm, as one operator.

    ``plain``: place and output channels of each consumer at the map's own size; ``halved``: of the consumer at
    half the size, if there is one; it comes last in the output.
    """

    def __init__(self, inputs: int, plain: list[tuple[Place, int]], halved: Optional[tuple[Place, int]]):
        super().__init__()
        self.widths = [width for _, width in plain]
        self.plain = None
        if plain:
            total = sum(self.widths)
            layer = placed(Pointwise(inputs, total, len(plain)), *plain)
            self.plain = nn.Sequential(layer, BatchNorm2d(total))
        self.halved = FactorizedReduce(inputs, halved[1], halved[0]) if halved else None

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = shared_relu(x, len(self.widths) + (self.halved is not None))
        outputs = list(torch.split(self.plain(x), self.widths, dim=1)) if self.plain else []
        return outputs + [self.halved(x)] if self.halved else outputs


class Stem(nn.Module):
    """Image -> the maps that the first cell takes for the outputs of the two cells before it.

    ImageNet's stem divides the size by 4 and 8 in the benchmark (``stride`` 2). In the proxy network it keeps
    the size (``stride`` 1), as in the published code, so that small images can be used.
    """

    def __init__(self, width: int, imagenet: bool, stride: int):
        super().__init__()
        self.channels = (width, width) if imagenet else (3 * width, 3 * width)
        if imagenet:
            self.first = nn.Sequential(
                placed(conv(3, width // 2, 3, stride), ((*STEM, 1), width // 2)),
                BatchNorm2d(width // 2),
                nn.ReLU(inplace=True),
                placed(conv(width // 2, width, 3, stride), ((*STEM, 2), width)),
                BatchNorm2d(width),
            )
            second = placed(conv(width, width, 3, stride), ((*STEM, 3), width))
            self.second: nn.Module = nn.Sequential(nn.ReLU(), second, BatchNorm2d(width))
        else:
            self.first = nn.Sequential(placed(conv(3, 3 * width, 3), (STEM, 3 * width)), BatchNorm2d(3 * width))
            self.second = nn.Identity()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first = self.first(x)
        return first, self.second(first)


class Backbone(nn.Module):
    """(b, 3, s, s) -> outputs of the cells at one third, two thirds and the end; sizes s, s/2, s/4.

    Maps are numbered: 0 and 1 come from the stem, ``2 + i`` from cell ``i``, which reads maps ``i`` and
    ``i + 1``. ``whole`` builds the benchmark's network: strides of the ImageNet stem, and dead parts too.
    ``auxiliary``: the output of the second reduction comes before the last one.

    >>> cell = Cell((("sep_conv_3x3", 0), ("skip_connect", 1)), (2,))
    >>> backbone = Backbone(CellArchitecture(cell, cell, depth=3, width=4), imagenet=False)
    >>> [tuple(stage.shape) for stage in backbone(torch.zeros(2, 3, 8, 8))]
    [(2, 4, 8, 8), (2, 8, 4, 4), (2, 16, 2, 2)]
    """

    def __init__(
        self,
        arch: CellArchitecture,
        imagenet: bool,
        whole: bool = False,
        auxiliary: bool = False,
        drop_path: float = 0.0,
    ):
        super().__init__()
        self.arch, self.imagenet, self.whole = arch, imagenet, whole
        self.stem = Stem(arch.width, imagenet, stride=2 if whole else 1)
        self.reductions = (arch.depth // 3, 2 * arch.depth // 3)
        self.taps: tuple[int, ...] = (*(1 + cell for cell in self.reductions), 1 + arch.depth)
        if auxiliary:
            self.taps = (*self.taps[:-1], INPUTS + self.reductions[1], 1 + arch.depth)
        self.widths = [arch.width * 2 ** sum(cell >= start for start in self.reductions) for cell in range(arch.depth)]
        blocks = [
            CellBlock(arch.reduce, width, 2, (cell,), drop_path)
            if cell in self.reductions
            else CellBlock(arch.normal, width, 1, (cell,), drop_path)
            for cell, width in enumerate(self.widths)
        ]
        outputs = (len(block.concat) * width for block, width in zip(blocks, self.widths))
        self.map_channels = [*self.stem.channels, *outputs]
        self._connect(dict(enumerate(blocks)))

    def _connect(self, blocks: Mapping[int, CellBlock]) -> None:
        """Take those of ``blocks`` on which a tap depends, and project their inputs."""
        self.channels = tuple(self.map_channels[tap] for tap in self.taps)
        readers = self._readers(blocks)
        live = sorted({cell for cells in readers.values() for cell, _ in cells})
        self.cells = nn.ModuleDict({str(cell): blocks[cell] for cell in live})
        halved = {start + 1 for start in self.reductions} | ({0} if self.imagenet and self.whole else set())
        self.consumers: dict[int, list[tuple[int, int]]] = {}  # map -> (cell, slot), in the order of the projections
        self.projections = nn.ModuleDict()
        for index, cells in readers.items():
            plain = [(cell, slot) for cell, slot in cells if slot or cell not in halved]
            half = [reader for reader in cells if reader not in plain]
            self.consumers[index] = plain + half
            of_plain, of_half = ([(input_place(*r), self.widths[r[0]]) for r in part] for part in (plain, half))
            made = Projections(self.map_channels[index], of_plain, of_half[0] if half else None)
            self.projections[str(index)] = made

    def _readers(self, blocks: Mapping[int, CellBlock]) -> dict[int, list[tuple[int, int]]]:
        """Map -> the (cell, slot) that read it, of the cells on which a tap depends."""
        live = set(self.taps)
        readers: dict[int, list[tuple[int, int]]] = {}
        for cell in reversed(range(len(self.widths))):
            if not self.whole and cell + INPUTS not in live:
                continue
            for slot in range(INPUTS) if self.whole else blocks[cell].uses:
                index = cell + slot if self.imagenet else max(1, cell + slot)  # without ImageNet's stem 0 and 1 are one
                live.add(index)
                readers.setdefault(index, []).append((cell, slot))
        return dict(sorted(readers.items()))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs: dict[tuple[int, int], torch.Tensor] = {}
        tapped = {}
        for index, value in enumerate(self._maps(x, inputs)):
            if value is None:
                continue
            if index in self.taps:
                tapped[index] = value
            if str(index) in self.projections:
                inputs.update(zip(self.consumers[index], self.projections[str(index)](value)))
        return tuple(tapped[tap] for tap in self.taps)

    def first(self, count: int) -> Backbone:
        """The network up to its ``count``-th stage, of the same cells with new projections, which cells share."""
        part = shallow_copy(self)
        part.taps = self.taps[:count]
        part._connect({int(cell): cast("CellBlock", block) for cell, block in self.cells.items()})
        return part

    def _maps(self, x: torch.Tensor, inputs: dict[tuple[int, int], torch.Tensor]) -> Iterator[Optional[torch.Tensor]]:
        """The maps in order, None for those that nobody needs; ``inputs`` is filled between them."""
        yield from self.stem(x)
        for cell in range(self.taps[-1] - 1):
            if str(cell) in self.cells:
                yield self.cells[str(cell)](inputs.pop((cell, 0), None), inputs.pop((cell, 1), None))
            else:
                yield None


class Network(nn.Module):
    """The benchmark's classification network: (b, 3, s, s) -> logits (b, classes).

    auxiliary: then it returns (logits, logits of the auxiliary head), and images are 224 or 32 pixels a side.
    drop_path: see :class:`CellBlock`.
    """

    def __init__(
        self, arch: CellArchitecture, imagenet: bool, classes: int, auxiliary: bool = False, drop_path: float = 0.0
    ):
        super().__init__()
        self.backbone = Backbone(arch, imagenet, whole=True, auxiliary=auxiliary, drop_path=drop_path)
        self.classifier = nn.Linear(self.backbone.channels[-1], classes)
        self.auxiliary = AuxiliaryHead(self.backbone.channels[-2], imagenet, classes) if auxiliary else None

    def forward(self, x: torch.Tensor) -> Union[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        maps = self.backbone(x)
        logits: torch.Tensor = self.classifier(maps[-1].mean(dim=(2, 3)))
        return logits if self.auxiliary is None else (logits, self.auxiliary(maps[-2]))


class AuxiliaryHead(nn.Module):
    """The second classifier of DARTS' networks, for training: (b, inputs, 7 or 8 pixels) -> logits (b, classes)."""

    def __init__(self, inputs: int, imagenet: bool, classes: int):
        super().__init__()
        layers: list[nn.Module] = [
            nn.ReLU(),
            nn.AvgPool2d(5, 2 if imagenet else 3, count_include_pad=False),
            Conv2d(inputs, 128, 1, bias=False),
            BatchNorm2d(128),
            nn.ReLU(inplace=True),
            Conv2d(128, 768, 2, bias=False),
        ]
        if not imagenet:  # the published networks for ImageNet have none here
            layers.append(BatchNorm2d(768))
        self.features = nn.Sequential(*layers, nn.ReLU(inplace=True))
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(x).flatten(1))
        return logits
