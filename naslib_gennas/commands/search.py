"""Search for the best architectures, and say what ground truth knows of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional, Union

from ..errors import InputError
from ..evaluation import best_so_far
from ..executors.protocol import ALONE, Resources, open_executor
from ..executors.scores import ScorerElsewhere
from ..plugin.search import choose_engine, naslib_search
from ..proxy.presets import Preset
from ..report.plotting import draw_search
from ..runs.run import PRESET, SUMMARY, Record, Run
from ..scoring.gennas import GenNASScorer, check_kind
from ..search.architectures import Engine, SearchSettings, own_engine, search_architectures
from ..search.rescoring import SHOWN, Finalist, final_preset, final_scorer, finals
from ..tables import Table

ENGINES: dict[str, Engine] = {"own": own_engine, "naslib": naslib_search}


def find_engine(
    name: Optional[str], scorer: GenNASScorer, algorithm: str, checkout: Optional[str] = None
) -> tuple[str, str]:
    """The engine to search with, and why; see :func:`naslib_gennas.plugin.search.choose_engine`."""
    return choose_engine(name, scorer.space.name, algorithm, checkout)


def search(
    scorer: GenNASScorer,
    run: Run,
    settings: SearchSettings,
    engine: str = "own",
    resources: Resources = ALONE,
    table: Optional[Table] = None,
    metric: Optional[str] = None,
    finalists: int = SHOWN,
    final: Union[str, Path, Preset, None] = None,
) -> Record:
    """Search and summarise: the best architectures and, where ``table`` knows them, their accuracy and rank.

    finalists: how many of the best are scored again (``final_score``) and ordered by that, see
    :mod:`.search.rescoring`. final: the preset that does it; None is the search's own with 16 repeats.
    Raises InputError for bad settings.
    """
    if table is not None:
        metric = metric or table.default_metric
        table.column(metric)
    if finalists < 0:
        raise InputError(f"finalists must be at least 0, got {finalists}")
    last = final_preset(scorer.preset, final)
    check_kind(scorer.space, last)
    again = final_scorer(scorer, last)
    started = time.perf_counter()
    with open_executor(resources) as executor:
        steps = search_architectures(ScorerElsewhere(scorer, executor), run, settings, ENGINES[engine])
    with open_executor(resources) as executor:
        best = finals(steps, run, finalists, again, executor)
    data: Record = {
        "space": scorer.space.source,
        "preset": scorer.preset.name,
        "seed": scorer.seed,
        "finalists": finalists,
        "final_preset": last.name,
        "final_repeats": last.fidelity.repeats,
        "final_seed": again.seed,
        "engine": engine,
        "steps": len(steps),
        "evaluated": len({step.score.key for step in steps}),
        "seconds": time.perf_counter() - started,
        "metric": metric,
        "best": [_shown(finalist, table, metric) for finalist in best],
    }
    run.write(PRESET, scorer.preset.model_dump(mode="json"))
    run.write(SUMMARY, data)
    values = [step.score.value for step in steps]
    run.write("curve.json", [value for value in best_so_far(values) if value is not None])
    draw_search(run.path("curve.png"), values)
    return data


def _shown(finalist: Finalist, table: Optional[Table], metric: Optional[str]) -> Record:
    score = finalist.step.score
    value = None if table is None else table.value(score.arch, metric)
    final = {} if finalist.final is None else {"final_score": finalist.final.value}
    return {
        "arch": score.arch,
        "score": score.value,
        **final,
        "step": finalist.step.number,
        "accuracy": value,
        "rank": None if value is None or table is None else table.rank(value, metric),
    }
