"""Checks of executors: see :class:`naslib_gennas.executors.protocol.Executor` for what one promises."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, Literal, Union

from ..errors import InputError
from ..executors import EXECUTORS, Executor, Resources
from ..scoring.failures import ProcessDied, TimeLimit
from .suite import Inapplicable, Suite, listed, raised

TIMEOUT = 4.0  # seconds a job may take where that is limited
FOREVER = 600.0  # seconds a job takes that is to be stopped
END_WITHIN = 20.0  # seconds until the processes of a closed executor must be gone
MANY = 20
AHEAD = 50  # jobs that may be taken before two are done

Deed = Literal["answer", "segfault", "exit", "kill", "hang", "raise", "wait"]


@dataclass(frozen=True)
class Job:
    """What is to be done, and for how many numbers; several can be done one by one."""

    numbers: tuple[int, ...]
    deed: Deed = "answer"


@dataclass(frozen=True)
class Result:
    """Answers by number, where they were found, and why there are none."""

    job: Job
    answers: tuple[int, ...] = ()
    place: tuple[str, int] = ("", 0)  # machine, process
    lost: str = ""


@dataclass(frozen=True)
class Addition:
    """The work of the checks: adds ``summand`` to every number, unless the job is about something else."""

    summand: int

    def __call__(self, job: Job) -> Result:
        _act(job.deed)
        return Result(job, tuple(number + self.summand for number in job.numbers), _here())

    def lost(self, job: Job, error: Exception) -> Result:
        return Result(job, lost=type(error).__name__)

    def parts(self, job: Job) -> Sequence[Job]:
        """Every number by itself; of a job that dies, the first number does again and the others answer."""
        if len(job.numbers) == 1:
            return ()
        alone = [Job((number,)) for number in job.numbers]
        return [replace(alone[0], deed=job.deed), *alone[1:]]


@dataclass(frozen=True)
class SharedAddition(Addition):
    """Does the same where its jobs are prepared a few at a time."""

    together: int = 7

    def prepare(self, jobs: Sequence[Job]) -> None:
        assert 0 < len(jobs) <= self.together, f"{len(jobs)} jobs are prepared together, not 1 to {self.together}"


class Mishap(Exception):
    """What the work of a check raises."""


def _act(deed: Deed) -> None:
    if deed == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(FOREVER)  # until it arrives
    elif deed == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        time.sleep(FOREVER)
    elif deed == "exit":
        os._exit(3)
    elif deed == "hang":
        time.sleep(FOREVER)
    elif deed == "wait":
        time.sleep(0.05)
    elif deed == "raise":
        raise Mishap("as it was told")


def _here() -> tuple[str, int]:
    return platform.node(), os.getpid()


@dataclass(frozen=True)
class ExecutorCase:
    """An executor: a function, or a class, of the resources that it may use.

    Its attribute ``unchecked``, where it has one, is a mapping from the name of a check that cannot be applied to why.
    Processes are slow to start, so what several checks look at is done once.
    """

    make: Callable[[Resources], Executor]

    @property
    def unchecked(self) -> Mapping[str, str]:
        found: Mapping[str, str] = getattr(self.make, "unchecked", {})
        return found

    @cached_property
    def ordinary(self) -> list[tuple[Sequence[Job], list[Result]]]:
        """Jobs and their results, of several maps by one executor."""
        with self.make(Resources(workers=2)) as executor:
            lists: list[Sequence[Job]] = [ORDINARY, ORDINARY[::-1], [], ORDINARY[:1]]
            return [(jobs, list(executor.map(SAME, iter(jobs)))) for jobs in lists]

    @cached_property
    def rough(self) -> list[Result]:
        """Of ordinary jobs and of some that die or, where there can be a limit of time, hang, all in one map."""
        limited = "check_time_limit" not in self.unchecked
        jobs = ROUGH if limited else [job for job in ROUGH if job != HANGING]
        with self.make(Resources(workers=2, timeout=TIMEOUT if limited else None)) as executor:
            (probe,) = executor.map(SAME, ORDINARY[:1])
            if probe.place == _here():
                raise Inapplicable("jobs are done in this process, which would die or hang with them")
            return list(executor.map(SAME, jobs))

    @cached_property
    def after_an_error(self) -> tuple[Exception, list[Result]]:
        """The error that a map ended with, and the results of other work by the same executor."""
        jobs = [*ORDINARY, Job((1,), "raise"), *ORDINARY]
        with self.make(Resources(isolate=True)) as executor:
            error = raised(Mishap, lambda: list(executor.map(SAME, jobs)), "work that raises an error")
            return error, list(executor.map(OTHER, ORDINARY))


SAME, OTHER, SHARED = Addition(100), Addition(1000), SharedAddition(10)
ORDINARY = [Job((number,)) for number in range(MANY)]
FATAL = [Job((200,), "segfault"), Job((201,), "kill")]
HANGING = Job((300,), "hang")
DIVISIBLE = Job((400, 401, 402), "exit")
ROUGH = [*ORDINARY[::2], *FATAL, HANGING, DIVISIBLE, *ORDINARY[1::2]]

EXECUTOR_SUITE: Suite[ExecutorCase] = Suite()
EXECUTOR_CHECKS = EXECUTOR_SUITE.checks
"""Every check; called with an :class:`ExecutorCase`, best with one and the same, which keeps what was computed."""


def check_executor(make: Union[str, Callable[[Resources], Executor]]) -> dict[str, str]:
    """All checks of an executor, registered under a name or not; the first that fails raises AssertionError.

    Returns the checks that the executor declares as ``unchecked``, and why. Processes start anew for several of them,
    which takes half a minute where they are slow to start.

    >>> sorted(check_executor("here"))
    ['check_deaths', 'check_parts', 'check_time_limit']
    """
    return EXECUTOR_SUITE.run(ExecutorCase(EXECUTORS[make] if isinstance(make, str) else make))


@EXECUTOR_SUITE.check
def check_results(case: ExecutorCase) -> None:
    """Every job has its result, once, whatever the order of jobs; nothing to do has no results."""
    for jobs, found in case.ordinary:
        _check_answers(jobs, found, SAME)


def _check_answers(jobs: Sequence[Job], results: Sequence[Result], work: Addition) -> None:
    found, wanted = Counter(result.job for result in results), Counter(jobs)
    assert found == wanted, (
        f"{len(jobs)} jobs have {len(results)} results; missing: {listed(wanted - found) or 'none'}; "
        f"too often: {listed(found - wanted) or 'none'}"
    )
    for result in results:
        expected = tuple(number + work.summand for number in result.job.numbers)
        assert result.answers == expected, f"{work} of {result.job} is {result.answers}, not {expected}"


@EXECUTOR_SUITE.check
def check_deaths(case: ExecutorCase) -> None:
    """A job whose process dies, however it does, is lost; the others are done."""
    lost = {result.job: result.lost for result in case.rough if result.lost}
    for job in FATAL:
        assert lost.get(job) == ProcessDied.__name__, f"{job.deed}: lost as {lost.get(job)}, not {ProcessDied.__name__}"
    _check_answers(ORDINARY, [result for result in case.rough if result.job in ORDINARY], SAME)


@EXECUTOR_SUITE.check
def check_time_limit(case: ExecutorCase) -> None:
    """A job that takes too long is stopped and lost; the others are done."""
    if "check_time_limit" in case.unchecked:
        try:
            with case.make(Resources(workers=2, timeout=TIMEOUT)):
                pass
        except InputError as error:
            raise Inapplicable(f"it refuses a limit: {error}") from None
        if any(result.place == _here() for _, found in case.ordinary for result in found):
            raise Inapplicable("jobs are done in this process, which nobody stops")
    found = [result for result in case.rough if result.job == HANGING]
    assert len(found) == 1 and found[0].lost == TimeLimit.__name__, f"a job that hangs ends as {found}"


@EXECUTOR_SUITE.check
def check_parts(case: ExecutorCase) -> None:
    """A lost job that can be divided is done in parts, of which one may be lost again."""
    numbers = set(DIVISIBLE.numbers)
    found = [result for result in case.rough if numbers & set(result.job.numbers)]
    answers = {result.job.numbers: result.answers for result in found}
    assert len(found) == len(numbers), f"a job of three parts has the results {listed(found)}"
    assert answers == {(400,): (), (401,): (501,), (402,): (502,)}, f"a job of three parts has the answers {answers}"


@EXECUTOR_SUITE.check
def check_shared_work(case: ExecutorCase) -> None:
    """Work whose jobs share something (:class:`naslib_gennas.executors.protocol.Sharing`) has the same results."""
    with case.make(Resources(workers=2)) as executor:
        _check_answers(ORDINARY, list(executor.map(SHARED, ORDINARY)), SHARED)


@EXECUTOR_SUITE.check
def check_errors(case: ExecutorCase) -> None:
    """What the work raises ends the map and arrives as it is."""
    error, _ = case.after_an_error
    assert str(error) == "as it was told", f"the error arrives as {error!r}"


@EXECUTOR_SUITE.check
def check_other_work(case: ExecutorCase) -> None:
    """One executor does one work after another, even if the first ended with an error."""
    _, found = case.after_an_error
    _check_answers(ORDINARY, found, OTHER)


@EXECUTOR_SUITE.check
def check_closing_early(case: ExecutorCase) -> None:
    """Closing the iterator stops what runs: no further job is taken, and the processes end."""
    taken = 0

    def endless() -> Iterator[Job]:
        nonlocal taken
        for number in itertools.count():
            taken = number + 1
            yield Job((number,), "wait")

    with case.make(Resources(isolate=True)) as executor:
        results = executor.map(SAME, endless())
        places = {next(results).place for _ in range(2)}
        assert taken <= AHEAD, f"{taken} jobs were taken before two were done; they should be taken as they are done"
        close = getattr(results, "close", None)
        assert close is not None, "the iterator of results has no close(); write map as a generator"
        close()
        before = taken
        _check_gone(places, "the iterator was closed")
        assert taken == before, f"{taken - before} jobs were taken after the iterator was closed"


@EXECUTOR_SUITE.check
def check_nothing_is_left(case: ExecutorCase) -> None:
    """Leaving the executor ends its processes."""
    _check_gone({result.place for _, found in case.ordinary for result in found}, "the executor was left")


def _check_gone(places: Iterable[tuple[str, int]], when: str) -> None:
    """Of other machines nothing is known; their processes are not looked at."""
    machine, own = _here()
    processes = {process for place, process in places if place == machine and process != own}
    deadline = time.monotonic() + END_WITHIN
    while (left := {process for process in processes if _runs(process)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"{END_WITHIN:g} s after {when} there are still the processes {listed(sorted(left))}"


def _runs(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False
