"""What a task search found and what it cost; ``as_record`` gives the JSON objects of ``summary.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Optional

from ..proxy.presets import Preset
from ..runs.run import Record
from .checks import Check, Halves, LabelledAgreement, Transfer
from .record import TaskRecord
from .significance import KeptStart


@dataclass(frozen=True)
class FoundTask:
    """A task of a search that was scored on all labels.

    Attributes:
        step, digest: of the search, and of the task.
        rho: Spearman's on the labels that it was chosen by.
        work, seconds_per_architecture: see :class:`.record.Ranking`.
    """

    step: int
    digest: str
    rho: Optional[float]
    work: float
    seconds_per_architecture: float

    @classmethod
    def of(cls, record: TaskRecord) -> FoundTask:
        return cls(record.step, record.key, record.rho, record.work, record.seconds / record.scored)

    def as_record(self) -> Record:
        return asdict(self)


@dataclass(frozen=True)
class BestTask:
    """The best task on the labels, and how well it ranks them: optimistic, as it was chosen by them."""

    task: FoundTask
    labelled: LabelledAgreement

    @property
    def rho(self) -> float:
        """Spearman's; of several spaces the mean."""
        return self.labelled.mean.rho

    def as_record(self) -> Record:
        return {**self.task.as_record(), **self.labelled.as_record()}


@dataclass(frozen=True)
class Savings:
    """Regressions done and seconds, beside those of a search that scores every architecture by every task.

    Attributes:
        evaluations: tasks; of them were ``ok`` scored in full, ``stopped``, or ``failed`` to give a ranking.
        regressions, regressions_plain: scores computed, and those of the plain search.
        regressions_saved: share, in [0, 1].
        seconds, seconds_plain: the latter estimated: those of a stopped task in proportion to the architectures
            left out.
    """

    evaluations: int
    ok: int
    stopped: int
    failed: int
    regressions: int
    regressions_plain: int
    regressions_saved: float
    seconds: float
    seconds_plain: float


def savings(records: Sequence[TaskRecord], labelled: int) -> Savings:
    """Of the records of a search on ``labelled`` architectures.

    >>> task = TaskRecord("stopped", 0.1, 6, 1e6, 3.0, "", [], step=0, key="a")
    >>> found = savings([task, TaskRecord("ok", 0.5, 12, 1e6, 6.0, "", [], step=1, key="b")], 12)
    >>> found.regressions, found.regressions_plain, found.seconds_plain
    (18, 24, 12.0)
    """
    plain = labelled * len(records)
    fresh = [record for record in records if not record.again]
    done = sum(record.scored for record in fresh)
    statuses = [record.status for record in records]
    return Savings(
        evaluations=len(records),
        ok=statuses.count("ok"),
        stopped=statuses.count("stopped"),
        failed=statuses.count("failed"),
        regressions=done,
        regressions_plain=plain,
        regressions_saved=1 - done / plain,
        seconds=sum(record.seconds for record in fresh),
        seconds_plain=sum(r.seconds * labelled / r.scored for r in fresh) * len(records) / len(fresh),
    )


@dataclass(frozen=True)
class Findings:
    """What a search found, before a preset is made of it.

    Attributes:
        space, table, metric, labelled, seed: the labels, ``labelled`` of each space.
        base, algorithm, objective: how it was searched; ``base`` is the name of a preset.
        best: the best task on the labels.
        start: the best of the tasks started from, if there are any.
        front: with two objectives, see :func:`.search.front`.
        split_half: what choosing by half of the labels costs; None for several spaces or few labels.
        validation: on other architectures of the table, None if none were asked for.
        transfer: on other tables.
        savings: what it cost.
        baseline: the best task of a random search, if that was asked for.
        note: on the table, for people.
    """

    space: str
    table: str
    metric: str
    labelled: int
    seed: int
    base: str
    algorithm: str
    objective: str
    best: BestTask
    start: Optional[KeptStart]
    front: tuple[FoundTask, ...]
    split_half: Optional[Halves]
    validation: Optional[Check]
    transfer: tuple[Transfer, ...]
    savings: Savings
    baseline: Optional[BestTask]
    note: str

    @property
    def keeps_start(self) -> bool:
        """Whether another task than the best is the result, as the best does not beat it beyond chance."""
        return self.start is not None and self.start.kept and self.start.step != self.best.task.step

    def as_record(self) -> Record:
        return {
            "space": self.space,
            "table": self.table,
            "metric": self.metric,
            "labelled": self.labelled,
            "seed": self.seed,
            "base": self.base,
            "algorithm": self.algorithm,
            "objective": self.objective,
            "best": self.best.as_record(),
            "start": None if self.start is None else asdict(self.start),
            "front": [task.as_record() for task in self.front],
            "split_half": None if self.split_half is None else asdict(self.split_half),
            "validation": None if self.validation is None else self.validation.as_record(),
            "transfer": [place.as_record() for place in self.transfer],
            **asdict(self.savings),
            "baseline": None if self.baseline is None else self.baseline.as_record(),
            "note": self.note,
        }


@dataclass(frozen=True)
class TaskSearchResult(Findings):
    """What a search found, and the ``preset`` made of it: the best task, or the one started from where that is kept."""

    preset: Preset

    def as_record(self) -> Record:
        """The object of ``summary.json``."""
        return {**super().as_record(), "preset": self.preset.model_dump(mode="json")}
