"""An exact Gaussian process whose kernel is a sum over groups of columns, with priors on its hyperparameters.

Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5. scikit-learn's kernels see all
columns and have bounds instead of priors, which few labels need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ..errors import InputError
from .scaling import Array

JITTER = 1e-6  # on the diagonal, where standardised labels have a variance of 1
MOST = 2000  # labels


@dataclass(frozen=True)
class Group:
    """Columns that one term of the kernel reads.

    linear: the covariance of a straight line through the origin, its slopes 0 or ``slope`` on average before any label
    is known. rbf: of a smooth function; distances are divided by the root of the number of columns. prior: whose
    :data:`PRIORS` its hyperparameters have, such as ``paths``; otherwise those of the kind.
    """

    columns: tuple[int, ...]
    kind: Literal["linear", "rbf"]
    slope: float = 0.0
    prior: str = ""


@dataclass(frozen=True)
class Prior:
    """Normal, of the logarithm of a hyperparameter."""

    mean: float
    deviation: float


PRIORS = {
    "linear": Prior(math.log(0.2), 0.5),  # deviation of the slopes
    "linear, trained": Prior(math.log(0.1), 0.8),  # the same beside a score that networks were trained for
    "rbf": Prior(math.log(0.3), 0.7),  # deviation of the function
    "length": Prior(math.log(1.0), 0.7),
    "rbf, paths": Prior(math.log(0.5), 0.7),
    "length, paths": Prior(math.log(1.5), 0.7),
    "noise": Prior(math.log(0.5), 0.3),
}


class GaussianProcess:
    """Predicts labels with a mean of 0 and a variance of about 1 from columns of the same scale.

    >>> x = np.linspace(-2, 2, 30)[:, None]
    >>> process = GaussianProcess([Group((0,), "rbf")]).fit(x, np.sin(2 * x[:, 0]))
    >>> mean, deviation = process.predict(np.array([[0.5], [9.0]]))
    >>> bool(abs(mean[0] - np.sin(1.0)) < 0.05), bool(deviation[1] > 5 * deviation[0])
    (True, True)
    """

    def __init__(self, groups: Sequence[Group], hyperparameters: Sequence[float] | None = None):
        """hyperparameters: logarithms, in the order of :meth:`names`; None finds them by :meth:`fit`."""
        self.groups = tuple(groups)
        self.hyperparameters = None if hyperparameters is None else np.array(hyperparameters, dtype=float)

    def names(self) -> list[str]:
        """Of the hyperparameters: for every group its deviation and, of smooth functions, its length; the noise."""
        found: list[str] = []
        for group in self.groups:
            names = ["linear"] if group.kind == "linear" else ["rbf", "length"]
            found += [f"{name}, {group.prior}" if group.prior else name for name in names]
        return [*found, "noise"]

    @property
    def found(self) -> list[float]:
        """The hyperparameters in use."""
        return [] if self.hyperparameters is None else list(map(float, self.hyperparameters))

    def fit(self, x: Array, y: Array) -> GaussianProcess:
        """x: (n, columns), y: (n,), all finite. The hyperparameters maximise likelihood times prior, unless given."""
        if len(x) > MOST:
            raise InputError(f"an exact Gaussian process takes at most {MOST} labels, got {len(x)}")
        self._x, self._y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
        if self.hyperparameters is None:
            self.hyperparameters = self._best()
        values = torch.as_tensor(self.hyperparameters)
        self._factor = self._cholesky(values)
        self._weights = torch.cholesky_solve((self._y - self._mean(self._x))[:, None], self._factor)[:, 0]
        return self

    def predict(self, x: Array) -> tuple[Array, Array]:
        """(m,): mean and standard deviation of the function, without noise."""
        values = torch.as_tensor(self.hyperparameters)
        new = torch.as_tensor(x, dtype=torch.float64)
        across = self._kernel(new, self._x, values)
        mean = self._mean(new) + across @ self._weights
        solved = torch.linalg.solve_triangular(self._factor, across.T, upper=False)
        variance = self._diagonal(new, values) - solved.square().sum(dim=0)
        return mean.numpy(), variance.clamp_min(0.0).sqrt().numpy()

    def log_likelihood(self, values: torch.Tensor) -> torch.Tensor:
        """Of the labels, at given logarithms of the hyperparameters."""
        factor = self._cholesky(values)
        left = (self._y - self._mean(self._x))[:, None]
        solved = torch.cholesky_solve(left, factor)
        return -0.5 * (left * solved).sum() - factor.diagonal().log().sum() - 0.5 * len(left) * math.log(2 * math.pi)

    def _best(self) -> Array:
        from scipy.optimize import minimize

        priors = [PRIORS[name] for name in self.names()]
        means = torch.tensor([prior.mean for prior in priors], dtype=torch.float64)
        deviations = torch.tensor([prior.deviation for prior in priors], dtype=torch.float64)

        def loss(point: Array) -> tuple[float, Array]:
            with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
                values = torch.tensor(point, dtype=torch.float64, requires_grad=True)
                prior = 0.5 * ((values - means) / deviations).square().sum()
                total = prior - self.log_likelihood(values)
                (gradient,) = torch.autograd.grad(total, values)
            return total.item(), gradient.numpy()

        bounds = [(prior.mean - 4 * prior.deviation, prior.mean + 4 * prior.deviation) for prior in priors]
        found = minimize(loss, means.numpy(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100})
        best: Array = found.x
        return best

    def _mean(self, x: torch.Tensor) -> torch.Tensor:
        total = x.new_zeros(len(x))
        for group in self.groups:
            if group.slope:
                total = total + group.slope * x[:, group.columns].sum(dim=1)
        return total

    def _cholesky(self, values: torch.Tensor) -> torch.Tensor:
        kernel = self._kernel(self._x, self._x, values)
        noise = values[-1].mul(2).exp() + JITTER
        factor: torch.Tensor = torch.linalg.cholesky(kernel + noise * torch.eye(len(kernel), dtype=kernel.dtype))
        return factor

    def _kernel(self, a: torch.Tensor, b: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        total = a.new_zeros(len(a), len(b))
        rest = iter(values)
        for group in self.groups:
            left, right, variance = a[:, group.columns], b[:, group.columns], next(rest).mul(2).exp()
            if group.kind == "linear":
                total = total + variance * left @ right.T
            else:
                squared = (left.square().sum(1)[:, None] + right.square().sum(1) - 2 * left @ right.T).clamp_min(0.0)
                total = total + variance * (-0.5 * squared / (len(group.columns) * next(rest).mul(2).exp())).exp()
        return total

    def _diagonal(self, x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        total = x.new_zeros(len(x))
        rest = iter(values)
        for group in self.groups:
            variance = next(rest).mul(2).exp()
            if group.kind == "linear":
                total = total + variance * x[:, group.columns].square().sum(dim=1)
            else:
                total = total + variance
                next(rest)
        return total
