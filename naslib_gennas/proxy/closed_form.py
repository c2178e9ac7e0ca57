"""GenNAS in closed form: the heads are linear, so the best heads of an untrained network for all targets are known.

A stage's feature map, shrunk to t x t pixels, is a matrix of N = b t^2 rows (pixels of b images) and c columns
(channels), every column centred and scaled. Ridge regression with penalty lambda N leaves R y of a target y, where

    R = 1 - F (F^T F + lambda N)^-1 F^T - 1 1^T / N    (the last term is the bias of the head),

so that the expected mean square that is left of targets with second moments S is trace(R S R) / N. No target is drawn
and nothing is trained. All functions work on many architectures at once: the first dimension, ``a``, counts them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import nn

from .fidelity import Fidelity
from .moments import Moments
from .parameters import initialise
from .regression import RegressionResult, needed
from .tasks import Expected

CONSTANT = 1e-5  # a column whose deviation is less, relative to its size, is constant
SMALL = 5e-3  # penalties below it are solved in float64
AT_ONCE = 1 << 24  # numbers in the matrices that are held at a time


class Expectation(Protocol):
    """A task on average over its targets, for b images (or sequences)."""

    @property
    def images(self) -> int:
        """b."""
        ...

    @property
    def used(self) -> tuple[int, ...]:
        """The stages that count, from 0."""
        ...

    @property
    def weights(self) -> tuple[float, ...]:
        """Of all stages in the loss."""
        ...

    def moments(self, stage: int, pixels: int) -> Moments:
        """Of the target of a stage, as maps of so many pixels."""
        ...


def rows_of(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Feature maps (b, c, h, w) of one architecture as rows (1, b t^2, c), t = ``size``, at most h and w.

    >>> rows_of(torch.zeros(2, 3, 8, 8), 4).shape
    torch.Size([1, 32, 3])
    """
    size = min(size, *maps.shape[-2:])
    small = maps if maps.shape[-2:] == (size, size) else F.interpolate(maps, size=(size, size), mode="nearest")
    return small.permute(0, 2, 3, 1).reshape(1, -1, maps.shape[1])


def standardised(rows: torch.Tensor) -> torch.Tensor:
    """(a, N, c): every column centred and divided by its deviation; constant columns become 0.

    >>> standardised(torch.tensor([[[1.0, 7.0], [3.0, 7.0]]]))
    tensor([[[-1.,  0.],
             [ 1.,  0.]]])
    """
    deviation, mean = torch.std_mean(rows, dim=1, correction=0, keepdim=True)
    size = (deviation.square() + mean.square()).sqrt()
    varies = deviation > CONSTANT * size
    return torch.where(varies, (rows - mean) / deviation.where(varies, torch.ones(())), torch.zeros(()))


def white_residual(rows: torch.Tensor, ridge: float) -> torch.Tensor:
    """(a,): the share, 0 to 1, that is left of targets whose pixels are independent of each other.

    rows: (a, N, c), as they are; NaN for an architecture with values that are not finite.

    >>> white_residual(torch.randn(1, 8, 7, generator=torch.Generator().manual_seed(0)), 1e-6) < 1e-4
    tensor([True])
    """
    features, finite = _usable(rows)
    count, columns = features.shape[1:]
    penalty = ridge * count
    inverse = _inverse(features, penalty)
    left = penalty**2 * inverse.square().sum(dim=(1, 2)) - 1 + max(0, count - columns)
    return (left / count).where(finite, torch.tensor(math.nan))


