"""Untrained networks as expressions: equal parts of different architectures are one node, computed once.

A node is an operation at a place on other nodes. Weights belong to places, not to architectures: they are drawn from
(seed, place, operation, shape) and nothing else, so that a score does not depend on what else is scored. BatchNorm
is that of training mode, without scale and shift, with the statistics of its own node. ``None`` is a map of zeros.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional, Union

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InputError
from .layers import PLACES, Place

What = tuple[Any, ...]
"""The rest of an operation: place and sizes."""
Value = Optional[int]
"""The number of a node; None is a map of zeros."""
Sides = Union[int, tuple[int, int]]
"""Down and across; one number for both."""
Kind = tuple[int, What, int]
"""Of nodes that are computed together: operation, what, and numbers of a map."""

CONV, RELU, ADD, CONCAT, FIRST, POOL, HALVES, SHRINK, IMAGE, ZEROS, DEPTHWISE = range(11)
CONVOLVED = 1 << 24  # numbers in the inputs of one convolution
BYTES = 4


class Node(NamedTuple):
    """``inputs``: numbers of other nodes; ``what``: of the operation, ``shape``: channels, height and width.

    ``numbers``: in the map of one image.
    """

    operation: int
    inputs: tuple[int, ...]
    what: What
    shape: tuple[int, int, int]
    numbers: int

    @property
    def kind(self) -> Kind:
        return self.operation, self.what, self.numbers


class Graph:
    """Builds expressions; every method takes and returns numbers of nodes.

    size: of the square images.

    >>> graph = Graph(size=8)
    >>> x = graph.relu(graph.conv(graph.image, 4, 3, ("stem",)))
    >>> x == graph.relu(graph.conv(graph.image, 4, 3, ("stem",))), graph.nodes[x].shape, len(graph.nodes)
    (True, (4, 8, 8), 3)
    """

    def __init__(self, size: int):
        self.nodes: list[Node] = []
        self._known: dict[tuple[int, tuple[int, ...], What], int] = {}
        self.image = self._node(IMAGE, (), (), (3, size, size))

    def conv(
        self,
        x: Value,
        outputs: int,
        kernel: Sides,
        place: Place,
        stride: Sides = 1,
        norm: bool = True,
        relu: bool = False,
    ) -> Value:
        """Convolution without bias that keeps the size (or divides it by ``stride``), BatchNorm, and perhaps a ReLU."""
        if x is None:
            return None
        inputs, height, width = self.nodes[x].shape
        kernel, (down, right) = _pair(kernel), _pair(stride)
        what = (place, outputs, inputs, kernel, (down, right), norm, relu)
        return self._node(CONV, (x,), what, (outputs, -(-height // down), -(-width // right)))

    def depthwise(self, x: Value, kernel: int, place: Place, stride: int = 1, dilation: int = 1) -> Value:
        """One kernel a channel, without BatchNorm; keeps the size, or divides it by ``stride``."""
        if x is None:
            return None
        channels, height, width = self.nodes[x].shape
        what = (place, channels, kernel, stride, dilation)
        return self._node(DEPTHWISE, (x,), what, (channels, -(-height // stride), -(-width // stride)))

    def halves(self, x: Value, outputs: int, place: Place) -> Value:
        """1x1 convolutions of the even and of the odd pixels, side by side, and BatchNorm."""
        if x is None:
            return None
        inputs, height, width = self.nodes[x].shape
        return self._node(HALVES, (x,), (place, outputs, inputs), (outputs, -(-height // 2), -(-width // 2)))

    def relu(self, x: Value) -> Value:
        """Computed once for all that read it."""
        return None if x is None else self._node(RELU, (x,), (), self.nodes[x].shape)

    def add(self, *terms: Value) -> Value:
        """The sum; the order of its terms does not matter."""
        there = tuple(sorted(term for term in terms if term is not None))
        if len(there) < 2:
            return there[0] if there else None
        return self._node(ADD, there, (), self.nodes[there[0]].shape)

    def concat(self, *parts: int) -> int:
        """Channels side by side."""
        if len(parts) == 1:
            return parts[0]
        _, height, width = self.nodes[parts[0]].shape
        return self._node(CONCAT, parts, (), (sum(self.nodes[part].shape[0] for part in parts), height, width))

    def first(self, x: int, channels: int) -> int:
        """The first ``channels`` channels."""
        there, height, width = self.nodes[x].shape
        return x if channels == there else self._node(FIRST, (x,), (), (channels, height, width))

    def pool(self, x: Value, kind: str, kernel: int, stride: int, padding: int, ceil: bool = False) -> Value:
        """``average`` (of the pixels that are there) or ``max``; ``ceil``: a rest at the border makes a pixel, too."""
        if x is None:
            return None
        channels, height, width = self.nodes[x].shape
        rest = stride - 1 if ceil else 0
        sides = [(side + 2 * padding - kernel + rest) // stride + 1 for side in (height, width)]
        return self._node(POOL, (x,), (kind, kernel, stride, padding, ceil), (channels, sides[0], sides[1]))

    def there(self, x: Value, channels: int, stride: int) -> int:
        """A node for zeros, too: of so many channels, the images' size divided by ``stride``."""
        if x is not None:
            return x
        _, height, width = self.nodes[self.image].shape
        return self._node(ZEROS, (), (), (channels, -(-height // stride), -(-width // stride)))

    def shrink(self, x: int, size: int) -> int:
        """Nearest pixels of at most ``size`` a side; of a sum, the sum of its shrunk terms, which others may share."""
        operation, inputs, what, (channels, height, width), _ = self.nodes[x]
        size = min(size, height, width)
        if (height, width) == (size, size):
            return x
        shape = (channels, size, size)
        if operation in (ADD, CONCAT, FIRST):
            return self._node(operation, tuple(self.shrink(term, size) for term in inputs), what, shape)
        return self._node(SHRINK, (x,), (size,), shape)

    def _node(self, operation: int, inputs: tuple[int, ...], what: What, shape: tuple[int, int, int]) -> int:
        key = (operation, inputs, what or shape)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self.nodes)
            self.nodes.append(Node(operation, inputs, what, shape, math.prod(shape)))
        return number


def _pair(sides: Sides) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else sides


def weight(seed: int, place: Place, shape: Sequence[int]) -> torch.Tensor:
    """Normal with variance 2 / (inputs x kernel area), of (seed, place, shape) alone.

    >>> torch.equal(weight(0, ("stem",), (4, 3, 3, 3)), weight(0, ("stem",), (4, 3, 3, 3)))
    True
    """
    text = repr((seed, place, tuple(shape)))
    state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(state))
    return drawn * math.sqrt(2 / math.prod(shape[1:]))


def fill(module: nn.Module, seed: int) -> None:
    """Give the layers of ``module`` that have places the weights of the expressions, branch by branch.

    BatchNorm gets scale 1 and shift 0. InputError for a layer with parameters and without a place.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            if layer.affine:
                layer.weight, layer.bias = (nn.Parameter(torch.full((layer.num_features,), x)) for x in (1.0, 0.0))
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            layer.track_running_stats = False
        elif next(layer.parameters(recurse=False), None) is not None:
            places: Optional[Sequence[tuple[Place, int]]] = getattr(layer, PLACES, None)
            if places is None:
                raise InputError(f"the layer {name} of {type(module).__name__} has no place in the expressions")
            shape = tuple(layer.weight.shape)
            parts = [weight(seed, place, (outputs, *shape[1:])) for place, outputs in places]
            layer.weight = nn.Parameter(torch.cat(parts))


def evaluate(
    graph: Graph,
    outputs: Sequence[tuple[int, ...]],
    inputs: torch.Tensor,
    seed: int,
    memory: int = 512,
) -> Iterator[tuple[list[int], list[torch.Tensor]]]:
    """Places in ``outputs``, and of each of their maps rows (n, b h w, c), in an order that shares much.

    outputs: nodes of every architecture, as many for all. inputs: (b, 3, s, s). memory: MB for maps, about.
    InputError if a single architecture does not fit.
    """
    yield from _Evaluation(graph, inputs, seed, memory * 2**20 // (BYTES * len(inputs))).run(outputs)


@dataclass
class _Evaluation:
    graph: Graph
    inputs: torch.Tensor
    seed: int
    room: int  # numbers per image
    values: dict[int, torch.Tensor] = field(default_factory=dict)  # (b, c, h, w), channels last
    wanted: Counter[int] = field(default_factory=Counter)  # by how many architectures still
    weights: dict[What, torch.Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def run(self, outputs: Sequence[tuple[int, ...]]) -> Iterator[tuple[list[int], list[torch.Tensor]]]:
        needs = [self._ancestors(nodes) for nodes in outputs]
        for need in needs:
            self.wanted.update(need)
        order = sorted(range(len(outputs)), key=lambda place: outputs[place])
        while order:
            chunk = self._chunk(order, needs)
            del order[: len(chunk)]
            self._compute(
                sorted({node for place in chunk for node in needs[place]} - self.values.keys()), outputs, chunk
            )
            yield from self._rows(chunk, outputs)
            for place in chunk:
                self.wanted.subtract(needs[place])
            self._forget()

    def _ancestors(self, nodes: Iterable[int]) -> set[int]:
        found: set[int] = set()
        rest = list(nodes)
        while rest:
            node = rest.pop()
            if node not in found:
                found.add(node)
                rest += self.graph.nodes[node].inputs
        return found

    def _chunk(self, order: Sequence[int], needs: Sequence[set[int]]) -> list[int]:
        """The next architectures whose maps fit."""
        chunk: list[int] = []
        there = set(self.values)
        used = sum(self.graph.nodes[node].numbers for node in there)
        for place in order:
            new = needs[place] - there
            used += sum(self.graph.nodes[node].numbers for node in new)
            if used > self.room:
                break
            there |= new
            chunk.append(place)
        if chunk:
            return chunk
        if self.values:
            self.values.clear()
            return self._chunk(order, needs)
        mb = -(-used * BYTES * len(self.inputs) // 2**20)
        raise InputError(f"one architecture needs {mb} MB of feature maps; allow as much memory, or fewer images")

    def _compute(self, nodes: Sequence[int], outputs: Sequence[tuple[int, ...]], chunk: Sequence[int]) -> None:
        """The values of ``nodes``, convolutions of one weight together."""
        readers = Counter(node for number in nodes for node in self.graph.nodes[number].inputs)
        kept = {node for place in chunk for node in outputs[place]}
        for (operation, what, _), members in self._batches(nodes):
            sources = [[self.values[i] for i in self.graph.nodes[member].inputs] for member in members]
            self.values.update(zip(members, self._apply(operation, what, members, sources)))
            for member in members:
                for source in self.graph.nodes[member].inputs:
                    readers[source] -= 1
                    if not readers[source] and source not in kept and self.wanted[source] <= 1:
                        self.values.pop(source, None)

    def _batches(self, nodes: Sequence[int]) -> Iterator[tuple[Kind, list[int]]]:
        """Nodes of one operation whose inputs are there; convolutions wait for all of theirs, if that is possible."""
        missing: dict[int, int] = {}
        readers: dict[int, list[int]] = {number: [] for number in nodes}
        kinds = {number: self.graph.nodes[number].kind for number in nodes}
        rest = Counter(kinds.values())
        ready: dict[Kind, list[int]] = defaultdict(list)
        for number in nodes:
            needed = [i for i in self.graph.nodes[number].inputs if i in readers]
            missing[number] = len(needed)
            for source in needed:
                readers[source].append(number)
            if not needed:
                ready[kinds[number]].append(number)
        while ready:
            whole = (kind for kind in ready if kind[0] != CONV or len(ready[kind]) == rest[kind])
            kind = next(whole, None) or max(ready, key=lambda kind: len(ready[kind]))
            members = ready.pop(kind)
            yield kind, members
            rest[kind] -= len(members)
            for number in (reader for member in members for reader in readers[member]):
                missing[number] -= 1
                if not missing[number]:
                    ready[kinds[number]].append(number)

    def _apply(
        self, operation: int, what: What, members: Sequence[int], sources: Sequence[Sequence[torch.Tensor]]
    ) -> Iterable[torch.Tensor]:
        if operation == CONV:
            return self._convolved(what, [source[0] for source in sources])
        if operation == ZEROS:
            return [self.inputs.new_zeros(len(self.inputs), *self.graph.nodes[m].shape) for m in members]
        if operation == IMAGE:
            return [self.inputs.contiguous(memory_format=torch.channels_last)]
        single = self._single(operation, what)
        if operation == FIRST:
            return [source[0][:, : self.graph.nodes[m].shape[0]] for m, source in zip(members, sources)]
        return [single(source) for source in sources]

    def _single(self, operation: int, what: What) -> Callable[[Sequence[torch.Tensor]], torch.Tensor]:
        """The operation on one node."""
        if operation == RELU:
            return lambda x: F.relu(x[0])
        if operation == ADD:
            return _total
        if operation == CONCAT:
            return lambda x: torch.cat(list(x), dim=1)
        if operation == SHRINK:
            return lambda x: F.interpolate(x[0], size=what * 2, mode="nearest")
        if operation == HALVES:
            return lambda x: self._halved(what, x[0])
        if operation == DEPTHWISE:
            return lambda x: self._depthwise(what, x[0])
        return lambda x: _pooled(x[0], *what)

    def _convolved(self, what: What, sources: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        place, outputs, inputs, kernel, stride, norm, relu = what
        kernels = self._weight(place, (outputs, inputs, *kernel))
        for part in _parts(sources):
            x = part[0] if len(part) == 1 else torch.cat(part)
            if kernel == (1, 1):
                x = x[:, :, :: stride[0], :: stride[1]]
                y = F.linear(x.permute(0, 2, 3, 1), kernels.flatten(1)).permute(0, 3, 1, 2)
            else:
                y = F.conv2d(x, kernels, None, stride, (kernel[0] // 2, kernel[1] // 2))
            for one in torch.split(y, len(self.inputs)):
                value = F.batch_norm(one, None, None, training=True) if norm else one.clone()
                yield value.relu_() if relu else value

    def _halved(self, what: What, x: torch.Tensor) -> torch.Tensor:
        place, outputs, inputs = what
        height, width = x.shape[-2:]
        x = F.pad(x, (0, width % 2, 0, height % 2))
        halves = [
            F.conv2d(x[:, :, start::2, start::2], self._weight((*place, name), (outputs // 2, inputs, 1, 1)))
            for start, name in enumerate(("even", "odd"))
        ]
        return F.batch_norm(torch.cat(halves, dim=1), None, None, training=True)

    def _depthwise(self, what: What, x: torch.Tensor) -> torch.Tensor:
        place, channels, kernel, stride, dilation = what
        kernels = self._weight(place, (channels, 1, kernel, kernel))
        return F.conv2d(x, kernels, None, stride, dilation * (kernel // 2), dilation, groups=channels)

    def _weight(self, place: Place, shape: tuple[int, ...]) -> torch.Tensor:
        key = (place, shape)
        if key not in self.weights:
            drawn = weight(self.seed, place, shape).to(self.inputs)
            self.weights[key] = drawn.contiguous(memory_format=torch.channels_last)
        return self.weights[key]

    def _rows(
        self, chunk: Sequence[int], outputs: Sequence[tuple[int, ...]]
    ) -> Iterator[tuple[list[int], list[torch.Tensor]]]:
        alike: dict[tuple[tuple[int, int, int], ...], list[int]] = defaultdict(list)
        for place in chunk:
            alike[tuple(self.graph.nodes[node].shape for node in outputs[place])].append(place)
        for places in alike.values():
            columns = zip(*(outputs[place] for place in places))
            yield places, [self._stacked(nodes) for nodes in columns]

    def _stacked(self, nodes: Sequence[int]) -> torch.Tensor:
        maps = torch.stack([self.values[node].permute(0, 2, 3, 1) for node in nodes])
        return maps.flatten(1, 3)

    def _forget(self) -> None:
        """What nobody needs; and of the rest, so much that half of the room is free, the costly to keep first."""
        self.values = {node: value for node, value in self.values.items() if self.wanted[node] > 0}
        used = sum(self.graph.nodes[node].numbers for node in self.values)
        for node in sorted(self.values, key=lambda n: (self.wanted[n], -n)):
            if used <= self.room // 2:
                break
            used -= self.graph.nodes[node].numbers
            del self.values[node]


def _parts(sources: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    at_once = max(1, CONVOLVED // sources[0].numel())
    for start in range(0, len(sources), at_once):
        yield list(sources[start : start + at_once])


def _total(terms: Sequence[torch.Tensor]) -> torch.Tensor:
    total = terms[0] + terms[1]
    for term in terms[2:]:
        total += term
    return total


def _pooled(x: torch.Tensor, kind: str, kernel: int, stride: int, padding: int, ceil: bool) -> torch.Tensor:
    if kind == "max":
        return F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil)
    return F.avg_pool2d(x, kernel, stride, padding, ceil_mode=ceil, count_include_pad=False)
