"""Efficient neural architecture search. Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML
2018."""

from __future__ import annotations

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import nn

from ..proxy.layers import own_randomness
from ..spaces.nasbench201.encoding import EDGES, OPERATIONS, NASBench201Architecture
from .data import LabelledImages
from .method import METHODS, Batch, Method, OneShotSettings
from .supernet import Chosen, Supernet

HIDDEN, TEMPERATURE, BOUND = 64, 5.0, 2.5  # of the controller; its logits are bounded by a tanh
RATE, ENTROPY, KEPT = 1e-3, 1e-4, 0.95  # Adam's rate, weight of the entropy, of the past in the baseline


class Controller(nn.Module):
    """An LSTM that chooses the operation of one edge after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, HIDDEN))
        self.embedding = nn.Embedding(len(OPERATIONS), HIDDEN)
        self.cell = nn.LSTMCell(HIDDEN, HIDDEN)
        self.logits = nn.Linear(HIDDEN, len(OPERATIONS))

    def sample(self, generator: torch.Generator) -> tuple[tuple[int, ...], torch.Tensor, torch.Tensor]:
        """Operations of the edges, the logarithm of their probability, and the entropy of the choices."""
        x, state = self.start, None
        ops, likely, entropy = [], torch.zeros((), device=x.device), torch.zeros((), device=x.device)
        for _ in EDGES:
            state = self.cell(x, state)
            scores = BOUND * torch.tanh(self.logits(state[0]) / TEMPERATURE)
            log = F.log_softmax(scores, dim=1)[0]
            op = int(torch.multinomial(log.detach().exp().cpu(), 1, generator=generator))
            ops.append(op)
            likely, entropy = likely + log[op], entropy - (log.exp() * log).sum()
            x = self.embedding(torch.tensor([op], device=x.device))
        return tuple(ops), likely, entropy


@METHODS.register("enas")
class ENAS(Method):
    """A controller proposes architectures and learns by REINFORCE from their accuracy on the second half."""

    name = "enas"
    title = "ENAS"
    source = "Pham et al., ICML 2018, arXiv 1802.03268"

    def __init__(self, supernet: Supernet, settings: OneShotSettings, generator: torch.Generator):
        super().__init__(supernet, settings, generator)
        with own_randomness(settings.seed, torch.device("cpu")):
            self.controller = Controller().to(self.device)
        self.alphas = list(self.controller.parameters())
        self.alpha_optimizer = torch.optim.Adam(self.alphas, RATE)
        self.baseline = 0.0

    def mixture(self) -> tuple[torch.Tensor, Optional[Chosen]]:
        return self.alone(self.proposed())

    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        ops, likely, entropy = self.controller.sample(self.generator)
        reward = self.accuracy(NASBench201Architecture(ops), valid) / 100 + ENTROPY * float(entropy.detach())
        self.baseline = KEPT * self.baseline + (1 - KEPT) * reward if self.baseline else reward
        assert self.alpha_optimizer is not None
        self.alpha_optimizer.zero_grad()
        (-likely * (reward - self.baseline)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.alphas, 5.0)
        self.alpha_optimizer.step()

    def find(self, valid: LabelledImages) -> NASBench201Architecture:
        return self.best(self.proposed, valid)

    def proposed(self) -> NASBench201Architecture:
        """By the controller."""
        with torch.no_grad():
            return NASBench201Architecture(self.controller.sample(self.generator)[0])

    def state(self) -> dict[str, Any]:
        return {**super().state(), "baseline": self.baseline}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self.baseline = float(state["baseline"])
