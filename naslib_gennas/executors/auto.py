"""Here for two seconds; then, if what is left is worth it, in as many processes as there are processors for us."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Optional

from ..progress import tell
from .here import Here
from .processes import Processes, prepare
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Work
from .together import at_once

TRIAL = 2.0  # seconds
START = 6.0  # seconds that processes have to save
MOST_AT_FIRST = 256  # jobs that share work, in the trial

CGROUPS = Path("/sys/fs/cgroup")


@EXECUTORS.register("auto")
class Auto:
    """What ``--workers auto`` means. Scores are those of ``here``: every process has one thread."""

    unchecked: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("check_deaths", "check_time_limit", "check_parts"), "short work is done here, and would end with this process"
    )

    def __init__(self, resources: Resources = ALONE):
        self.resources = resources
        self._here, self._processes = Here(resources), Processes(resources)
        self.at_work = 1

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        total = len(jobs) if isinstance(jobs, Sized) else math.inf
        most = min(at_once(work), MOST_AT_FIRST)
        left, done, count, seconds, whole, pays = iter(jobs), 0, 1, 0.0, 0.0, False
        while done < total and seconds < TRIAL:
            chunk = list(itertools.islice(left, count))
            if not chunk:
                return
            started = time.perf_counter()
            yield from self._here.map(work, chunk)
            took = time.perf_counter() - started
            done, seconds, count = done + len(chunk), seconds + took, min(2 * count, most)
            whole = took / len(chunk) * (total - done)
            pays = whole * (1 - 1 / self.resources.workers) > START
            if pays:
                prepare()
        if not pays:
            yield from self._here.map(work, left)
            return
        tell(f"{self.resources.workers} processes for what is left, about {whole:.0f} s of one")
        self.at_work = self.resources.workers
        yield from self._processes.map(work, left)

    def __enter__(self) -> Auto:
        self._here.__enter__()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._processes.__exit__(kind, error, trace)
        self._here.__exit__(kind, error, trace)


def usable_processors(groups: Path = CGROUPS) -> int:
    """Processors that this process may use: those that it is bound to, and no more than a container is given.

    >>> usable_processors() >= 1
    True
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = _given(groups)
    return max(1, bound if given is None else min(bound, int(given)))


def _given(groups: Path) -> Optional[float]:
    """Of both versions of control groups; None without a limit."""
    try:
        whole = (groups / "cpu.max").read_text().split()
    except (OSError, UnicodeDecodeError):
        whole = [_text(groups / "cpu" / "cpu.cfs_quota_us"), _text(groups / "cpu" / "cpu.cfs_period_us")]
    try:
        quota, period = map(float, whole)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
