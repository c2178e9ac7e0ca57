"""Score architectures by ``gennas``, another measure, or an ensemble of several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from .. import predictors  # noqa: F401 - it registers fit:
from ..errors import InputError
from ..executors.protocol import Executor
from ..executors.scores import OnError, score_all
from ..runs.run import Record, Run
from ..scoring.ensemble import EnsembleScorer, parse_measure
from ..scoring.gennas import GenNASScorer
from ..scoring.measure import IMAGE_SIZE, measure_scorers
from ..scoring.score import GENNAS, Score
from ..spaces.base import SearchSpace
from ..tables import read_architectures
from .result import Result


@dataclass(frozen=True)
class ScoreResult(Result):
    """Scores of architectures, and what made them.

    Attributes:
        preset: its name.
        space: the name or text that the space was opened by.
        seed: of the scorer.
        scores: in the order of the architectures.
        curves: whether the record holds losses, see :meth:`.scoring.score.Score.as_record`.
    """

    preset: str
    space: str
    seed: int
    scores: tuple[Score, ...]
    curves: bool = False

    def as_record(self) -> Record:
        """One JSON object, the scores as in ``results.jsonl``."""
        scores = [score.as_record(self.curves) for score in self.scores]
        return {"preset": self.preset, "space": self.space, "seed": self.seed, "scores": scores}


def scores_by(
    measure: str,
    scorer: GenNASScorer,
    texts: Sequence[str],
    run: Run,
    executor: Executor,
    on_error: OnError = "record",
    curves: bool = False,
    image_size: int = IMAGE_SIZE,
) -> list[Score]:
    """Scores of ``texts`` in their order, by ``gennas``, another measure or an ensemble (within this set).

    Args:
        curves: whether the records keep the losses of every step, which only ``gennas`` has.
        image_size: pixels a side of what other measures see.

    Raises:
        InputError: curves of another measure; a column of a table; a measure that is not defined for the space.
    """
    if measure == GENNAS:
        return score_all([scorer], texts, run, executor, on_error, curves)[GENNAS]
    check_measure(measure, curves)
    expression = parse_measure(measure)
    names = list(dict.fromkeys(leaf.name for leaf in expression.leaves() if leaf.column is None))
    members = measure_scorers(names, scorer, image_size=image_size)
    ensemble = EnsembleScorer(expression, members)
    found = score_all(members, texts, run, executor, on_error)
    return ensemble.combined({name: found[name] for name in names})


def check_measure(measure: str, curves: bool = False) -> None:
    """InputError for what is no measure, and for curves of one that has none."""
    if measure == GENNAS:
        return
    parse_measure(measure)
    if curves:
        raise InputError(f"--curves are of the regressions of gennas; {measure} has none")


def chosen(space: SearchSpace, given: Iterable[str], everything: bool, sample: Optional[int], seed: int) -> list[str]:
    """The texts asked for: those ``given`` (``@FILE``: those of a file), all of the space, or a random sample.

    InputError unless exactly one of the three ways is used, ArchitectureError for a text that is none.
    """
    given = tuple(given)
    if sum([bool(given), everything, sample is not None]) != 1:
        raise InputError("name architectures, or use one of --all and --sample N")
    if everything:
        return [str(arch) for arch in space]
    if sample is None:
        return [str(arch) for text in given for arch in _expanded(text, space)]
    if sample < 1:
        raise InputError(f"--sample must be at least 1, got {sample}")
    if space.size and sample > space.size:
        raise InputError(f"--sample {sample} is more than the {space.size} architectures of {space.name}")
    rng = np.random.default_rng(seed)
    drawn: dict[str, None] = {}
    while len(drawn) < sample:
        drawn[str(space.sample(rng))] = None
    return list(drawn)


def fingerprint(texts: Sequence[str]) -> str:
    """Number and digest of architectures, for the configuration of a run."""
    return f"{len(texts)}, sha256 {hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:12]}"


def _expanded(text: str, space: SearchSpace) -> list[Any]:
    return read_architectures(text[1:], space) if text.startswith("@") else [space.parse(text)]
