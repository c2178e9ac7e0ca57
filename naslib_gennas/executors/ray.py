"""On a Ray cluster: the one that runs (``ray:auto``), one at an address, or one made of processes of this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Optional

from ..errors import GenNASError, InputError, MissingPackageError
from ..scoring.failures import ProcessDied
from .elsewhere import ALONE_FOR, CONNECT, DEATHS, LOOK, Lately, Parcel, Pieces, do, gone
from .protocol import ALONE, EXECUTORS, Job, Resources, Result_co, Work

ATTEMPTS = 4  # to reach a cluster that was there


class _Gone(GenNASError):
    """A cluster that was there."""


@EXECUTORS.register("ray")
class Ray:
    """The address: ``auto``, ``host:6379``, ``ray://host:10001``, or none for processes of this machine."""

    unchecked: ClassVar[Mapping[str, str]] = {"check_time_limit": "a limit would end workers that others share"}

    def __init__(self, resources: Resources = ALONE):
        if resources.timeout is not None:
            raise InputError("a task of Ray has no --timeout; leave it out")
        self.resources = resources
        self._ray: Any = None
        self._mine = False
        self._watched = ""  # address where somebody must listen
        self._there = Lately(self._count)

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        ray = self._started()
        task = ray.remote(num_cpus=1, num_gpus=int(self.resources.gpus), max_retries=0)(do)  # Ray pins them
        parcel = ray.put(Parcel.of(work))
        pieces: Pieces[Job, Result_co] = Pieces(work, jobs)
        running: dict[Any, tuple[Job, ...]] = {}
        idle_since = time.monotonic()
        try:
            while True:
                pieces.workers = self._processors()
                for piece in pieces.next(2 * pieces.workers - len(running)):
                    running[task.remote(parcel, piece)] = piece
                if not running:
                    return
                done, _ = ray.wait(list(running), timeout=LOOK)
                if done or self._processors(really=True):
                    idle_since = time.monotonic()
                if time.monotonic() - idle_since > ALONE_FOR:
                    lacking = "GPU" if self.resources.gpus else "processor"
                    raise GenNASError(f"the Ray cluster {self._where} has had no {lacking} for {ALONE_FOR} s")
                for reference in done:
                    yield from self._taken(pieces, running.pop(reference), reference)
        except _Gone:  # whoever asks it for anything waits for a minute, and then Ray ends this process
            self._ray = None
            raise
        except BaseException:  # also a caller who wants no more
            for reference in running:
                with contextlib.suppress(Exception):  # of a cluster that has gone
                    ray.cancel(reference, force=True)
            self._stop()
            raise

    def _taken(self, pieces: Pieces[Job, Result_co], piece: tuple[Job, ...], reference: Any) -> Iterator[Result_co]:
        exceptions = self._ray.exceptions
        try:
            results, seconds = self._ray.get(reference)
        except exceptions.RayTaskError as error:  # of the work itself
            raise error.cause if isinstance(error.cause, BaseException) else error from None
        except (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError):
            yield from pieces.lost(piece, ProcessDied(), DEATHS)
        except exceptions.RayError:  # a node has gone, and with it what was there
            pieces.again(piece)
        else:
            yield from pieces.done(piece, results, seconds)

    def _processors(self, really: bool = False) -> int:
        there = self._there.now()
        return there if really else max(1, there)

    def _count(self) -> int:
        self._check_there()
        return int(self._ray.cluster_resources().get("GPU" if self.resources.gpus else "CPU", 0))

    def _check_there(self) -> None:
        """_Gone if nobody listens any more where the cluster was."""
        for attempt in range(ATTEMPTS):
            try:
                _connect(self._watched)
                return
            except OSError:
                time.sleep(attempt)
        raise _Gone(gone(f"the Ray cluster {self._where}"))

    @property
    def at_work(self) -> int:
        return self._there.value

    @property
    def _where(self) -> str:
        return self.resources.address or "of this machine"

    def _started(self) -> Any:
        if self._ray is not None:
            return self._ray
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingPackageError(
                "the executor ray needs the package ray: pip install 'naslib_gennas[ray]'"
            ) from None
        self._mine = not ray.is_initialized()
        address = self.resources.address
        if self._mine and address:
            _check_reachable(address)
        here = {"address": address} if address else {"num_cpus": self.resources.workers, "include_dashboard": False}
        try:
            if self._mine:
                ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **here)
        except (ConnectionError, OSError, ValueError, RuntimeError) as error:
            raise _unreachable(self._where, error) from None
        self._ray = ray
        through = address.startswith("ray://")  # then its own address is not one of ours
        self._watched = address if through else ray.get_runtime_context().gcs_address
        return ray

    def __enter__(self) -> Ray:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        """Leave the cluster; one that was made here ends."""
        if self._ray is not None and self._mine:
            self._ray.shutdown()
        self._ray = None
        self._there.forget()


def _check_reachable(address: str) -> None:
    """GenNASError where nobody listens, which Ray would find out in some minutes; InputError for what is no address."""
    if address == "auto":
        return
    host, port = _place(address)
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(
            f"{address!r} is no address of a Ray cluster; write ray:auto, ray:host:6379, ray:ray://host:10001"
        )
    try:
        _connect(address)
    except OSError as error:
        raise _unreachable(address, error) from None


def _connect(address: str) -> None:
    """OSError where nobody listens."""
    host, port = _place(address)
    socket.create_connection((host, int(port)), timeout=CONNECT).close()


def _place(address: str) -> tuple[str, str]:
    """Host and port."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    return host.strip("[]"), port


def _unreachable(where: str, error: Exception) -> GenNASError:
    reason = str(error).splitlines()[0]
    return GenNASError(f"no Ray cluster answers at {where} ({reason}); is it running, and can this machine reach it?")
