"""Search for a proxy task: fitness is Spearman's rho on a few labelled architectures (paper, Section 3.2).

What makes it affordable: a network is built once and initialised again for every task, further tasks of a preset,
which are not searched, are regressed once, and tasks race. A task
meets the labelled architectures in parts, each spread over all ranks; after each it is stopped if an upper 95 %
confidence limit of its rho on all of them lies below the bar: in evolution the fitness that the winner of a
tournament has on average, in random search the best so far, with two objectives the best rho at no higher cost. A
stopped task keeps the rho of its part as fitness and is never the result.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import GenNASError, InputError, RunError, SpecError
from ..evaluation import spearman
from ..executors.processes import start_pool, work
from ..progress import progress
from ..proxy.presets import Preset
from ..runs.run import Run
from ..scoring.gennas import Scorer
from ..search.evolution import POPULATION, TOURNAMENT, random_search, regularized_evolution
from ..spaces import SearchSpace, load_space
from .space import TaskSpace

ALGORITHMS = ("evolution", "random")
OBJECTIVES = ("rho", "rho,seconds", "rho,work")
FEWEST_LABELS = 5
PARTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the labelled architectures, after which a task may be stopped
FEWEST_IN_PART = 6
CONFIDENCE_Z = 1.645  # one-sided 95 %
SPEARMAN_VARIANCE = 1.06  # of Fisher's z of a rank correlation, times n - 3 (Fieller et al., 1957)
TIE = 1e-9  # of the fitness, per factor of ten in work: far below the smallest step of rho
KEPT_NETWORKS = 200
TRAINING_ONLY = ("steps", "learning_rate", "momentum", "weight_decay", "batch_size", "average", "repeats")
"""Fields of a fidelity that do not change the network."""


@dataclass(frozen=True)
class LabelledSettings:
    """What a worker process needs to score architectures of ``space`` by one task after another."""

    space: str
    seed: int = 0
    device: str = "cpu"
    images: str | None = None

    def make(self) -> TaskScorer:
        return TaskScorer(self)


class TaskScorer:
    """Scores by any task of one space; every score is that of a new :class:`Scorer`, bit for bit."""

    def __init__(self, settings: LabelledSettings):
        self._settings = settings
        self._space = reusing_networks(load_space(settings.space))
        self._scorer: Scorer | None = None
        self._known: dict[tuple, Any] = {}

    def score(self, task: Preset, text: str) -> dict[str, Any]:
        """The record of one architecture; an unexpected exception becomes a failed one."""
        try:
            if self._scorer is None or self._scorer.preset != task:
                s = self._settings
                self._scorer = _RememberingScorer(self._space, task, s.seed, s.device, s.images)
                self._scorer.known = self._known
            return self._scorer.score(text).as_record()
        except GenNASError:
            raise
        except Exception as error:  # one odd task must not end a long search
            message = f"{type(error).__name__}: {error}"
            return {"score": None, "status": "failed", "seconds": 0.0, "parameters": 0, "steps": 0, "message": message}


class _RememberingScorer(Scorer):
    """Takes the regressions of further tasks, which a search does not vary, from those ``known``."""

    known: dict[tuple, Any]

    def _repeats(self, arch, key, member):
        if member == 0:
            return super()._repeats(arch, key, member)
        place = key, member, self._members[member][1].digest()
        if place not in self.known:
            self.known[place] = super()._repeats(arch, key, member)
        return self.known[place]


def reusing_networks(space: SearchSpace) -> SearchSpace:
    """The same space, but ``build`` gives the same module again for the same architecture and network size.

    Only for callers that give every parameter and buffer a new value, as scoring does.
    """
    if getattr(space, "own_weights", False):
        return space
    build, reusing = space.build, copy.copy(space)
    remembered = lru_cache(maxsize=KEPT_NETWORKS)(build)

    def build_once(arch, fidelity):
        unset = {name: type(fidelity).model_fields[name].default for name in TRAINING_ONLY if hasattr(fidelity, name)}
        return remembered(arch, fidelity.model_copy(update=unset))

    reusing.build = build_once
    return reusing


class Workers:
    """Scores of several architectures by one task, in this process or in ``count`` of one thread each."""

    def __init__(self, settings: LabelledSettings, count: int = 1):
        if count < 1:
            raise InputError(f"workers must be at least 1, got {count}")
        self._scorer = settings.make()  # bad settings show here
        self._pool = start_pool(settings, count) if count > 1 else None

    def scores(self, task: Preset, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Records in the order of ``texts``."""
        if self._pool is None:
            return [self._scorer.score(task, text) for text in texts]
        futures = [self._pool.submit(work, TaskScorer.score, task, text) for text in texts]
        return [future.result() for future in futures]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


