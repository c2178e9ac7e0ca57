"""A whole task search: labels drawn, tasks searched, the best one written, checked on other labels and elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from .. import __version__
from ..batch_scoring import ScorerSettings, score_many
from ..commands import STAND_IN
from ..errors import RunError
from ..evaluation import evaluate
from ..presets import Preset
from ..runs import CONFIG, RESULTS, SUMMARY, Run
from ..scoring import check_kind
from ..spaces import load_space
from ..tables import Table
from .evolution import POPULATION, TOURNAMENT
from .guard import CONFIDENCE, check_confidence, kept_start
from .labels import Labelled, Transfer, also_labelled, elsewhere_rows, split
from .task_space import TaskSpace, searched_preset, task_space
from .tasks import (
    FEWEST_LABELS,
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

COMMAND = "task-search"
TASK, CURVE, PICTURE = "task.yaml", "curve.json", "curve.png"
FOUND = "found.yaml"  # the best on the labels, where the start was kept
RANDOM = "random"  # folder of the baseline
CHECK = "check"  # folders of scores on other labels
HALVES = 200  # random splits of the labels
DESCRIBING = ("space", "table", "metric", "labelled", "seed", "base", "algorithm", "objective")


@dataclass(frozen=True)
class TaskSearchSettings:
    """``base`` gives the fidelity and the stage weights; ``labelled`` architectures are drawn by ``seed``.

    ``validate``: others, whose labels the search never sees; ``transfer``: see :class:`Transfer`, on as many
    architectures as ``validate`` (all of the table if 0). ``also``: other tables of which as many architectures
    are labelled; fitness is then the mean of the rhos. ``name``: of the preset that is written. ``baseline``: a
    random search with as many tasks beside it. ``compare``: directories of other task searches for the picture.
    ``confidence``: see :func:`.guard.kept_start`; 0 always takes the best on the labels.
    """

    space: str
    base: Preset
    metric: str
    labelled: int = 20
    seed: int = 0
    algorithm: str = "evolution"
    population: int = POPULATION
    tournament: int = TOURNAMENT
    objective: str = "rho"
    warm_start: tuple[Preset, ...] = ()
    search_fidelity: bool = False
    search_weights: bool = False
    race: bool = True
    device: str = "cpu"
    images: str | None = None
    validate: int = 0
    transfer: tuple[Transfer, ...] = ()
    also: tuple[Transfer, ...] = ()
    name: str = "searched"
    baseline: bool = False
    compare: tuple[str, ...] = ()
    confidence: float = CONFIDENCE

    def config(self, table: str) -> dict[str, Any]:
        """What a resumed search must share."""
        return {
            "command": COMMAND,
            "space": self.space,
            "table": table,
            "metric": self.metric,
            "labelled": self.labelled,
            "seed": self.seed,
            "base": self.base.name,
            "base_digest": self.base.digest(),
            "algorithm": self.algorithm,
            "population": self.population,
            "tournament": self.tournament,
            "objective": self.objective,
            "warm_start": [f"{preset.name} {preset.digest()}" for preset in self.warm_start],
            "search_fidelity": self.search_fidelity,
            "search_weights": self.search_weights,
            "race": self.race,
            "device": self.device,
            "images": self.images,
            **({"also": [vars(place) for place in self.also]} if self.also else {}),
        }

    def task_space(self) -> TaskSpace:
        """The space that is searched; SpecError if the base is not for this kind of networks."""
        check_kind(load_space(self.space), self.base)
        return task_space(self.base, self.search_fidelity, self.search_weights)

    def scorer(self, preset: Preset, space: str | None = None) -> ScorerSettings:
        """The preset bound to the space (or another one), with the seed and images of the search."""
        return ScorerSettings(space or self.space, preset, self.seed, self.device, self.images)


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
    data = {
        **{key: settings.config(table.name)[key] for key in DESCRIBING},
        "best": {**_described(best), **_labelled_agreement(best["scores"], labelled, settings.seed)},
        "start": kept_start(
            records,
            len(settings.warm_start),
            [place.labels for place in labelled],
            settings.confidence,
            settings.seed,
        ),
        "front": [_described(record) for record in along],
        "split_half": None if settings.also else split_half(records, first.labels, settings.seed),
        "validation": _validated(settings, candidates, others, run, workers),
        "transfer": [
            {**what, **_checked(settings, candidates, what["space"], rows, what["metric"], run, workers)}
            for rows, what in elsewhere
        ],
        **savings(records, sum(len(place.rows) for place in labelled)),
        "baseline": _random_baseline(settings, table, run, len(records), workers) if settings.baseline else None,
        "note": STAND_IN if table.name == "digits" else "",
    }
    source = provenance(settings, data)
    best_preset = preset = searched_preset(found, settings.name, _description(settings), source)
    if _kept(data):
        start = records[data["start"]["step"]]
        preset = searched_preset(
            task_of(space, start, "the start"), settings.name, f"start of a {preset.description}, kept", source
        )
    data["preset"] = preset.model_dump(mode="json")
    _write(run, data, preset, records, settings)
    if _kept(data):
        _write_preset(run, FOUND, best_preset)
    elif run.directory is not None:
        run.path(FOUND).unlink(missing_ok=True)  # of an earlier, more cautious ending
    for i, task in enumerate(members, 1):
        text = f"{source.partition('; rho')[0]}; {i} of the {len(members)} on its front of {settings.objective}"
        _write_preset(run, f"front-{i}.yaml", searched_preset(task, f"{settings.name}-{i}", preset.description, text))
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


def _described(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": record["step"],
        "digest": record["key"],
        "rho": record["rho"],
        "work": record["work"],
        "seconds_per_architecture": record["seconds"] / record["scored"],
    }


def split_half(records: Sequence[dict[str, Any]], labels: Sequence[float], seed: int) -> dict[str, float] | None:
    """What choosing by few labels costs: the best task by a random half of them, and its rho on the other half.

    Means over ``HALVES`` splits, from the scores that the search has; the tasks were bred on all the labels, so that
    the second mean still is an upper bound. None for fewer than 10 labels or 2 tasks.
    """
    scores = [record["scores"] for record in records if record["status"] == "ok" and not record.get("again")]
    if len(labels) < 2 * FEWEST_LABELS or len(scores) < 2:
        return None
    ranked = np.array([[-np.inf if score is None else score for score in row] for row in scores])  # (tasks, labels)
    rng, truth, pairs = np.random.default_rng(seed), np.asarray(labels), []
    for _ in range(HALVES):
        order = rng.permutation(len(labels))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        here, there = (_rank_correlations(ranked[:, half], truth[half]) for half in halves)
        chosen = int(np.argmax(here))
        pairs.append((here[chosen], there[chosen]))
    here, there = np.mean(pairs, axis=0)
    return {"chosen_by": float(here), "other_half": float(there), "tasks": len(scores)}


def _rank_correlations(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Spearman's rho of every row (tasks, n) with ``truth`` (n,); 0 where a side is constant."""
    a, b = rankdata(scores, axis=1), rankdata(truth)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean()
    norm = np.sqrt((a**2).sum(axis=1) * (b @ b))
    return np.divide(a @ b, norm, out=np.zeros(len(a)), where=norm > 0)


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


