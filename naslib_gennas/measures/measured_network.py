"""A network and a batch, and what several measures want to know about them, computed once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from ..errors import InputError
from ..proxy.layers import SplitConv, own_randomness, shared_relu
from .pretext_data import Pictures

RELUS = {
    *(F.relu, F.relu6, F.leaky_relu, F.prelu, F.rrelu, torch.relu, torch.relu_, torch.prelu, torch.rrelu),
    *(torch.Tensor.relu, torch.Tensor.relu_),
}
POOLINGS = {F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, torch.Tensor.mean}


@dataclass(frozen=True)
class Layer:
    """A weight matrix or kernel: its ``name``, the ``module`` that holds it, and its output ``widths``.

    These are the weights of convolutions and linear layers, and every other parameter of two or more
    dimensions, which recurrent networks are made of.
    Parallel convolutions that a space runs as one operator have several widths; a measure that is not
    additive over weights (a norm, for instance) treats them apart.
    """

    name: str
    module: nn.Module
    widths: tuple[int, ...]

    def split(self, tensor: torch.Tensor) -> Sequence[torch.Tensor]:
        """A weight or its gradient (out, ...), cut into the separate layers' own."""
        return tensor.split(self.widths)


@dataclass
class Pass:
    """One forward pass in training mode, with everything that a later backward pass needs.

    ``products`` is filled by the backward pass of the loss: by layer, and once for each time that it was
    called, its output times the gradient of its output, summed over positions, (b, channels).
    """

    parameters: dict[str, torch.Tensor]
    inputs: torch.Tensor
    outputs: torch.Tensor
    loss: torch.Tensor
    patterns: list[tuple[torch.Tensor, int]]
    products: Products


def part(method: Callable) -> Callable:
    """A method without arguments whose result is kept, and whose cost is billed to everybody who uses it."""

    @wraps(method)
    def shared(self: Subject):
        name = method.__name__
        if name not in self._parts:
            with self._billing() as bill:
                value = method(self)
            self._parts[name] = Part(value, bill.own, bill.uses)
        if self._bills:
            self._bills[-1].uses |= {name} | self._parts[name].uses
        return self._parts[name].value

    return shared


@dataclass
class Part:
    """A shared result and what it cost, the parts that it rests on left out."""

    value: Any
    seconds: float
    uses: set[str]


@dataclass
class Bill:
    """Seconds spent by one computation itself (``own``) and the parts that it used."""

    uses: set[str] = field(default_factory=set)
    own: float = 0.0
    nested: float = 0.0


