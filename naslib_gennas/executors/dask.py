"""On a Dask cluster: that of a scheduler's address, of a YAML file for a queueing system, or one made here."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Optional

from ..errors import GenNASError, InputError, MissingPackageError
from ..scoring.failures import ProcessDied
from ..texts import parse_yaml
from .elsewhere import ALONE_FOR, CONNECT, DEATHS, LOOK, Lately, Parcel, Pieces, do, gone
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Work

RESTART = 15  # seconds without one, after which a cluster of this machine is made anew
CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)


@EXECUTORS.register("dask")
class Dask:
    """The address: ``tcp://host:8786`` of a scheduler, a ``.yaml`` file, or none for processes of this machine.

    The YAML has a ``kind`` (a class of dask_jobqueue, as ``SLURMCluster``), its settings, and the number of ``jobs``.
    Workers may join and leave; finished results are never lost.
    """

    unchecked: ClassVar[Mapping[str, str]] = {"check_time_limit": "Dask cannot stop a task that runs"}

    def __init__(self, resources: Resources = ALONE):
        if resources.timeout is not None:
            raise InputError("Dask cannot stop a task that runs, so it has no --timeout; leave it out")
        self.resources = resources
        self._open = contextlib.ExitStack()
        self._client: Any = None
        self._there = Lately(self._count)

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        self._started()
        # goes with every piece: data of its own would be lost with the worker that has it
        parcel = Parcel.of(work, self.resources.gpus)
        pieces: Pieces[Job, Result_co] = Pieces(work, jobs)
        running: dict[Any, tuple[Job, ...]] = {}
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        alive = time.monotonic()
        try:
            while True:
                self._check_scheduler()
                pieces.workers = self._workers()
                for piece in pieces.next(pieces.workers - len(running)):  # one each: who dies of it is known
                    future = self._client.submit(do, parcel, piece, pure=False, retries=0)
                    running[future] = piece
                    future.add_done_callback(done.put)
                if not running:
                    return
                for future in _there(done):
                    if future not in running:  # of a cluster that was
                        continue
                    alive = time.monotonic()
                    yield from self._taken(pieces, running, future)
                    if future in running:
                        done.put(future)
                if self._workers(really=True):
                    alive = time.monotonic()
                elif self._check(time.monotonic() - alive):
                    for piece in running.values():
                        pieces.again(piece)
                    running.clear()
                    alive = time.monotonic()
        except BaseException:  # also a caller who wants no more
            with contextlib.suppress(Exception):  # of a scheduler that has gone
                self._client.cancel(list(running), force=True)
            self._stop()
            raise

    def _taken(
        self, pieces: Pieces[Job, Result_co], running: dict[Any, tuple[Job, ...]], future: Any
    ) -> Iterator[Result_co]:
        """The results of a piece that is done; it stays among the running ones if they were lost on their way."""
        from distributed import KilledWorker

        piece = running[future]
        try:
            found = future.result(timeout=LOOK)
        except asyncio.TimeoutError:
            return
        except (KilledWorker, *CANCELLED) as error:
            del running[future]
            if isinstance(error, KilledWorker):
                yield from pieces.lost(piece, ProcessDied(), DEATHS)
            else:
                pieces.again(piece)
            return
        del running[future]
        future.release()
        yield from pieces.done(piece, *found)

    def _check_scheduler(self) -> None:
        """GenNASError if it is gone, and no other has taken its place for half a minute."""
        if self._client.status not in ("running", "connecting", "newly-created"):
            raise GenNASError(gone(f"the Dask scheduler {self._where}"))

    def _check(self, seconds: float) -> bool:
        """GenNASError if nobody is left to wait for, after so long without a worker; True if there is a new cluster."""
        if seconds > ALONE_FOR:
            raise GenNASError(f"no worker has joined the Dask scheduler {self._where} for {ALONE_FOR} s")
        if self.resources.address or seconds < RESTART:
            return False
        self._stop()  # processes that end while they start do not come back by themselves
        self._started()
        return True

    def _workers(self, really: bool = False) -> int:
        """That there are; at least one unless that is asked ``really``."""
        there = self._there.now()
        return there if really else max(1, there)

    def _count(self) -> int:
        try:
            return len(self._client.scheduler_info(n_workers=-1).get("workers", ()))
        except (OSError, *CANCELLED):  # of a scheduler that has gone
            return 0

    @property
    def at_work(self) -> int:
        return self._there.value

    @property
    def _where(self) -> str:
        return str(self.resources.address or "of this machine")

    def _started(self) -> Any:
        if self._client is not None:
            return self._client
        try:
            import distributed
        except ModuleNotFoundError:
            raise MissingPackageError(
                "the executor dask needs the package distributed: pip install 'naslib_gennas[dask]'"
            ) from None
        import dask

        self._open.enter_context(_quiet("distributed.client"))  # what it says of a lost scheduler, we say
        # a job that ends its worker is tried again here, divided, not there as it is
        self._open.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        address: Any = self.resources.address
        if not address or str(address).endswith((".yaml", ".yml")):
            address = self._open.enter_context(_cluster(self.resources))
        try:
            self._client = self._open.enter_context(distributed.Client(address, timeout=CONNECT, set_as_default=False))
        except (OSError, ValueError) as error:
            raise GenNASError(
                f"no Dask scheduler answers at {self._where} within {CONNECT} s ({str(error).splitlines()[0]}); "
                "is it running, and can this machine reach it?"
            ) from None
        return self._client

    def __enter__(self) -> Dask:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        """Leave the cluster; one that was made here ends."""
        self._client = None
        self._there.forget()
        self._open.close()


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Nothing of this logger."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _there(done: queue.SimpleQueue[Any]) -> list[Any]:
    """All that is in it, after a while at most."""
    found = []
    with contextlib.suppress(queue.Empty):
        found.append(done.get(timeout=LOOK))
        while True:
            found.append(done.get_nowait())
    return found


def _cluster(resources: Resources) -> Any:
    """A cluster of processes of this machine, or that of a YAML file."""
    if not resources.address:
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=resources.workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        )
    settings = _read(Path(resources.address))
    try:
        import dask_jobqueue
    except ModuleNotFoundError:
        raise MissingPackageError(
            "a cluster of a queueing system needs the package dask-jobqueue: pip install 'naslib_gennas[dask]'"
        ) from None
    kind, jobs = settings.pop("kind"), settings.pop("jobs", resources.workers)
    made = getattr(dask_jobqueue, str(kind), None)
    if made is None:
        raise InputError(f"{resources.address}: kind: dask_jobqueue has no {kind!r}; an example is SLURMCluster")
    try:
        cluster = made(**settings)
    except TypeError as error:
        raise InputError(f"{resources.address}: {error}") from None
    cluster.scale(jobs=jobs)
    return cluster


def _read(path: Path) -> dict[str, Any]:
    try:
        found = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the cluster {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or "kind" not in found:
        raise InputError(f"{path} must be a mapping with a kind, such as SLURMCluster, and its settings")
    return found
