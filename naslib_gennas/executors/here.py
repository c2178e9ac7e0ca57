"""In this process, one job after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from types import TracebackType
from typing import ClassVar, Optional

from .last_words import LastWords
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Work

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

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        with LastWords() if self.resources.watch else nullcontext() as words:
            for job in jobs:
                if words:
                    words.now(f"error: the process died at {job}{HINT}")
                yield work(job)

    def __enter__(self) -> Here:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        return None
