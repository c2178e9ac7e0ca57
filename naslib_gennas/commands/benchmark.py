"""Several measures on the same architectures, and how well each ranks them.

A run directory of a benchmark holds, beside configuration and environment, ``results.jsonl`` (one record an
architecture and measure: arch, key, measure, score, status, seconds, message), ``scores.csv`` (one row an
architecture: its accuracies, and a column for each measure, ensembles included) and ``summary.json`` (the
record of the :class:`BenchmarkResult`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
import pandas as pd

from .. import predictors  # noqa: F401 - it registers fit:
from ..errors import InputError
from ..evaluation import Evaluation, evaluate
from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..runs.run import PRESET, SCORES, SUMMARY, Record, Run
from ..scoring.ensemble import Expression, parse_measures
from ..scoring.gennas import GenNASScorer
from ..scoring.measure import BATCH_SIZE, IMAGE_SIZE, measure_scorers
from ..scoring.score import Score
from ..tables import Table
from .ground_truth import check_ranking
from .result import Result

ALWAYS = ("params", "flops")
FIELDS = (
    "spearman",
    "spearman_interval",
    "kendall",
    "kendall_interval",
    "retrieval",
    "top1",
    "best_of_top10",
    "best",
)
"""Of an :class:`.evaluation.Evaluation`, in the record of a row; the others are left out."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is compared, and on which images the measures other than ``gennas`` are taken."""

    metrics: tuple[str, ...]
    measures: tuple[Expression, ...]
    sample: Optional[int] = None
    batch_size: int = BATCH_SIZE
    image_size: int = IMAGE_SIZE


@dataclass(frozen=True)
class BenchmarkRow(Result):
    """A measure against a metric.

    Attributes:
        measure: a measure, an ensemble, or ``table:COLUMN``.
        metric: column of the table.
        n: architectures compared, failed ones included.
        failures: of them, those without a score.
        evaluation: None where nothing can be ranked; ``note`` says why.
        note: empty where there is an evaluation.
        seconds_per_architecture: of all members of an ensemble, building included; None where it is not known.
    """

    measure: str
    metric: str
    n: int
    failures: int
    evaluation: Optional[Evaluation]
    note: str
    seconds_per_architecture: Optional[float]

    def as_record(self) -> Record:
        """One JSON object, with the ``FIELDS`` of the evaluation, None where there is none, in its place."""
        found = {} if self.evaluation is None else self.evaluation.as_dict()
        return {
            "measure": self.measure,
            "metric": self.metric,
            "n": self.n,
            "failures": self.failures,
            **{name: found.get(name) for name in FIELDS},
            "note": self.note,
            "seconds_per_architecture": self.seconds_per_architecture,
        }


@dataclass(frozen=True)
class BenchmarkResult(Result):
    """How well measures rank the same architectures, and how that was obtained.

    Attributes:
        rows: one a metric and measure, metric by metric.
        space: its name.
        table: name of the table, or its file.
        metrics: columns of the table.
        architectures: how many were scored.
        unique: of them, how many do not share their scores with another.
        seed: of the scorers and the draw of architectures.
        preset: name of the preset of ``gennas``.
        preset_digest: of its content.
        batch_size: images for the other measures.
        image_size: pixels a side of these images.
        seconds: all that it took.
        failures: measure -> reason -> number of architectures, where there are failures.
        note: what the reader should know of the table.
    """

    rows: tuple[BenchmarkRow, ...]
    space: str
    table: str
    metrics: tuple[str, ...]
    architectures: int
    unique: int
    seed: int
    preset: str
    preset_digest: str
    batch_size: int
    image_size: int
    seconds: float
    failures: Mapping[str, Mapping[str, int]]
    note: str


def expressions(text: str) -> list[Expression]:
    """The measures of a benchmark: those asked for, then ``params`` and ``flops`` if they are not among them."""
    return list(dict.fromkeys(parse_measures(text) + parse_measures(",".join(ALWAYS))))


def benchmark(
    scorer: GenNASScorer, table: Table, settings: BenchmarkSettings, run: Run, executor: Executor
) -> BenchmarkResult:
    """Score architectures of the table with every measure and compare with the metrics.

    Which architectures depends on the scorer's seed and the first metric only. The result is written to the run, too.

    Raises InputError for a measure that is not defined for the space, TableError for a column that the table
    lacks or by which it cannot be ranked.
    """
    leaves = list(dict.fromkeys(leaf for expression in settings.measures for leaf in expression.leaves()))
    columns = {leaf.name: leaf.column for leaf in leaves if leaf.column is not None}
    names = [leaf.name for leaf in leaves if leaf.column is None]
    scorers = measure_scorers(names, scorer, settings.batch_size, settings.image_size)
    for column in [*settings.metrics, *columns.values()]:
        table.column(column)
    rows = table.rows(settings.sample, settings.metrics[0], np.random.default_rng(scorer.seed))
    check_ranking(table, rows, settings.metrics)
    started = time.perf_counter()
    found = score_all(scorers, rows["arch"].tolist(), run, executor)
    known = {name: [score.value for score in found[name]] for name in names}
    known.update({name: rows[column].tolist() for name, column in columns.items()})
    values = {str(expression): expression.value(known) for expression in settings.measures}
    result = _result(scorer, table, settings, _Scored(rows, found, values, started))
    run.write(PRESET, scorer.preset.model_dump(mode="json"))
    run.write(SUMMARY, result.as_record())
    if run.directory is not None:
        _frame(rows, settings.metrics, values).to_csv(run.directory / SCORES, index=False)
    return result


@dataclass(frozen=True, eq=False)
class _Scored:
    """Rows of the table, their scores by measure, the values of measures, columns and ensembles; when it began."""

    rows: pd.DataFrame
    found: dict[str, list[Score]]
    values: dict[str, np.ndarray]
    started: float


def _result(scorer: GenNASScorer, table: Table, settings: BenchmarkSettings, scored: _Scored) -> BenchmarkResult:
    space, texts = table.space, scored.rows["arch"].tolist()
    return BenchmarkResult(
        rows=_rows(settings, scored, scorer.seed),
        space=space.name,
        table=table.name,
        metrics=settings.metrics,
        architectures=len(texts),
        unique=len({space.score_key(space.parse(text)) for text in texts}),
        seed=scorer.seed,
        preset=scorer.preset.name,
        preset_digest=scorer.preset.digest(),
        batch_size=settings.batch_size,
        image_size=settings.image_size,
        seconds=time.perf_counter() - scored.started,
        failures=_reasons(scored.found),
        note=table.note,
    )


def _rows(settings: BenchmarkSettings, scored: _Scored, seed: int) -> tuple[BenchmarkRow, ...]:
    seconds = {name: _seconds(scores) for name, scores in scored.found.items()}
    costs = {str(expression): _cost(expression, seconds) for expression in settings.measures}
    return tuple(
        _row(measure, metric, scored.values[measure], scored.rows[metric], cost, seed)
        for metric in settings.metrics
        for measure, cost in costs.items()
    )


def _row(
    measure: str, metric: str, scores: np.ndarray, truth: pd.Series, cost: Optional[float], seed: int
) -> BenchmarkRow:
    try:
        found = evaluate(scores.tolist(), truth.tolist(), seed)
    except InputError as error:
        failures = int((~np.isfinite(scores)).sum())
        return BenchmarkRow(measure, metric, len(scores), failures, None, str(error), cost)
    return BenchmarkRow(measure, metric, found.n, found.failures, found, "", cost)


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
