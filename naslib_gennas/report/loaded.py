"""What finished commands left behind, as the report needs it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import pandas as pd

from ..proxy.presets import Preset
from ..runs.run import Record
from ..scoring.score import GENNAS
from ..scoring.spectra import Spectra

BASELINE = "random"
Interval = tuple[Optional[float], Optional[float]]


@dataclass(frozen=True)
class Ranking:
    """How one measure ranks the architectures by one metric; None where there is no ranking, or nobody knows."""

    measure: str
    metric: str
    n: int
    failures: int
    spearman: Optional[float]
    spearman_interval: Optional[Interval]
    kendall: Optional[float]
    kendall_interval: Optional[Interval]
    retrieval: Optional[dict[str, float]]
    top1: Optional[float]
    best_of_top10: Optional[float]
    best: Optional[float]
    seconds_per_architecture: Optional[float]


@dataclass(frozen=True)
class Found:
    """One of the best architectures of a search."""

    arch: str
    score: float
    step: Optional[int] = None
    final_score: Optional[float] = None  #: of draws that the search did not use
    accuracy: Optional[float] = None  #: ground truth
    rank: Optional[int] = None  #: by ground truth, 1 is the best
    costs: Mapping[str, Optional[float]] = field(default_factory=dict)  #: what the search was told to mind


@dataclass(frozen=True)
class Step:
    """What a search evaluated at a step."""

    step: int
    arch: str
    score: Optional[float]


@dataclass(frozen=True)
class SearchResult:
    algorithm: str
    preset_digest: str
    best: tuple[Found, ...]  #: in the order of the search
    steps: tuple[Step, ...]
    final_preset: str = ""  #: of the final scores
    final_repeats: int = 1
    limits: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    front: tuple[Found, ...] = ()  #: what nothing beats in score and objectives, the highest score first

    @property
    def is_baseline(self) -> bool:
        return self.algorithm == BASELINE

    @property
    def scores(self) -> list[Optional[float]]:
        return [step.score for step in self.steps]


@dataclass(frozen=True)
class CurvePoint:
    """Kendall's tau of fits to so many labels, over draws."""

    labels: int
    tau: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Check:
    """A predictor on labels that it had not seen."""

    n: int
    rho: float
    rho_interval: Interval
    tau: float
    tau_interval: Interval
    label_free_rho: Optional[float]
    label_free_tau: Optional[float]
    inside_50: float  #: share inside the interval for 50 %
    inside_95: float
    importance: dict[str, float]  #: feature -> what rho loses without it
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Predicted:
    """An architecture whose label was not used."""

    arch: str
    expected: float
    deviation: float
    label: Optional[float] = None


@dataclass(frozen=True)
class Learnt:
    """A predictor and what is known of it."""

    metric: str
    labelled: int
    features: tuple[str, ...]
    check: Optional[Check]
    best: tuple[Predicted, ...]
    predictions: Optional[pd.DataFrame] = None  #: arch, expected, deviation, and the metric


@dataclass(frozen=True)
class LoadedRun:
    """What one finished command left behind."""

    name: str  #: of the directory
    command: str  #: correlate, benchmark, search or fit
    space: str
    preset_name: str
    seed: int
    config: Record
    environment: Record
    table: str = ""  #: of ground truth
    note: str = ""  #: what must be said beside the numbers
    rankings: tuple[Ranking, ...] = ()  #: one a measure and metric; none for a search
    frame: Optional[pd.DataFrame] = None  #: one row an architecture: arch, metrics, scores of the measures
    search: Optional[SearchResult] = None
    learnt: Optional[Learnt] = None
    curves: Mapping[str, list[float]] = field(default_factory=dict)  #: architecture -> training losses, where kept
    preset: Optional[Preset] = None  #: None if the run does not say what it was
    spectra: Optional[Spectra] = None  #: of a preset in closed form

    @property
    def table_name(self) -> str:
        """Without the folder."""
        return Path(self.table).name

    @property
    def metrics(self) -> list[str]:
        return list(dict.fromkeys(ranking.metric for ranking in self.rankings))

    def by(self, metric: str) -> list[Ranking]:
        """The measures that were compared with ``metric``."""
        return [ranking for ranking in self.rankings if ranking.metric == metric]

    def label(self, measure: str) -> str:
        """``gennas`` with its preset, which decides what it is."""
        return f"{GENNAS} ({self.preset_name})" if measure == GENNAS else measure

    @property
    def uses_preset(self) -> bool:
        """False for a benchmark without ``gennas`` by the preset of the command."""
        measures = [ranking.measure for ranking in self.rankings]
        return self.command != "benchmark" or any(re.search(r"\bgennas\b(?!@)", measure) for measure in measures)

    @property
    def shell(self) -> str:
        """The command line that made the run."""
        argv = self.environment.get("command") or ["?"]
        program = Path(argv[0]).name
        start = "python -m naslib_gennas.cli" if program == "__main__.py" else shlex.quote(program)
        return " ".join([start, *map(shlex.quote, argv[1:])])
