"""Training made cheap by four factors: channels, pixels, images and epochs (EcoNAS), as ``econas:c8r16s2e10``.

Zhou et al., "EcoNAS: Finding Proxies for Economical Neural Architecture Search", CVPR 2020,
https://arxiv.org/abs/2001.01233.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InputError
from ..measures import MEASURES
from ..measures.measured_network import MeasuredNetwork
from ..measures.pretext_data import TrainingImages, TrainTestSplit
from ..proxy.fidelity import Fidelity
from ..proxy.images import images_identity
from ..proxy.layers import uninitialised
from ..proxy.parameters import initialise
from ..proxy.surroundings import threads
from ..runs.run import Record
from .gennas import GenNASScorer
from .measure import measured
from .protocol import BaseScorer
from .score import Score
from .sources import SOURCES

FORM = re.compile(r"(?:c(\d{1,4}))?(?:r(\d{1,4}))?(?:s(\d{1,4}))?e(\d{1,4})")
PIXELS = 32
BATCH = 2  # images that a network is made with; it learns by others


@dataclass(frozen=True)
class Factors:
    """``channels`` after the stem (None: the space's own), ``pixels`` a side, one of ``share`` images, ``epochs``.

    >>> Factors.parse("c8r16s2e10")
    Factors(channels=8, pixels=16, share=2, epochs=10)
    >>> Factors.parse("e5")
    Factors(channels=None, pixels=32, share=1, epochs=5)
    """

    channels: Optional[int]
    pixels: int
    share: int
    epochs: int

    @classmethod
    def parse(cls, text: str) -> Factors:
        """InputError for a text of another form, and for zeros."""
        match = FORM.fullmatch(text)
        numbers = [None if part is None else int(part) for part in match.groups()] if match else [0]
        if 0 in numbers:
            raise InputError(
                f"econas:{text[:80]}: after the colon stand channels, pixels, one of how many images, and epochs, such "
                "as econas:c8r16s2e10; all but the epochs may be left out"
            )
        channels, pixels, share, epochs = numbers
        return cls(channels, pixels or PIXELS, share or 1, epochs or 1)


class Classifier(nn.Module):
    """The proxy network of a space with a classifier: (b, 3, s, s) -> logits (b, classes)."""

    def __init__(self, backbone: Any, classes: int):
        super().__init__()
        self.backbone = backbone
        self.norm = nn.BatchNorm2d(backbone.channels[-1])
        self.classifier = nn.Linear(backbone.channels[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(F.relu(self.norm(self.backbone(x)[-1])).mean(dim=(2, 3)))
        return logits


class _Fewer(TrainingImages):
    """One of ``share`` images to learn by; all that are held out."""

    def __init__(self, source: Any, size: int, share: int):
        super().__init__(source, size)
        self._share = share

    @property
    def labelled(self) -> TrainTestSplit:
        data = super().labelled
        return TrainTestSplit(
            data.images[:: self._share], data.targets[:: self._share], data.test_images, data.test_targets
        )


class EcoNASScorer(BaseScorer):
    """Held-out accuracy in percent of the reduced network after the reduced training; see ``cls@N`` for the data.

    Raises InputError for factors of another form, and a space of recurrent networks or of your own modules.
    """

    def __init__(self, text: str, gennas: GenNASScorer):
        self.factors, self.space, self.measure = Factors.parse(text), gennas.space, f"econas:{text}"
        if self.space.kind != "cnn" or self.space.own_weights:
            raise InputError(f"{self.measure} builds small networks for images; {self.space.name} has none")
        self.seed, self.device, self.images = gennas.seed, gennas.device, gennas.images
        self._data = _Fewer(self.images, self.factors.pixels, self.factors.share)
        self._cls = MEASURES[f"cls@{self.factors.epochs}"]

    def identity(self) -> Record:
        where = {"space": self.space.source, "seed": self.seed, "device": str(self.device), "threads": threads()}
        return {"measure": self.measure, **where, **images_identity(self.images)}

    def compute(self, arch: Any, key: str) -> Score:
        data = self._data.labelled
        classes = 1 + int(max(data.targets.max(), data.test_targets.max()))
        fidelity = Fidelity(channels=self.factors.channels, input_size=self.factors.pixels)
        reduced = self.space.reduced(arch)

        def make() -> nn.Module:
            with uninitialised():
                return Classifier(self.space.build(reduced, fidelity), classes)

        def fill(network: nn.Module) -> None:
            initialise(network, torch.Generator().manual_seed(self.seed), self.device)

        batch = data.images[:BATCH].to(self.device)
        network = MeasuredNetwork(make, batch, seed=self.seed, initialise=fill, training_images=self._data)
        score = measured(network, self._cls, str(arch), key)
        return Score(score.arch, key, score.value, "ok", score.seconds, self.measure)


@SOURCES.register("econas")
def econas(text: str, gennas: GenNASScorer) -> EcoNASScorer:
    """The scorer of these factors on the space, seed, device and images of ``gennas``."""
    return EcoNASScorer(text, gennas)
