"""Search for the best architectures, and say what ground truth knows of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from ..errors import InputError
from ..evaluation import best_so_far
from ..executors.protocol import ALONE, Executor, Resources, open_executor
from ..executors.scores import ScorerElsewhere, score_all
from ..plugin.search import choose_engine, naslib_search
from ..proxy.presets import Preset
from ..report.assets import standalone
from ..report.cells import cells
from ..report.plotting import draw_search
from ..runs.run import PRESET, SUMMARY, Record, Run
from ..scoring.gennas import GenNASScorer, check_kind
from ..scoring.protocol import Scorer
from ..scoring.score import Score
from ..search.architectures import Engine, SearchSettings, Step, own_engine, search_architectures
from ..search.asynchronous import search_asynchronously
from ..search.cascade import Keep, Remembered, Screen, listed, screened_evolution
from ..search.demands import NO_DEMANDS, Demanded, Demands
from ..search.rescoring import SHOWN, Finalist, final_preset, final_scorer, finals
from ..tables import Table
from .result import Result


@dataclass(frozen=True)
class Screening:
    """What looks at many architectures before the search trains few.

    Attributes:
        scorer: the cheap one, of the same space: of a preset, or a fitted predictor.
        keep: what passes.
        everything: whether all architectures of the space are screened, instead of a sample or of children.
    """

    scorer: Scorer
    keep: Keep
    everything: bool = False

    @property
    def name(self) -> str:
        """Of the preset, or of the measure."""
        return self.scorer.preset.name if isinstance(self.scorer, GenNASScorer) else self.scorer.measure

    @property
    def digest(self) -> str:
        """Of what makes the scores."""
        identity = self.scorer.identity()
        return str(identity.get("preset_digest") or identity["predictor"])

    def config(self) -> Record:
        """For the configuration of a run."""
        keep = self.keep.count or f"{100 * (self.keep.share or 0):g}%"
        return {
            "screen": self.name,
            "screen_digest": self.digest,
            "keep": keep,
            "screen_all": self.everything,
        }


ENGINES: dict[str, Engine] = {"own": own_engine, "naslib": naslib_search}


@dataclass(frozen=True)
class Found(Result):
    """One of the best architectures of a search.

    Attributes:
        arch: its text.
        score: higher is better.
        final: its score by other draws; None if it was not scored again.
        step: at which it was looked at, from 0.
        accuracy: what the table says, in its unit; None where it says nothing or there is none.
        rank: place of this accuracy in the table, from 1, the best; None without accuracy.
        costs: what the search was told to mind: parameters and operations in ones, latencies in milliseconds.
    """

    arch: str
    score: Optional[float]
    final: Optional[Score]
    step: int
    accuracy: Optional[float] = None
    rank: Optional[int] = None
    costs: Mapping[str, Optional[float]] = field(default_factory=dict)

    @property
    def final_score(self) -> Optional[float]:
        """The value of ``final``; None, too, if scoring it again failed."""
        return None if self.final is None else self.final.value

    def as_record(self) -> Record:
        """One JSON object; ``final_score`` is left out if it was not scored again."""
        again = {} if self.final is None else {"final_score": self.final_score}
        place = {"step": self.step, "accuracy": self.accuracy, "rank": self.rank}
        costs = {"costs": dict(self.costs)} if self.costs else {}
        return {"arch": self.arch, "score": self.score, **again, **place, **costs}


@dataclass(frozen=True)
class SearchResult(Result):
    """The best of a search, and how they were found.

    Attributes:
        space: the name or text that the space was opened by.
        preset: name of the preset of the search.
        seed: of the search and its scorer.
        finalists: how many were to be scored again.
        final_preset: name of the preset that scored them again.
        final_repeats: draws of a final score.
        final_seed: of these draws.
        engine: ``own`` or ``naslib``.
        steps: architectures looked at, seen ones included.
        evaluated: architectures scored.
        seconds: of steps and final scores together.
        metric: column of ``accuracy``; None without a table.
        best: the best first.
        screen: name of the preset that screened; None without.
        screened: architectures that it scored.
        screen_seconds: part of ``seconds``, where a list was screened before the training.
        limits: that all of them keep to.
        asked, refused: architectures whose costs were looked at, and those that did not pass.
        objectives: costs that were minimised beside the score.
        front: what no other one beats in score and all objectives, the highest score first; empty without objectives.
    """

    space: str
    preset: str
    seed: int
    finalists: int
    final_preset: str
    final_repeats: int
    final_seed: int
    engine: str
    steps: int
    evaluated: int
    seconds: float
    metric: Optional[str]
    best: tuple[Found, ...]
    screen: Optional[str] = None
    screened: int = 0
    screen_seconds: float = 0.0
    limits: tuple[str, ...] = ()
    asked: int = 0
    refused: int = 0
    objectives: tuple[str, ...] = ()
    front: tuple[Found, ...] = ()


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
    screening: Optional[Screening] = None,
    demands: Demands = NO_DEMANDS,
) -> SearchResult:
    """Search and summarise: the best architectures and, where ``table`` knows them, their accuracy and rank.

    finalists: how many of the best are scored again and ordered by that, see :mod:`.search.rescoring`. final: the
    preset that does it; None is the search's own with 16 repeats. screening: what is trained is chosen by it, see
    :mod:`.search.cascade`; ``steps`` of a random search are then those that are screened. demands: limits, which
    refuse architectures before they are scored, and further objectives. The result is written to the run, too. Raises
    InputError for bad settings and limits that nothing keeps to, TableError for a metric that the table lacks.
    """
    metric = _column(table, metric)
    if finalists < 0:
        raise InputError(f"finalists must be at least 0, got {finalists}")
    if settings.asynchronous and (screening is not None or demands.objectives or engine != "own"):
        raise InputError("an asynchronous search has one objective, no screen, and our own engine")
    if screening is not None and demands.objectives:
        raise InputError("several objectives cannot be screened; leave out the screen or the objectives")
    again = _last_scorer(scorer, final)
    started = time.perf_counter()
    with closing(Demanded(demands, scorer.space, run)) as demanded:
        with open_executor(resources) as executor:
            steps, screened, screen_seconds = _searched(scorer, run, settings, engine, executor, screening, demanded)
        demanded.gate.tell()
        with open_executor(resources) as executor:
            best = finals(steps, run, finalists, again, executor)
        shown = tuple(_shown(finalist, table, metric, demanded) for finalist in best)
        front = tuple(_found(step, table, metric, demanded) for step in demanded.front(steps))
    result = SearchResult(
        space=scorer.space.source,
        preset=scorer.preset.name,
        seed=scorer.seed,
        finalists=finalists,
        final_preset=again.preset.name,
        final_repeats=again.preset.fidelity.repeats,
        final_seed=again.seed,
        engine=engine,
        steps=len(steps),
        evaluated=len({step.score.key for step in steps}),
        seconds=time.perf_counter() - started,
        metric=metric,
        best=shown,
        limits=tuple(map(str, demands.limits)),
        asked=demanded.gate.asked,
        refused=demanded.gate.refused,
        objectives=demands.objectives,
        front=front,
        screen=None if screening is None else screening.name,
        screened=screened,
        screen_seconds=screen_seconds,
    )
    _write(run, scorer.preset, result, steps)
    return result


def _searched(
    scorer: GenNASScorer,
    run: Run,
    settings: SearchSettings,
    engine: str,
    executor: Executor,
    screening: Optional[Screening],
    demanded: Demanded,
) -> tuple[list[Step], int, float]:
    """The steps, how many architectures were screened, and the seconds of that where it was done beforehand."""
    if settings.asynchronous:
        return search_asynchronously(scorer, run, settings, executor, demanded.admitted()), 0, 0.0
    if screening is None:
        limited = demanded.limited(ENGINES[engine], draws_itself=engine == "naslib")
        return search_architectures(ScorerElsewhere(scorer, executor), run, settings, limited), 0, 0.0
    started = time.perf_counter()
    with _inside(run, "screen", screening.scorer, screening.digest) as screened:
        screen = Screen(screening.scorer, screened)
        kept = _kept(screen, screening, settings, executor, demanded)
        seconds = time.perf_counter() - started
        if kept is None:
            own = demanded.limited(screened_evolution(screen, screening.keep.siblings()))
            steps = search_architectures(ScorerElsewhere(scorer, executor), run, settings, own)
            return steps, len(screen.known), 0.0
    return _trained(scorer, kept, run, settings, executor), len(screen.known), seconds


def _kept(
    screen: Screen, screening: Screening, settings: SearchSettings, executor: Executor, demanded: Demanded
) -> Optional[list[Any]]:
    """What is trained, the best by the screen first; None if an evolution decides that step by step."""
    space = screening.scorer.space
    if screening.everything:
        return screen.kept(demanded.passing(space), screening.keep, executor)
    if settings.algorithm != "random":
        return None
    rng = np.random.default_rng(settings.seed)
    drawn = demanded.passing(space.sample(rng) for _ in range(settings.steps))
    return screen.kept(drawn, screening.keep, executor)


def _trained(
    scorer: GenNASScorer, kept: Sequence[Any], run: Run, settings: SearchSettings, executor: Executor
) -> list[Step]:
    with _inside(run, "kept", scorer, scorer.preset.digest()) as trained:
        found = score_all([scorer], [str(arch) for arch in kept], trained, executor)[scorer.measure]
    listing = replace(settings, steps=len(kept))
    return search_architectures(Remembered(scorer, found), run, listing, listed(kept))


def _inside(run: Run, what: str, scorer: Scorer, digest: str) -> Run:
    return run.inside(f"{what}-{digest}", {"command": what, **scorer.identity()})


def _column(table: Optional[Table], metric: Optional[str]) -> Optional[str]:
    """The metric, the table's own if none is named; TableError if the table lacks it."""
    if table is None:
        return metric
    metric = metric or table.default_metric
    table.column(metric)
    return metric


