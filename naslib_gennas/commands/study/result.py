"""What the study returns: one tidy table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..result import Result


@dataclass(frozen=True)
class StudyRow(Result):
    """One number of the study.

    Attributes:
        part: ``rho``, ``between``, ``information``, ``bias``, ``debiased``, ``labels`` or ``agreement``.
        space: name of the search space.
        task: the data set, or what the table calls the metric.
        proxy: a measure, or for ``labels`` the features.
        other: what it is compared with: another proxy, a bias, a step, or the number of labels.
        value: Spearman's rho, bits, or Kendall's tau.
        low, high: its 95 % interval: bootstrap over architectures, or of the mean over draws of labels.
        n: architectures, or draws.
    """

    part: str
    space: str
    task: str
    proxy: str
    other: str
    value: Optional[float]
    low: Optional[float] = None
    high: Optional[float] = None
    n: Optional[int] = None


@dataclass(frozen=True)
class StudyResult(Result):
    """The study as far as it could be made.

    Attributes:
        rows: part by part.
        ours: the proxies that were computed here.
        missing: what could not be made, and why.
        seed: of scorers, draws and intervals.
    """

    rows: tuple[StudyRow, ...]
    ours: tuple[str, ...]
    missing: tuple[str, ...]
    seed: int

    def of(self, part: str) -> list[StudyRow]:
        """The rows of a part."""
        return [row for row in self.rows if row.part == part]
