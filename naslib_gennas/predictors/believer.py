"""A Gaussian process that takes what it expects for labels, to choose several architectures at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .gaussian_process import GaussianProcess
from .scaling import Array


@dataclass(frozen=True)
class Believer:
    """A Gaussian process with its labels (n,) of features (n, columns), on the scale that is learnt."""

    process: GaussianProcess
    x: Array
    y: Array

    def improvement(self, x: Array) -> Array:
        """(m,): expected improvement over the best label."""
        from scipy.stats import norm

        mean, deviation = self.process.predict(x)
        above = (mean - self.y.max()) / np.maximum(deviation, 1e-9)
        gain: Array = deviation * (above * norm.cdf(above) + norm.pdf(above))
        return gain

    def after(self, x: Array) -> Believer:
        """As if the label at ``x`` (columns,) were what is expected there."""
        mean, _ = self.process.predict(x[None])
        more_x, more_y = np.vstack([self.x, x]), np.append(self.y, mean)
        process = GaussianProcess(self.process.groups, self.process.found).fit(more_x, more_y)
        return Believer(process, more_x, more_y)
