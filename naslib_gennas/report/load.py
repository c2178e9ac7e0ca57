"""Run directories are read here; nothing in them is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, TypeVar

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from ..errors import GenNASError, RunError
from ..proxy.presets import Preset, load_preset, parse_preset
from ..runs.lines import record_of
from ..runs.run import CONFIG, ENVIRONMENT, PREDICTIONS, PRESET, RESULTS, SCORES, SPECTRA, SUMMARY, Record
from ..scoring.score import GENNAS
from ..scoring.spectra import Spectra
from ..texts import parse_json
from .loaded import Check, Found, Learnt, LoadedRun, Predicted, Ranking, SearchResult, Step

T = TypeVar("T")


@dataclass(frozen=True)
class _Summary:
    """What every summary says."""

    space: str
    preset: str
    seed: int


@dataclass(frozen=True)
class _Ranked(_Summary):
    table: str


@dataclass(frozen=True)
class _Benchmark(_Ranked):
    rows: list[Ranking]
    metrics: list[str]


@dataclass(frozen=True)
class _Search(_Summary):
    best: list[Found]
    steps: int
    final_preset: Optional[str] = None
    final_repeats: int = 1
    limits: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    front: tuple[Found, ...] = ()


@dataclass(frozen=True)
class _Fit(_Ranked):
    metric: str
    labelled: int
    features: tuple[str, ...]
    check: Optional[Check]
    best: tuple[Predicted, ...]


KINDS: dict[str, type[_Summary]] = {"correlate": _Ranked, "benchmark": _Benchmark, "search": _Search, "fit": _Fit}


def load_run(directory: str | Path) -> LoadedRun:
    """Read a run directory. RunError if it is none, is of another command or version, or has no results."""
    files = _Files(Path(directory))
    command = files.config.get("command")
    if command not in KINDS:
        raise RunError(f"{directory} is a run of {command!r}; a report takes runs of {', '.join(KINDS)}")
    written = files.summary()
    summary = files.checked(KINDS[command], written)
    rankings = files.rankings(summary, written)
    return LoadedRun(
        name=files.directory.resolve().name,
        command=command,
        space=summary.space,
        preset_name=summary.preset,
        seed=summary.seed,
        config=files.config,
        environment=files.environment,
        table=summary.table if isinstance(summary, _Ranked) else "",
        note=str(written.get("note") or ""),
        rankings=rankings,
        frame=files.frame(rankings),
        search=files.search(summary) if isinstance(summary, _Search) else None,
        learnt=files.learnt(summary) if isinstance(summary, _Fit) else None,
        curves=files.curves(),
        preset=files.preset(),
        spectra=files.spectra(),
    )


class _Files:
    """Those of one run directory."""

    def __init__(self, directory: Path):
        if not (directory / CONFIG).is_file():
            raise RunError(f"{directory} is no run directory ({CONFIG} is missing); give what --out named")
        self.directory = directory
        self.config = _json(directory / CONFIG)
        self.environment = _json(directory / ENVIRONMENT) if (directory / ENVIRONMENT).is_file() else {}

    def summary(self) -> Record:
        if not (self.directory / SUMMARY).is_file():
            raise RunError(f"{self.directory} has no results yet ({SUMMARY} is missing); finish the run with --resume")
        return _json(self.directory / SUMMARY)

    def checked(self, kind: type[T], written: object) -> T:
        """``written`` as ``kind``; RunError if it lacks something or holds something else."""
        try:
            return TypeAdapter(kind).validate_python(written)
        except ValidationError as error:
            version = self.environment.get("naslib_gennas", "unknown")
            raise RunError(
                f"{self.directory} was made by another version ({version}): its {SUMMARY} {_complaint(error)}; "
                "run the command again with a new --out"
            ) from None

    def rankings(self, summary: _Summary, written: Record) -> tuple[Ranking, ...]:
        if isinstance(summary, _Benchmark):
            return tuple(summary.rows)
        if isinstance(summary, _Fit):
            return ()
        if isinstance(summary, _Ranked):
            return (self.checked(Ranking, {"measure": GENNAS, **written}),)
        return ()

    def search(self, summary: _Search) -> SearchResult:
        return SearchResult(
            algorithm=str(self.config.get("algorithm", "evolution")),
            preset_digest=str(self.config.get("preset_digest")),
            best=tuple(summary.best),
            steps=tuple(self._steps()),
            final_preset=summary.final_preset or "",
            final_repeats=summary.final_repeats,
            limits=summary.limits,
            objectives=summary.objectives,
            front=summary.front,
        )

    def _steps(self) -> Iterator[Step]:
        for record in _records(self.directory / RESULTS):
            try:
                yield Step(record["step"], str(record["arch"]), record["score"])
            except (KeyError, TypeError) as error:
                raise RunError(
                    f"{self.directory / RESULTS} holds a line that is no step of a search ({error}); "
                    "run the command again with a new --out"
                ) from None

    def learnt(self, summary: _Fit) -> Learnt:
        numbers = {"expected", "deviation", summary.metric}
        predictions = self._table(PREDICTIONS, {"arch", *numbers}) if summary.check is not None else None
        return Learnt(summary.metric, summary.labelled, summary.features, summary.check, summary.best, predictions)

    def frame(self, rankings: tuple[Ranking, ...]) -> Optional[pd.DataFrame]:
        if not rankings:
            return None
        return self._table(SCORES, {"arch", *(name for row in rankings for name in (row.metric, row.measure))})

    def _table(self, name: str, expected: set[str]) -> Optional[pd.DataFrame]:
        """None where the file is missing; RunError if it lacks a column."""
        path = self.directory / name
        if not path.is_file():
            return None
        try:
            frame = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({error}); run the command again with a new --out") from None
        missing = sorted(expected - set(frame.columns))
        if missing:
            raise RunError(f"{path} lacks the columns {', '.join(missing)}; run the command again with a new --out")
        for column in expected - {"arch"}:
            try:
                frame[column] = pd.to_numeric(frame[column])
            except (ValueError, TypeError) as error:
                raise RunError(f"{path}, {column}: {error}; run the command again with a new --out") from None
        return frame.replace([np.inf, -np.inf], np.nan)

    def curves(self) -> dict[str, list[float]]:
        records = _records(self.directory / RESULTS) if self.config.get("curves") else ()
        return {record["arch"]: record["curve"] for record in records if record.get("curve")}

    def spectra(self) -> Optional[Spectra]:
        path = self.directory / SPECTRA
        return self.checked(Spectra, _json(path)) if path.is_file() else None

    def preset(self) -> Optional[Preset]:
        """The preset that the run kept, or the shipped one of the same name if that still is what it was."""
        path = self.directory / PRESET
        try:
            if path.is_file():
                return parse_preset(path.read_text(encoding="utf-8"), str(path))
            preset = load_preset(str(self.config.get("preset")))
        except (OSError, ValueError, GenNASError):
            return None
        return preset if preset.digest() == self.config.get("preset_digest") else None


def _complaint(error: ValidationError) -> str:
    problems = error.errors()
    lacking = [".".join(map(str, problem["loc"])) for problem in problems if problem["type"] == "missing"]
    if lacking:
        return f"lacks {', '.join(lacking)}"
    return f"says of {'.'.join(map(str, problems[0]['loc']))}: {problems[0]['msg']}"


def _json(path: Path) -> Record:
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{path} cannot be read as JSON; run the command again with a new --out") from None
    if not isinstance(data, dict):
        raise RunError(f"{path} holds no JSON object; run the command again with a new --out")
    return data


def _records(path: Path) -> list[Record]:
    """Complete lines only: a torn last line is what a kill leaves."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    found = [record_of(line) for line in lines]
    records = [record for record in found if record is not None]
    if len(records) < len(found):
        number = found.index(None) + 1
        raise RunError(f"{path}, line {number} is not as it was written; continue the run with --resume to repair it")
    return records
