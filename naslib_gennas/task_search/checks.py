"""How good a task is: on the labels it was chosen by, on halves of them, and on other architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Optional

import numpy as np
from scipy.stats import rankdata

from ..evaluation import evaluate
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
    """Spearman's rho and Kendall's tau with bootstrap 95 % intervals; ``failures``: scores without a value."""

    rho: float
    rho_interval: Interval
    tau: float
    tau_interval: Interval
    failures: int

    def as_record(self) -> Record:
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


@dataclass(frozen=True)
class Halves:
    """Mean rho of the best of ``tasks`` tasks by a half of the labels, on that half and on the other."""

    chosen_by: float
    other_half: float
    tasks: int


def agreement(scores: Sequence[Optional[float]], labels: Sequence[float], seed: int) -> Agreement:
    """How far scores and labels rank alike; InputError if there is no ranking."""
    found = evaluate(scores, labels, seed).as_dict()
    return Agreement(
        found["spearman"], found["spearman_interval"], found["kendall"], found["kendall_interval"], found["failures"]
    )


def labelled_agreement(scores: Sequence[Optional[float]], labelled: list[Labelled], seed: int) -> Record:
    """As :func:`agreement`; of several spaces the means, without an interval, and each one in ``spaces``."""
    apart = by_space(scores, [len(place.rows) for place in labelled])
    parts = [agreement(own, place.labels, seed) for own, place in zip(apart, labelled)]
    if len(parts) == 1:
        return parts[0].as_record()
    mean = Agreement(
        float(np.mean([part.rho for part in parts])),
        NO_INTERVAL,
        float(np.mean([part.tau for part in parts])),
        NO_INTERVAL,
        sum(part.failures for part in parts),
    )
    spaces = [{**described(place), **part.as_record()} for place, part in zip(labelled, parts)]
    return {**mean.as_record(), "spaces": spaces}


def described(place: Labelled) -> Record:
    """Where labels come from."""
    return {"space": place.table.space.source, "table": place.table.name, "metric": place.metric}


def checked(
    settings: TaskSearchSettings,
    candidates: Mapping[str, Preset],
    place: Labelled,
    run: Run,
    executor: Executor,
) -> Record:
    """``n`` and the agreement of every candidate with labels that the search never saw."""
    found: Record = {"n": len(place.rows)}
    for name, preset in candidates.items():
        scores = _scores(settings.scorer(preset, place.table.space), place.texts, run, executor)
        found[name] = agreement(scores, place.labels, settings.seed).as_record()
    return found


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
    a, b = rankdata(scores, axis=1), rankdata(truth)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean()
    norm = np.sqrt((a**2).sum(axis=1) * (b @ b))
    found: np.ndarray = np.divide(a @ b, norm, out=np.zeros(len(a)), where=norm > 0)
    return found
