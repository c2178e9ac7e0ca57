from __future__ import annotations

import time
from typing import Any

from ..errors import InputError
from ..executors.processes import ScorerSettings
from ..runs.run import PRESET, SUMMARY, Run
from ..search import best_so_far, search_architectures
from ..search.rescoring import SHOWN, final_preset, final_seed, finals
from ..tables import Table


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
        from ..report.plotting import draw_search

        curve = [record["score"] for record in best_so_far(records)]
        run.write("curve.json", curve)
        draw_search(run.path("curve.png"), records, curve)
    return data
