"""A whole task search: labels drawn, tasks searched, the best one written, checked on other labels and elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Optional

from .. import __version__
from ..errors import RunError
from ..executors.protocol import ALONE, Resources, open_executor
from ..proxy.presets import Preset
from ..report.plotting import draw_task_curves
from ..runs.run import CONFIG, RESULTS, SUMMARY, Record, Run
from .checks import checked, described, labelled_agreement, split_half
from .draws import Labelled, also_labelled, elsewhere, split
from .fitness import Fitness, JointFitness, TaskFitness
from .record import TaskRecord, TaskStatus
from .scorer import TaskScores, TaskWork
from .search import best_rho_so_far, best_task, front, search_tasks, task_of
from .settings import COMMAND, TaskSearchSettings
from .significance import check_confidence, kept_start
from .space import searched_preset

TASK, CURVE, PICTURE = "task.yaml", "curve.json", "curve.png"
FOUND = "found.yaml"  # the best on the labels, where the start was kept
RANDOM = "random"  # folder of the baseline
STATUSES: tuple[TaskStatus, ...] = ("ok", "stopped", "failed")
DESCRIBING = ("space", "table", "metric", "labelled", "seed", "base", "algorithm", "objective")


def task_search(
    settings: TaskSearchSettings,
    run: Run,
    steps: int = 400,
    resources: Resources = ALONE,
    max_seconds: Optional[float] = None,
) -> Record:
    """Search, write ``task.yaml`` to the run, and return how good the task is and what it cost (``summary.json``).

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
        transfer = [{**described(p), **checked(settings, candidates, p, run, executor)} for p in transfers]
    config = settings.config()
    data: Record = {
        **{key: config[key] for key in DESCRIBING},
        "best": {**_described(best), **labelled_agreement(best.scores, labelled, settings.seed)},
        "start": None if start is None else asdict(start),
        "front": [_described(record) for record in along],
        "split_half": None if halves is None else asdict(halves),
        "validation": validation,
        "transfer": transfer,
        **savings(records, sum(len(place.rows) for place in labelled)),
        "baseline": _random_baseline(settings, run, len(records), resources) if settings.baseline else None,
        "note": settings.table.note,
    }
    kept = records[start.step] if start is not None and _kept(data) else None
    presets = _presets(settings, data, found, members, kept)
    data["preset"] = presets[TASK].model_dump(mode="json")
    _write(run, data, presets, records, settings)
    return data


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
            work = TaskWork(place.table.space, settings.seed, settings.device, settings.images)
            scores = TaskScores(work, executors.enter_context(open_executor(resources)))
            members.append(TaskFitness(place.texts, place.labels, scores, settings.race))
        fitness: Fitness = members[0] if len(members) == 1 else JointFitness(members)
        return search_tasks(settings.task_space(), fitness, run, settings.rules(steps, max_seconds))


def _presets(
    settings: TaskSearchSettings,
    data: Record,
    found: Preset,
    members: Sequence[Preset],
    start: Optional[TaskRecord],
) -> dict[str, Preset]:
    """File -> preset: the result, what was found where ``start`` is kept instead, and the front."""
    source, description = provenance(settings, data), _description(settings)
    presets = {TASK: searched_preset(found, settings.name, description, source)}
    if start is not None:
        kept = task_of(settings.task_space(), start, "the start")
        text = f"what a {description} started from and kept"
        presets = {TASK: searched_preset(kept, settings.name, text, source), FOUND: presets[TASK]}
    for i, task in enumerate(members, 1):
        text = f"{source.partition('; rho')[0]}; {i} of the {len(members)} on its front of {settings.objective}"
        presets[f"front-{i}.yaml"] = searched_preset(task, f"{settings.name}-{i}", description, text)
    return presets


def _described(record: TaskRecord) -> Record:
    return {
        "step": record.step,
        "digest": record.key,
        "rho": record.rho,
        "work": record.work,
        "seconds_per_architecture": record.seconds / record.scored,
    }


