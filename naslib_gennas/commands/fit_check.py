"""How well a fitted predictor does on labels that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..evaluation import Evaluation, evaluate
from ..predictors import SpectrumPredictor
from ..predictors.validation import CENTRAL, coverage, importance, learning_curve
from .result import Result


@dataclass(frozen=True)
class CurvePoint(Result):
    """Kendall's tau of fits to so many of the labels: mean, lowest and highest over draws."""

    labels: int
    tau: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Checked(Result):
    """Agreement with labels that were not used.

    Attributes:
        n: architectures.
        rho, rho_interval: Spearman's, with its 95 % interval.
        tau, tau_interval: Kendall's.
        label_free_rho, label_free_tau: of the label-free scores alone, on the same architectures.
        inside_50, inside_95: share of labels in the central interval that is expected to hold 50 and 95 % of them.
        importance: feature -> how much rho falls if it is shuffled.
        curve: tau by number of labels, at most 2,000 of the others.
    """

    n: int
    rho: float
    rho_interval: tuple[float, float]
    tau: float
    tau_interval: tuple[float, float]
    label_free_rho: Optional[float]
    label_free_tau: Optional[float]
    inside_50: float
    inside_95: float
    importance: Mapping[str, float]
    curve: tuple[CurvePoint, ...]


def checked(predictor: SpectrumPredictor, texts: Sequence[str], truth: np.ndarray) -> Checked:
    """On ``truth`` (n,), higher is better, of ``texts``."""
    found = evaluate(predictor.latent(texts)[0].tolist(), truth.tolist())
    free = _label_free(predictor, texts, truth)
    inside = coverage(predictor, texts, truth)
    return Checked(
        n=found.n,
        rho=found.spearman,
        rho_interval=found.spearman_interval,
        tau=found.kendall,
        tau_interval=found.kendall_interval,
        label_free_rho=None if free is None else free.spearman,
        label_free_tau=None if free is None else free.kendall,
        inside_50=inside[CENTRAL[0]],
        inside_95=inside[CENTRAL[1]],
        importance=importance(predictor, texts, truth),
        curve=tuple(
            CurvePoint(count, float(np.mean(taus)), min(taus), max(taus))
            for count, taus in learning_curve(predictor, texts, truth).items()
        ),
    )


def _label_free(predictor: SpectrumPredictor, texts: Sequence[str], truth: np.ndarray) -> Optional[Evaluation]:
    values = predictor.label_free(texts)
    return None if values is None else evaluate(values.tolist(), truth.tolist())
