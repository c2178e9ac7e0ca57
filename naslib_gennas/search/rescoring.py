"""The last round of a search: its best architectures scored again, because one draw of a score has chosen them.

A score depends on the draw of targets and weights by more than the best architectures differ, so the highest score of
hundreds belongs to a lucky architecture as easily as to a good one. The mean over several draws tells them apart.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..executors.processes import ScorerSettings, score_many
from ..proxy.presets import Preset, load_preset
from ..runs.run import Run
from .architectures import best_records

REPEATS = 16
OTHER_SEED = 1_000_000  # further than anybody counts: the draw that chose an architecture must not judge it again
SHOWN = 10


def final_preset(preset: Preset, named: Any = None) -> Preset:
    """The preset of the last round: the one ``named``, or that of the search with at least 16 repeats."""
    if named is not None:
        return load_preset(named)
    return preset.with_fidelities(lambda fidelity: {"repeats": max(REPEATS, fidelity.repeats)})


def final_seed(seed: int) -> int:
    """The seed of the last round, whose draws are none of those that the search used."""
    return seed + OTHER_SEED


def finals(settings: ScorerSettings, run: Run, count: int, preset: Preset, shown: int = SHOWN) -> list[dict[str, Any]]:
    """The best records of ``run``: ``count`` with a ``final_score`` by ``preset``, in its order, then others as found.

    At least ``shown`` records where the run has them. Final scores are kept in a run of their own, in the directory
    of ``run``, and are not computed twice. A final score is None, and ranks last, where the network diverges or fails.
    """
    best = best_records(run.records, max(count, shown))
    again, others = best[:count], best[count:]
    settings = replace(settings, preset=preset, seed=final_seed(settings.seed))
    config = {"command": "final", "preset": preset.name, "preset_digest": preset.digest(), "seed": settings.seed}
    with run.inside(f"final-{preset.digest()}", config) as final_run:
        records = score_many(settings, [record["arch"] for record in again], final_run)
    again = [{**record, "final_score": final["score"]} for record, final in zip(again, records)]
    return sorted(again, key=_final, reverse=True) + others


def _final(record: dict[str, Any]) -> float:
    return -math.inf if record["final_score"] is None else record["final_score"]
