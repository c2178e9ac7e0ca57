"""A whole task search: labels drawn, tasks searched, the best one written, checked on other labels and elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..commands.correlate import STAND_IN
from ..errors import RunError
from ..proxy.presets import Preset
from ..runs.run import CONFIG, RESULTS, SUMMARY, Run
from ..tables import Table
from .checks import checked, labelled_agreement, split_half
from .labels import Labelled, also_labelled, elsewhere_rows, split
from .search import (
    JointFitness,
    LabelledSettings,
    TaskFitness,
    Workers,
    best_rho_so_far,
    best_task,
    front,
    search_tasks,
    task_of,
)
from .settings import COMMAND, TaskSearchSettings
from .significance import check_confidence, kept_start
from .space import TaskSpace, searched_preset

TASK, CURVE, PICTURE = "task.yaml", "curve.json", "curve.png"
FOUND = "found.yaml"  # the best on the labels, where the start was kept
RANDOM = "random"  # folder of the baseline
DESCRIBING = ("space", "table", "metric", "labelled", "seed", "base", "algorithm", "objective")


def task_search(
    settings: TaskSearchSettings,
    table: Table,
    run: Run,
    steps: int = 400,
    workers: int = 1,
    max_seconds: float | None = None,
) -> dict[str, Any]:
    """Search, write ``task.yaml`` to the run, and return how good the task is and what it cost (``summary.json``).

    ``task.yaml`` is the best task on the labels, or the one started from if that one is kept (:mod:`.guard`); the
    best is then ``found.yaml``.
    """
    check_confidence(settings.confidence)
    space = settings.task_space()
    for directory in settings.compare:
        read_curve(directory)
    rows, others = split(table, settings)
    first = Labelled(settings.space, table.name, settings.metric, rows)
    labelled = [first, *(also_labelled(settings, place) for place in settings.also)]
    elsewhere = [elsewhere_rows(settings, place, labelled) for place in settings.transfer]
    records = _records(settings, space, labelled, run, steps, workers, max_seconds)
    best = best_task(records)
    along = [] if settings.objective == "rho" else front(records, settings.objective)
    found, *members = (
        task_of(space, record, f"step {record['step']} of {run.path(RESULTS) or 'the run'}")
        for record in [best, *along]
    )
    candidates = {
        "found": found,
        **{f"front-{i}": task for i, task in enumerate(members, 1)},
        **{preset.name: space.adopt(preset) for preset in settings.warm_start},
    }

    def check(place: str, rows, metric: str) -> dict[str, Any]:
        return checked(settings, candidates, place, rows, metric, run, workers)

    data = {
        **{key: settings.config(table.name)[key] for key in DESCRIBING},
        "best": {**_described(best), **labelled_agreement(best["scores"], labelled, settings.seed)},
        "start": kept_start(
            records,
            len(settings.warm_start),
            [place.labels for place in labelled],
            settings.confidence,
            settings.seed,
        ),
        "front": [_described(record) for record in along],
        "split_half": None if settings.also else split_half(records, first.labels, settings.seed),
        "validation": check(settings.space, others, settings.metric) if len(others) else None,
        "transfer": [{**what, **check(what["space"], rows, what["metric"])} for rows, what in elsewhere],
        **savings(records, sum(len(place.rows) for place in labelled)),
        "baseline": _random_baseline(settings, table, run, len(records), workers) if settings.baseline else None,
        "note": STAND_IN if table.name == "digits" else "",
    }
    presets = _presets(settings, data, found, members, None if not _kept(data) else records[data["start"]["step"]])
    data["preset"] = presets[TASK].model_dump(mode="json")
    _write(run, data, presets, records, settings)
    return data


def _records(settings, space: TaskSpace, labelled: list[Labelled], run: Run, steps: int, workers: int, max_seconds):
    with ExitStack() as pools:
        members = []
        for place in labelled:
            bound = LabelledSettings(place.space, settings.seed, settings.device, settings.images)
            pool = pools.enter_context(Workers(bound, workers))
            members.append(TaskFitness(place.texts, place.labels, pool, settings.race))
        return search_tasks(
            space,
            members[0] if len(members) == 1 else JointFitness(members),
            run,
            settings.seed,
            steps,
            settings.algorithm,
            settings.population,
            settings.tournament,
            settings.objective,
            settings.warm_start,
            max_seconds,
        )


def _presets(settings, data, found: Preset, members: Sequence[Preset], start: dict | None) -> dict[str, Preset]:
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


def _described(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": record["step"],
        "digest": record["key"],
        "rho": record["rho"],
        "work": record["work"],
        "seconds_per_architecture": record["seconds"] / record["scored"],
    }


def savings(records: Sequence[dict[str, Any]], labelled: int) -> dict[str, Any]:
    """Regressions done and seconds, beside those of a search that scores every architecture by every task.

    The plain seconds are estimated: those of a stopped task in proportion to the architectures left out.
    """
    plain = labelled * len(records)
    fresh = [record for record in records if not record.get("again")]
    done = sum(record["scored"] for record in fresh)
    seconds = sum(record["seconds"] for record in fresh)
    statuses = [record["status"] for record in records]
    return {
        "evaluations": len(records),
        **{status: statuses.count(status) for status in ("ok", "stopped", "failed")},
        "regressions": done,
        "regressions_plain": plain,
        "regressions_saved": 1 - done / plain,
        "seconds": seconds,
        "seconds_plain": sum(r["seconds"] * labelled / r["scored"] for r in fresh) * len(records) / len(fresh),
    }


def read_curve(directory: str | Path) -> tuple[str, list[float | None]]:
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


def provenance(settings: TaskSearchSettings, data: dict[str, Any]) -> str:
    """How the task was found, for the preset's ``source``."""
    start = ", ".join(preset.name for preset in settings.warm_start) or "random tasks"
    searched = [
        what for what, on in (("fidelity", settings.search_fidelity), ("weights", settings.search_weights)) if on
    ]
    best, checks = data["best"], data["validation"]
    text = (
        f"naslib_gennas {__version__}, gennas {COMMAND} --space {settings.space} --seed {settings.seed}: "
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


def _kept(data: dict[str, Any]) -> bool:
    return data["start"] is not None and data["start"]["kept"] and data["start"]["step"] != data["best"]["step"]


def _and_of(settings: TaskSearchSettings) -> str:
    return "".join(f" and as many of {place.space} ({Path(place.table).name})" for place in settings.also)


def _description(settings: TaskSearchSettings) -> str:
    spaces = [settings.space, *(place.space for place in settings.also)]
    return f"task searched on {settings.labelled} labels of {' and of '.join(spaces)}"


def _with_interval(agreement: dict[str, Any]) -> str:
    low, high = agreement["rho_interval"]
    interval = "" if low is None else f" (95 % {low:.3f} to {high:.3f})"
    return f"{agreement['rho']:.3f}{interval}"


def _random_baseline(settings, table: Table, run: Run, evaluations: int, workers: int) -> dict[str, Any]:
    """The best task of a random search for as many tasks on the same labels, kept inside ``run``."""
    plain = replace(
        settings, algorithm="random", warm_start=(), validate=0, transfer=(), baseline=False, compare=(), name=RANDOM
    )
    with run.inside(RANDOM, plain.config(table.name)) as kept:
        return task_search(plain, table, kept, max(0, evaluations - settings.population), workers)["best"]


def _write(run: Run, data: dict[str, Any], presets: dict[str, Preset], records, settings: TaskSearchSettings) -> None:
    run.write(SUMMARY, data)
    run.write(CURVE, best_rho_so_far(records))
    if run.directory is None:
        return
    run.path(FOUND).unlink(missing_ok=True)  # of an earlier, more cautious ending
    for name, preset in presets.items():
        run.path(name).write_text(preset.to_yaml(), encoding="utf-8")
    from ..report.plotting import draw_task_curves

    curves = {settings.algorithm: [best_rho_so_far(records)]}
    for directory in [*settings.compare, *([run.path(RANDOM)] if settings.baseline else [])]:
        algorithm, curve = read_curve(directory)
        curves.setdefault(algorithm, []).append(curve)
    draw_task_curves(run.path(PICTURE), curves, settings.labelled)
