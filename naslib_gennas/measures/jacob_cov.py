"""Jacobian covariance."""

from __future__ import annotations

import numpy as np

from .base import measure
from .measured_network import MeasuredNetwork

K = 1e-5


@measure(
    "jacob_cov",
    source="Mellor et al., version 1 of https://arxiv.org/abs/2006.04647; NASLib's jacov",
    passes="1 forward, 1 backward",
    memory="activations",
    rnn=False,
)
def jacob_cov(network: MeasuredNetwork) -> float:
    """- sum over i of log(v_i + k) + 1 / (v_i + k), v the eigenvalues of the Jacobians' correlations, k = 1e-5.

    The Jacobian of an image is the gradient of the summed outputs by its pixels; the correlations (b, b) are
    between images.

    A negative number, at best minus the number of images; NaN without signal.

    >>> from naslib_gennas.measures.measured_network import example
    >>> jacob_cov(example()) < 0
    True
    """
    with np.errstate(all="ignore"):  # a network without signal has no correlations: NaN, a failure
        correlations = np.corrcoef(network.jacobian().numpy())
        if not np.isfinite(correlations).all():
            return float("nan")
        values = np.linalg.eigvalsh(correlations) + K
        return float(-np.sum(np.log(values) + 1 / values))
