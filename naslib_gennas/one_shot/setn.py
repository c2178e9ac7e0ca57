"""Self-evaluated template network. Dong & Yang, "One-Shot Neural Architecture Search via Self-Evaluated Template
Network", ICCV 2019."""

from __future__ import annotations

from typing import Optional

import torch

from ..spaces.nasbench201.encoding import NASBench201Architecture
from .data import LabelledImages
from .method import METHODS, AlphaMethod, Batch
from .supernet import Chosen


@METHODS.register("setn")
class SETN(AlphaMethod):
    """Weights learn by uniformly drawn architectures, the architecture's parameters by the whole mixture; candidates
    are drawn by these and compared with the shared weights."""

    name = "setn"
    title = "SETN"
    source = "Dong & Yang, ICCV 2019, arXiv 1910.05733"

    def mixture(self) -> tuple[torch.Tensor, Optional[Chosen]]:
        return self.alone(self.uniform())

    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        self.descend(self.loss(valid, self.probabilities()))

    def find(self, valid: LabelledImages) -> NASBench201Architecture:
        likely = self.probabilities().detach().cpu()

        def draw() -> NASBench201Architecture:
            drawn = torch.multinomial(likely, 1, generator=self.generator)
            return NASBench201Architecture(tuple(drawn[:, 0].tolist()))

        return self.best(draw, valid)
