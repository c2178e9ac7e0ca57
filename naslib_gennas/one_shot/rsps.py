"""Random search with parameter sharing. Li & Talwalkar, "Random Search and Reproducibility for NAS", UAI 2019."""

from __future__ import annotations

from typing import Optional

import torch

from ..spaces.nasbench201.encoding import NASBench201Architecture
from .data import LabelledImages
from .method import METHODS, Batch, Method
from .supernet import Chosen


@METHODS.register("rsps")
class RSPS(Method):
    """Every step trains a random architecture; the best of random ones is found by the shared weights."""

    name = "rsps"
    title = "RSPS"
    source = "Li & Talwalkar, UAI 2019, arXiv 1902.07638"

    def mixture(self) -> tuple[torch.Tensor, Optional[Chosen]]:
        return self.alone(self.uniform())

    def learn_architecture(self, train: Batch, valid: Batch) -> None:
        """There is nothing to learn."""

    def find(self, valid: LabelledImages) -> NASBench201Architecture:
        return self.best(self.uniform, valid)