class TaskFitness:
    """Spearman's rho of a task on labelled architectures.

    Args:
        texts, labels: the architectures in the order in which a task meets them (:func:`spread`), and their ground
            truth, higher is better.
        workers: anything with ``scores(task, texts)``, such as :class:`Workers`.
        race: whether hopeless tasks are stopped early.

    Raises:
        InputError: fewer than 5 labels, labels that are not finite or all equal.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[float], workers, race: bool = True):
        check_labels(labels)
        self.texts, self.labels = list(texts), [float(label) for label in labels]
        self._workers = workers
        self._parts = parts(self.labels) if race else [len(self.labels)]

    def __call__(self, task: Preset, bar: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
        """The record of a task that is stopped once it is unlikely to reach ``bar`` of its record so far.

        ``rho``: on the ``scored`` first architectures, None if there is no ranking; ``status``: ``ok`` (all were
        scored), ``stopped`` or ``failed``; ``work``: mean steps x parameters x inputs, the cost that breaks ties.
        """
        started = time.perf_counter()
        records: list[dict[str, Any]] = []
        for part in self._parts:
            records += self._workers.scores(task, self.texts[len(records) : part])
            found = self._record(task, records, time.perf_counter() - started)
            if found["rho"] is None or upper_limit(found["rho"], part, len(self.labels)) < bar(found):
                break
        return found

    def _record(self, task: Preset, records, seconds: float) -> dict[str, Any]:
        scores = [record["score"] for record in records]
        rho = _rho(scores, self.labels[: len(records)])
        complete = len(records) == len(self.labels)
        return {
            "status": "failed" if rho is None else "ok" if complete else "stopped",
            "rho": rho,
            "scored": len(records),
            "work": _work(task, records),
            "seconds": seconds,
            "message": next((r["message"] for r in records if r["status"] != "ok"), ""),
            "scores": scores,
        }


class JointFitness:
    """The mean of the rhos on labelled architectures of several spaces.

    The spaces are taken in order; a task is stopped once the mean could not reach the bar even if every later
    space were ranked perfectly. ``scores`` and ``scored`` of a record are those of all spaces, one after another.
    """

    def __init__(self, members: Sequence[TaskFitness]):
        self._members = list(members)

    def __call__(self, task: Preset, bar: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
        """As :meth:`TaskFitness.__call__`."""
        found: list[dict[str, Any]] = []
        for later, member in zip(reversed(range(len(self._members))), self._members):
            before = list(found)

            def needed(new, before=before, later=later):
                height = bar(_joined([*before, new]))
                return len(self._members) * height - sum(record["rho"] for record in before) - later

            found.append(member(task, needed))
            if found[-1]["status"] != "ok":
                break
        return _joined(found)


def _joined(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One record of those of one task on several spaces, which lacks a rho if the last one does."""
    last, scored = records[-1], sum(record["scored"] for record in records)
    return {
        "status": last["status"],
        "rho": None if last["rho"] is None else float(np.mean([record["rho"] for record in records])),
        "scored": scored,
        "work": sum(record["work"] * record["scored"] for record in records) / scored,
        "seconds": sum(record["seconds"] for record in records),
        "message": last["message"],
        "scores": [score for record in records for score in record["scores"]],
    }


def by_space(scores: Sequence[float | None], sizes: Sequence[int]) -> list[list[float | None]]:
    """The scores of a joint record, which stand one space after another, as a list for each of the ``sizes``."""
    rest = iter(scores)
    return [list(itertools.islice(rest, size)) for size in sizes]


def check_labels(labels: Sequence[float], purpose: str = "a task search") -> None:
    """InputError unless there is a ranking in ``labels``; ``purpose`` names who needs it."""
    if len(labels) < FEWEST_LABELS:
        raise InputError(f"{purpose} needs at least {FEWEST_LABELS} labelled architectures; got {len(labels)}")
    if not np.isfinite(np.asarray(labels, dtype=float)).all():
        raise InputError("a label is not a finite number; leave that architecture out")
    if len(set(labels)) == 1:
        raise InputError(f"all {len(labels)} labels are equal ({labels[0]:g}), so there is no ranking for {purpose}")


