"""A fitted predictor in the place of a measure: ``fit:runs/fit``."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, UnscorableError
from ..runs.run import Record
from ..scoring.gennas import AT_ONCE, GenNASScorer
from ..scoring.protocol import BaseScorer
from ..scoring.score import Score
from ..scoring.sources import SOURCES
from .spectrum_predictor import SpectrumPredictor

PREDICTOR = "predictor.json"


class FittedScorer(BaseScorer):
    """The expected label on the scale that was learnt, where labels have a mean of 0 and a variance of 1.

    measure: its name, by default ``fit``.
    """

    def __init__(self, predictor: SpectrumPredictor, measure: str = "fit"):
        self.predictor, self.space, self.measure = predictor, predictor.space, measure
        self._seconds: dict[str, float] = {}

    def identity(self) -> Record:
        record = self.predictor.as_record()
        return {"space": self.space.source, "measure": self.measure, "predictor": record["digest"]}

    @property
    def together(self) -> int:
        return AT_ONCE if self.space.shares_parts else 1

    def prepare(self, archs: Sequence[Any]) -> None:
        parsed = [self.parsed(arch) for arch in archs]
        if parsed:
            started = time.perf_counter()
            self.predictor.read(parsed)
            each = (time.perf_counter() - started) / len(parsed)
            self._seconds.update((self.key(arch), each) for arch in parsed)

    def compute(self, arch: Any, key: str) -> Score:
        started = time.perf_counter()
        mean, deviation = (float(values[0]) for values in self.predictor.latent([arch]))
        if not math.isfinite(mean):
            raise UnscorableError("a feature of it is not finite")
        seconds = time.perf_counter() - started + self._seconds.pop(key, 0.0)
        return Score(str(arch), key, mean, "ok", seconds, self.measure, details={"deviation": deviation})


@SOURCES.register("fit")
def fitted(path: str, gennas: GenNASScorer) -> FittedScorer:
    """The predictor in the directory of a run, or in a file; InputError if it is of another space."""
    place = Path(path)
    predictor = SpectrumPredictor.load(place / PREDICTOR if place.is_dir() else place)
    if predictor.space.source != gennas.space.source:
        raise InputError(f"the predictor {path} is of {predictor.space.source}, not of {gennas.space.source}")
    return FittedScorer(predictor, f"fit:{path}")
