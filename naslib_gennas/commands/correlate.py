"""What the longer commands do, callable from Python: correlate with ground truth, search and report."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..evaluation import evaluate
from ..executors.processes import ScorerSettings, score_many
from ..runs.run import PRESET, SCORES, SUMMARY, Run
from ..tables import Table

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
        from ..report.plotting import draw_scatter

        frame = rows[["arch", metric]].assign(gennas=scores)
        frame.to_csv(run.path(SCORES), index=False)
        draw_scatter(run.path("scatter.png"), scores, rows[metric].tolist(), metric, data)
    return data
