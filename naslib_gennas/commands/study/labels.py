"""How much proxies help a predictor that learns from labels: XGBoost, as in the study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...errors import MissingPackageError
from ...evaluation import kendall
from ...progress import progress

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SIZES = (5, 10, 20, 50, 100, 200, 400, 1000)
ROUNDS = 500
SETTINGS = {"objective": "reg:squarederror", "max_depth": 6, "learning_rate": 0.3, "nthread": 1}
HELD_OUT = 50  # architectures at least that are predicted
PREDICTED = 1000  # at most


def learning_curves(
    features: Mapping[str, pd.DataFrame], truth: Floats, draws: int, seed: int
) -> Iterator[tuple[str, int, Floats]]:
    """(features, labels, (draws,) Kendall's tau on the others); every set of features sees the same labels.

    features: name -> (n, f); truth: (n,). Raises MissingPackageError without xgboost.
    """
    sizes = [size for size in SIZES if size <= len(truth) - HELD_OUT]
    jobs = [(size, draw) for size in sizes for draw in range(draws)]
    found: dict[tuple[str, int], list[float]] = {}
    for size, draw in progress(jobs, len(jobs), "learning from labels"):
        order = np.random.default_rng([seed, size, draw]).permutation(len(truth))
        train, test = order[:size], order[size : size + PREDICTED]
        for name, frame in features.items():
            predicted = _predicted(frame.to_numpy(np.float64), truth, train, test)
            tau = kendall(predicted, truth[test]) if len(np.unique(predicted)) > 1 else 0.0
            found.setdefault((name, size), []).append(tau)
    for (name, size), taus in found.items():
        yield name, size, np.array(taus)


def _predicted(x: Floats, truth: Floats, train: Rows, test: Rows) -> Floats:
    xgboost = _xgboost()
    mean, deviation = truth[train].mean(), truth[train].std() or 1.0
    data = xgboost.DMatrix(x[train], label=(truth[train] - mean) / deviation)
    found: Floats = xgboost.train(SETTINGS, data, num_boost_round=ROUNDS).predict(xgboost.DMatrix(x[test]))
    return found


def _xgboost() -> Any:
    try:
        import xgboost
    except ImportError:
        raise MissingPackageError("predictors on proxies need xgboost; pip install xgboost") from None
    return xgboost
