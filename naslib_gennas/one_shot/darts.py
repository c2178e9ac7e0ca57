"""Differentiable architecture search. Liu, Simonyan & Yang, "DARTS", ICLR 2019."""

from __future__ import annotations

from typing import Optional

import torch

from .method import METHODS, AlphaMethod, Batch
from .supernet import Chosen

SMALL = 0.01  # of the finite difference, over the norm of the gradient


@METHODS.register("darts-v1")
class DARTSFirstOrder(AlphaMethod):
    """Weights and architecture take turns; the architecture's gradient is that at the present weights."""

    name = "darts-v1"
    title = "DARTS-V1"
    source = "Liu, Simonyan & Yang, ICLR 2019, arXiv 1806.09055, first order"

    def mixture(self) -> tuple[torch.Tensor, Optional[Chosen]]:
        return self.probabilities(), None

    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        self.descend(self.loss(valid, self.probabilities()))


@METHODS.register("darts-v2")
class DARTSSecondOrder(DARTSFirstOrder):
    """The architecture's gradient is that after one step of the weights, by finite differences."""

    name = "darts-v2"
    title = "DARTS-V2"
    source = "Liu, Simonyan & Yang, ICLR 2019, arXiv 1806.09055, second order"

    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        weights = list(self.supernet.parameters())
        before = [weight.detach().clone() for weight in weights]
        rate = self.optimizer.param_groups[0]["lr"]
        with torch.no_grad():
            steps = self._virtual_steps(weights, train)
            for weight, step in zip(weights, steps):
                weight.sub_(rate * step)
        inner = torch.autograd.grad(self.loss(valid, self.probabilities()), [self.alpha, *weights])
        direct, towards = inner[0], inner[1:]
        norm = torch.sqrt(sum(((part * part).sum() for part in towards), torch.zeros((), device=self.device)))
        small = SMALL / float(norm) if float(norm) > 0 else 0.0
        ends = [self._shifted(weights, before, towards, sign * small, train) for sign in (1.0, -1.0)]
        self._restore(weights, before)
        product = (ends[0] - ends[1]) / (2 * small) if small else torch.zeros_like(direct)
        self.step_along(direct - rate * product)

    def _virtual_steps(self, weights: list[torch.nn.Parameter], train: Batch) -> list[torch.Tensor]:
        """What the optimizer would take off each weight, over the learning rate; Nesterov's look-ahead left out."""
        settings = self.settings
        with torch.enable_grad():
            found = torch.autograd.grad(self.loss(train, self.probabilities().detach()), weights)
        steps = []
        for weight, gradient in zip(weights, found):
            moment = self.optimizer.state.get(weight, {}).get("momentum_buffer")
            step = gradient + settings.weight_decay * weight
            steps.append(step if moment is None else step + settings.momentum * moment)
        return steps

    def _shifted(
        self,
        weights: list[torch.nn.Parameter],
        before: list[torch.Tensor],
        towards: tuple[torch.Tensor, ...],
        amount: float,
        train: Batch,
    ) -> torch.Tensor:
        """The architecture's gradient of the training loss, ``amount`` away from the weights."""
        with torch.no_grad():
            for weight, value, direction in zip(weights, before, towards):
                weight.copy_(value + amount * direction)
        (gradient,) = torch.autograd.grad(self.loss(train, self.probabilities()), [self.alpha])
        return gradient

    @staticmethod
    def _restore(weights: list[torch.nn.Parameter], before: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for weight, value in zip(weights, before):
                weight.copy_(value)
