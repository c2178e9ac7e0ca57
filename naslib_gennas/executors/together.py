"""Jobs that share work, several as one job."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from .protocol import Job, Result_co, Sharing, Work


def at_once(work: Work[Any, Any]) -> int:
    """How many jobs are prepared together; 1 if they share nothing."""
    return work.together if isinstance(work, Sharing) else 1


def chunks(jobs: Iterable[Job], size: int) -> Iterator[tuple[Job, ...]]:
    """
    >>> list(chunks("abcde", 2))
    [('a', 'b'), ('c', 'd'), ('e',)]
    """
    rest = iter(jobs)
    while chunk := tuple(itertools.islice(rest, size)):
        yield chunk


def even(jobs: Sequence[Job], most: int, workers: int) -> Iterator[tuple[Job, ...]]:
    """Chunks of at most ``most``, about as many for every worker.

    >>> [len(chunk) for chunk in even(range(15625), 5000, workers=2)]
    [3907, 3907, 3907, 3904]
    """
    rounds = -(-len(jobs) // (most * workers))
    return chunks(jobs, max(1, -(-len(jobs) // max(1, rounds * workers))))


@dataclass(frozen=True)
class Together(Generic[Job, Result_co]):
    """What jobs of ``work`` share is done first. A lost chunk of them is halved, down to one job."""

    work: Work[Job, Result_co]

    def __call__(self, job: tuple[Job, ...]) -> list[Result_co]:
        if isinstance(self.work, Sharing):
            self.work.prepare(job)
        return [self.work(one) for one in job]

    def lost(self, job: tuple[Job, ...], error: Exception) -> list[Result_co]:
        return [self.work.lost(one, error) for one in job]

    def parts(self, job: tuple[Job, ...]) -> Sequence[tuple[Job, ...]]:
        if len(job) == 1:
            return [(part,) for part in self.work.parts(job[0])]
        middle = len(job) // 2
        return [job[:middle], job[middle:]]
