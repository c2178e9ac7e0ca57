"""A network and a batch, and what several measures want to know about them, computed once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Callable, Generic, Optional, TypeVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from ..errors import GenNASError, InputError, ModelError
from ..proxy.layers import own_randomness
from ..proxy.taps import check_shapes, reason, title
from .activation_modes import ActivationMode
from .layers import Layer, Products, layers_of, mode, unfused
from .pretext_data import TrainingImages

T = TypeVar("T")
Tensors = dict[str, torch.Tensor]
"""Parameters, or buffers, by name."""


@dataclass
class ForwardPass:
    """One forward pass in training mode, with everything that a later backward pass needs.

    Attributes:
        parameters: leaves of the graph, in place of the network's own.
        inputs: the batch; floating point inputs are leaves of the graph as well.
        outputs: logits (b, classes).
        loss: their cross-entropy, a scalar.
        patterns: see :class:`ActivationMode`.
        products: filled by the backward pass of the loss.
    """

    parameters: Tensors
    inputs: torch.Tensor
    outputs: torch.Tensor
    loss: torch.Tensor
    patterns: list[tuple[torch.Tensor, int]]
    products: Products


@dataclass
class SharedResult(Generic[T]):
    """A result that several measures use and what it cost, the results that it rests on left out."""

    value: T
    seconds: float
    uses: set[str]


@dataclass
class Cost:
    """Seconds spent by one computation itself (``own``) and the shared results that it used."""

    uses: set[str] = field(default_factory=set)
    own: float = 0.0
    nested: float = 0.0


def shared(method: Callable[[MeasuredNetwork], T]) -> Callable[[MeasuredNetwork], T]:
    """A method without arguments whose result is kept, and whose cost is charged to everybody who uses it."""
    name = method.__name__

    @wraps(method)
    def kept(self: MeasuredNetwork) -> T:
        return self.shared_result(name, method)

    return kept


class MeasuredNetwork:
    """What measures look at. The network is neither changed nor copied: it runs on parameters in place of its own.

    Args:
        make: returns the network; called when first needed. Without storage (``torch.device("meta")``) if
            ``initialise`` is given.
        images: float32 (b, 3, s, s), or whatever the network takes as its only input; b >= 2.
        labels: int64, one for every row of the outputs; None draws them uniformly from ``seed``, for want of
            real ones.
        seed: of all random numbers that measures draw.
        initialise: gives a network made without storage its weights.
        batch_dim: dimension of ``images`` that counts examples.
        training_images: what the measures train on that train; None takes those that come with the package.

    Raises InputError for a batch of fewer than two images.

    >>> import torch
    >>> network = MeasuredNetwork(lambda: torch.nn.Linear(8, 2), torch.ones(4, 8))
    >>> [layer.name for layer in network.layers()], network.forward().outputs.shape
    (['weight'], torch.Size([4, 2]))
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        images: torch.Tensor,
        labels: Optional[torch.Tensor] = None,
        seed: int = 0,
        initialise: Optional[Callable[[nn.Module], object]] = None,
        batch_dim: int = 0,
        training_images: Optional[TrainingImages] = None,
    ):
        if len(images) < 2:
            raise InputError(f"measures need a batch of at least 2 images; got {len(images)}")
        self._make, self._initialise = make, initialise
        self.images, self.seed = images, seed
        self.training_images = training_images or TrainingImages()
        self.example = images.narrow(batch_dim, 0, 1)  # a batch of one
        self._labels = labels
        self._shared: dict[str, SharedResult[Any]] = {}
        self._costs: list[Cost] = []

    @shared
    def skeleton(self) -> nn.Module:
        """The network as it is made, possibly without storage: for counting only.

        ModelError for one with parameters that have no shape yet.
        """
        network = self._make()
        check_shapes(network)
        return network

    @shared
    def module(self) -> nn.Module:
        """The network with its weights."""
        network = self.skeleton()
        if self._initialise:
            self._initialise(network)
        return network

    @shared
    def layers(self) -> list[Layer]:
        """The network's weights, in the order of its modules."""
        return list(layers_of(self.skeleton()))

    def generator(self) -> torch.Generator:
        """A fresh generator on the CPU, always in the same state."""
        return torch.Generator().manual_seed(self.seed)

    def weights(self) -> list[torch.Tensor]:
        """The layers' weights, to be read only."""
        parameters = dict(self.module().named_parameters())
        return [parameters[layer.name].detach() for layer in self.layers()]

    @shared
    def forward(self) -> ForwardPass:
        """The network on the whole batch."""
        return self.run(slice(None))

    @shared
    def patterns(self) -> list[tuple[torch.Tensor, int]]:
        """See :class:`ActivationMode`: of the shared forward pass if there is one, else of one without a graph."""
        if "forward" in self._shared:
            return self.forward().patterns
        parameters = {name: p.detach() for name, p in self.leaf_parameters().items()}
        seen = ActivationMode()
        with torch.no_grad(), seen:
            self.call(parameters, self.images)
        return seen.patterns

    def run(self, rows: slice) -> ForwardPass:
        """A forward pass in training mode on some rows of the batch, with gradients to come.

        InputError for a network that does not return logits (batch, classes).
        """
        parameters, products, seen = self.leaf_parameters(), Products(), ActivationMode()
        inputs = self.images[rows].detach().clone()
        inputs.requires_grad_(inputs.is_floating_point())
        with torch.enable_grad(), products.of(self.layers()), seen:
            outputs = self.call(parameters, inputs)
            if outputs.dim() != 2:
                raise InputError(
                    f"measures need a network that returns logits (batch, classes), not {tuple(outputs.shape)}"
                )
            loss = F.cross_entropy(outputs, self._labels_of(outputs.shape[1])[rows].to(outputs.device))
        return ForwardPass(parameters, inputs, outputs, loss, seen.patterns, products)

    def leaf_parameters(self) -> Tensors:
        """The parameters' values as leaves of a graph of their own, on the device of the images and as exact.

        Whole numbers have no gradient.
        """
        values = {name: self._here(p.detach()) for name, p in self.module().named_parameters()}
        return {name: p.requires_grad_(p.is_floating_point() or p.is_complex()) for name, p in values.items()}

    def buffers(self) -> Tensors:
        """Copies of the network's buffers, which a forward pass in training mode changes."""
        return {n: self._here(b.detach()).clone() for n, b in self.module().named_buffers()}

    def _here(self, value: torch.Tensor) -> torch.Tensor:
        """On the device of the images; half precision becomes theirs."""
        same = not value.is_floating_point() or not self.images.is_floating_point()
        return value.to(self.images.device, value.dtype if same else self.images.dtype)

    def call(
        self,
        parameters: Mapping[str, torch.Tensor],
        inputs: torch.Tensor,
        buffers: Optional[Mapping[str, torch.Tensor]] = None,
        training: bool = True,
    ) -> torch.Tensor:
        """The network's outputs with these parameters and buffers in place of its own; of several, the first.

        ModelError for a network that does not run on the batch.
        """
        network = self.module()
        state = {**parameters, **(self.buffers() if buffers is None else buffers)}
        with mode(network, training), own_randomness(self.seed, inputs.device), unfused():
            try:
                outputs = functional_call(network, state, (inputs,))
            except (torch.cuda.OutOfMemoryError, GenNASError):
                raise
            except Exception as error:
                if "CUDA error" in str(error):
                    raise
                what = f"{title(network)} does not run on a batch of shape {tuple(inputs.shape)}"
                raise ModelError(f"{what}: {reason(error)}") from error
        return _first_tensor(outputs, network)

    @property
    def labels(self) -> torch.Tensor:
        """int64, one for every row of the outputs."""
        return self._labels_of(self.forward().outputs.shape[1])

    @shared
    def gradients(self) -> list[torch.Tensor]:
        """Of the loss by the layers' weights (zero where unused)."""
        done = self.forward()
        with done.products.recorded():
            return gradients_of(done, self.layers())

    @shared
    def jacobian(self) -> torch.Tensor:
        """Gradient of the summed outputs by the images: on the CPU, (b, everything else).

        InputError for inputs that are not floating point.
        """
        done = self.forward()
        if not done.inputs.requires_grad:
            raise InputError("this measure differentiates by the input, which must be floating point")
        with torch.enable_grad():
            total = done.outputs.sum()
        (gradient,) = torch.autograd.grad(total, done.inputs, retain_graph=True)
        return gradient.flatten(1).cpu()

    def evaluate(self, function: Callable[[MeasuredNetwork], float]) -> tuple[float, float]:
        """(value, seconds): what ``function`` would take alone, shared results and building included."""
        with self._timed() as cost:
            value = float(function(self))
        return value, cost.own + sum(self._shared[name].seconds for name in cost.uses)

    def shared_result(self, name: str, compute: Callable[[MeasuredNetwork], T]) -> T:
        """What ``compute`` returns, computed at the first call; its cost is charged to whoever asks."""
        if name not in self._shared:
            with self._timed() as cost:
                value = compute(self)
            self._shared[name] = SharedResult(value, cost.own, cost.uses)
        found: SharedResult[T] = self._shared[name]
        if self._costs:
            self._costs[-1].uses |= {name} | found.uses
        return found.value

    def seconds(self, name: str) -> float:
        """What the shared result called ``name`` cost by itself; KeyError if nobody has asked for it."""
        return self._shared[name].seconds

    def _labels_of(self, classes: int) -> torch.Tensor:
        if self._labels is None:
            self._labels = torch.randint(classes, (len(self.images),), generator=self.generator())
        return self._labels

    @contextmanager
    def _timed(self) -> Iterator[Cost]:
        cost = Cost()
        self._costs.append(cost)
        started = time.perf_counter()
        try:
            yield cost
        finally:
            self._costs.pop()
            elapsed = time.perf_counter() - started
            cost.own = elapsed - cost.nested
            if self._costs:
                self._costs[-1].nested += elapsed


