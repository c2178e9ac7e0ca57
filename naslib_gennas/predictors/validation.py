"""What a fitted predictor is worth: on labels that it did not see, without one of its features, with fewer labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..evaluation import kendall, spearman
from .scaling import Array
from .spectrum_predictor import FEWEST, SpectrumPredictor

MOST_OTHERS = 2000  # architectures that a curve or an importance is measured on
CENTRAL = (0.5, 0.95)  # shares of a normal distribution


def coverage(predictor: SpectrumPredictor, archs: Iterable[Any], labels: Iterable[float]) -> dict[float, float]:
    """Share -> how many of ``labels`` lie in the central interval that is expected to hold this share; noise included.

    A predictor that knows how sure it is has equal numbers on both sides.
    """
    from scipy.stats import norm

    mean, deviation = predictor.latent(archs)
    away = np.abs(predictor.to_score(np.array(list(labels), dtype=float)) - mean)
    away = away / np.hypot(deviation, predictor.noise)
    away = away[np.isfinite(away)]
    return {share: float(np.mean(away <= norm.ppf(0.5 + share / 2))) for share in CENTRAL}


def importance(
    predictor: SpectrumPredictor, archs: Iterable[Any], labels: Iterable[float], shuffles: int = 5
) -> dict[str, float]:
    """Feature -> how much rho falls if its columns are shuffled among ``archs``, mean over ``shuffles``.

    Breiman, "Random forests", 2001 (permutation importance). At most 2,000 architectures are used.
    """
    x, values = _known(predictor, archs, labels)
    rng = np.random.default_rng(predictor.seed)
    whole = spearman(predictor.process.predict(x)[0], values)
    found = {}
    for feature in dict.fromkeys(predictor.features_of_columns):
        columns = [i for i, name in enumerate(predictor.features_of_columns) if name == feature]
        losses = []
        for _ in range(shuffles):
            mixed = x.copy()
            mixed[:, columns] = x[rng.permutation(len(x))][:, columns]
            losses.append(whole - spearman(predictor.process.predict(mixed)[0], values))
        found[feature] = float(np.mean(losses))
    return found


def learning_curve(
    predictor: SpectrumPredictor, archs: Iterable[Any], labels: Iterable[float], draws: int = 5
) -> dict[int, list[float]]:
    """Number of labels -> Kendall's tau on ``archs`` of ``draws`` fits to so many of the labels that are known.

    The numbers are all labels, a half, a quarter, and so on down to 5; of all there is one fit.
    """
    x, values = _known(predictor, archs, labels)
    rng = np.random.default_rng(predictor.seed)
    count = len(predictor.labels)
    found: dict[int, list[float]] = {count: [kendall(predictor.process.predict(x)[0], values)]}
    size = count // 2
    while size >= max(FEWEST, 5):
        subsets = [rng.permutation(count)[:size].tolist() for _ in range(draws)]
        fitted = [predictor.fitted_to(subset) for subset in subsets if len(set(predictor.labels[subset])) > 1]
        found[size] = [kendall(process.predict(x)[0], values) for process in fitted]
        size //= 2
    return {size: taus for size, taus in sorted(found.items()) if taus}


def _known(predictor: SpectrumPredictor, archs: Iterable[Any], labels: Iterable[float]) -> tuple[Array, Array]:
    """Scaled features and labels of at most 2,000 architectures that can be read."""
    chosen: Sequence[Any] = list(archs)
    values = np.array(list(labels), dtype=float)
    if len(chosen) != len(values):
        raise InputError(f"there are {len(chosen)} architectures and {len(values)} labels; each needs one")
    places = np.random.default_rng(predictor.seed).permutation(len(chosen))[:MOST_OTHERS]
    x, values = predictor.read([chosen[place] for place in places]), values[places]
    good = np.isfinite(x).all(axis=1) & np.isfinite(values)
    return x[good], values[good]
