"""Search for a proxy task: evolution or random search over a task space, raced on labels (paper, Section 3.2).

A task is stopped once it is unlikely to reach the bar: in evolution the fitness that the winner of a tournament has on
average, in random search the best so far, with two objectives the best rho at no higher cost.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Optional

import numpy as np

from ..errors import GenNASError, InputError, RunError, SpecError
from ..proxy.presets import Preset
from ..runs.run import Record, Run
from ..search.evolution import POPULATION, TOURNAMENT, random_search, regularized_evolution
from .fitness import Bar, Fitness
from .record import Ranking, TaskRecord
from .space import TaskSpace

ALGORITHMS = ("evolution", "random")
OBJECTIVES = ("rho", "rho,seconds", "rho,work")


@dataclass(frozen=True)
class Rules:
    """How a task search goes about it.

    Attributes:
        steps: tasks after the first population.
        objective: ``rho``, or rho and the seconds or the work of an architecture: a task is then the fitter the
            fewer tasks known at its birth are better in both.
        warm_start: tasks that the first population begins with.
        max_seconds: after which no further task is begun.

    Raises InputError for values that cannot be.
    """

    steps: int = 400
    algorithm: str = "evolution"
    population: int = POPULATION
    tournament: int = TOURNAMENT
    objective: str = "rho"
    warm_start: tuple[Preset, ...] = ()
    seed: int = 0
    max_seconds: Optional[float] = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(f"no objective is called {self.objective!r}; there are: {', '.join(OBJECTIVES)}")
        if self.algorithm not in ALGORITHMS:
            raise InputError(f"no search algorithm is called {self.algorithm!r}; there are: {', '.join(ALGORITHMS)}")
        if self.steps < 0:
            raise InputError(f"steps must be at least 0, got {self.steps}")
        if self.population < 1 or not 1 <= self.tournament <= self.population:
            raise InputError(f"need population >= tournament >= 1, got {self.population} and {self.tournament}")
        known = len(self.warm_start)
        if known > self.population:
            raise InputError(f"{known} presets to start from do not fit into a population of {self.population}")


def search_tasks(space: TaskSpace, fitness: Fitness, run: Run, rules: Rules) -> list[TaskRecord]:
    """Evaluate population + steps tasks (or until the time is up), one record of ``run`` each.

    The first ones are the warm start, adopted by the space, then random ones. A resumed run replays its records from
    the seed without computing anything and goes on from there; a task seen before costs nothing. Raises RunError for
    records that the seed does not give.
    """
    known = [space.adopt(preset) for preset in rules.warm_start]
    recorded = [_read(record, run) for record in run.records]
    history: list[TaskRecord] = []
    remembered: dict[str, TaskRecord] = {}

    def sample(rng: np.random.Generator) -> Preset:
        return known.pop(0) if known else space.sample(rng)

    def evaluate(task: Preset) -> float:
        step, key = len(history), space.canonical(task)
        if step < len(recorded):
            record = _replayed(recorded[step], step, key)
        else:
            record = _evaluated(task, step, key)
            run.append(record.as_record())
        remembered.setdefault(key, record)
        history.append(record)
        return record.value if rules.objective == "rho" else _dominance(record, history, rules.objective)

    def _evaluated(task: Preset, step: int, key: str) -> TaskRecord:
        if key in remembered:
            return replace(remembered[key], step=step, again=True)
        found = fitness(task, bar(history, rules))
        plain = task.model_dump(mode="json", exclude={"name", "description", "source"})
        return TaskRecord(**asdict(found), task=plain, step=step, key=key)

    rng = np.random.default_rng(rules.seed)
    stream: Iterator[tuple[Preset, float]]
    if rules.algorithm == "random":
        stream = random_search(sample, evaluate, rng)
    else:
        stream = regularized_evolution(sample, space.mutate, evaluate, rng, rules.population, rules.tournament)
    started, total = time.monotonic(), rules.population + rules.steps
    for _ in run.progress(itertools.islice(stream, total), total, f"task search ({rules.algorithm})"):
        late = rules.max_seconds is not None and time.monotonic() - started > rules.max_seconds
        if late and len(history) >= len(recorded):
            break
    return history


def bar(history: Sequence[TaskRecord], rules: Rules) -> Bar:
    """What a new task has to reach to matter, see the head of this module; -inf while little is known."""
    complete = [record for record in history if record.status == "ok"]
    if rules.objective != "rho":
        return lambda new: max(
            (_rho(r) for r in complete if cost(r, rules.objective) <= cost(new, rules.objective)), default=-math.inf
        )
    if rules.algorithm == "random":
        height = max((_rho(record) for record in complete), default=-math.inf)
    else:
        alive = sorted((r.value for r in history[-rules.population :] if r.rho is not None), reverse=True)
        rank = len(alive) // rules.tournament  # of an average winner
        height = alive[rank - 1] if rank else -math.inf
    return lambda new: height


def cost(record: Ranking, objective: str) -> float:
    """The second objective: ``work``, or seconds an architecture."""
    return record.work if objective != "rho,seconds" else record.seconds / record.scored


def front(records: Sequence[TaskRecord], objective: str) -> list[TaskRecord]:
    """The tasks that no other beats in both rho and cost, cheapest first; only those scored on all labels."""
    complete = [record for record in records if record.status == "ok" and not record.again]
    chosen: list[TaskRecord] = []
    for record in sorted(complete, key=lambda r: (cost(r, objective), -_rho(r))):
        if not chosen or _rho(record) > _rho(chosen[-1]):
            chosen.append(record)
    return chosen


def best_task(records: Sequence[TaskRecord]) -> TaskRecord:
    """The record with the highest fitness among those scored on all labels; GenNASError if there is none."""
    complete = [record for record in records if record.status == "ok"]
    if not complete:
        why = next((record.message for record in records if record.message), "no task was evaluated")
        raise GenNASError(f"none of {len(records)} tasks gave a ranking of the labelled architectures: {why}")
    return max(complete, key=lambda record: record.value)


def best_rho_so_far(records: Sequence[TaskRecord]) -> list[Optional[float]]:
    """For every step the highest rho on all labels up to it, None before the first."""
    curve: list[Optional[float]] = []
    for record in records:
        last = curve[-1] if curve else None
        counts = record.status == "ok" and (last is None or _rho(record) > last)
        curve.append(record.rho if counts else last)
    return curve


def task_of(space: TaskSpace, record: TaskRecord, where: str) -> Preset:
    """The task of a record, checked as a file would be; SpecError if it was changed by hand."""
    task = space.parse(json.dumps({"name": "candidate", **record.task}), where)
    if space.canonical(task) != record.key:
        raise SpecError(f"{where}: the task does not have the key {record.key}; the record was changed by hand")
    return task


def _dominance(record: TaskRecord, history: Sequence[TaskRecord], objective: str) -> float:
    """Minus the number of tasks known that are better in rho and cost; of equally many, the higher rho."""
    if record.rho is None:
        return math.nan
    spent = cost(record, objective)
    better = sum(
        other.status == "ok" and _rho(other) > record.rho and cost(other, objective) <= spent for other in history
    )
    return (record.rho - 1) / 4 - better


def _rho(record: Ranking) -> float:
    return -math.inf if record.rho is None else record.rho


def _read(record: Record, run: Run) -> TaskRecord:
    try:
        return TaskRecord.from_record(record)
    except (TypeError, KeyError) as error:
        raise RunError(
            f"a record of {run.directory} is none of a task search ({error}); choose another --out"
        ) from None


def _replayed(record: TaskRecord, step: int, key: str) -> TaskRecord:
    if record.key != key or record.step != step:
        raise RunError(
            f"step {step} of the run was the task {record.key} and repeats as {key}: another version made "
            "it or it was changed by hand, so it cannot be continued; choose another --out"
        )
    return record
