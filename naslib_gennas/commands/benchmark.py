"""Several measures on the same architectures, and how well each ranks them.

A run directory of a benchmark holds, beside configuration and environment, ``results.jsonl`` (one record an
architecture and measure: arch, key, measure, score, status, seconds, message), ``scores.csv`` (one row an
architecture: its accuracies, and a column for each measure, ensembles included) and ``summary.json`` (what
:func:`benchmark` returns).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import GenNASError, InputError
from ..evaluation import evaluate
from ..executors.processes import ScorerSettings, run_jobs
from ..progress import progress
from ..runs.run import PRESET, SCORES, SUMMARY, Run
from ..scoring.ensemble import Expression, parse_measures
from ..scoring.measure import BATCH_SIZE, IMAGE_SIZE, MeasureScorer, check_applicable
from ..spaces import load_space
from ..tables import Table
from .correlate import STAND_IN

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
    """What a worker process needs to make its own :class:`.measures.scoring.MeasureScorer`."""

    scorer: ScorerSettings
    measures: tuple[str, ...]
    batch_size: int = BATCH_SIZE
    image_size: int = IMAGE_SIZE

    def make(self) -> MeasureScorer:
        batch = self.batch_size, self.scorer.images, self.image_size
        return MeasureScorer(self.scorer.make(), self.measures, *batch)


def expressions(text: str) -> list[Expression]:
    """The measures of a benchmark: those asked for, then ``params`` and ``flops`` if they are not among them."""
    return list(dict.fromkeys(parse_measures(text) + parse_measures(",".join(ALWAYS))))


def benchmark(
    settings: ScorerSettings,
    table: Table,
    metrics: Sequence[str],
    measures: Sequence[Expression],
    sample: int | None,
    run: Run,
    workers: int = 1,
    batch_size: int = BATCH_SIZE,
    image_size: int = IMAGE_SIZE,
) -> dict[str, Any]:
    """Score ``sample`` architectures of the table (all if None) with every measure and compare with ``metrics``.

    Which architectures depends on the seed and the first metric only. Returns ``rows``, one a measure and
    metric (see ``FIELDS``, with ``seconds_per_architecture`` including building, None where it is not known,
    and ``note`` where there is no ranking), and how they were obtained.

    Raises InputError for a measure that is not defined for the space, TableError for a column that the table
    lacks.
    """
    leaves = list(dict.fromkeys(leaf for expression in measures for leaf in expression.leaves()))
    computed = tuple(leaf.name for leaf in leaves if leaf.column is None)
    check_applicable(computed, load_space(settings.space))
    for column in [*metrics, *(leaf.column for leaf in leaves if leaf.column is not None)]:
        table.column(column)
    rows = _rows(table, metrics[0], sample, settings.seed)
    started = time.perf_counter()
    records = score_measures(
        BenchmarkSettings(settings, computed, batch_size, image_size), rows["arch"].tolist(), run, workers
    )
    columns = {name: [record["score"] for record in found] for name, found in records.items()}
    columns.update({leaf.name: rows[leaf.column].tolist() for leaf in leaves if leaf.column is not None})
    seconds = {name: _seconds(found) for name, found in records.items()}
    values = {str(expression): expression.value(columns) for expression in measures}
    data = {
        "rows": [
            {
                "measure": str(expression),
                "metric": metric,
                **_evaluated(values[str(expression)], rows[metric], settings.seed),
                "seconds_per_architecture": _cost(expression, seconds),
            }
            for metric in metrics
            for expression in measures
        ],
        "space": table.space.name,
        "table": table.name,
        "metrics": list(metrics),
        "architectures": len(rows),
        "unique": len({record["key"] for found in records.values() for record in found}),
        "seed": settings.seed,
        "preset": settings.preset.name,
        "preset_digest": settings.preset.digest(),
        "batch_size": batch_size,
        "image_size": image_size,
        "seconds": time.perf_counter() - started,
        "failures": _reasons(records),
        "note": STAND_IN if table.name == "digits" else "",
    }
    run.write(PRESET, settings.preset.model_dump(mode="json"))
    run.write(SUMMARY, data)
    if run.directory is not None:
        _frame(rows, metrics, values).to_csv(run.path(SCORES), index=False)
    return data


def score_expression(
    settings: ScorerSettings,
    expression: Expression,
    texts: Sequence[str],
    run: Run,
    workers: int = 1,
    on_error: str = "record",
    image_size: int = IMAGE_SIZE,
) -> list[dict[str, Any]]:
    """Records of ``texts`` in their order: arch, key, score, status, seconds, message.

    The scores of an ensemble hold within this set of architectures. InputError for a column of a table, or a
    measure that is not defined for the space.
    """
    leaves = list(dict.fromkeys(expression.leaves()))
    for leaf in leaves:
        if leaf.column is not None:
            raise InputError(f"{leaf} is a column of ground truth, which only `gennas benchmark --table` has")
    names = tuple(leaf.name for leaf in leaves)
    check_applicable(names, load_space(settings.space))
    bound = BenchmarkSettings(settings, names, image_size=image_size)
    records = score_measures(bound, texts, run, workers, on_error)
    scores = expression.value({name: [record["score"] for record in found] for name, found in records.items()})
    return [_combined(float(score), members) for score, *members in zip(scores, *records.values())]


def _combined(score: float, members: list[dict[str, Any]]) -> dict[str, Any]:
    """One record of an architecture from those of the members of an expression."""
    ok = bool(np.isfinite(score))
    return {
        "arch": members[0]["arch"],
        "key": members[0]["key"],
        "score": score if ok else None,
        "status": "ok" if ok else members[0]["status"],
        "seconds": sum(member["seconds"] for member in members),
        "message": "; ".join(f"{m['measure']}: {m['message']}" for m in members if m["status"] != "ok"),
    }


def score_measures(
    settings: BenchmarkSettings, texts: Sequence[str], run: Run, workers: int = 1, on_error: str = "record"
) -> dict[str, list[dict[str, Any]]]:
    """Measure -> records of ``texts`` in their order; those that ``run`` already holds are not computed again.

    on_error: ``record`` a measure that fails and go on, or ``stop`` (GenNASError).
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    known = {(record["arch"], record["measure"]): record for record in run.records}
    space = load_space(settings.scorer.space)
    jobs: dict[str, list[str]] = defaultdict(list)  # architectures that share the regression go together
    for text in dict.fromkeys(texts):
        if any((text, name) not in known for name in settings.measures):
            jobs[space.score_key(space.parse(text))].append(text)
    results = run_jobs(settings, list(jobs.values()), workers, _measure_job)
    for bundle in progress(results, len(jobs), "measuring"):
        for record in bundle:
            if (record["arch"], record["measure"]) not in known:
                known[record["arch"], record["measure"]] = record
                run.append(record)
            if record["status"] == "failed" and on_error == "stop":
                raise GenNASError(f"{record['measure']} of {record['arch']}: {record['message']}")
    return {name: [known[text, name] for text in texts] for name in settings.measures}