def _agreement(scores, labels, seed: int) -> dict[str, Any]:
    """Spearman's rho and Kendall's tau with bootstrap intervals."""
    found = evaluate(scores, labels, seed).as_dict()
    return {
        "rho": found["spearman"],
        "rho_interval": found["spearman_interval"],
        "tau": found["kendall"],
        "tau_interval": found["kendall_interval"],
        "failures": found["failures"],
    }


def _labelled_agreement(scores, labelled: list[Labelled], seed: int) -> dict[str, Any]:
    """As :func:`_agreement`; of several spaces the means, without an interval, and each one in ``spaces``."""
    parts, start = [], 0
    for place in labelled:
        end = start + len(place.rows)
        parts.append(_agreement(scores[start:end], place.labels, seed))
        start = end
    if len(parts) == 1:
        return parts[0]
    return {
        "rho": float(np.mean([part["rho"] for part in parts])),
        "rho_interval": (None, None),
        "tau": float(np.mean([part["tau"] for part in parts])),
        "tau_interval": (None, None),
        "failures": sum(part["failures"] for part in parts),
        "spaces": [
            {"space": place.space, "table": place.table, "metric": place.metric, **part}
            for place, part in zip(labelled, parts)
        ],
    }


def _validated(settings, candidates: dict[str, Preset], others: pd.DataFrame, run: Run, workers: int) -> dict | None:
    """Agreement of every candidate on labels that the search never saw; None if there are none."""
    if not len(others):
        return None
    return _checked(settings, candidates, settings.space, others, settings.metric, run, workers)


def _checked(settings, candidates: dict[str, Preset], space: str, rows, metric: str, run: Run, workers: int) -> dict:
    """``n`` and the agreement of every candidate with the metric of ``rows``."""
    found: dict[str, Any] = {"n": len(rows)}
    for name, preset in candidates.items():
        scores = _scores(settings.scorer(preset, space), rows["arch"].tolist(), run, workers)
        found[name] = _agreement(scores, rows[metric].tolist(), settings.seed)
    return found


def _scores(settings: ScorerSettings, texts: list[str], run: Run, workers: int) -> list[float | None]:
    """Scores of ``texts``, kept in a run of its own inside ``run`` so that nothing is computed twice."""
    config = {
        "command": CHECK,
        "space": settings.space,
        "preset_digest": settings.preset.digest(),
        "seed": settings.seed,
    }
    inside = run.path(f"{CHECK}-{settings.space.replace(':', '-').replace('/', '-')}-{config['preset_digest']}")
    with Run(inside, config, resume=inside is not None and inside.exists()) as kept:
        return [record["score"] for record in score_many(settings, texts, kept, workers)]


def _random_baseline(settings, table: Table, run: Run, evaluations: int, workers: int) -> dict[str, Any]:
    """The best task of a random search for as many tasks on the same labels, kept inside ``run``."""
    plain = replace(
        settings, algorithm="random", warm_start=(), validate=0, transfer=(), baseline=False, compare=(), name=RANDOM
    )
    folder = run.path(RANDOM)
    with Run(folder, plain.config(table.name), resume=folder is not None and folder.exists()) as kept:
        return task_search(plain, table, kept, max(0, evaluations - settings.population), workers)["best"]


def _write(run: Run, data: dict[str, Any], preset: Preset, records, settings: TaskSearchSettings) -> None:
    run.write(SUMMARY, data)
    run.write(CURVE, best_rho_so_far(records))
    _write_preset(run, TASK, preset)
    if run.directory is None:
        return
    from ..plotting import draw_task_curves

    curves = {settings.algorithm: [best_rho_so_far(records)]}
    for directory in [*settings.compare, *([run.path(RANDOM)] if settings.baseline else [])]:
        algorithm, curve = read_curve(directory)
        curves.setdefault(algorithm, []).append(curve)
    draw_task_curves(run.path(PICTURE), curves, settings.labelled)


def _write_preset(run: Run, name: str, preset: Preset) -> None:
    if run.directory is not None:
        run.path(name).write_text(preset.to_yaml(), encoding="utf-8")
