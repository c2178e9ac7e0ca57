"""A whole task search: labels drawn, tasks searched, the best one written, checked on other labels and elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Optional

from .. import __version__
from ..errors import RunError
from ..executors.protocol import ALONE, Resources, open_executor
from ..proxy.presets import Preset
from ..report.plotting import draw_task_curves
from ..runs.run import CONFIG, RESULTS, SUMMARY, Run
from ..texts import parse_json
from .checks import Source, Transfer, checked, labelled_agreement, split_half
from .draws import Labelled, also_labelled, elsewhere, split
from .fitness import Fitness, JointFitness, TaskFitness
from .read_out import ReadOutScores, reading
from .record import TaskRecord
from .result import BestTask, Findings, FoundTask, TaskSearchResult, savings
from .scorer import TaskScores, TaskWork
from .search import best_rho_so_far, best_task, front, search_tasks, task_of
from .settings import COMMAND, TaskSearchSettings
from .significance import check_confidence, kept_start
from .space import searched_preset

TASK, CURVE, PICTURE = "task.yaml", "curve.json", "curve.png"
FOUND = "found.yaml"  # the best on the labels, where the start was kept
RANDOM = "random"  # folder of the baseline


def task_search(
    settings: TaskSearchSettings,
    run: Run,
    steps: int = 400,
    resources: Resources = ALONE,
    max_seconds: Optional[float] = None,
) -> TaskSearchResult:
    """Search, write ``task.yaml`` and ``summary.json`` to the run, and return how good the task is and what it cost.

    ``task.yaml`` is the best task on the labels, or the one started from if that one is kept (:mod:`.significance`);
    the best is then ``found.yaml``.
    """
    check_confidence(settings.confidence)
    space = settings.task_space()
    for directory in settings.compare:
        read_curve(directory)
    first, others = split(settings)
    labelled = [first, *(also_labelled(settings, place) for place in settings.also)]
    transfers = [elsewhere(settings, place, labelled) for place in settings.transfer]
    records = _records(settings, labelled, run, steps, resources, max_seconds)
    best = best_task(records)
    along = [] if settings.objective == "rho" else front(records, settings.objective)
    found, *members = (
        task_of(space, record, f"step {record.step} of {run.path(RESULTS) or 'the run'}") for record in [best, *along]
    )
    candidates = {
        "found": found,
        **{f"front-{i}": task for i, task in enumerate(members, 1)},
        **{preset.name: space.adopt(preset) for preset in settings.warm_start},
    }
    labels = [place.labels for place in labelled]
    start = kept_start(records, len(settings.warm_start), labels, settings.confidence, settings.seed)
    halves = None if settings.also else split_half(records, first.labels, settings.seed)
    with open_executor(resources) as executor:
        validation = checked(settings, candidates, others, run, executor) if len(others.rows) else None
        transfer = [Transfer(Source.of(p), checked(settings, candidates, p, run, executor)) for p in transfers]
    findings = Findings(
        space=settings.space.source,
        table=settings.table.name,
        metric=settings.metric,
        labelled=settings.labelled,
        seed=settings.seed,
        base=settings.base.name,
        algorithm=settings.algorithm,
        objective=settings.objective,
        best=BestTask(FoundTask.of(best), labelled_agreement(best.scores, labelled, settings.seed)),
        start=start,
        front=tuple(FoundTask.of(record) for record in along),
        split_half=halves,
        validation=validation,
        transfer=tuple(transfer),
        savings=savings(records, sum(len(place.rows) for place in labelled)),
        baseline=_random_baseline(settings, run, len(records), resources) if settings.baseline else None,
        note=settings.table.note,
    )
    kept = records[start.step] if start is not None and findings.keeps_start else None
    presets = _presets(settings, provenance(settings, findings), found, members, kept)
    result = TaskSearchResult(**vars(findings), preset=presets[TASK])
    _write(run, result, presets, records, settings)
    return result


def _records(
    settings: TaskSearchSettings,
    labelled: list[Labelled],
    run: Run,
    steps: int,
    resources: Resources,
    max_seconds: Optional[float],
) -> list[TaskRecord]:
    with ExitStack() as executors:
        members = []
        for place in labelled:
            if settings.base.fidelity.solver == "ridge":
                scorer = settings.scorer(reading(settings.base), place.table.space)
                members.append(TaskFitness(place.texts, place.labels, ReadOutScores(scorer, place.texts), race=False))
                continue
            work = TaskWork(place.table.space, settings.seed, settings.device, settings.images)
            scores = TaskScores(work, executors.enter_context(open_executor(resources)))
            members.append(TaskFitness(place.texts, place.labels, scores, settings.race))
        fitness: Fitness = members[0] if len(members) == 1 else JointFitness(members)
        return search_tasks(settings.task_space(), fitness, run, settings.rules(steps, max_seconds))


def _presets(
    settings: TaskSearchSettings,
    source: str,
    found: Preset,
    members: Sequence[Preset],
    start: Optional[TaskRecord],
) -> dict[str, Preset]:
    """File -> preset: the result, what was found where ``start`` is kept instead, and the front."""
    description = _description(settings)
    presets = {TASK: searched_preset(found, settings.name, description, source)}
    if start is not None:
        kept = task_of(settings.task_space(), start, "the start")
        text = f"what a {description} started from and kept"
        presets = {TASK: searched_preset(kept, settings.name, text, source), FOUND: presets[TASK]}
    for i, task in enumerate(members, 1):
        text = f"{source.partition('; rho')[0]}; {i} of the {len(members)} on its front of {settings.objective}"
        presets[f"front-{i}.yaml"] = searched_preset(task, f"{settings.name}-{i}", description, text)
    return presets


def read_curve(directory: str | Path) -> tuple[str, list[Optional[float]]]:
    """Algorithm and best rho by step of another task search; RunError if the directory holds none."""
    directory = Path(directory)
    try:
        config = parse_json((directory / CONFIG).read_text(encoding="utf-8"))
        curve = parse_json((directory / CURVE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{directory} holds no finished task search ({CONFIG} and {CURVE}); check the path") from None
    if not isinstance(config, dict) or config.get("command") != COMMAND or not isinstance(curve, list):
        raise RunError(f"{directory} is the run of another command, not of {COMMAND}")
    return config["algorithm"], curve


def provenance(settings: TaskSearchSettings, findings: Findings) -> str:
    """How the task was found, for the preset's ``source``."""
    start = ", ".join(preset.name for preset in settings.warm_start) or "random tasks"
    searched = [
        what for what, on in (("fidelity", settings.search_fidelity), ("weights", settings.search_weights)) if on
    ]
    text = (
        f"naslib_gennas {__version__}, gennas {COMMAND} --space {settings.space.source} --seed {settings.seed}: "
        f"{settings.algorithm} from {start}, {findings.savings.evaluations} tasks at the fidelity of "
        f"{settings.base.name}{' (searched: ' + ', '.join(searched) + ')' if searched else ''}, "
        f"{settings.labelled} labels ({settings.metric} of {Path(findings.table).name}){_and_of(settings)}; "
        f"rho {findings.best.labelled.mean.rho_with_interval} on these labels"
    )
    check = findings.validation
    if check is not None:
        text += f", {check.agreements['found'].rho_with_interval} on {check.n} others"
    if findings.start is not None and findings.keeps_start:
        text += (
            f". It had the higher rho in {findings.start.probability:.0%} of bootstrap resamples only, so the start "
            f"({findings.start.rho:.3f} on these labels) is kept"
        )
    return text


