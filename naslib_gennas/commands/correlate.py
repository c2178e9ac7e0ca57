"""Compare the ranking by score with ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from ..evaluation import Evaluation, evaluate
from ..executors.protocol import Executor
from ..report.plotting import Labels, draw_scatter
from ..runs.run import PRESET, SCORES, SPECTRA, SUMMARY, Record, Run
from ..scoring.gennas import GenNASScorer
from ..scoring.score import GENNAS, Score
from ..scoring.spectra import spectra
from ..tables import Table
from .ground_truth import check_ranking
from .result import Result
from .score import scores_by

SPECTRA_SHOWN = 200  # architectures whose spectra a run keeps


@dataclass(frozen=True)
class CorrelationResult(Result):
    """How well a scorer ranks architectures, and how that was obtained.

    Attributes:
        evaluation: the scores against ``metric``.
        measure: ``gennas``, another, or an ensemble of several.
        seconds_per_architecture: mean over what was computed, building included.
        unique: architectures that do not share a score with another.
        preset: its name.
        preset_digest: of its content.
        space: the name or text that the space was opened by.
        metric: column of the table.
        table: name of the table, or its file.
        seed: of the scorer and the draw of architectures.
        note: what the reader should know of the table.
    """

    evaluation: Evaluation
    seconds_per_architecture: float
    unique: int
    preset: str
    preset_digest: str
    space: str
    metric: str
    table: str
    seed: int
    note: str
    measure: str = GENNAS

    def as_record(self) -> Record:
        """One JSON object: the fields of the evaluation, then the others."""
        others = super().as_record()
        del others["evaluation"]
        return {**self.evaluation.as_dict(), **others}


def correlate(
    scorer: GenNASScorer,
    table: Table,
    metric: str,
    sample: Optional[int],
    run: Run,
    executor: Executor,
    curves: bool = False,
    measure: str = GENNAS,
) -> CorrelationResult:
    """Score ``sample`` architectures of the table (all of them if None) and compare with ``metric``.

    The draw depends on the seed only; ``curves``: see :func:`.executors.scores.score_all`; ``measure``: by which they
    are scored. The result is written to the run, too. InputError where nothing can be ranked (TableError, before
    anything is scored, if that is because of the table), and for a measure that is not defined for the space.
    """
    rows = table.rows(sample, metric, np.random.default_rng(scorer.seed))
    check_ranking(table, rows, [metric])
    texts = rows["arch"].tolist()
    found = scores_by(measure, scorer, texts, run, executor, curves=curves)
    values = [score.value for score in found]
    result = _result(scorer, table, metric, measure, found, evaluate(values, rows[metric].tolist()))
    run.write(PRESET, scorer.preset.model_dump(mode="json"))
    run.write(SUMMARY, result.as_record())
    if run.directory is not None:
        seen = spectra(scorer, texts[:SPECTRA_SHOWN]) if measure == GENNAS else None
        if seen is not None:
            run.write(SPECTRA, seen.as_record())
        scores = rows[["arch", metric]].assign(**{measure: np.array(values, dtype=float)})
        scores.to_csv(run.directory / SCORES, index=False)
        draw_scatter(run.directory / "scatter.png", values, rows[metric].tolist(), _labels(result))
    return result


def _result(
    scorer: GenNASScorer, table: Table, metric: str, measure: str, found: list[Score], evaluation: Evaluation
) -> CorrelationResult:
    unique = {score.key: score for score in found}
    return CorrelationResult(
        evaluation=evaluation,
        seconds_per_architecture=float(np.mean([score.seconds for score in unique.values()])),
        unique=len(unique),
        preset=scorer.preset.name,
        preset_digest=scorer.preset.digest(),
        space=scorer.space.source,
        metric=metric,
        table=table.name,
        seed=scorer.seed,
        note=table.note,
        measure=measure,
    )


def _labels(result: CorrelationResult) -> Labels:
    found = result.evaluation
    return Labels(
        f"score ({result.preset})" if result.measure == GENNAS else result.measure,
        f"{result.metric} ({Path(result.table).name})",
        f"{result.space}: rho {found.spearman:.3f}, tau {found.kendall:.3f}, n {found.n}",
    )
