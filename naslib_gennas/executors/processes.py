"""In processes of this machine, each of which may die or hang: another takes over, and the job is tried once more."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.forkserver
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Optional

from pebble import ProcessExpired, ProcessPool

from ..errors import GenNASError
from ..scoring.failures import ProcessDied, TimeLimit
from .gpus import take_gpu
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Work
from .together import Together, at_once, even

QUEUE_PER_WORKER = 4
START_LIMIT = 300  # seconds until the first process must have started
MOST_STARTS = 5  # of a pool, without a result
FORKABLE = ("torch", __name__)  # imported once for all processes


@EXECUTORS.register("processes")
class Processes:
    """A pool of processes, started when first needed and kept for further work of the same kind."""

    def __init__(self, resources: Resources = ALONE):
        self.resources = resources
        self._pool: Optional[ProcessPool] = None
        self._work: Any = None

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        most = at_once(work)
        if most == 1 or self.resources.timeout is not None:  # which is that of a single job
            yield from self._map(work, jobs)
            return
        together: Together[Job, Result_co] = Together(work)
        for results in self._map(together, even(list(jobs), most, self.resources.workers)):
            yield from results

    def _map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        queue = iter(jobs)
        waiting: deque[Job] = deque(itertools.islice(queue, self.resources.workers * QUEUE_PER_WORKER))
        running: dict[Any, Job] = {}
        died: set[Job] = set()
        starts = 0
        try:
            while waiting or running:
                pool = self._started(work)
                with contextlib.suppress(RuntimeError):  # of a pool that has just broken
                    while waiting and pool.active:
                        scheduled = pool.schedule(_do, args=(waiting[0],), timeout=self.resources.timeout)
                        running[scheduled] = waiting.popleft()
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    job = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        waiting.append(job)
                        continue
                    waiting.extend(itertools.islice(queue, 1))
                    error = self._loss(future)
                    if error is None:
                        starts = 0
                        yield future.result()
                        continue
                    parts = work.parts(job)
                    waiting.extend(parts)
                    if parts:
                        continue
                    if isinstance(error, ProcessDied) and job not in died:  # which others may have killed
                        died.add(job)
                        waiting.append(job)
                    else:
                        yield work.lost(job, error)
                if not pool.active:  # a process ended while all had nothing to do
                    waiting.extend(running.values())
                    running.clear()
                    self._stop()
                    starts += 1
                    if starts > MOST_STARTS:
                        raise GenNASError(
                            f"the worker processes ended {starts} times without a result; is there enough memory?"
                        )
        except BaseException:
            self._stop()
            raise

    @property
    def at_work(self) -> int:
        return self.resources.workers

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stop()

    def _loss(self, future: Any) -> Optional[Exception]:
        """Why the process of a finished job did not answer; None if it did."""
        error = future.exception()
        if isinstance(error, ProcessExpired):
            return ProcessDied(error.exitcode)
        if isinstance(error, (TimeoutError, concurrent.futures.TimeoutError)) and self.resources.timeout is not None:
            return TimeLimit(self.resources.timeout)
        return None

    def _started(self, work: Work[Any, Any]) -> ProcessPool:
        """The pool for ``work``; GenNASError if its processes do not start."""
        if self._pool is not None and self._work == work:
            return self._pool
        self._stop()
        threads = self.resources.threads if self.resources.workers == 1 else 1
        self._pool = ProcessPool(
            self.resources.workers,
            initializer=_start,
            initargs=(pickle.dumps(work), dict(os.environ), threads, self.resources.gpus),
            context=_context(),
        )
        self._work = work
        try:
            self._pool.schedule(_hello).result(START_LIMIT)
        except (TimeoutError, concurrent.futures.TimeoutError):
            self._stop()
            raise GenNASError(
                f"the worker processes did not start within {START_LIMIT} s; a script that uses workers needs "
                "`if __name__ == '__main__':` around its calls"
            ) from None
        except (BrokenProcessPool, ProcessExpired):
            self._stop()
            raise GenNASError(
                "the worker processes end as soon as they start: a script that uses workers needs "
                "`if __name__ == '__main__':` around its calls, and workers need memory"
            ) from None
        except BaseException:
            self._stop()
            raise
        return self._pool

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
        self._pool = self._work = None


def prepare() -> None:
    """Begin what a first pool would wait for, beside what this process does."""
    _context()


def _context() -> multiprocessing.context.BaseContext:
    """How processes start: as forks of one that has PyTorch and has computed nothing, where the system is good at that.

    Forks are there at once, the first of a pool, and the next one after a crash; all others take seconds for imports.
    """
    if sys.platform == "linux":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(FORKABLE))
        with contextlib.suppress(OSError):  # no socket in the folder for temporary files: a long path, a network's disk
            multiprocessing.forkserver.ensure_running()
            return context
    return multiprocessing.get_context("spawn")


_content: bytes = b""  # of a worker process: its work, pickled
_work: Any = None


def _start(content: bytes, environment: dict[str, str], threads: int, gpus: bool) -> None:
    global _content
    os.environ.clear()  # a fork has that of the first pool
    os.environ.update(environment)
    if gpus:
        take_gpu()
    import torch

    from ..proxy.surroundings import use_threads

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(threads)
    torch.set_num_threads(threads)  # so that nothing has to change for a score
    _content = content


def _end_with_parent() -> None:
    """A parent that is killed cannot end its pool."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _hello() -> None:
    """The first job: whether processes start at all."""


def _do(job: Any) -> Any:
    global _work
    if _work is None:
        _work = pickle.loads(_content)  # here, so that what goes wrong is an error of the job
    return _work(job)
