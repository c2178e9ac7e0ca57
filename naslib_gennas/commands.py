"""What the longer commands do, callable from Python: correlate with ground truth, search and report."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .batch_scoring import ScorerSettings, score_many
from .evaluation import evaluate
from .presets import load_preset
from .runs import PRESET, SCORES, SUMMARY, Run
from .search import best_records, best_so_far, search_architectures
from .tables import Table

if TYPE_CHECKING:
    from .scoring import Scorer

STAND_IN = "'digits' is a small stand-in to try things, not evidence; the evidence is NAS-Bench"


def correlate(
    settings: ScorerSettings,
    table: Table,
    metric: str,
    sample: int | None,
    run: Run,
    workers: int = 1,
    curves: bool = False,
) -> dict[str, Any]:
    """Score ``sample`` architectures of the table (all of them if None) and compare with ``metric``.

    The draw depends on the seed only; ``curves``: see :func:`.batch_scoring.score_many`. Returns the fields of
    :class:`naslib_gennas.evaluation.Evaluation` and how they were obtained; also written to the run.
    """
    if sample is None:
        rows = table.frame[table.column(metric).notna()]
    else:
        rows = table.sample(sample, metric, np.random.default_rng(settings.seed))
    records = score_many(settings, rows["arch"].tolist(), run, workers, curves=curves)
    scores = [record["score"] for record in records]
    unique = {record["key"]: record for record in records}
    data = {
        **evaluate(scores, rows[metric].tolist()).as_dict(),
        "seconds_per_architecture": float(np.mean([record["seconds"] for record in unique.values()])),
        "unique": len(unique),
        "preset": settings.preset.name,
        "preset_digest": settings.preset.digest(),
        "space": settings.space,
        "metric": metric,
        "table": table.name,
        "seed": settings.seed,
        "note": STAND_IN if table.name == "digits" else "",
    }
    run.write(PRESET, settings.preset.model_dump(mode="json"))
    run.write(SUMMARY, data)
    if run.directory is not None:
        from .plotting import draw_scatter

        frame = rows[["arch", metric]].assign(gennas=scores)
        frame.to_csv(run.path(SCORES), index=False)
        draw_scatter(run.path("scatter.png"), scores, rows[metric].tolist(), metric, data)
    return data


def search(
    settings: ScorerSettings,
    run: Run,
    steps: int,
    options: dict[str, Any],
    max_seconds: float | None = None,
    table: Table | None = None,
    metric: str | None = None,
    final_preset: Any = None,
) -> dict[str, Any]:
    """Search and summarise: the best architectures and, where ``table`` knows them, their accuracy and rank.

    ``final_preset`` scores the ten best again (``final_score``) and decides their order.
    """
    if table is not None:
        metric = metric or table.default_metric
        table.column(metric)
    started = time.perf_counter()
    records = search_architectures(settings.make(), run, steps, max_seconds=max_seconds, **options)
    finalists = best_records(records)
    final = None if final_preset is None else load_preset(final_preset)
    if final is not None:
        finalists = _scored_again(finalists, replace(settings, preset=final).make())
    best = []
    for record in finalists:
        value = None if table is None else table.value(record["arch"], metric)
        rank = None if value is None else table.rank(value, metric)
        shown = {key: record[key] for key in ("arch", "score", "final_score", "step") if key in record}
        best.append({**shown, "accuracy": value, "rank": rank})
    data = {
        "space": settings.space,
        "preset": settings.preset.name,
        "seed": settings.seed,
        "final_preset": None if final is None else final.name,
        "engine": options.get("engine", "own"),
        "steps": len(records),
        "evaluated": len({record["key"] for record in records}),
        "seconds": time.perf_counter() - started,
        "metric": metric,
        "best": best,
    }
    run.write(PRESET, settings.preset.model_dump(mode="json"))
    run.write(SUMMARY, data)
    if run.directory is not None:
        from .plotting import draw_search

        curve = [record["score"] for record in best_so_far(records)]
        run.write("curve.json", curve)
        draw_search(run.path("curve.png"), records, curve)
    return data


def _scored_again(records: list[dict[str, Any]], scorer: Scorer) -> list[dict[str, Any]]:
    """The records with their ``final_score`` by ``scorer``, best first."""
    again = [{**record, "final_score": scorer.score(record["arch"]).score} for record in records]
    return sorted(again, key=lambda r: -math.inf if r["final_score"] is None else r["final_score"], reverse=True)
