"""In this process, one job after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import ClassVar, Optional

from .last_words import LastWords
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Sharing, Work
from .together import chunks

HINT = "; --isolate, or --workers 2, scores in processes of their own, where that costs one record"


@EXECUTORS.register("here")
class Here:
    """Nothing is started, so a crash of a job is a crash of this process; ``Resources.watch`` explains it then."""

    unchecked: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("check_deaths", "check_time_limit", "check_parts"), "jobs are done in this process, which would end with them"
    )
    """Conformance checks that cannot be applied to this executor, and why."""

    def __init__(self, resources: Resources = ALONE):
        self.resources = resources
        self._words: Optional[LastWords] = None

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        for job in _prepared(work, jobs):
            if self._words:
                self._words.now(f"error: the process died at {_named(job)}{HINT}")
            yield work(job)
            if self._words:
                self._words.now("")

    def __enter__(self) -> Here:
        if self.resources.watch:
            self._words = LastWords().__enter__()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._words:
            self._words.__exit__(kind, error, trace)
            self._words = None


def _prepared(work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Job]:
    """The jobs, once what several of them share has been done."""
    if not isinstance(work, Sharing):
        yield from jobs
        return
    for chunk in chunks(jobs, work.together):
        work.prepare(chunk)
        yield from chunk


def _named(job: object) -> object:
    """The architecture of a job, which is the text in it."""
    parts = job if isinstance(job, tuple) else (job,)
    return next((part for part in parts if isinstance(part, str)), job)