@dataclass(frozen=True)
class Leftover:
    """R of several architectures, reduced to what any target needs of it.

    Attributes:
        matrix: (a, b, p, N), R by images and pixels.
        local: (a, p, p), the sum of R_i R_i^T over the images i: for maps drawn afresh for every image.
        shared: (a, p, p), (sum of R_i) (sum of R_i)^T: for one map that is the same for all images.
    """

    matrix: torch.Tensor
    local: torch.Tensor
    shared: torch.Tensor

    @classmethod
    def of(cls, rows: torch.Tensor, images: int, ridge: float) -> Leftover:
        """rows: (a, N, c) with the pixels of each of the ``images`` together."""
        features, finite = _usable(rows)
        a, count, columns = features.shape
        penalty = ridge * count
        if columns < count:
            inverse = _inverse(features, penalty)
            matrix = -features @ inverse @ features.mT
            matrix.diagonal(dim1=1, dim2=2).add_(1.0)
        else:
            matrix = penalty * _inverse(features, penalty)
        matrix = (matrix - 1 / count).where(finite[:, None, None], torch.tensor(math.nan))
        matrix = matrix.view(a, images, count // images, count)
        shared = matrix.sum(dim=1)
        flat = matrix.transpose(1, 2).reshape(a, count // images, images * count)
        return cls(matrix, flat @ flat.mT, shared @ shared.mT)

    @classmethod
    def stacked(cls, parts: Sequence[Leftover]) -> Leftover:
        """Of all architectures together; they have the same images and pixels."""
        names = ("matrix", "local", "shared")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def one(self, place: int) -> Leftover:
        """Of the architecture at a place."""
        return Leftover(*(x[place : place + 1] for x in (self.matrix, self.local, self.shared)))

    def loss(self, moments: Moments) -> torch.Tensor:
        """(a,): expected mean square of what is left of a target, per pixel."""
        images, pixels = self.matrix.shape[1:3]
        total = moments.white * self.local.diagonal(dim1=1, dim2=2).sum(dim=1)
        if moments.local is not None:
            total = total + (self.local * moments.local).sum(dim=(1, 2))
        if moments.shared is not None:
            total = total + (self.shared * moments.shared).sum(dim=(1, 2))
        if moments.maps is not None:
            total = total + self.of_maps(moments.maps) * images * pixels
        if moments.mean is not None:
            total = total + self.of_maps(moments.mean.expand(1, images, -1)) * images * pixels
        return total / (images * pixels)

    def of_maps(self, maps: torch.Tensor) -> torch.Tensor:
        """(a,): mean over the N pixels of what is left of ``maps`` (m, b, p), squared and added over m."""
        a, images, pixels, count = self.matrix.shape
        left = self.matrix.view(a, count, count) @ maps.reshape(len(maps), count).T
        return left.square().sum(dim=(1, 2)) / count


def expected_loss(rows: torch.Tensor, images: int, ridge: float, moments: Moments) -> torch.Tensor:
    """(a,): expected mean squared error of the ridge read-out of ``rows`` (a, N, c) for targets with ``moments``.

    >>> rows = torch.randn(3, 2 * 16, 4, generator=torch.Generator().manual_seed(0))
    >>> white = expected_loss(rows, images=2, ridge=0.1, moments=Moments(white=1.0))
    >>> torch.allclose(white, white_residual(rows, 0.1))
    True
    """
    if all(part is None for part in (moments.local, moments.shared, moments.maps, moments.mean)):
        return moments.white * white_residual(rows, ridge)
    return torch.cat([left.loss(moments) for left in leftovers(rows, images, ridge)])


def leftovers(rows: torch.Tensor, images: int, ridge: float) -> Iterator[Leftover]:
    """R of a few architectures at a time."""
    for part in torch.split(rows, max(1, AT_ONCE // rows.shape[1] ** 2)):
        yield Leftover.of(part, images, ridge)


def spectrum(rows: torch.Tensor, images: int, ridge: float) -> torch.Tensor:
    """(a, t, t): the share of a wave that the read-out explains, by its frequencies fy, fx = 0, 1/t .. (t-1)/t.

    Waves have a random phase in every image; (0, 0) is a constant of each image. Values from 0 to about 1.

    >>> spectrum(torch.randn(1, 2 * 16, 31, generator=torch.Generator().manual_seed(0)), 2, 1e-6).min() > 0.9
    tensor(True)
    """
    return torch.cat([_spectrum(left, images) for left in leftovers(rows, images, ridge)])


def eigenvalues(rows: torch.Tensor) -> torch.Tensor:
    """(a, min(N, c)): of F^T F, descending, divided by N; NaN where values are not finite.

    >>> eigenvalues(torch.tensor([[[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]]])).round(decimals=4)
    tensor([[2., 0.]])
    """
    features, finite = _usable(rows)
    values: torch.Tensor = torch.linalg.eigvalsh(_gram(features) / rows.shape[1]).flip(1).clamp_min(0.0)
    return values.where(finite[:, None], torch.tensor(math.nan))


def effective_rank(rows: torch.Tensor) -> torch.Tensor:
    """(a,): exp of the entropy of the eigenvalues' shares, 1 to min(N, c); 0 without any variance.

    Roy & Vetterli, "The effective rank", EUSIPCO 2007.

    >>> effective_rank(torch.tensor([[[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]]))
    tensor([2.])
    """
    values = eigenvalues(rows)
    total = values.sum(dim=1, keepdim=True)
    shares = values / total.where(total != 0, torch.ones(()))
    rank: torch.Tensor = torch.special.entr(shares).sum(dim=1).exp() * (total[:, 0] != 0)
    return rank


def stage_rows(backbone: nn.Module, batch: Expected) -> list[torch.Tensor]:
    """The rows (1, b t^2, c) of every stage that the task uses, of a ``backbone`` as it is.

    backbone: (b, 3, s, s) -> three feature maps, on the device of the batch. It is in training mode afterwards, and
    what its forward pass changes (running statistics) is changed.
    """
    with torch.no_grad():
        maps = backbone.train()(batch.inputs)
    return [rows_of(maps[stage].float(), batch.size) for stage in batch.used]


def new_stage_rows(
    backbone: nn.Module, batch: Expected, fidelity: Fidelity, generator: torch.Generator
) -> list[torch.Tensor]:
    """As :func:`stage_rows` for a backbone made under ``uninitialised()``, whose weights are drawn first.

    >>> from naslib_gennas.proxy.layers import uninitialised
    >>> from naslib_gennas.proxy.tasks import Dot, ProxyTask, Stage
    >>> class Net(nn.Conv2d):
    ...     channels = (4, 4, 4)
    ...     def forward(self, x):
    ...         return (super().forward(x),) * 3
    >>> task = ProxyTask(stages=[Stage(signals=[Dot()]), Stage(), Stage()], weights=(1, 0, 0))
    >>> batch = task.expected(torch.randn(2, 3, 8, 8), 4, torch.Generator().manual_seed(0))
    >>> with uninitialised():
    ...     backbone = Net(3, 4, 3)
    >>> rows = new_stage_rows(backbone, batch, Fidelity(solver="ridge"), torch.Generator().manual_seed(1))
    >>> [stage.shape for stage in rows], 0 < solved(rows, batch, ridge=1.0)[0].loss < 1
    ([torch.Size([1, 32, 4])], True)
    """
    backbone = needed(backbone, batch.stages)
    initialise(backbone, generator, batch.inputs.device, fidelity.weight_init, fidelity.bias_init)
    return stage_rows(backbone, batch)


def solved(stages: Sequence[torch.Tensor], batch: Expectation, ridge: float) -> list[RegressionResult]:
    """The results of ``a`` architectures from the rows (a, N, c) of every stage that the task uses."""
    losses = [
        expected_loss(rows, batch.images, ridge, batch.moments(stage, rows.shape[1] // batch.images))
        for stage, rows in zip(batch.used, stages)
    ]
    return list(_results(torch.stack(losses, dim=1).tolist(), batch))


def _results(losses: Iterable[Sequence[float]], batch: Expectation) -> Iterator[RegressionResult]:
    for values in losses:
        per_stage = [math.nan] * len(batch.weights)
        for stage, value in zip(batch.used, values):
            per_stage[stage] = value
        loss = math.fsum(batch.weights[stage] * value for stage, value in zip(batch.used, values))
        ok = math.isfinite(loss)
        yield RegressionResult(loss, "ok" if ok else "diverged", (), tuple(per_stage), 0, 0, 0.0)


def _usable(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised, zeros for architectures with values that are not finite; (a,): whose are."""
    finite = rows.isfinite().all(dim=2).all(dim=1)
    return standardised(rows.where(finite[:, None, None], torch.zeros(()))), finite


def _gram(features: torch.Tensor) -> torch.Tensor:
    """The smaller of F^T F and F F^T."""
    count, columns = features.shape[1:]
    gram: torch.Tensor = features.mT @ features if columns < count else features @ features.mT
    return gram


def _inverse(features: torch.Tensor, penalty: float) -> torch.Tensor:
    """Of the smaller Gram matrix plus the penalty; a small penalty needs more digits than float32 has."""
    small = penalty < SMALL * features.shape[1]
    gram = _gram(features.double() if small else features)
    gram.diagonal(dim1=1, dim2=2).add_(penalty)
    inverse: torch.Tensor = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    return inverse.to(features.dtype)


def _spectrum(left: Leftover, images: int) -> torch.Tensor:
    a, pixels = left.local.shape[:2]
    size = math.isqrt(pixels)
    grid = left.local.view(a, size, size, size, size)
    # e^H A e for every e = exp(2 pi i f p): a transform over p and its conjugate over q, diagonal of the result
    power = torch.fft.ifft2(torch.fft.fft2(grid, dim=(1, 2)), dim=(3, 4)).flatten(3).flatten(1, 2)
    left_over: torch.Tensor = power.diagonal(dim1=1, dim2=2).real.view(a, size, size) / images
    return 1 - left_over