def _first_tensor(outputs: Any, network: nn.Module) -> torch.Tensor:
    """Of a tensor, a mapping (``logits`` or ``out`` before others) or a sequence."""
    if isinstance(outputs, Mapping):
        outputs = next((outputs[key] for key in ("logits", "out") if key in outputs), list(outputs.values()))
    found = outputs if isinstance(outputs, (list, tuple)) else (outputs,)
    tensors = [value for value in found if isinstance(value, torch.Tensor)]
    if not tensors:
        raise InputError(f"{title(network)} returns {type(outputs).__name__} without a tensor of logits in it")
    return tensors[0]


def gradients_of(done: ForwardPass, layers: Sequence[Layer], create_graph: bool = False) -> list[torch.Tensor]:
    """Gradients of the loss by the layers' weights; zero for a weight that the outputs do not depend on."""
    weights = [done.parameters[layer.name] for layer in layers]
    found = torch.autograd.grad(done.loss, weights, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found)]


def example() -> MeasuredNetwork:
    """A small convolutional network with BatchNorm, ReLU and global pooling, and four images of 8 x 8, to try things.

    Twelve images, labelled, are there to train on.

    >>> example().forward().outputs.shape
    torch.Size([4, 10])
    """

    def make() -> nn.Module:
        body = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU()]
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    with own_randomness(0, torch.device("cpu")):
        network = make()
    images = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    to_train_on = TrainingImages(images, 8, labels=torch.arange(12) % 4)
    return MeasuredNetwork(lambda: network, images[:4], training_images=to_train_on)