def parts(labels: Sequence[float]) -> list[int]:
    """Numbers of architectures after which a task is looked at, ascending; the last is all of them."""
    total = len(labels)
    sizes = {max(FEWEST_IN_PART, math.ceil(share * total)) for share in PARTS}
    return sorted(n for n in sizes if n < total and len(set(labels[:n])) > 1) + [total]


def spread(labels: Sequence[float]) -> list[int]:
    """An order whose every beginning covers the ranks of ``labels`` evenly (van der Corput's sequence)."""
    ranked, bits = np.argsort(labels, kind="stable"), (len(labels) - 1).bit_length()
    places = [int(format(i, f"0{bits}b")[::-1], 2) for i in range(2**bits)]
    return [int(ranked[place]) for place in places if place < len(labels)]


def upper_limit(rho: float, n: int, total: int) -> float:
    """Upper 95 % confidence limit of rho on ``total`` architectures, from that on a random ``n`` >= 4 of them.

    Normal in Fisher's z with variance 1.06 / (n - 3), times (total - n) / (total - 1) as ``n`` are no longer open.
    For a part that is spread over the ranks it is on the safe side.
    """
    if n == total:
        return rho
    spread = math.sqrt(SPEARMAN_VARIANCE / (n - 3) * (total - n) / (total - 1))
    return math.tanh(math.atanh(max(-1 + 1e-9, min(1 - 1e-9, rho))) + CONFIDENCE_Z * spread)


def search_tasks(
    space: TaskSpace,
    fitness,
    run: Run,
    seed: int = 0,
    steps: int = 400,
    algorithm: str = "evolution",
    population: int = POPULATION,
    tournament: int = TOURNAMENT,
    objective: str = "rho",
    warm_start: Sequence[Preset] = (),
    max_seconds: float | None = None,
) -> list[dict[str, Any]]:
    """Evaluate ``population`` + ``steps`` tasks (or until ``max_seconds`` have passed), one record each.

    The first ones are ``warm_start``, adopted by the space, then random ones. A resumed run replays its records
    from the seed without computing anything and goes on from there; a task seen before costs nothing.
    ``objective``: rho, or rho and the seconds or the work of an architecture: a task is then the fitter the fewer
    tasks known at its birth are better in both.
    Raises InputError for bad settings, RunError for records that the seed does not give.
    """
    _check(steps, algorithm, population, tournament, objective, len(warm_start))
    known = [space.adopt(preset) for preset in warm_start]
    history: list[dict[str, Any]] = []
    remembered: dict[str, dict[str, Any]] = {}
    recorded = len(run.records)

    def sample(rng: np.random.Generator) -> Preset:
        return known.pop(0) if known else space.sample(rng)

    def evaluate(task: Preset) -> float:
        step, key = len(history), space.canonical(task)
        if step < recorded:
            record = _replayed(run.records[step], step, key)
        else:
            fields = remembered.get(key)
            if fields is None:
                fields = fitness(task, bar(history, algorithm, population, tournament, objective))
                fields = {**fields, "task": task.model_dump(mode="json", exclude={"name", "description", "source"})}
            else:
                fields = {**fields, "again": True}
            record = {**fields, "step": step, "key": key}
            run.append(record)
        remembered.setdefault(key, record)
        history.append(record)
        return value(record) if objective == "rho" else _dominance(record, history, objective)

    rng = np.random.default_rng(seed)
    if algorithm == "random":
        stream = random_search(sample, evaluate, rng)
    else:
        stream = regularized_evolution(sample, space.mutate, evaluate, rng, population, tournament)
    started, total = time.monotonic(), population + steps
    for _ in progress(itertools.islice(stream, total), total, f"task search ({algorithm})"):
        if max_seconds is not None and time.monotonic() - started > max_seconds and len(history) >= recorded:
            break
    return history


def bar(
    history: Sequence[dict[str, Any]], algorithm: str, population: int, tournament: int, objective: str = "rho"
) -> Callable[[dict[str, Any]], float]:
    """What a new task has to reach to matter, see the head of this module; -inf while little is known."""
    complete = [record for record in history if record["status"] == "ok"]
    if objective != "rho":
        return lambda new: max(
            (r["rho"] for r in complete if cost(r, objective) <= cost(new, objective)), default=-math.inf
        )
    if algorithm == "random":
        height = max((record["rho"] for record in complete), default=-math.inf)
    else:
        alive = sorted((value(record) for record in history[-population:] if record["rho"] is not None), reverse=True)
        rank = len(alive) // tournament  # of an average winner
        height = alive[rank - 1] if rank else -math.inf
    return lambda new: height


