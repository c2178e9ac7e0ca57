"""What the methods share: the supernet's optimizer, sampling, evaluation by shared weights, and their state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Optional

import torch
import torch.nn.functional as F

from ..errors import InputError
from ..registry import Registry
from ..spaces.nasbench201.encoding import EDGES, OPERATIONS, NASBench201Architecture
from .data import LabelledImages
from .supernet import SHAPE, Chosen, Supernet, one_hot

METHODS: Registry[type[Method]] = Registry("weight-sharing method")

Batch = tuple[torch.Tensor, torch.Tensor]  # images (b, 3, s, s) and labels (b,)
JUDGED = 500  # images of the second half, by which candidates are compared


@dataclass(frozen=True)
class OneShotSettings:
    """How a supernet is trained, as in NAS-Bench-201's searches where they agree.

    Attributes:
        epochs: of the first half of the images.
        batch_size: of both halves.
        channels, cells: after the stem, and a stack.
        image_size: pixels a side.
        learning_rate, least_rate: of the weights, at the beginning and, after half a cosine, at the end.
        momentum, weight_decay: of the weights.
        alpha_rate, alpha_decay: of the architecture's parameters.
        candidates: architectures that a method which samples compares at the end.
        seed: of weights, batches and draws.
    """

    epochs: int = 50
    batch_size: int = 64
    channels: int = 16
    cells: int = 5
    image_size: int = 32
    learning_rate: float = 0.025
    least_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 5e-4
    alpha_rate: float = 3e-4
    alpha_decay: float = 1e-3
    candidates: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "channels", "cells", "image_size", "candidates"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    def rate(self, epoch: int) -> float:
        """Of the weights.

        >>> OneShotSettings(epochs=10).rate(0), OneShotSettings(epochs=10).rate(10)
        (0.025, 0.001)
        """
        left = 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        return self.least_rate + left * (self.learning_rate - self.least_rate)


class Method(ABC):
    """A way to search in a supernet: ``learn_weights`` and ``learn_architecture`` take turns, ``find`` ends it.

    Attributes:
        name: the registered one.
        title: in the paper's Table 3.
        source: of the method.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    def __init__(self, supernet: Supernet, settings: OneShotSettings, generator: torch.Generator):
        self.supernet, self.settings, self.generator = supernet, settings, generator
        self.device = next(supernet.parameters()).device
        self.epoch = 0
        self.optimizer = torch.optim.SGD(
            supernet.parameters(),
            settings.learning_rate,
            settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=True,
        )
        self.alphas: list[torch.nn.Parameter] = []
        self.alpha_optimizer: Optional[torch.optim.Optimizer] = None

    def begin(self, epoch: int) -> None:
        """An epoch, from 0."""
        self.epoch = epoch
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(epoch)

    @abstractmethod
    def mixture(self) -> tuple[torch.Tensor, Optional[Chosen]]:
        """Weights (6, 5) of the operations for a step on the network's weights, and the chosen ones if not all are
        computed."""

    def learn_weights(self, batch: Batch) -> float:
        """One step; returns the loss."""
        weights, chosen = self.mixture()
        self.optimizer.zero_grad()
        loss = self.loss(batch, weights.detach(), chosen)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), 5.0)
        self.optimizer.step()
        return float(loss.detach())

    @abstractmethod
    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        """One step, by a batch of the second half."""

    @abstractmethod
    def find(self, valid: LabelledImages) -> NASBench201Architecture:
        """The architecture that the method settles on."""

    def loss(self, batch: Batch, weights: torch.Tensor, chosen: Optional[Chosen] = None) -> torch.Tensor:
        """Cross-entropy of the supernet."""
        images, labels = batch
        return F.cross_entropy(self.supernet(images, weights, chosen), labels)

    def accuracy(self, arch: NASBench201Architecture, batch: Batch) -> float:
        """Of an architecture with the shared weights, in percent."""
        images, labels = batch
        with torch.no_grad():
            logits = self.supernet(images, *self.alone(arch))
        return 100.0 * float((logits.argmax(dim=1) == labels).float().mean())

    def best(self, draw: Callable[[], NASBench201Architecture], valid: LabelledImages) -> NASBench201Architecture:
        """Of ``settings.candidates`` draws the one with the highest accuracy on the same images of the second half."""
        batch = valid.images[:JUDGED], valid.labels[:JUDGED]
        drawn = dict.fromkeys(draw() for _ in range(self.settings.candidates))
        return max(drawn, key=lambda arch: self.accuracy(arch, batch))

    def uniform(self) -> NASBench201Architecture:
        """Every operation as likely as any."""
        drawn = torch.randint(len(OPERATIONS), (len(EDGES),), generator=self.generator)
        return NASBench201Architecture(tuple(drawn.tolist()))

    def alone(self, arch: NASBench201Architecture) -> tuple[torch.Tensor, Chosen]:
        """The mixture that is ``arch``."""
        return one_hot(arch.ops, self.device), arch.ops

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on."""
        found: dict[str, Any] = {
            "supernet": self.supernet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "alphas": [alpha.detach() for alpha in self.alphas],
        }
        if self.alpha_optimizer is not None:
            found["alpha_optimizer"] = self.alpha_optimizer.state_dict()
        return found

    def load(self, state: dict[str, Any]) -> None:
        """What :meth:`state` gave."""
        self.supernet.load_state_dict(state["supernet"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        with torch.no_grad():
            for alpha, value in zip(self.alphas, state["alphas"]):
                alpha.copy_(value)
        if self.alpha_optimizer is not None:
            self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])


class AlphaMethod(Method):
    """Methods with a parameter for every operation on every edge, whose softmax weighs them."""

    def __init__(self, supernet: Supernet, settings: OneShotSettings, generator: torch.Generator):
        super().__init__(supernet, settings, generator)
        start = 1e-3 * torch.randn(SHAPE, generator=generator)
        self.alpha = torch.nn.Parameter(start.to(self.device))
        self.alphas = [self.alpha]
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas, settings.alpha_rate, betas=(0.5, 0.999), weight_decay=settings.alpha_decay
        )

    def probabilities(self) -> torch.Tensor:
        """(6, 5), of the operations on every edge."""
        return F.softmax(self.alpha, dim=1)

    def strongest(self) -> NASBench201Architecture:
        """The operation with the highest parameter on every edge."""
        return NASBench201Architecture(tuple(self.alpha.argmax(dim=1).tolist()))

    def find(self, valid: LabelledImages) -> NASBench201Architecture:
        return self.strongest()

    def descend(self, loss: torch.Tensor) -> None:
        """A step of the architecture's parameters; the weights' gradients are not computed."""
        self.step_along(*torch.autograd.grad(loss, [self.alpha]))

    def step_along(self, gradient: torch.Tensor) -> None:
        """A step by this gradient of the architecture's parameters."""
        assert self.alpha_optimizer is not None
        self.alpha.grad = gradient
        self.alpha_optimizer.step()
