"""A short search for a proxy task on labels that happen to be there, without a table or a run directory."""

from __future__ import annotations

from collections.abc import Sequence

from .. import __version__
from ..errors import InputError
from ..executors.here import Here
from ..proxy.presets import Preset
from ..runs.run import Run
from .fitness import TaskFitness
from .labels import check_labels, spread
from .scorer import TaskScores, TaskWork
from .search import Rules, best_task, search_tasks, task_of
from .significance import CONFIDENCE, kept_start
from .space import searched_preset, task_space

POPULATION, TOURNAMENT, STEPS = 8, 4, 16


def adapted_preset(
    preset: Preset,
    space: str,
    texts: Sequence[str],
    labels: Sequence[float],
    seed: int = 0,
    device: str = "cpu",
    steps: int = STEPS,
) -> Preset:
    """The task that ranks the labelled architectures best, of ``preset``'s own and 7 + ``steps`` others.

    Its own stays unless the best beats it beyond chance (:mod:`.significance`). Fidelity and stage weights stay those
    of ``preset``; ``rho`` in the result's ``source`` is on the labels that it was chosen by. Of an architecture that
    occurs twice the first label counts. Raises InputError for fewer than 5 labels, labels that are not finite or
    all equal, GenNASError if no task gives a ranking.
    """
    if len(texts) != len(labels):
        raise InputError(f"every architecture needs a label; got {len(texts)} architectures and {len(labels)} labels")
    known: dict[str, float] = {}
    for text, label in zip(texts, labels):
        known.setdefault(text, float(label))
    check_labels(list(known.values()))
    order, names = spread(list(known.values())), list(known)
    tasks = task_space(preset)
    ordered = [known[names[i]] for i in order]
    fitness = TaskFitness([names[i] for i in order], ordered, TaskScores(TaskWork(space, seed, device), Here()))
    rules = Rules(steps, population=POPULATION, tournament=TOURNAMENT, warm_start=(preset,), seed=seed)
    records = search_tasks(tasks, fitness, Run(None, {}), rules)
    best, start = best_task(records), kept_start(records, 1, [ordered], CONFIDENCE, seed)
    verdict = "the best of them"
    if start is not None and start.kept:
        verdict = f"better than its own in {start.probability:.0%} of resamples, so that its own stays"
        best = records[start.step]
    source = (
        f"naslib_gennas {__version__}: evolution from {preset.name}, {len(records)} tasks, seed {seed}, "
        f"{len(known)} labels of {space}; {verdict}; rho {best.rho:.3f} on these labels"
    )
    task = task_of(tasks, best, "the best task")
    return searched_preset(task, f"{preset.name}-adapted", f"task searched on {len(known)} labels of {space}", source)
