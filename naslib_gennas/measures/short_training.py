"""A few epochs of training, for the measures that rank by what a network has learned until then.

Recipe: SGD with Nesterov momentum 0.9, learning rate 0.05 with a cosine to 0, batches of 64, weight decay 5e-4 on
weights of two or more dimensions, order of the examples drawn from the subject's seed. The network that is trained
is the subject's, from its own first weights; it runs on copies of its parameters and is not changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..errors import InputError
from .measured_network import LastMap, Subject
from .pretext_data import Lesson

BATCH, TEST_BATCH = 64, 256
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.05, 0.9, 5e-4


class Trainee:
    """A network on copies of its parameters. ``forward(inputs, training)`` gives what the loss is taken of."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.parameters = {name: p.detach().clone().requires_grad_() for name, p in subject.stand_ins().items()}
        self.buffers = subject.buffers()

    def forward(self, inputs: torch.Tensor, training: bool = True) -> torch.Tensor:
        return self.subject.call(self.parameters, inputs, self.buffers, training)

    def fit(self, lesson: Lesson, epochs: int, loss: Callable) -> bool:
        """``epochs`` of training on ``loss(outputs, targets)``; False if the loss is not finite any more."""
        generator, batches = self.subject.generator(), math.ceil(len(lesson.images) / BATCH)
        optimiser = torch.optim.SGD(self._groups(), LEARNING_RATE, MOMENTUM, nesterov=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
        for _ in range(epochs):
            order = torch.randperm(len(lesson.images), generator=generator)
            for rows in order.chunk(batches):
                with torch.enable_grad():
                    value = loss(self.forward(lesson.images[rows]), lesson.targets[rows])
                    value.backward()
                if not torch.isfinite(value):
                    return False
                optimiser.step()
                optimiser.zero_grad()
                schedule.step()
        return True

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        """In evaluation mode, in batches."""
        with torch.no_grad():
            return torch.cat([self.forward(part, training=False) for part in images.split(TEST_BATCH)])

    def _groups(self) -> list[dict]:
        values = list(self.parameters.values())
        return [
            {"params": [p for p in values if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in values if p.dim() < 2], "weight_decay": 0.0},
        ]


class Painter(Trainee):
    """Reads the last feature map (b, c, h, w), the one before the global pooling, through a 1x1 convolution."""

    def __init__(self, subject: Subject, images: torch.Tensor, classes: int):
        super().__init__(subject)
        with torch.no_grad():
            channels, self.height, self.width = self._map(images[:2], training=False).shape[1:]
        bound = channels**-0.5
        weight = torch.rand(classes, channels, 1, 1, generator=subject.generator()).mul_(2).sub_(1).mul_(bound)
        self.parameters["head of colours"] = weight.to(images.device).requires_grad_()

    def forward(self, inputs: torch.Tensor, training: bool = True) -> torch.Tensor:
        """(b, classes, h, w)"""
        return F.conv2d(self._map(inputs, training), self.parameters["head of colours"])

    def _map(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        own = {name: p for name, p in self.parameters.items() if name != "head of colours"}
        watch = LastMap()
        with watch:
            self.subject.call(own, inputs, self.buffers, training)
        if watch.last_map is None:
            raise InputError("colours are predicted from the map before the global pooling, which this network lacks")
        return watch.last_map


def accuracy(subject: Subject, lesson: Lesson, classes: int, epochs: int) -> float:
    """Held-out accuracy in percent after training on the first ``classes`` outputs; NaN if training diverged.

    InputError if the network has fewer outputs.
    """
    lesson, trainee = lesson.to(subject.images.device), Trainee(subject)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if outputs.shape[1] < classes:
            raise InputError(f"training needs a network with {classes} outputs; this one has {outputs.shape[1]}")
        return F.cross_entropy(outputs[:, :classes], targets)

    if not trainee.fit(lesson, epochs, loss):
        return math.nan
    outputs = trainee.outputs(lesson.test_images)[:, :classes]
    if not torch.isfinite(outputs).all():
        return math.nan
    return 100 * (outputs.argmax(1) == lesson.test_targets).float().mean().item()
