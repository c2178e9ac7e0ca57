"""The last round of a search: its best architectures scored again, because one draw of a score has chosen them.

A score depends on the draw of targets and weights by more than the best architectures differ, so the highest score of
hundreds belongs to a lucky architecture as easily as to a good one. The mean over several draws tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..proxy.presets import Preset, load_preset
from ..runs.run import Run
from ..scoring.gennas import GenNASScorer
from ..scoring.score import Score
from .architectures import Step, best_steps

REPEATS = 16
OTHER_SEED = 1_000_000  # further than anybody counts: the draw that chose an architecture must not judge it again
SHOWN = 10


@dataclass(frozen=True)
class Finalist:
    """One of the best of a search; ``final`` is its score by other draws, None if it was not scored again."""

    step: Step
    final: Optional[Score] = None


def final_preset(preset: Preset, named: Union[str, Path, Preset, None] = None) -> Preset:
    """The preset of the last round: the one ``named``, or that of the search with at least 16 repeats."""
    if named is not None:
        return load_preset(named)
    return preset.with_fidelities(lambda fidelity: {"repeats": max(REPEATS, fidelity.repeats)})


def final_scorer(scorer: GenNASScorer, preset: Preset) -> GenNASScorer:
    """The scorer of the last round, whose draws are none of those that the search used."""
    return GenNASScorer(scorer.space, preset, scorer.seed + OTHER_SEED, str(scorer.device), scorer.images)


def finals(
    steps: Sequence[Step], run: Run, count: int, scorer: GenNASScorer, executor: Executor, shown: int = SHOWN
) -> list[Finalist]:
    """The best of ``steps``: ``count`` with a final score by ``scorer``, in its order, then others as found.

    At least ``shown`` of them where the search has them. Final scores are kept in a run of their own, in the
    directory of ``run``, and are not computed twice. A final score without a value ranks last.
    """
    best = best_steps(steps, max(count, shown))
    config = {"command": "final", **scorer.identity()}
    with run.inside(f"final-{scorer.preset.digest()}", config) as kept:
        found = score_all([scorer], [step.score.arch for step in best[:count]], kept, executor)[scorer.measure]
    again = [Finalist(step, final) for step, final in zip(best, found)]
    return sorted(again, key=_final, reverse=True) + [Finalist(step) for step in best[count:]]


def _final(finalist: Finalist) -> float:
    return -math.inf if finalist.final is None or finalist.final.value is None else finalist.final.value
