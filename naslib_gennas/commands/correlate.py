"""Compare the ranking by score with ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import numpy as np

from ..evaluation import evaluate
from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..report.plotting import Labels, draw_scatter
from ..runs.run import PRESET, SCORES, SUMMARY, Record, Run
from ..scoring.gennas import GenNASScorer
from ..tables import Table


def correlate(
    scorer: GenNASScorer,
    table: Table,
    metric: str,
    sample: Optional[int],
    run: Run,
    executor: Executor,
    curves: bool = False,
) -> Record:
    """Score ``sample`` architectures of the table (all of them if None) and compare with ``metric``.

    The draw depends on the seed only; ``curves``: see :func:`.executors.scores.score_all`. Returns the fields of
    :class:`naslib_gennas.evaluation.Evaluation` and how they were obtained; also written to the run.
    """
    rows = table.rows(sample, metric, np.random.default_rng(scorer.seed))
    found = score_all([scorer], rows["arch"].tolist(), run, executor, curves=curves)[scorer.measure]
    values = [score.value for score in found]
    unique = {score.key: score for score in found}
    data = {
        **evaluate(values, rows[metric].tolist()).as_dict(),
        "seconds_per_architecture": float(np.mean([score.seconds for score in unique.values()])),
        "unique": len(unique),
        "preset": scorer.preset.name,
        "preset_digest": scorer.preset.digest(),
        "space": scorer.space.source,
        "metric": metric,
        "table": table.name,
        "seed": scorer.seed,
        "note": table.note,
    }
    run.write(PRESET, scorer.preset.model_dump(mode="json"))
    run.write(SUMMARY, data)
    if run.directory is not None:
        rows[["arch", metric]].assign(gennas=np.array(values, dtype=float)).to_csv(run.directory / SCORES, index=False)
        draw_scatter(run.directory / "scatter.png", values, rows[metric].tolist(), _labels(data))
    return data


def _labels(data: Record) -> Labels:
    return Labels(
        f"score ({data['preset']})",
        f"{data['metric']} ({Path(data['table']).name})",
        f"{data['space']}: rho {data['spearman']:.3f}, tau {data['kendall']:.3f}, n {data['n']}",
    )