def cost(record: dict[str, Any], objective: str) -> float:
    """The second objective: ``work``, or seconds an architecture."""
    return record["work"] if objective != "rho,seconds" else record["seconds"] / record["scored"]


def front(records: Sequence[dict[str, Any]], objective: str) -> list[dict[str, Any]]:
    """The tasks that no other beats in both rho and cost, cheapest first; only those scored on all labels."""
    complete = [record for record in records if record["status"] == "ok" and not record.get("again")]
    chosen: list[dict[str, Any]] = []
    for record in sorted(complete, key=lambda r: (cost(r, objective), -r["rho"])):
        if not chosen or record["rho"] > chosen[-1]["rho"]:
            chosen.append(record)
    return chosen


def value(record: dict[str, Any]) -> float:
    """Fitness: rho, of equal ones the cheaper task first; NaN without a ranking."""
    return math.nan if record["rho"] is None else record["rho"] - TIE * math.log10(1 + record["work"])


def _dominance(record: dict[str, Any], history: Sequence[dict[str, Any]], objective: str) -> float:
    """Minus the number of tasks known that are better in rho and cost; of equally many, the higher rho."""
    if record["rho"] is None:
        return math.nan
    spent = cost(record, objective)
    better = sum(
        other["status"] == "ok" and other["rho"] > record["rho"] and cost(other, objective) <= spent
        for other in history
    )
    return (record["rho"] - 1) / 4 - better


def best_task(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The record with the highest fitness among those scored on all labels; GenNASError if there is none."""
    complete = [record for record in records if record["status"] == "ok"]
    if not complete:
        why = next((record["message"] for record in records if record["message"]), "no task was evaluated")
        raise GenNASError(f"none of {len(records)} tasks gave a ranking of the labelled architectures: {why}")
    return max(complete, key=value)


def best_rho_so_far(records: Sequence[dict[str, Any]]) -> list[float | None]:
    """For every step the highest rho on all labels up to it, None before the first."""
    curve: list[float | None] = []
    for record in records:
        last = curve[-1] if curve else None
        counts = record["status"] == "ok" and (last is None or record["rho"] > last)
        curve.append(record["rho"] if counts else last)
    return curve


def task_of(space: TaskSpace, record: dict[str, Any], where: str) -> Preset:
    """The task of a record, checked as a file would be; SpecError if it was changed by hand."""
    task = space.parse(json.dumps({"name": "candidate", **record["task"]}), where)
    if space.canonical(task) != record["key"]:
        raise SpecError(f"{where}: the task does not have the key {record['key']}; the record was changed by hand")
    return task


def _replayed(record: dict[str, Any], step: int, key: str) -> dict[str, Any]:
    if record.get("key") != key or record.get("step") != step:
        raise RunError(
            f"step {step} of the run was the task {record.get('key')} and repeats as {key}: another version made "
            "it or it was changed by hand, so it cannot be continued; choose another --out"
        )
    return record


def _rho(scores, labels) -> float | None:
    try:
        return spearman(scores, labels)
    except InputError:  # all failed or all equal: no ranking
        return None


def _work(task: Preset, records) -> float:
    """Mean number of steps x parameters, times the numbers in one input image or sequence batch."""
    fidelity = task.fidelity
    size = fidelity.input_size**2 if task.kind == "cnn" else fidelity.length
    return float(np.mean([r["steps"] * r["parameters"] for r in records])) * size * fidelity.batch_size


def _check(steps: int, algorithm: str, population: int, tournament: int, objective: str, known: int) -> None:
    if objective not in OBJECTIVES:
        raise InputError(f"no objective is called {objective!r}; there are: {', '.join(OBJECTIVES)}")
    if algorithm not in ALGORITHMS:
        raise InputError(f"no search algorithm is called {algorithm!r}; there are: {', '.join(ALGORITHMS)}")
    if steps < 0:
        raise InputError(f"steps must be at least 0, got {steps}")
    if population < 1 or not 1 <= tournament <= population:
        raise InputError(f"need population >= tournament >= 1, got {population} and {tournament}")
    if known > population:
        raise InputError(f"{known} presets to start from do not fit into a population of {population}")
