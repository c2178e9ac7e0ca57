"""Many architectures: isomorphic ones once, in several processes, every result recorded at once."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from .errors import GenNASError, InputError, ModelError
from .progress import progress
from .runs import Run
from .scoring import Scorer

QUEUE_PER_WORKER = 4


@dataclass(frozen=True)
class ScorerSettings:
    """What a worker process needs to make its own :class:`Scorer`; all values can be pickled."""

    space: Any  # a registered name, or a space
    preset: Any
    seed: int = 0
    device: str = "cpu"
    images: str | None = None

    def make(self) -> Scorer:
        return Scorer(self.space, self.preset, self.seed, self.device, self.images)


def score_many(
    settings: ScorerSettings,
    texts: Iterable[str],
    run: Run,
    workers: int = 1,
    on_error: str = "record",
    curves: bool = False,
) -> list[dict[str, Any]]:
    """Records of ``texts``, in their order; those that ``run`` already holds are not computed again.

    workers: processes, one torch thread each; 1 means this process. on_error: ``record`` an architecture
    that fails and go on, or ``stop``. curves: whether new records keep the training loss of every step, as
    ``curve``. Raises InputError for workers < 1.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    texts = list(texts)
    known = {record["arch"]: record for record in run.records}
    by_key = {record["key"]: record for record in run.records}
    space = settings.make().space
    pending: dict[str, list[str]] = defaultdict(list)
    for text in dict.fromkeys(texts):
        if text in known:
            continue
        key = space.score_key(space.parse(text))
        if key in by_key:
            known[text] = _store(run, {**by_key[key], "arch": text})
        else:
            pending[key].append(text)
    jobs = [members[0] for members in pending.values()]
    results = run_jobs(settings, jobs, workers, _attempt_with_curve if curves else _attempt)
    for record in progress(results, len(jobs), "scoring"):
        if record["status"] == "failed" and on_error == "stop":
            raise GenNASError(f"{record['arch']}: {record['message']}")
        for text in pending[record["key"]]:
            known[text] = _store(run, {**record, "arch": text})
    return [known[text] for text in texts]


def _store(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    run.append(record)
    return record


def run_jobs(settings, jobs: list, workers: int, attempt: Callable) -> Iterator[Any]:
    """``attempt(settings.make(), job)`` of every job, as they are done; in ``workers`` processes if more than 1.

    settings, jobs and attempt (a function of a module) are sent to the processes.
    """
    return _serial(settings, jobs, attempt) if workers == 1 else _parallel(settings, jobs, workers, attempt)


def _serial(settings, jobs: list, attempt: Callable) -> Iterator[Any]:
    scorer = settings.make()
    for job in jobs:
        yield attempt(scorer, job)


def start_pool(settings, workers: int) -> ProcessPoolExecutor:
    """Processes of one torch thread, each with what ``settings.make()`` gives, for :func:`work`."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(settings,))


def _parallel(settings, jobs: list, workers: int, attempt: Callable) -> Iterator[Any]:
    pool = start_pool(settings, workers)
    queue = iter(jobs)
    running: set[Future] = set()
    try:
        for job in queue:
            running.add(pool.submit(work, attempt, job))
            if len(running) >= workers * QUEUE_PER_WORKER:
                break
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = next(queue, None)
                if job is not None:
                    running.add(pool.submit(work, attempt, job))
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _attempt(scorer: Scorer, text: str) -> dict[str, Any]:
    """The record of one architecture; an unexpected exception becomes a failed record."""
    try:
        return scorer.score(text).as_record()
    except GenNASError as error:
        if not isinstance(error, ModelError):
            raise
        message = str(error)
    except Exception as error:  # one odd architecture must not end a long run
        message = f"{type(error).__name__}: {error}"
    return {
        "arch": text,
        "key": scorer.space.score_key(scorer.space.parse(text)),
        "score": None,
        "status": "failed",
        "seconds": 0.0,
        "seed": scorer.seed,
        "preset": scorer.preset.name,
        "preset_digest": scorer.preset.digest(),
        "message": message,
    }


def _attempt_with_curve(scorer: Scorer, text: str) -> dict[str, Any]:
    """The same and the loss of every step, to five digits, up to the first that is not finite."""
    record = _attempt(scorer, text)
    if record["status"] != "failed":
        finite = itertools.takewhile(math.isfinite, scorer.score(text).curve)
        record["curve"] = [float(f"{loss:.5g}") for loss in finite]
    return record


_scorer = None  # of a worker process: what its settings make


def _start_worker(settings) -> None:
    global _scorer
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _scorer = settings.make()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its pool."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def work(attempt: Callable, *job) -> Any:
    """``attempt`` called with what this process made of the settings, and ``job``."""
    return attempt(_scorer, *job)