class Subject:
    """What measures look at. The network is neither changed nor copied: it runs on stand-in parameters.

    Args:
        make: returns the network; called when first needed. Without storage (``torch.device("meta")``) if
            ``initialise`` is given.
        images: float32 (b, 3, s, s), or whatever the network takes as its only input; b >= 2.
        labels: int64, one for every row of the outputs; None draws them uniformly from ``seed``, for want of
            real ones.
        seed: of all random numbers that measures draw.
        initialise: gives a network made without storage its weights.
        batch_dim: dimension of ``images`` that counts examples.
        pictures: what the measures train on that train; None takes those that come with the package.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        images: torch.Tensor,
        labels: torch.Tensor | None = None,
        seed: int = 0,
        initialise: Callable[[nn.Module], None] | None = None,
        batch_dim: int = 0,
        pictures: Pictures | None = None,
    ):
        if len(images) < 2:
            raise InputError(f"measures need a batch of at least 2 images; got {len(images)}")
        self._make, self._initialise = make, initialise
        self.images, self.labels, self.seed = images, labels, seed
        self.pictures = pictures or Pictures()
        self.example = images.narrow(batch_dim, 0, 1)  # a batch of one
        self._parts: dict[str, Part] = {}
        self._bills: list[Bill] = []

    @part
    def shape(self) -> nn.Module:
        """The network as it is made, possibly without storage: for counting only."""
        return self._make()

    @part
    def network(self) -> nn.Module:
        """The network with its weights."""
        network = self.shape()
        if self._initialise:
            self._initialise(network)
        return network

    @part
    def layers(self) -> list[Layer]:
        """The network's weights, in the order of its modules."""
        return list(_layers(self.shape()))

    def generator(self) -> torch.Generator:
        """A fresh generator on the CPU, always in the same state."""
        return torch.Generator().manual_seed(self.seed)

    def weights(self) -> list[torch.Tensor]:
        """The layers' weights, to be read only."""
        parameters = dict(self.network().named_parameters())
        return [parameters[layer.name].detach() for layer in self.layers()]

    @part
    def forward(self) -> Pass:
        """The network on the whole batch."""
        return self.run(slice(None))

    @part
    def patterns(self) -> list[tuple[torch.Tensor, int]]:
        """``Watch.patterns`` of the shared forward pass where there is one, else of one that keeps no graph."""
        if "forward" in self._parts:
            return self.forward().patterns
        parameters = {name: p.detach() for name, p in self.stand_ins().items()}
        with torch.no_grad(), Watch() as watch:
            self.call(parameters, self.images)
        return watch.patterns

    def run(self, rows: slice) -> Pass:
        """A forward pass in training mode on some rows of the batch, with gradients to come."""
        parameters, products, watch = self.stand_ins(), Products(), Watch()
        inputs = self.images[rows].detach().clone()
        inputs.requires_grad_(inputs.is_floating_point())
        with torch.enable_grad(), products.of(self.layers()), watch:
            outputs = self.call(parameters, inputs)
            if not isinstance(outputs, torch.Tensor) or outputs.dim() != 2:
                raise InputError("measures need a network that returns one tensor of logits (batch, classes)")
            loss = F.cross_entropy(outputs, self._labels(outputs.shape[1])[rows].to(outputs.device))
        return Pass(parameters, inputs, outputs, loss, watch.patterns, products)

    def stand_ins(self) -> dict[str, torch.Tensor]:
        """The parameters' values as leaves of a graph of their own, on the device of the images."""
        parameters = self.network().named_parameters()
        return {name: p.detach().to(self.images.device).requires_grad_() for name, p in parameters}

    def buffers(self) -> dict[str, torch.Tensor]:
        """Copies of the network's buffers, which a forward pass in training mode changes."""
        return {n: b.detach().to(self.images.device, copy=True) for n, b in self.network().named_buffers()}

    def call(self, parameters, inputs: torch.Tensor, buffers=None, training: bool = True) -> torch.Tensor:
        """The network's outputs with these parameters and buffers in place of its own."""
        network = self.network()
        state = {**parameters, **(self.buffers() if buffers is None else buffers)}
        with mode(network, training), own_randomness(self.seed, inputs.device):
            return functional_call(network, state, (inputs,))

    @part
    def gradients(self) -> list[torch.Tensor]:
        """Of the loss by the layers' weights (zero where unused)."""
        done = self.forward()
        with done.products.recorded():
            return gradients_of(done, self.layers())

    @part
    def jacobian(self) -> torch.Tensor:
        """Gradient of the summed outputs by the images: float64 on the CPU, (b, everything else)."""
        done = self.forward()
        if not done.inputs.requires_grad:
            raise InputError("this measure differentiates by the input, which must be floating point")
        (gradient,) = torch.autograd.grad(done.outputs.sum(), done.inputs, retain_graph=True)
        return gradient.flatten(1).cpu()

    def evaluate(self, function: Callable[[Subject], float]) -> tuple[float, float]:
        """(value, seconds): what ``function`` would take alone, shared parts and building included."""
        with self._billing() as bill:
            value = float(function(self))
        return value, bill.own + sum(self._parts[name].seconds for name in bill.uses)

    def _labels(self, classes: int) -> torch.Tensor:
        if self.labels is None:
            self.labels = torch.randint(classes, (len(self.images),), generator=self.generator())
        return self.labels

    @contextmanager
    def _billing(self) -> Iterator[Bill]:
        bill = Bill()
        self._bills.append(bill)
        started = time.perf_counter()
        try:
            yield bill
        finally:
            self._bills.pop()
            elapsed = time.perf_counter() - started
            bill.own = elapsed - bill.nested
            if self._bills:
                self._bills[-1].nested += elapsed


