"""What executors on other engines share: work that travels once, and jobs in pieces of about a second."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import math
import os
import pickle
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Any, Callable, Generic

import torch

from .. import __version__
from ..errors import GenNASError
from .gpus import take_gpu
from .protocol import Job, Result_co, Sharing, Work
from .together import chunks

CONNECT = 30  # seconds until a scheduler must have answered
ALONE_FOR = 300  # seconds without a worker
COUNT = 1  # seconds between counts of the workers
LOOK = 5  # seconds between looks at the cluster while nothing is done
DEATHS = 2  # of workers, after which the job that each of them had alone is lost
SECONDS = 1.0  # that a piece shall take, at least
RATE = 50  # pieces a second, at most: an engine and this process need a millisecond or more for each
LARGEST = 4096  # jobs in a piece
FEW = 16  # that are tried again one by one


class Lately:
    """A number that costs something to find, as of a second ago at most.

    >>> answers = iter([3, 4])
    >>> count = Lately(lambda: next(answers))
    >>> count.value, count.now(), count.now()
    (0, 3, 3)
    """

    def __init__(self, find: Callable[[], int]):
        self._find, self._found = find, -math.inf
        self.value = 0

    def now(self) -> int:
        if time.monotonic() - self._found >= COUNT:
            self.value, self._found = self._find(), time.monotonic()
        return self.value

    def forget(self) -> None:
        self._found = -math.inf


def gone(what: str) -> str:
    """What is said of a cluster that was there."""
    return f"{what} is gone; what it finished is kept, and --resume goes on from there"


VERSIONS = (__version__, str(torch.__version__))


@dataclass(frozen=True)
class Parcel:
    """Work and what made it: ``versions`` are those of this package and of PyTorch. ``gpus``: of Resources."""

    content: bytes
    digest: str
    versions: tuple[str, str]
    gpus: bool = False

    @classmethod
    def of(cls, work: Work[Any, Any], gpus: bool = False) -> Parcel:
        content = pickle.dumps(work)
        return cls(content, hashlib.sha256(content).hexdigest(), VERSIONS, gpus)


_one_at_a_time = threading.Lock()  # PyTorch's settings are those of a process
_opened: dict[str, Any] = {}  # of a worker: the last work, by its digest


def opened(parcel: Parcel) -> Any:
    """The work; GenNASError where this machine has other versions, which might score otherwise."""
    if parcel.versions != VERSIONS:
        raise GenNASError(
            f"a worker has naslib_gennas {VERSIONS[0]} and torch {VERSIONS[1]}, but the work comes from naslib_gennas "
            f"{parcel.versions[0]} and torch {parcel.versions[1]}; give all machines the same environment"
        )
    if parcel.digest not in _opened:
        from ..proxy.surroundings import use_threads

        use_threads(1)
        _keep_freed_memory()
        if parcel.gpus:
            take_gpu()
        _opened.clear()
        _opened[parcel.digest] = pickle.loads(parcel.content)
    return _opened[parcel.digest]


TRIM = "MALLOC_TRIM_THRESHOLD_"  # of the GNU C library; Dask starts its workers with 64 KiB
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 64 * 2**20  # bytes; twice the largest piece that is not asked of the system, as that library does by itself


def _keep_freed_memory() -> None:
    """Memory that is given back at every step is asked for again at the next, which is a fifth of a training's time."""
    if TRIM in os.environ:
        with contextlib.suppress(OSError, AttributeError, TypeError):  # of another library
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, KEPT // 2)
            library.mallopt(M_TRIM_THRESHOLD, KEPT)


def do(parcel: Parcel, piece: tuple[Any, ...]) -> tuple[list[Any], float]:
    """On a worker: the results of a piece, and the seconds that it took. Threads of a worker wait for each other."""
    with _one_at_a_time:
        work = opened(parcel)
        started = time.perf_counter()
        if isinstance(work, Sharing) and work.together > 1:
            work.prepare(piece)
        return [work(job) for job in piece], time.perf_counter() - started


@dataclass
class Pieces(Generic[Job, Result_co]):
    """Jobs in pieces, larger the quicker they are and the more ``workers``; lost ones again, smaller, down to one.

    >>> from ..testing.executors import SAME, ORDINARY
    >>> pieces = Pieces(SAME, iter(ORDINARY))
    >>> [len(piece) for piece in pieces.next(2)]
    [1, 1]
    >>> _ = list(pieces.done(ORDINARY[:1], [None], seconds=0.1))
    >>> [len(piece) for piece in pieces.next(1)]
    [10]
    """

    work: Work[Job, Result_co]
    jobs: Iterable[Job]
    workers: int = 1
    _size: int = 1
    _waiting: deque[tuple[Job, ...]] = field(default_factory=deque)
    _deaths: Counter[Job] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rest: Iterator[Job] = iter(self.jobs)
        self._left = len(self.jobs) if isinstance(self.jobs, Sized) else None
        self._shares = isinstance(self.work, Sharing) and self.work.together > 1
        self._most = self.work.together if isinstance(self.work, Sharing) and self._shares else LARGEST

    def next(self, count: int) -> Iterator[tuple[Job, ...]]:
        """At most so many pieces."""
        for _ in range(count):
            if self._waiting:
                yield self._waiting.popleft()
            elif piece := tuple(itertools.islice(self._rest, self._next_size())):
                self._left = None if self._left is None else self._left - len(piece)
                yield piece
            else:
                return

    def _next_size(self) -> int:
        """Smaller towards the end, so that all workers end at about the same time, unless a piece shares work."""
        if self._left is None or self._shares:
            return self._size
        return max(1, min(self._size, self._left // (2 * self.workers)))

    def done(self, piece: tuple[Job, ...], results: list[Result_co], seconds: float) -> Iterator[Result_co]:
        """The results of a piece that took so long."""
        each = max(seconds / len(piece), 1e-6)
        seconds = max(SECONDS, self.workers / RATE)
        self._size = max(1, min(self._most, 10 * self._size, round(seconds / each)))
        yield from results

    def again(self, piece: tuple[Job, ...]) -> None:
        """For no fault of its own."""
        self._waiting.append(piece)

    def lost(self, piece: tuple[Job, ...], error: Exception, deaths: int = 1) -> Iterator[Result_co]:
        """A piece whose worker ended: halves of it again, at last its jobs; a single job in its parts, or lost with its
        ``deaths``-th worker, since a worker may end for another's fault."""
        if len(piece) > 1:
            self._waiting += chunks(piece, len(piece) // 2 if len(piece) > FEW else 1)
            return
        (job,) = piece
        self._deaths[job] += 1
        if self._deaths[job] < deaths:
            self._waiting.append(piece)
            return
        parts = self.work.parts(job)
        self._waiting += [(part,) for part in parts]
        if not parts:
            yield self.work.lost(job, error)
