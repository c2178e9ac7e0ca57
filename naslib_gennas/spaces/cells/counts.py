"""Parameters and FLOPs of the full-size networks of the cell spaces, counted without building them."""

from __future__ import annotations

from typing import NamedTuple

from .encoding import INPUTS, NONE, SKIP, CellArchitecture

IMAGENET_SIZE, CIFAR_SIZE = 224, 32


class Counts(NamedTuple):
    """``products``: multiply-adds of convolutions and the classifier, which most papers call FLOPs."""

    parameters: int
    flops: int
    products: int


def counts(arch: CellArchitecture, imagenet: bool, classes: int) -> Counts:
    """Parameters and FLOPs equal to ``params`` and ``flops`` of the NDS records.

    What NDS calls FLOPs are multiply-accumulates of convolutions and the classifier (its bias too), one
    for each element that a ReLU sees and k * k for each that a pool writes; a dilated convolution counts as if
    its output were as large as that of the same padding without dilation. Inferred from the records, all
    of which it reproduces.

    >>> from naslib_gennas.spaces import load_space
    >>> space = load_space("nds_darts")
    >>> counts(space.parse(space.example), imagenet=False, classes=10)[:2]
    (128858, 23511850)
    """
    count = _Counter()
    maps = _stem(count, arch.width, imagenet)
    width, reductions = arch.width, (arch.depth // 3, 2 * arch.depth // 3)
    for index in range(arch.depth):
        cell, stride = (arch.reduce, 2) if index in reductions else (arch.normal, 1)
        width *= stride
        size = maps[-1][1]
        for channels, before in maps[-2:]:
            count.relu(channels, before)
            count.conv(channels, width, 1, size)
            count.norm(width)
        out = -(-size // stride)
        for operation, source in cell.edges:
            inner = source >= INPUTS
            _operation(count, operation, width, out if inner else size, 1 if inner else stride)
        maps.append((width * len(cell.concat), out))
    channels, size = maps[-1]
    count.parameters += (channels + 1) * classes
    count.flops += (channels + 1) * classes + channels * size * size
    return Counts(count.parameters, count.flops, count.products + channels * classes)


class _Counter:
    def __init__(self) -> None:
        self.parameters = self.flops = self.products = 0

    def conv(self, inputs: int, outputs: int, area: int, size: int, seen: int = 0) -> None:
        """A square output of ``size`` pixels a side, for NDS of ``seen``; ``inputs`` per group, ``area`` of the
        kernel."""
        self.rectangle(inputs, outputs, area, size * size, (seen or size) ** 2)

    def rectangle(self, inputs: int, outputs: int, area: int, pixels: int, seen: int = 0) -> None:
        self.parameters += inputs * outputs * area
        self.products += inputs * outputs * area * pixels
        self.flops += inputs * outputs * area * (seen or pixels)

    def norm(self, channels: int) -> None:
        self.parameters += 2 * channels

    def relu(self, channels: int, size: int) -> None:
        self.flops += channels * size * size


def _stem(count: _Counter, width: int, imagenet: bool) -> list[tuple[int, int]]:
    """(channels, size) of the two maps that the first cell reads."""
    if not imagenet:
        count.conv(3, 3 * width, 9, CIFAR_SIZE)
        count.norm(3 * width)
        return [(3 * width, CIFAR_SIZE)] * 2
    inputs, size, maps = 3, IMAGENET_SIZE, []
    for outputs in (width // 2, width, width):
        if inputs != 3:
            count.relu(inputs, size)
        size //= 2
        count.conv(inputs, outputs, 9, size)
        count.norm(outputs)
        inputs = outputs
        maps.append((outputs, size))
    return maps[-2:]


def _operation(count: _Counter, operation: str, channels: int, size: int, stride: int) -> None:
    out = -(-size // stride)
    kernel = int(operation[-1]) if operation[-1].isdigit() else 1
    if operation == NONE or (operation == SKIP and stride == 1):
        return
    if "pool" in operation:
        count.flops += kernel * kernel * channels * out * out
    elif operation.startswith(("sep", "dil")):
        for _ in range(2 if "sep" in operation else 1):
            count.relu(channels, size)
            dilation = 2 if operation.startswith("dil") else 1
            seen = (size + 2 * dilation * (kernel // 2) - kernel) // stride + 1
            count.conv(1, channels, kernel * kernel, out, seen)
            count.conv(channels, channels, 1, out)
            count.norm(channels)
            size, stride = out, 1
    else:
        count.relu(channels, size)
        if operation in ("conv_7x1_1x7", "conv_3x1_1x3"):
            count.rectangle(channels, channels, kernel, size * out)
            count.rectangle(channels, channels, kernel, out * out)
        else:
            count.conv(channels, channels, kernel * kernel, out)
        count.norm(channels)