def _and_of(settings: TaskSearchSettings) -> str:
    return "".join(f" and as many of {p.space.source} ({Path(p.table.name).name})" for p in settings.also)


def _description(settings: TaskSearchSettings) -> str:
    spaces = [settings.space.source, *(place.space.source for place in settings.also)]
    return f"task searched on {settings.labelled} labels of {' and of '.join(spaces)}"


def _random_baseline(settings: TaskSearchSettings, run: Run, evaluations: int, resources: Resources) -> BestTask:
    """The best task of a random search for as many tasks on the same labels, kept inside ``run``."""
    plain = replace(
        settings, algorithm="random", warm_start=(), validate=0, transfer=(), baseline=False, compare=(), name=RANDOM
    )
    with run.inside(RANDOM, plain.config()) as kept:
        return task_search(plain, kept, max(0, evaluations - settings.population), resources).best


def _write(
    run: Run,
    result: TaskSearchResult,
    presets: dict[str, Preset],
    records: Sequence[TaskRecord],
    settings: TaskSearchSettings,
) -> None:
    run.write(SUMMARY, result.as_record())
    run.write(CURVE, best_rho_so_far(records))
    if run.directory is None:
        return
    (run.directory / FOUND).unlink(missing_ok=True)  # of an earlier, more cautious ending
    for name, preset in presets.items():
        (run.directory / name).write_text(preset.to_yaml(), encoding="utf-8")
    curves = {settings.algorithm: [best_rho_so_far(records)]}
    others: list[str | Path] = [*settings.compare, *([run.directory / RANDOM] if settings.baseline else [])]
    for directory in others:
        algorithm, curve = read_curve(directory)
        curves.setdefault(algorithm, []).append(curve)
    draw_task_curves(run.directory / PICTURE, curves, settings.labelled)