def _measure_job(scorer: MeasureScorer, texts: list[str]) -> list[dict[str, Any]]:
    return [record for text in texts for record in scorer.score(text)]


def _rows(table: Table, metric: str, sample: int | None, seed: int) -> pd.DataFrame:
    if sample is None:
        return table.frame[table.column(metric).notna()]
    return table.sample(sample, metric, np.random.default_rng(seed))


def _evaluated(scores: np.ndarray, truth: pd.Series, seed: int) -> dict[str, Any]:
    """The ``FIELDS``; where nothing can be ranked, None and the reason in ``note``."""
    try:
        found = evaluate(scores.tolist(), truth.tolist(), seed).as_dict()
    except InputError as error:
        failures = int((~np.isfinite(scores)).sum())
        return {**dict.fromkeys(FIELDS), "n": len(scores), "failures": failures, "note": str(error)}
    return {**{name: found[name] for name in FIELDS}, "note": ""}


def _seconds(records: list[dict[str, Any]]) -> float:
    """Mean over what was computed; architectures that share a regression count once."""
    unique = {(r["key"] if r["measure"] == "gennas" else r["arch"]): r["seconds"] for r in records}
    return float(np.mean(list(unique.values())))


def _cost(expression: Expression, seconds: dict[str, float]) -> float | None:
    """Seconds of all members, each once; None if one is a column of the table."""
    names = {leaf.name for leaf in expression.leaves()}
    return sum(seconds[name] for name in names) if names <= set(seconds) else None


def _reasons(records: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, int]]:
    """Measure -> reason -> number of architectures, where there are failures."""
    counts: dict[str, dict[str, int]] = {}
    for name, found in records.items():
        for record in found:
            if record["status"] != "ok":
                reasons = counts.setdefault(name, {})
                reason = record["message"] or record["status"]
                reasons[reason] = reasons.get(reason, 0) + 1
    return counts


def _frame(rows: pd.DataFrame, metrics: Sequence[str], values: dict[str, np.ndarray]) -> pd.DataFrame:
    frame = rows[["arch", *metrics]].reset_index(drop=True)
    return pd.concat([frame, pd.DataFrame(values)], axis=1)
