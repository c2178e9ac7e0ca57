"""Networks of many architectures, with their heads, as one program of joint operations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..expressions import ADD, CONCAT, CONV, DEPTHWISE, FIRST, HALVES, POOL, RELU, Graph
from ..layers import Place
from ..tasks import Batch
from .layout import Layout, Piece
from .maps import Maps, Picks
from .operations import (
    Concat,
    Convolution,
    Depthwise,
    First,
    Halves,
    Head,
    Norm,
    Operation,
    Pool,
    Relu,
    Source,
    Sum,
    Target,
)
from .schedule import IMAGES, Joint, Shape, Where, schedule, shape_of
from .weights import Parameters, Tensor, first_values


@dataclass(frozen=True)
class Network:
    """An architecture as an expression of its own: ``outputs`` are the nodes of its stages."""

    graph: Graph
    outputs: tuple[int, ...]
    layout: Layout

    @property
    def numbers(self) -> int:
        """In its maps of one image."""
        return sum(node.numbers for node in self.graph.nodes)

    @property
    def columns(self) -> int:
        """Numbers in what its convolutions see of one image."""
        convolutions = (node for node in self.graph.nodes if node.operation == CONV)
        return sum(node.what[2] * math.prod((*node.what[3], *node.shape[1:])) for node in convolutions)

    @property
    def largest(self) -> int:
        """Of these, in one map."""
        return max(node.numbers for node in self.graph.nodes)


class Program:
    """``networks`` on ``batch``: :meth:`losses`, :meth:`backward` and ``parameters``, which are those of all.

    draw: numbers in [-1, 1) that first weights are made from, as many as the largest network has. ``running``:
    whether BatchNorms keep running statistics. dtype: of weights and maps.
    """

    def __init__(
        self, networks: Sequence[Network], batch: Batch, draw: torch.Tensor, running: bool, dtype: torch.dtype
    ):
        self.networks, self.batch, self.dtype = networks, batch, dtype
        self.device = batch.inputs.device
        self.parameters = Parameters()
        self._starts: list[tuple[Tensor, list[Piece]]] = []
        self._norms: list[Norm] = []
        self._numbers: dict[Where, int] = {}  # of a node's map, in those of its shape
        self._shapes: dict[Shape, int] = {IMAGES: 0}
        self._counts: dict[int, int] = defaultdict(int)
        self.images_apart = batch.noise.level > 0
        self._counts[0] = len(networks) if self.images_apart else 1
        joints = schedule([(n.graph, n.outputs, n.layout.plain) for n in networks])
        self.operations = [self._operation(joint) for joint in joints]
        self.used = [stage for stage, target in enumerate(batch.targets) if target is not None]
        self.heads = [(place, *pair) for place, stage in enumerate(self.used) for pair in self._heads(stage)]
        self.parameters.allocate(self.device, dtype)
        for tensor, pieces in self._starts:
            tensor.values.copy_(first_values(draw, pieces).view(tensor.shape))
        for norm in self._norms:
            norm.start(running)
        self.maps, self.gradients = self._room(), self._room()

    def losses(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        """(stages used, networks). inputs: (networks or 1, 3, images, height, width)."""
        self.maps[0].copy_(inputs)
        for operation in self.operations:
            operation.forward(self.maps, training)
        found = torch.empty(len(self.used), len(self.networks), device=self.device, dtype=self._loss_type)
        for place, members, head in self.heads:
            found[place, members] = head.forward(self.maps, training)
        return found

    def backward(self) -> None:
        """Gradients of the weighted sum of the last losses, added to those of ``parameters``."""
        for gradients in self.gradients[1:]:
            gradients.zero_()
        for place, _, head in reversed(self.heads):
            head.backward(self.gradients, self.batch.weights[self.used[place]])
        for operation in reversed(self.operations):
            operation.backward(self.maps, self.gradients)

    @property
    def _loss_type(self) -> torch.dtype:
        return next(target.dtype for target in self.batch.targets if target is not None)

    def _room(self) -> Maps:
        images = len(self.batch.inputs)
        sizes = {number: shape for shape, number in self._shapes.items()}
        sizes[0] = tuple(self.batch.inputs.shape[1:])  # type: ignore[assignment]
        return [
            torch.zeros(self._counts[n], c, images, h, w, device=self.device, dtype=self.dtype)
            for n, (c, h, w) in sorted(sizes.items())
        ]

    def _operation(self, joint: Joint) -> Operation:
        operation, what, _, shape, plain = joint.kind
        members = joint.members
        if operation == ADD:
            members = tuple(sorted(members, key=lambda where: -len(self._inputs(where))))
        target = self._target(members, shape)
        sources = self._sources(members)
        if operation == CONV:
            outputs, inputs, kernel, stride, norm, relu = what
            weight = self._weight(members, (), (outputs, math.prod(kernel) * inputs))
            return Convolution(
                sources[0], target, weight, kernel, stride,
                self._norm(len(members), outputs, affine=not plain) if norm else None, relu,
            )  # fmt: skip
        if operation == DEPTHWISE:
            channels, kernel, *window = what
            return Depthwise(sources[0], target, self._weight(members, (), (channels, kernel**2)), kernel, *window)
        if operation == HALVES:
            outputs, inputs = what
            weights = [self._weight(members, (name,), (outputs // 2, inputs)) for name in ("even", "odd")]
            return Halves(sources[0], target, weights, self._norm(len(members), outputs))
        if operation == POOL:
            return Pool(sources[0], target, *what)
        if operation == ADD:
            return Sum(sources, target)
        if operation == CONCAT:
            return Concat(sources, target)
        return {RELU: Relu, FIRST: First}[operation](sources[0], target)

    def _heads(self, stage: int) -> list[tuple[torch.Tensor, Head]]:
        """Of networks whose maps have one shape: which these are, and their heads."""
        alike: dict[Shape, list[Where]] = defaultdict(list)
        for number, network in enumerate(self.networks):
            alike[shape_of(network.graph, network.outputs[stage])].append((number, network.outputs[stage]))
        return [self._head(stage, shape, members) for shape, members in alike.items()]

    def _head(self, stage: int, shape: Shape, members: list[Where]) -> tuple[torch.Tensor, Head]:
        target = self.batch.targets[stage]
        assert target is not None
        outputs, size = target.shape[1], target.shape[-1]
        count, layouts = len(members), [self.networks[number].layout.heads[stage] for number, _ in members]
        weight = self.parameters.reserve(count, outputs, shape[0], decays=True)
        bias = self.parameters.reserve(count, outputs)
        self._starts += [(weight, [head.weight for head in layouts]), (bias, [head.bias for head in layouts])]
        head = Head(
            self._source(members, shape), weight, bias, self._norm(count, shape[0]),
            target.transpose(0, 1).flatten(1), size,
        )  # fmt: skip
        return torch.tensor([number for number, _ in members], device=self.device), head

    def _weight(self, members: Sequence[Where], name: Place, shape: tuple[int, int]) -> Tensor:
        pieces = [self.networks[n].layout.convolutions[(*self._place((n, node)), *name)] for n, node in members]
        tensor = self.parameters.reserve(len(members), *shape, decays=True)
        self._starts.append((tensor, pieces))
        return tensor

    def _norm(self, members: int, channels: int, affine: bool = True) -> Norm:
        self._norms.append(Norm(members, channels, self.parameters, affine))
        return self._norms[-1]

    def _place(self, where: Where) -> Any:
        return self.networks[where[0]].graph.nodes[where[1]].what[0]

    def _inputs(self, where: Where) -> tuple[int, ...]:
        return self.networks[where[0]].graph.nodes[where[1]].inputs

    def _target(self, members: Sequence[Where], shape: Shape) -> Target:
        number = self._shapes.setdefault(shape, len(self._shapes))
        first = self._counts[number]
        self._counts[number] += len(members)
        self._numbers.update((where, first + place) for place, where in enumerate(members))
        return Target(number, slice(first, first + len(members)))

    def _sources(self, members: Sequence[Where]) -> list[Source]:
        """One for every input; of sums, whose members have unequal many, of those that have so many."""
        inputs = [self._inputs(where) for where in members]
        found = []
        for turn in range(len(inputs[0])):
            reading = [(where[0], nodes[turn]) for where, nodes in zip(members, inputs) if turn < len(nodes)]
            found.append(self._source(reading, shape_of(self.networks[reading[0][0]].graph, reading[0][1])))
        return found

    def _source(self, members: Sequence[Where], shape: Shape) -> Source:
        if shape == IMAGES:
            return Source(0, Picks([n if self.images_apart else 0 for n, _ in members], self.device), trained=False)
        for where in members:
            if where not in self._numbers:  # a map of zeros
                self._target((where,), shape)
        number = self._shapes[shape]
        return Source(number, Picks([self._numbers[where] for where in members], self.device), trained=True)
