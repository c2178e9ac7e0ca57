"""What is known of a task of a search: how well it ranked the labelled architectures, and what that cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Optional

import numpy as np

from ..runs.run import Record

TIE = 1e-9  # of the fitness, per factor of ten in work: far below the smallest step of rho

TaskStatus = Literal["ok", "stopped", "failed"]


@dataclass(frozen=True)
class Ranking:
    """How a task ranked labelled architectures.

    Attributes:
        status: ``ok`` (all were scored), ``stopped`` or ``failed`` (there is no ranking).
        rho: Spearman's, on the ``scored`` first architectures; None if there is no ranking.
        work: mean steps x parameters x inputs, the cost that breaks ties.
        seconds: of all scores.
        message: of the first failure.
        scores: of the architectures, of all spaces one after another.
    """

    status: TaskStatus
    rho: Optional[float]
    scored: int
    work: float
    seconds: float
    message: str
    scores: Sequence[Optional[float]]

    @property
    def value(self) -> float:
        """Fitness: rho, of equal ones the cheaper task first; NaN without a ranking."""
        return math.nan if self.rho is None else self.rho - TIE * math.log10(1 + self.work)


@dataclass(frozen=True)
class TaskRecord(Ranking):
    """One step of a search: the task as plain data, its key, and its ranking; ``again`` if it was seen before."""

    task: Mapping[str, object] = field(default_factory=dict)
    step: int = 0
    key: str = ""
    again: bool = False

    def as_record(self) -> Record:
        """A line of ``results.jsonl``."""
        record = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return record if self.again else {name: value for name, value in record.items() if name != "again"}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TaskRecord:
        """Of a line of ``results.jsonl``; KeyError or TypeError if it is none."""
        return cls(**{"again": False, **record})


def joined(rankings: Sequence[Ranking]) -> Ranking:
    """One ranking of those of one task on several spaces, which lacks a rho if the last one does."""
    last, scored = rankings[-1], sum(ranking.scored for ranking in rankings)
    rhos = [ranking.rho for ranking in rankings if ranking.rho is not None]
    return Ranking(
        status=last.status,
        rho=None if last.rho is None else float(np.mean(rhos)),
        scored=scored,
        work=sum(ranking.work * ranking.scored for ranking in rankings) / scored,
        seconds=sum(ranking.seconds for ranking in rankings),
        message=last.message,
        scores=[score for ranking in rankings for score in ranking.scores],
    )


def by_space(scores: Sequence[Optional[float]], sizes: Sequence[int]) -> list[list[Optional[float]]]:
    """The scores of a joint ranking, which stand one space after another, as a list for each of the ``sizes``."""
    ends = np.cumsum(sizes)
    return [list(scores[end - size : end]) for end, size in zip(ends, sizes)]
