"""Executors say where work is done, never what it is: here, in processes, on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Optional, Protocol, TypeVar, runtime_checkable

from ..errors import InputError
from ..registry import Registry

Job = TypeVar("Job")
Result_co = TypeVar("Result_co", covariant=True)


class Work(Protocol[Job, Result_co]):
    """What is done with every job. It is pickled to wherever an executor works, once a place."""

    def __call__(self, job: Job) -> Result_co:
        """The result. What it raises ends the whole map, so that failures of single jobs must be results."""
        ...

    def lost(self, job: Job, error: Exception) -> Result_co:
        """The result of a job whose process died or took too long (ProcessDied, TimeLimit)."""
        ...

    def parts(self, job: Job) -> Sequence[Job]:
        """Smaller jobs that a lost one is tried again as; none if it cannot be divided."""
        ...


@runtime_checkable
class Sharing(Protocol):
    """Work whose jobs cost less if several are known at once."""

    @property
    def together(self) -> int:
        """How many at once, at most; 1 if these jobs share nothing."""
        ...

    def prepare(self, jobs: Sequence[Any]) -> None:
        """Do what ``jobs`` share; each is then done as ever, and has the same result without this."""
        ...


class Executor(Protocol):
    """Does jobs. ``naslib_gennas.testing.check_executor`` tries all of what is said here."""

    def map(self, work: Work[Job, Result_co], jobs: Iterable[Job]) -> Iterator[Result_co]:
        """The results of all jobs as they are done, in any order; closing the iterator stops what runs."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Ends every process that was started."""
        ...


def at_work(executor: Executor) -> int:
    """How many workers it has now, as it says in ``at_work``; 1 if it does not say.

    >>> at_work(open_executor(Resources(workers=2)))
    2
    """
    return int(getattr(executor, "at_work", 1))


@dataclass(frozen=True)
class Resources:
    """What an executor may use.

    Attributes:
        workers: processes.
        threads: PyTorch threads of a single worker; several have one each.
        timeout: seconds that a job may take; None is for ever. Needs a process to stop.
        isolate: whether even a single worker is a process of its own, so that a crash costs one job.
        executor: its name, or ``name:address``; empty is ``here``, or ``processes`` where there must be some.
        watch: whether a small process tells how to isolate if this one dies (the command line does that).
        gpus: whether every worker takes a GPU of its own, where a machine has several.
    """

    workers: int = 1
    threads: int = 1
    timeout: Optional[float] = None
    isolate: bool = False
    watch: bool = False
    executor: str = ""
    gpus: bool = False

    @property
    def address(self) -> str:
        """Of the executor's engine.

        >>> Resources(executor="dask:tcp://here:8786").address
        'tcp://here:8786'
        """
        return self.executor.partition(":")[2]

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"workers must be at least 1, got {self.workers}")
        if self.threads < 1:
            raise InputError(f"threads must be at least 1, got {self.threads}")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"the time limit must be above 0 seconds, got {self.timeout:g}")


ALONE = Resources()

EXECUTORS: Registry[Callable[[Resources], Executor]] = Registry("executor", "naslib_gennas.executors")
"""Name -> function of the resources; other packages add theirs by the entry point ``naslib_gennas.executors``."""


def open_executor(resources: Resources = ALONE) -> Executor:
    """The executor of ``resources.executor``; UnknownNameError lists near matches.

    >>> with open_executor(Resources(workers=2)) as executor:
    ...     type(executor).__name__
    'Processes'
    """
    apart = resources.workers > 1 or resources.isolate or resources.timeout is not None
    name = resources.executor.partition(":")[0]
    return EXECUTORS[name or ("processes" if apart else "here")](resources)
