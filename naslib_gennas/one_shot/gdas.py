"""Gradient-based search with a differentiable sampler. Dong & Yang, "Searching for a Robust Neural Architecture in Four
GPU Hours", CVPR 2019."""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F

from .method import METHODS, AlphaMethod, Batch
from .supernet import Chosen

HOT, COLD = 10.0, 0.1  # temperatures at the beginning and at the end


@METHODS.register("gdas")
class GDAS(AlphaMethod):
    """Every step computes one architecture, drawn by Gumbel's trick; its gradient passes straight through."""

    name = "gdas"
    title = "GDAS"
    source = "Dong & Yang, CVPR 2019, arXiv 1910.04465"

    @property
    def temperature(self) -> float:
        """Falls linearly over the epochs."""
        return HOT - (HOT - COLD) * self.epoch / max(1, self.settings.epochs - 1)

    def mixture(self) -> tuple[torch.Tensor, Optional[Chosen]]:
        uniform = torch.rand(self.alpha.shape, generator=self.generator).clamp_(1e-10, 1 - 1e-7).to(self.device)
        noisy = F.log_softmax(self.alpha, dim=1) - torch.log(-torch.log(uniform))
        soft = F.softmax(noisy / self.temperature, dim=1)
        chosen = soft.argmax(dim=1)
        hard = F.one_hot(chosen, soft.shape[1]).float()
        return hard - soft.detach() + soft, chosen.tolist()

    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        self.descend(self.loss(valid, *self.mixture()))
