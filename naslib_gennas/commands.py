"""What the longer commands do, callable from Python: correlate with ground truth, search and report."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .batch_scoring import ScorerSettings, score_many
from .errors import InputError
from .evaluation import evaluate
from .runs import PRESET, SCORES, SUMMARY, Run
from .search import best_so_far, search_architectures
from .search.finals import SHOWN, final_preset, final_seed, finals
from .tables import Table

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
    finalists: int = SHOWN,
    final: Any = None,
) -> dict[str, Any]:
    """Search and summarise: the best architectures and, where ``table`` knows them, their accuracy and rank.

    finalists: how many of the best are scored again (``final_score``) and ordered by that, see :mod:`.search.finals`.
    final: the preset that does it; None is the search's own with 16 repeats.
    Raises InputError for bad settings.
    """
    if table is not None:
        metric = metric or table.default_metric
        table.column(metric)
    if finalists < 0:
        raise InputError(f"finalists must be at least 0, got {finalists}")
    last = final_preset(settings.preset, final)
    started = time.perf_counter()
    records = search_architectures(settings.make(), run, steps, max_seconds=max_seconds, **options)
    best = []
    for record in finals(settings, run, finalists, last):
        value = None if table is None else table.value(record["arch"], metric)
        rank = None if value is None else table.rank(value, metric)
        shown = {key: record[key] for key in ("arch", "score", "final_score", "step") if key in record}
        best.append({**shown, "accuracy": value, "rank": rank})
    data = {
        "space": settings.space,
        "preset": settings.preset.name,
        "seed": settings.seed,
        "finalists": finalists,
        "final_preset": last.name,
        "final_repeats": last.fidelity.repeats,
        "final_seed": final_seed(settings.seed),
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