def savings(records: Sequence[TaskRecord], labelled: int) -> Record:
    """Regressions done and seconds, beside those of a search that scores every architecture by every task.

    The plain seconds are estimated: those of a stopped task in proportion to the architectures left out.
    """
    plain = labelled * len(records)
    fresh = [record for record in records if not record.again]
    done = sum(record.scored for record in fresh)
    seconds = sum(record.seconds for record in fresh)
    statuses = [record.status for record in records]
    return {
        "evaluations": len(records),
        **{status: statuses.count(status) for status in STATUSES},
        "regressions": done,
        "regressions_plain": plain,
        "regressions_saved": 1 - done / plain,
        "seconds": seconds,
        "seconds_plain": sum(r.seconds * labelled / r.scored for r in fresh) * len(records) / len(fresh),
    }


def read_curve(directory: str | Path) -> tuple[str, list[Optional[float]]]:
    """Algorithm and best rho by step of another task search; RunError if the directory holds none."""
    directory = Path(directory)
    try:
        config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        curve = json.loads((directory / CURVE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{directory} holds no finished task search ({CONFIG} and {CURVE}); check the path") from None
    if not isinstance(config, dict) or config.get("command") != COMMAND or not isinstance(curve, list):
        raise RunError(f"{directory} is the run of another command, not of {COMMAND}")
    return config["algorithm"], curve


def provenance(settings: TaskSearchSettings, data: Record) -> str:
    """How the task was found, for the preset's ``source``."""
    start = ", ".join(preset.name for preset in settings.warm_start) or "random tasks"
    searched = [
        what for what, on in (("fidelity", settings.search_fidelity), ("weights", settings.search_weights)) if on
    ]
    best, checks = data["best"], data["validation"]
    text = (
        f"naslib_gennas {__version__}, gennas {COMMAND} --space {settings.space.source} --seed {settings.seed}: "
        f"{settings.algorithm} from {start}, {data['evaluations']} tasks at the fidelity of {settings.base.name}"
        f"{' (searched: ' + ', '.join(searched) + ')' if searched else ''}, {settings.labelled} labels "
        f"({settings.metric} of {Path(data['table']).name}){_and_of(settings)}; "
        f"rho {_with_interval(best)} on these labels"
    )
    if checks:
        text += f", {_with_interval(checks['found'])} on {checks['n']} others"
    if _kept(data):
        text += (
            f". It had the higher rho in {data['start']['probability']:.0%} of bootstrap resamples only, so the start "
            f"({data['start']['rho']:.3f} on these labels) is kept"
        )
    return text


def _kept(data: Record) -> bool:
    return data["start"] is not None and data["start"]["kept"] and data["start"]["step"] != data["best"]["step"]


def _and_of(settings: TaskSearchSettings) -> str:
    return "".join(f" and as many of {p.space.source} ({Path(p.table.name).name})" for p in settings.also)


def _description(settings: TaskSearchSettings) -> str:
    spaces = [settings.space.source, *(place.space.source for place in settings.also)]
    return f"task searched on {settings.labelled} labels of {' and of '.join(spaces)}"


def _with_interval(agreement: Record) -> str:
    low, high = agreement["rho_interval"]
    interval = "" if low is None else f" (95 % {low:.3f} to {high:.3f})"
    return f"{agreement['rho']:.3f}{interval}"


def _random_baseline(settings: TaskSearchSettings, run: Run, evaluations: int, resources: Resources) -> Record:
    """The best task of a random search for as many tasks on the same labels, kept inside ``run``."""
    plain = replace(
        settings, algorithm="random", warm_start=(), validate=0, transfer=(), baseline=False, compare=(), name=RANDOM
    )
    with run.inside(RANDOM, plain.config()) as kept:
        best: Record = task_search(plain, kept, max(0, evaluations - settings.population), resources)["best"]
        return best


def _write(
    run: Run, data: Record, presets: dict[str, Preset], records: Sequence[TaskRecord], settings: TaskSearchSettings
) -> None:
    run.write(SUMMARY, data)
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
