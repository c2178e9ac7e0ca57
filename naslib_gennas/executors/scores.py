"""Many architectures by one or several scorers: what is known is not computed, what is computed is kept at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

from ..errors import GenNASError, RunError
from ..progress import warn
from ..runs.run import RESULTS, Record, Run
from ..scoring.failures import failure
from ..scoring.protocol import BaseScorer, Scorer
from ..scoring.score import Score
from .here import Here
from .protocol import Executor, at_work

OnError = Literal["record", "stop"]
ScoreJob = tuple[str, tuple[str, ...]]  # an architecture's text, and the measures that are wanted of it


@dataclass
class ScoreWork:
    """Scores of one architecture by several scorers that share a space."""

    scorers: Sequence[Scorer]

    def __call__(self, job: ScoreJob) -> list[Score]:
        text, measures = job
        arch = self.scorers[0].space.parse(text)
        wanted = [scorer for scorer in self.scorers if scorer.measure in measures]
        scores = [scorer.score(arch) for scorer in wanted]
        for scorer in wanted:
            scorer.forget()
        return scores

    @property
    def together(self) -> int:
        """As many as all of the measures can share."""
        return min(scorer.together for scorer in self.scorers)

    def prepare(self, jobs: Sequence[ScoreJob]) -> None:
        """What architectures of a scorer share is computed once."""
        for scorer in self.scorers:
            scorer.prepare([text for text, measures in jobs if scorer.measure in measures])

    def lost(self, job: ScoreJob, error: Exception) -> list[Score]:
        text, measures = job
        arch = self.scorers[0].space.parse(text)
        wanted = [scorer for scorer in self.scorers if scorer.measure in measures]
        return [failure(text, scorer.key(arch), scorer.measure, error) for scorer in wanted]

    def parts(self, job: ScoreJob) -> Sequence[ScoreJob]:
        """The measures one by one: the others of a fatal one may still have a value."""
        text, measures = job
        return [(text, (measure,)) for measure in measures] if len(measures) > 1 else ()


def score_all(
    scorers: Sequence[Scorer],
    texts: Sequence[str],
    run: Run,
    executor: Optional[Executor] = None,
    on_error: OnError = "record",
    curves: bool = False,
    label: str = "",
) -> dict[str, list[Score]]:
    """Measure -> scores of ``texts``, in their order; those that ``run`` holds are not computed again.

    Architectures with equal keys are scored once. Every new score is in the run before the next one is looked at.

    Args:
        scorers: of one space, each of a measure of its own.
        executor: where the work is done; None is this process.
        on_error: ``record`` an architecture that fails and go on, or ``stop``.
        curves: whether new records keep the training loss of every step.
        label: of the progress.

    Raises:
        GenNASError: on_error is ``stop`` and an architecture failed; the record is kept.
        ArchitectureError: a text that is none.
    """
    ledger = _Ledger(run, curves)
    jobs = list(ledger.missing(scorers, list(dict.fromkeys(texts))))
    label = label or ("scoring" if len(scorers) == 1 else "measuring")
    executor = executor or Here()
    found = executor.map(ScoreWork(scorers), jobs)
    for scores in run.progress(found, len(jobs), label, lambda: at_work(executor)):
        for score in scores:
            ledger.keep(score)
            if on_error == "stop" and score.status not in ("ok", "diverged"):
                raise GenNASError(f"{score.measure} of {score.arch}: {score.message}")
    return {scorer.measure: [ledger.known[scorer.measure, text] for text in texts] for scorer in scorers}


@dataclass
class _Ledger:
    """What is known, and who waits for what is not."""

    run: Run
    curves: bool
    known: dict[tuple[str, str], Score] = field(default_factory=dict)  # by measure and text
    by_key: dict[tuple[str, str], Score] = field(default_factory=dict)
    waiting: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # by measure and key: texts

    def __post_init__(self) -> None:
        for record in self.run.records:
            self._note(_read(record, self.run))

    def missing(self, scorers: Sequence[Scorer], texts: Iterable[str]) -> Iterable[ScoreJob]:
        """A job for every architecture with measures that nobody knows and no earlier job will tell."""
        space = scorers[0].space
        for text in texts:
            arch: Any = None
            wanted = []
            for scorer in scorers:
                if (scorer.measure, text) in self.known:
                    continue
                arch = space.parse(text) if arch is None else arch
                place = scorer.measure, scorer.key(arch)
                score = self.by_key.get(place) or scorer.remembered(place[1])
                if score is not None:
                    self._store(score.of(text))
                elif place in self.waiting:
                    self.waiting[place].append(text)
                else:
                    self.waiting[place] = [text]
                    wanted.append(scorer.measure)
            if wanted:
                yield text, tuple(wanted)

    def keep(self, score: Score) -> None:
        """A new score, for all that wait for it."""
        for text in self.waiting.pop((score.measure, score.key)):
            self._store(score.of(text))

    def _store(self, score: Score) -> None:
        self.run.append(score.as_record(self.curves))
        self._note(score)

    def _note(self, score: Score) -> None:
        """The first stands."""
        before = self.known.setdefault((score.measure, score.arch), score)
        if before.value != score.value:
            warn(
                f"{self.run.path(RESULTS)} has two scores of {score.arch} by {score.measure}, {before.value} and "
                f"{score.value}; the first stands"
            )
        self.by_key.setdefault((score.measure, score.key), score)


def _read(record: Record, run: Run) -> Score:
    try:
        return Score.from_record(record)
    except KeyError as error:
        raise RunError(
            f"a record of {run.directory} lacks {error}: it is of another command or version; choose another --out"
        ) from None


class ScorerElsewhere(BaseScorer):
    """A scorer whose work is done by an executor, one architecture at a time, such as a search asks for it."""

    def __init__(self, scorer: Scorer, executor: Executor):
        self.scorer, self.space, self.measure = scorer, scorer.space, scorer.measure
        self._executor, self._work = executor, ScoreWork([scorer])

    def identity(self) -> Record:
        return self.scorer.identity()

    def key(self, arch: Any) -> str:
        return self.scorer.key(arch)

    def compute(self, arch: Any, key: str) -> Score:
        ((score,),) = self._executor.map(self._work, [(str(arch), (self.measure,))])
        return score
