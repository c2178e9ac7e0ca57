"""On a Dask cluster: that of a scheduler's address, of a YAML file for a queueing system, or one made here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Optional

from ..errors import GenNASError, InputError, MissingPackageError
from ..scoring.failures import ProcessDied
from .elsewhere import Parcel, Pieces, do
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Work

CONNECT = 30  # seconds until a scheduler must have answered
ALONE_FOR = 300  # seconds without a single worker
LOOK = 5  # seconds between looks at the cluster while nothing is done
DEATHS = 2  # of workers, after which the job that each of them had alone is lost


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

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        client = self._started()
        from distributed import KilledWorker, wait

        sent = Parcel.of(work)  # as a task, which Dask does again where a worker that had it is gone
        parcel = client.submit(Parcel, sent.content, sent.digest, sent.versions, key=f"naslib_gennas-{sent.digest}")
        pieces: Pieces[Job, Result_co] = Pieces(work, jobs)
        running: dict[Any, tuple[Job, ...]] = {}
        idle_since = time.monotonic()
        try:
            while True:
                for chunk in pieces.next(self._workers() - len(running)):  # one each: who dies of it is known
                    running[client.submit(do, parcel, chunk, pure=False, retries=0)] = chunk
                if not running:
                    return
                with contextlib.suppress(asyncio.TimeoutError), client.as_current():
                    wait(list(running), timeout=LOOK, return_when="FIRST_COMPLETED")
                done = [future for future in running if future.done()]
                if done or self._workers(really=True):
                    idle_since = time.monotonic()
                self._check(idle_since)
                for future in done:
                    chunk = running.pop(future)
                    error = future.exception()
                    if error is None:
                        yield from pieces.done(chunk, *future.result())
                    elif isinstance(error, KilledWorker):
                        yield from pieces.lost(chunk, ProcessDied(None), DEATHS)
                    elif future.cancelled():
                        pieces.again(chunk)
                    else:
                        raise error
                    future.release()
        finally:
            with contextlib.suppress(Exception):  # of a scheduler that has gone
                client.cancel(list(running), force=True)

    def _check(self, idle_since: float) -> None:
        """GenNASError if nobody is left to wait for."""
        if self._client.status not in ("running", "connecting"):
            raise GenNASError(
                f"the Dask scheduler {self._where} is gone; what it finished is kept, and --resume goes on from there"
            )
        if time.monotonic() - idle_since > ALONE_FOR:
            raise GenNASError(f"no worker has joined the Dask scheduler {self._where} for {ALONE_FOR} s")

    def _workers(self, really: bool = False) -> int:
        """That there are; at least one unless that is asked ``really``."""
        there = len(self._client.scheduler_info(n_workers=-1)["workers"])
        return there if really else max(1, there)

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
        self._client = None
        self._open.close()


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
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the cluster {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or "kind" not in found:
        raise InputError(f"{path} must be a mapping with a kind, such as SLURMCluster, and its settings")
    return found
