"""How good a task is: on the labels it was chosen by, on halves of them, and on other architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Optional

import numpy as np

from ..evaluation import evaluate, rank_data
from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..proxy.presets import Preset
from ..runs.run import Record, Run
from ..scoring.gennas import GenNASScorer
from .draws import Labelled
from .labels import FEWEST_LABELS
from .record import TaskRecord, by_space
from .settings import TaskSearchSettings

CHECK = "check"  # folders of scores on other labels
HALVES = 200  # random splits of the labels

Interval = tuple[Optional[float], Optional[float]]
NO_INTERVAL: Interval = (None, None)


@dataclass(frozen=True)
class Agreement:
    """Spearman's rho and Kendall's tau with bootstrap 95 % intervals; ``failures``: scores without a value.

    >>> Agreement(0.5, (0.25, 0.75), 0.4, NO_INTERVAL, 0).rho_with_interval
    '0.500 (95 % 0.250 to 0.750)'
    """

    rho: float
    rho_interval: Interval
    tau: float
    tau_interval: Interval
    failures: int

    @property
    def rho_with_interval(self) -> str:
        """For people."""
        low, high = self.rho_interval
        return f"{self.rho:.3f}" if low is None else f"{self.rho:.3f} (95 % {low:.3f} to {high:.3f})"

    def as_record(self) -> Record:
        return asdict(self)


@dataclass(frozen=True)
class Source:
    """Where labels come from: a search space, the name of a table and its column."""

    space: str
    table: str
    metric: str

    @classmethod
    def of(cls, place: Labelled) -> Source:
        return cls(place.table.space.source, place.table.name, place.metric)


@dataclass(frozen=True)
class SpaceAgreement:
    """The agreement with the labels of one of several spaces."""

    source: Source
    agreement: Agreement

    def as_record(self) -> Record:
        return {**asdict(self.source), **self.agreement.as_record()}


@dataclass(frozen=True)
class LabelledAgreement:
    """The agreement with all labels of a search.

    Attributes:
        mean: over the spaces; of several without an interval.
        spaces: each of several spaces, nothing where there is one only.
    """

    mean: Agreement
    spaces: tuple[SpaceAgreement, ...] = ()

    def as_record(self) -> Record:
        spaces = {"spaces": [space.as_record() for space in self.spaces]}
        return {**self.mean.as_record(), **(spaces if self.spaces else {})}


@dataclass(frozen=True)
class Check:
    """How far each candidate, by its name, agrees with the labels of ``n`` architectures that the search never saw.

    >>> Check(8, {"found": Agreement(0.5, NO_INTERVAL, 0.4, NO_INTERVAL, 0)}).as_record()["found"]["rho"]
    0.5
    """

    n: int
    agreements: Mapping[str, Agreement]

    def as_record(self) -> Record:
        return {"n": self.n, **{name: agreement.as_record() for name, agreement in self.agreements.items()}}


@dataclass(frozen=True)
class Transfer:
    """A check on another table."""

    source: Source
    check: Check

    def as_record(self) -> Record:
        return {**asdict(self.source), **self.check.as_record()}


@dataclass(frozen=True)
class Halves:
    """Mean rho of the best of ``tasks`` tasks by a half of the labels, on that half and on the other."""

    chosen_by: float
    other_half: float
    tasks: int


def agreement(scores: Sequence[Optional[float]], labels: Sequence[float], seed: int) -> Agreement:
    """How far scores and labels rank alike; InputError if there is no ranking."""
    found = evaluate(scores, labels, seed)
    return Agreement(
        found.spearman,
        _interval(found.spearman_interval),
        found.kendall,
        _interval(found.kendall_interval),
        found.failures,
    )


def _interval(ends: tuple[float, float]) -> Interval:
    """None for an undefined end."""
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return low, high


def labelled_agreement(scores: Sequence[Optional[float]], labelled: Sequence[Labelled], seed: int) -> LabelledAgreement:
    """As :func:`agreement`, from the scores of all spaces one after another."""
    apart = by_space(scores, [len(place.rows) for place in labelled])
    parts = [agreement(own, place.labels, seed) for own, place in zip(apart, labelled)]
    if len(parts) == 1:
        return LabelledAgreement(parts[0])
    mean = Agreement(
        float(np.mean([part.rho for part in parts])),
        NO_INTERVAL,
        float(np.mean([part.tau for part in parts])),
        NO_INTERVAL,
        sum(part.failures for part in parts),
    )
    return LabelledAgreement(mean, tuple(SpaceAgreement(Source.of(p), part) for p, part in zip(labelled, parts)))


def checked(
    settings: TaskSearchSettings,
    candidates: Mapping[str, Preset],
    place: Labelled,
    run: Run,
    executor: Executor,
) -> Check:
    """The agreement of every candidate with labels that the search never saw."""
    agreements = {}
    for name, preset in candidates.items():
        scores = _scores(settings.scorer(preset, place.table.space), place.texts, run, executor)
        agreements[name] = agreement(scores, place.labels, settings.seed)
    return Check(len(place.rows), agreements)


def _scores(scorer: GenNASScorer, texts: list[str], run: Run, executor: Executor) -> list[Optional[float]]:
    """Scores of ``texts``, kept in a run of its own inside ``run`` so that nothing is computed twice."""
    place = scorer.space.source.replace(":", "-").replace("/", "-")
    with run.inside(f"{CHECK}-{place}-{scorer.preset.digest()}", {"command": CHECK, **scorer.identity()}) as kept:
        return [score.value for score in score_all([scorer], texts, kept, executor)[scorer.measure]]


def split_half(records: Sequence[TaskRecord], labels: Sequence[float], seed: int) -> Optional[Halves]:
    """What choosing by few labels costs: the best task by a random half of them, and its rho on the other half.

    Means over ``HALVES`` splits, from the scores that the search has; the tasks were bred on all the labels, so that
    the second mean still is an upper bound. None for fewer than 10 labels or 2 tasks.
    """
    scores = [record.scores for record in records if record.status == "ok" and not record.again]
    if len(labels) < 2 * FEWEST_LABELS or len(scores) < 2:
        return None
    ranked = np.array([[-np.inf if score is None else score for score in row] for row in scores])  # (tasks, labels)
    rng, truth, pairs = np.random.default_rng(seed), np.asarray(labels), []
    for _ in range(HALVES):
        order = rng.permutation(len(labels))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        here, there = (_rank_correlations(ranked[:, half], truth[half]) for half in halves)
        chosen = int(np.argmax(here))
        pairs.append((here[chosen], there[chosen]))
    here, there = np.mean(pairs, axis=0)
    return Halves(float(here), float(there), len(scores))


def _rank_correlations(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Spearman's rho of every row (tasks, n) with ``truth`` (n,); 0 where a side is constant."""
    a, b = rank_data(scores, axis=1), rank_data(truth)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean()
    norm = np.sqrt((a**2).sum(axis=1) * (b @ b))
    found: np.ndarray = np.divide(a @ b, norm, out=np.zeros(len(a)), where=norm > 0)
    return found