def gradients_of(done: Pass, layers: list[Layer], create_graph: bool = False) -> list[torch.Tensor]:
    """Gradients of the loss by the layers' weights; zero for a weight that the outputs do not depend on."""
    weights = [done.parameters[layer.name] for layer in layers]
    found = torch.autograd.grad(done.loss, weights, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found)]


class Products:
    """Layer outputs times their gradients, summed over positions while the backward pass goes by."""

    def __init__(self):
        self.sums: dict[str, list[torch.Tensor]] = {}
        self._recording = False

    @contextmanager
    def of(self, layers: list[Layer]) -> Iterator[None]:
        """Follows what convolutions and linear layers return while the context lasts."""
        own = [layer for layer in layers if isinstance(layer.module, (nn.Conv2d, nn.Linear))]
        handles = [layer.module.register_forward_hook(self._follower(layer)) for layer in own]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """A backward pass inside is recorded."""
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def _follower(self, layer: Layer):
        def follow(module, inputs, output):
            value = output.detach()  # not the output itself: it would hold the graph that holds this hook

            def record(gradient):
                if self._recording:
                    product = value * gradient.detach()
                    self.sums.setdefault(layer.name, []).append(
                        product.flatten(2).sum(2) if product.dim() > 2 else product
                    )

            output.register_hook(record)

        return follow


class LastMap(TorchFunctionMode):
    """Sees every pooling; ``last_map``: the input (b, c, h, w) of the last one that left one number a channel."""

    last_map: torch.Tensor | None = None

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function in POOLINGS and _collapses(args[0], result):
            self.last_map = args[0]
        return result


class Watch(LastMap):
    """Sees every ReLU and every pooling, be it module or function, and can leave BatchNorm out.

    ``patterns``: for every ReLU, its input > 0 as bool (b, units), and the number of ReLUs of the published
    network that it stands for.
    """

    def __init__(self, skip_batch_norm: bool = False):
        super().__init__()
        self.skip_batch_norm = skip_batch_norm
        self.patterns: list[tuple[torch.Tensor, int]] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.batch_norm and self.skip_batch_norm:
            return args[0] if args else kwargs["input"]
        if function is shared_relu:
            self.patterns.append((_active(args[0]), args[1]))
        elif function in RELUS:
            self.patterns.append((_active(args[0]), 1))
        return super().__torch_function__(function, types, args, kwargs)


def _active(x: torch.Tensor) -> torch.Tensor:
    """(b, ...) -> bool (b, units)"""
    return (x.detach() > 0).flatten(1)


def _collapses(before, after) -> bool:
    """Whether a feature map (b, c, h, w) became (b, c) or (b, c, 1, 1)."""
    return (
        isinstance(before, torch.Tensor)
        and before.dim() == 4
        and after.shape[:2] == before.shape[:2]
        and after.numel() == before.shape[0] * before.shape[1]
    )


def _layers(network: nn.Module) -> Iterator[Layer]:
    joined = {id(m.conv): tuple(m.widths) for m in network.modules() if isinstance(m, SplitConv)}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            widths = joined.get(id(module), (module.weight.shape[0],))
            yield Layer(f"{name}.weight" if name else "weight", module, widths)
            continue
        for own, parameter in module.named_parameters(prefix=name, recurse=False):
            if parameter.dim() >= 2:
                yield Layer(own, module, (parameter.shape[0],))


def batch_norms(network: nn.Module) -> Iterator[tuple[str, nn.BatchNorm2d, tuple[int, ...]]]:
    """(name, layer, widths) of every BatchNorm2d; several widths as in :class:`Layer`."""
    joined = {id(m.bn): tuple(m.widths) for m in network.modules() if isinstance(m, SplitConv)}
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            yield name, module, joined.get(id(module), (module.num_features,))


@contextmanager
def mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Training or evaluation mode for all modules; afterwards each is as it was."""
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was
