"""How good a task is: on the labels it was chosen by, on halves of them, and on other architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..evaluation import evaluate
from ..executors.processes import ScorerSettings, score_many
from ..proxy.presets import Preset
from ..runs.run import Run
from .labels import Labelled
from .search import FEWEST_LABELS, by_space

if TYPE_CHECKING:
    from .settings import TaskSearchSettings

CHECK = "check"  # folders of scores on other labels
HALVES = 200  # random splits of the labels


def agreement(scores, labels, seed: int) -> dict[str, Any]:
    """Spearman's rho and Kendall's tau with bootstrap intervals."""
    found = evaluate(scores, labels, seed).as_dict()
    return {
        "rho": found["spearman"],
        "rho_interval": found["spearman_interval"],
        "tau": found["kendall"],
        "tau_interval": found["kendall_interval"],
        "failures": found["failures"],
    }


def labelled_agreement(scores, labelled: list[Labelled], seed: int) -> dict[str, Any]:
    """As :func:`agreement`; of several spaces the means, without an interval, and each one in ``spaces``."""
    apart = by_space(scores, [len(place.rows) for place in labelled])
    parts = [agreement(own, place.labels, seed) for own, place in zip(apart, labelled)]
    if len(parts) == 1:
        return parts[0]
    return {
        "rho": float(np.mean([part["rho"] for part in parts])),
        "rho_interval": (None, None),
        "tau": float(np.mean([part["tau"] for part in parts])),
        "tau_interval": (None, None),
        "failures": sum(part["failures"] for part in parts),
        "spaces": [
            {"space": place.space, "table": place.table, "metric": place.metric, **part}
            for place, part in zip(labelled, parts)
        ],
    }


def checked(
    settings: TaskSearchSettings,
    candidates: Mapping[str, Preset],
    space: str,
    rows: pd.DataFrame,
    metric: str,
    run: Run,
    workers: int,
) -> dict[str, Any]:
    """``n`` and the agreement of every candidate with the metric of ``rows``, which the search never saw."""
    found: dict[str, Any] = {"n": len(rows)}
    for name, preset in candidates.items():
        scores = _scores(settings.scorer(preset, space), rows["arch"].tolist(), run, workers)
        found[name] = agreement(scores, rows[metric].tolist(), settings.seed)
    return found


def _scores(settings: ScorerSettings, texts: list[str], run: Run, workers: int) -> list[float | None]:
    """Scores of ``texts``, kept in a run of its own inside ``run`` so that nothing is computed twice."""
    config = {
        "command": CHECK,
        "space": settings.space,
        "preset_digest": settings.preset.digest(),
        "seed": settings.seed,
    }
    place = settings.space.replace(":", "-").replace("/", "-")
    with run.inside(f"{CHECK}-{place}-{config['preset_digest']}", config) as kept:
        return [record["score"] for record in score_many(settings, texts, kept, workers)]


def split_half(records: Sequence[dict[str, Any]], labels: Sequence[float], seed: int) -> dict[str, float] | None:
    """What choosing by few labels costs: the best task by a random half of them, and its rho on the other half.

    Means over ``HALVES`` splits, from the scores that the search has; the tasks were bred on all the labels, so that
    the second mean still is an upper bound. None for fewer than 10 labels or 2 tasks.
    """
    scores = [record["scores"] for record in records if record["status"] == "ok" and not record.get("again")]
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
    return {"chosen_by": float(here), "other_half": float(there), "tasks": len(scores)}


def _rank_correlations(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Spearman's rho of every row (tasks, n) with ``truth`` (n,); 0 where a side is constant."""
    a, b = rankdata(scores, axis=1), rankdata(truth)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean()
    norm = np.sqrt((a**2).sum(axis=1) * (b @ b))
    return np.divide(a @ b, norm, out=np.zeros(len(a)), where=norm > 0)