def _last_scorer(scorer: GenNASScorer, final: Union[str, Path, Preset, None]) -> GenNASScorer:
    """The scorer of the last round; InputError for a preset of another kind of network."""
    preset = final_preset(scorer.preset, final)
    check_kind(scorer.space, preset)
    return final_scorer(scorer, preset)


def _write(run: Run, preset: Preset, result: SearchResult, steps: list[Step]) -> None:
    run.write(PRESET, preset.model_dump(mode="json"))
    run.write(SUMMARY, result.as_record())
    values = [step.score.value for step in steps]
    run.write("curve.json", [value for value in best_so_far(values) if value is not None])
    draw_search(run.path("curve.png"), values)
    for best in result.best[:1]:
        title = f"the best of {result.space} by {result.preset}, seed {result.seed}"
        for name, svg in cells(result.space, best.arch, title).items():
            run.write_bytes(f"best-{name}.svg", standalone(svg).encode())


def _shown(finalist: Finalist, table: Optional[Table], metric: Optional[str], demanded: Demanded) -> Found:
    return replace(_found(finalist.step, table, metric, demanded), final=finalist.final)


def _found(step: Step, table: Optional[Table], metric: Optional[str], demanded: Demanded) -> Found:
    score = step.score
    accuracy = None if table is None else table.value(score.arch, metric)
    rank = None if accuracy is None or table is None else table.rank(accuracy, metric)
    return Found(score.arch, score.value, None, step.number, accuracy, rank, demanded.of(score.arch))
