"""Several measures on the same architectures, and how well each ranks them.

A run directory of a benchmark holds, beside configuration and environment, ``results.jsonl`` (one record an
architecture and measure: arch, key, measure, score, status, seconds, message), ``scores.csv`` (one row an
architecture: its accuracies, and a column for each measure, ensembles included) and ``summary.json`` (what
:func:`benchmark` returns).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
import pandas as pd

from ..errors import InputError
from ..evaluation import evaluate
from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..runs.run import PRESET, SCORES, SUMMARY, Record, Run
from ..scoring.ensemble import Expression, parse_measures
from ..scoring.gennas import GenNASScorer
from ..scoring.measure import BATCH_SIZE, IMAGE_SIZE, measure_scorers
from ..scoring.score import Score
from ..tables import Table

ALWAYS = ("params", "flops")
FIELDS = (
    "n",
    "failures",
    "spearman",
    "spearman_interval",
    "kendall",
    "kendall_interval",
    "retrieval",
    "top1",
    "best_of_top10",
    "best",
)
"""Of an :class:`.evaluation.Evaluation`, in a row of the result; the others are left out."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is compared, and on which images the measures other than ``gennas`` are taken."""

    metrics: tuple[str, ...]
    measures: tuple[Expression, ...]
    sample: Optional[int] = None
    batch_size: int = BATCH_SIZE
    image_size: int = IMAGE_SIZE


def expressions(text: str) -> list[Expression]:
    """The measures of a benchmark: those asked for, then ``params`` and ``flops`` if they are not among them."""
    return list(dict.fromkeys(parse_measures(text) + parse_measures(",".join(ALWAYS))))


def benchmark(scorer: GenNASScorer, table: Table, settings: BenchmarkSettings, run: Run, executor: Executor) -> Record:
    """Score architectures of the table with every measure and compare with the metrics.

    Which architectures depends on the scorer's seed and the first metric only. Returns ``rows``, one a measure and
    metric (see ``FIELDS``, with ``seconds_per_architecture`` including building, None where it is not known,
    and ``note`` where there is no ranking), and how they were obtained.

    Raises InputError for a measure that is not defined for the space, TableError for a column that the table
    lacks.
    """
    leaves = list(dict.fromkeys(leaf for expression in settings.measures for leaf in expression.leaves()))
    columns = {leaf.name: leaf.column for leaf in leaves if leaf.column is not None}
    names = [leaf.name for leaf in leaves if leaf.column is None]
    scorers = measure_scorers(names, scorer, settings.batch_size, settings.image_size)
    for column in [*settings.metrics, *columns.values()]:
        table.column(column)
    rows = table.rows(settings.sample, settings.metrics[0], np.random.default_rng(scorer.seed))
    started = time.perf_counter()
    found = score_all(scorers, rows["arch"].tolist(), run, executor)
    known = {name: [score.value for score in found[name]] for name in names}
    known.update({name: rows[column].tolist() for name, column in columns.items()})
    seconds = {name: _seconds(found[name]) for name in names}
    values = {str(expression): expression.value(known) for expression in settings.measures}
    space = table.space
    data: Record = {
        "rows": [
            {
                "measure": str(expression),
                "metric": metric,
                **_evaluated(values[str(expression)], rows[metric], scorer.seed),
                "seconds_per_architecture": _cost(expression, seconds),
            }
            for metric in settings.metrics
            for expression in settings.measures
        ],
        "space": space.name,
        "table": table.name,
        "metrics": list(settings.metrics),
        "architectures": len(rows),
        "unique": len({space.score_key(space.parse(text)) for text in rows["arch"]}),
        "seed": scorer.seed,
        "preset": scorer.preset.name,
        "preset_digest": scorer.preset.digest(),
        "batch_size": settings.batch_size,
        "image_size": settings.image_size,
        "seconds": time.perf_counter() - started,
        "failures": _reasons(found),
        "note": table.note,
    }
    run.write(PRESET, scorer.preset.model_dump(mode="json"))
    run.write(SUMMARY, data)
    if run.directory is not None:
        _frame(rows, settings.metrics, values).to_csv(run.directory / SCORES, index=False)
    return data


def _evaluated(scores: np.ndarray, truth: pd.Series, seed: int) -> Record:
    """The ``FIELDS``; where nothing can be ranked, None and the reason in ``note``."""
    try:
        found = evaluate(scores.tolist(), truth.tolist(), seed).as_dict()
    except InputError as error:
        failures = int((~np.isfinite(scores)).sum())
        return {**dict.fromkeys(FIELDS), "n": len(scores), "failures": failures, "note": str(error)}
    return {**{name: found[name] for name in FIELDS}, "note": ""}


def _seconds(scores: Sequence[Score]) -> float:
    """Mean over what was computed; architectures that share a value count once."""
    unique = {score.key: score.seconds for score in scores}
    return float(np.mean(list(unique.values())))


def _cost(expression: Expression, seconds: dict[str, float]) -> float | None:
    """Seconds of all members, each once; None if one is a column of the table."""
    names = {leaf.name for leaf in expression.leaves()}
    return sum(seconds[name] for name in names) if names <= set(seconds) else None


def _reasons(found: dict[str, list[Score]]) -> dict[str, dict[str, int]]:
    """Measure -> reason -> number of architectures, where there are failures."""
    counts: dict[str, dict[str, int]] = {}
    for name, scores in found.items():
        for score in scores:
            if score.status != "ok":
                reasons = counts.setdefault(name, {})
                reason = score.message or score.status
                reasons[reason] = reasons.get(reason, 0) + 1
    return counts


def _frame(rows: pd.DataFrame, metrics: Sequence[str], values: dict[str, np.ndarray]) -> pd.DataFrame:
    frame = rows[["arch", *metrics]].reset_index(drop=True)
    return pd.concat([frame, pd.DataFrame(values)], axis=1)
