"""Regression with recurrent networks: train on one batch of signals, read the loss (paper, Section 3.1.1)."""

from __future__ import annotations

import math
import time
from typing import Callable, Protocol, cast

import torch
import torch.nn.functional as F
from torch import nn

from .layers import uninitialised
from .parameters import FlatParameters, adopt
from .regression import CHECK_EVERY, RegressionResult
from .rnn import RNNBatch, RNNExpected, RNNFidelity

INIT_RANGE = 0.1  # of the linear layers around the recurrent network
ADAM_BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8


class Recurrent(Protocol):
    """What a backbone offers, being a module (t, b, embedding), generator of the masks -> the same, states."""

    embedding: int

    def reset(self, generator: torch.Generator) -> None:
        """First values of all parameters."""
        ...


class RNNRegressor(nn.Module):
    """Linear layer, recurrent network, linear layer: (t, b, dimension) -> (t, b, dimension)."""

    def __init__(self, backbone: nn.Module, dimension: int):
        super().__init__()
        width = cast("Recurrent", backbone).embedding
        self.encoder = nn.Linear(dimension, width)
        self.backbone = backbone
        self.decoder = nn.Linear(width, dimension)

    def reset(self, generator: torch.Generator) -> None:
        """First values, drawn on the CPU, so that a seed means the same on every device."""
        cast("Recurrent", self.backbone).reset(generator)
        with torch.no_grad():
            self.encoder.weight.uniform_(-INIT_RANGE, INIT_RANGE, generator=generator)
            self.encoder.bias.uniform_(-1, 1, generator=generator).div_(math.sqrt(self.encoder.in_features))
            self.decoder.weight.uniform_(-INIT_RANGE, INIT_RANGE, generator=generator)
            self.decoder.bias.zero_()

    def forward(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        y: torch.Tensor = self.decoder(self.backbone(self.encoder(x), generator)[0])
        return y


def build_and_regress_rnn(
    backbone: nn.Module, batch: RNNBatch, fidelity: RNNFidelity, generator: torch.Generator
) -> RegressionResult:
    """As :func:`naslib_gennas.proxy.regression.build_and_regress`, for a :class:`Recurrent` backbone.

    >>> from naslib_gennas.proxy.rnn import RNNTask
    >>> from naslib_gennas.proxy.tasks import Dot, Noise
    >>> class Net(nn.RNN):
    ...     embedding = 4
    ...     def reset(self, generator):
    ...         for parameter in self.parameters():
    ...             nn.init.uniform_(parameter, -0.5, 0.5, generator=generator)
    ...     def forward(self, x, generator):
    ...         return super().forward(x)
    >>> task = RNNTask(dimension=6, inputs=[Noise()], targets=[Dot()])
    >>> batch = task.materialise(batch_size=2, length=8, generator=torch.Generator().manual_seed(0))
    >>> with uninitialised():
    ...     backbone = Net(4, 4)
    >>> build_and_regress_rnn(backbone, batch, RNNFidelity(steps=2), torch.Generator().manual_seed(1)).status
    'ok'
    """
    with uninitialised():
        regressor = RNNRegressor(backbone, batch.inputs.shape[2])
    regressor.to_empty(device="cpu").reset(generator)
    return train(regressor.to(batch.inputs.device), batch, fidelity, generator)


def output_rows(
    backbone: nn.Module, batch: RNNExpected, fidelity: RNNFidelity, generator: torch.Generator
) -> list[torch.Tensor]:
    """What a read-out in closed form sees: outputs of the untrained network at all time steps, (1, b t, embedding).

    Without dropout. See :mod:`naslib_gennas.proxy.closed_form`.
    """
    with uninitialised():
        regressor = RNNRegressor(backbone, batch.inputs.shape[2])
    regressor.to_empty(device="cpu").reset(generator)
    regressor.to(batch.inputs.device).eval()
    with torch.no_grad():
        outputs = regressor.backbone(regressor.encoder(batch.inputs), None)[0]
    return [outputs.transpose(0, 1).reshape(1, -1, outputs.shape[2])]


def train(
    regressor: RNNRegressor, batch: RNNBatch, fidelity: RNNFidelity, generator: torch.Generator
) -> RegressionResult:
    """Adam on the plain MSE, then the read-out."""
    started = time.perf_counter()
    device = batch.inputs.device
    random = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    flat = adopt(regressor)
    step = adam(flat, fidelity)
    regressor.train()

    def loss() -> torch.Tensor:
        return F.mse_loss(regressor(batch.noise.add(batch.inputs, random), random), batch.targets)

    history: list[torch.Tensor] = []
    for count in range(fidelity.steps):
        flat.gradients.zero_()
        with torch.enable_grad():
            current = loss()
            torch.autograd.backward(current)
        step()
        history.append(current.detach())
        if (count + 1) % CHECK_EVERY == 0 and not bool(torch.isfinite(history[-1])):
            break
    curve = torch.stack(history)
    if fidelity.readout == "train":
        final = float(curve[-fidelity.average :].mean())
    else:
        regressor.eval()
        with torch.no_grad():
            final = float(loss())
    ok = math.isfinite(final) and bool(torch.isfinite(curve).all())
    return RegressionResult(
        loss=final if ok else math.nan,
        status="ok" if ok else "diverged",
        curve=tuple(curve.tolist()),
        stage_losses=(final,),
        steps=len(history),
        parameters=sum(p.numel() for p in regressor.parameters()),
        seconds=time.perf_counter() - started,
    )


def adam(flat: FlatParameters, fidelity: RNNFidelity) -> Callable[[], None]:
    """One step of Adam, as torch.optim.Adam (its decay is part of the gradient), on the whole vector.

    >>> flat = FlatParameters(torch.ones(2), torch.ones(2), torch.ones(2), count=2)
    >>> adam(flat, RNNFidelity(learning_rate=0.25, weight_decay=0))()
    >>> flat.values
    tensor([0.7500, 0.7500])
    """
    first, second = torch.zeros_like(flat.values), torch.zeros_like(flat.values)
    (beta1, beta2), count = ADAM_BETAS, 0

    @torch.no_grad()
    def step() -> None:
        nonlocal count
        count += 1
        gradients = flat.gradients.add_(flat.values, alpha=fidelity.weight_decay)
        first.lerp_(gradients, 1 - beta1)
        second.mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
        scale = second.sqrt().div_(math.sqrt(1 - beta2**count)).add_(ADAM_EPSILON)
        flat.values.addcdiv_(first, scale, value=-fidelity.learning_rate / (1 - beta1**count))

    return step
