"""A few epochs of training, for the measures that rank by what a network has learned until then.

Recipe: SGD with Nesterov momentum 0.9, learning rate 0.05 with a cosine to 0, batches of 64, weight decay 5e-4 on
weights of two or more dimensions, order of the examples drawn from the measured network's seed. The network that is
trained is the measured one, from its own first weights; it runs on copies of its parameters and is not changed.
"""

from __future__ import annotations

import math
from typing import Callable, Union

import torch
import torch.nn.functional as F

from ..errors import InputError
from .activation_modes import LastMapMode
from .measured_network import MeasuredNetwork
from .pretext_data import TrainTestSplit

BATCH, TEST_BATCH = 64, 256
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.05, 0.9, 5e-4
COLOUR_HEAD = "head of colours"  # the name of its weight among the parameters

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(outputs, targets) -> a scalar."""


class ShortTraining:
    """A network on copies of its parameters. ``forward(inputs, training)`` gives what the loss is taken of."""

    def __init__(self, network: MeasuredNetwork):
        self.network = network
        copies = network.leaf_parameters().items()
        self.parameters = {name: p.detach().clone().requires_grad_() for name, p in copies}
        self.buffers = network.buffers()

    def forward(self, inputs: torch.Tensor, training: bool = True) -> torch.Tensor:
        """Logits (b, classes) of inputs (b, 3, s, s)."""
        return self.network.call(self.parameters, inputs, self.buffers, training)

    def fit(self, data: TrainTestSplit, epochs: int, loss: Loss) -> bool:
        """``epochs`` of training on ``loss(outputs, targets)``; False if the loss is not finite any more."""
        generator, batches = self.network.generator(), math.ceil(len(data.images) / BATCH)
        optimiser = torch.optim.SGD(self._groups(), LEARNING_RATE, MOMENTUM, nesterov=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
        for _ in range(epochs):
            order = torch.randperm(len(data.images), generator=generator)
            for rows in order.chunk(batches):
                with torch.enable_grad():
                    value = loss(self.forward(data.images[rows]), data.targets[rows])
                    torch.autograd.backward(value)
                if not torch.isfinite(value):
                    return False
                optimiser.step()
                optimiser.zero_grad()
                schedule.step()
        return True

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        """What ``forward`` gives in evaluation mode, computed in batches."""
        with torch.no_grad():
            return torch.cat([self.forward(part, training=False) for part in torch.split(images, TEST_BATCH)])

    def _groups(self) -> list[dict[str, Union[list[torch.Tensor], float]]]:
        values = list(self.parameters.values())
        return [
            {"params": [p for p in values if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in values if p.dim() < 2], "weight_decay": 0.0},
        ]


class ColourTraining(ShortTraining):
    """Reads the last feature map (b, c, h, w), the one before the global pooling, through a 1x1 convolution.

    Attributes:
        shape: height and width of that map.

    Raises InputError for a network without a global pooling.
    """

    def __init__(self, network: MeasuredNetwork, images: torch.Tensor, classes: int):
        super().__init__(network)
        with torch.no_grad():
            channels, *shape = self._map(images[:2], training=False).shape[1:]
        self.shape: tuple[int, int] = (shape[0], shape[1])
        bound = channels**-0.5
        weight = torch.rand(classes, channels, 1, 1, generator=network.generator()).mul_(2).sub_(1).mul_(bound)
        self.parameters[COLOUR_HEAD] = weight.to(images.device).requires_grad_()

    def forward(self, inputs: torch.Tensor, training: bool = True) -> torch.Tensor:
        """Logits (b, classes, h, w) of inputs (b, 3, s, s)."""
        return F.conv2d(self._map(inputs, training), self.parameters[COLOUR_HEAD])

    def _map(self, inputs: torch.Tensor, training: bool) -> torch.Tensor:
        own = {name: p for name, p in self.parameters.items() if name != COLOUR_HEAD}
        seen = LastMapMode()
        with seen:
            self.network.call(own, inputs, self.buffers, training)
        if seen.last_map is None:
            raise InputError("colours are predicted from the map before the global pooling, which this network lacks")
        return seen.last_map


def accuracy(network: MeasuredNetwork, data: TrainTestSplit, classes: int, epochs: int) -> float:
    """Held-out accuracy in percent after training on the first ``classes`` outputs; NaN if training diverged.

    InputError if the network has fewer outputs.

    >>> import torch
    >>> from naslib_gennas.measures.measured_network import example
    >>> images, targets = torch.zeros(8, 3, 8, 8), torch.zeros(8, dtype=torch.int64)
    >>> accuracy(example(), TrainTestSplit(images, targets, images, targets), classes=2, epochs=4)
    100.0
    """
    data, training = data.to(network.images.device), ShortTraining(network)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if outputs.shape[1] < classes:
            raise InputError(f"training needs a network with {classes} outputs; this one has {outputs.shape[1]}")
        return F.cross_entropy(outputs[:, :classes], targets)

    if not training.fit(data, epochs, loss):
        return math.nan
    outputs = training.outputs(data.test_images)[:, :classes]
    if not torch.isfinite(outputs).all():
        return math.nan
    return 100 * (outputs.argmax(1) == data.test_targets).float().mean().item()
