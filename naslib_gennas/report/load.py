"""Run directories as the report needs them; nothing in them is changed."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd

from ..errors import GenNASError, RunError
from ..proxy.presets import Preset, load_preset, parse_preset
from ..runs.run import CONFIG, ENVIRONMENT, PRESET, RESULTS, SCORES, SUMMARY

ROW_KEYS = (
    "n failures spearman spearman_interval kendall kendall_interval retrieval top1 best_of_top10 best "
    "seconds_per_architecture metric"
).split()
SUMMARY_KEYS = {
    "correlate": (*ROW_KEYS, "space", "table", "preset", "seed"),
    "benchmark": ("rows", "metrics", "space", "table", "preset", "seed"),
    "search": ("best", "steps", "space", "preset", "seed"),
}


@dataclass(frozen=True)
class LoadedRun:
    """What one finished command left behind."""

    name: str  #: of the directory
    command: str  #: correlate, benchmark or search
    config: dict[str, Any]
    environment: dict[str, Any]
    summary: dict[str, Any]
    rows: list[dict[str, Any]]  #: one a measure and metric, see ROW_KEYS, and "measure"; none for a search
    frame: Optional[pd.DataFrame] = None  #: one row an architecture: arch, metrics, scores of the measures
    records: tuple[dict[str, Any], ...] = ()  #: steps of a search
    curves: dict[str, list[float]] = field(default_factory=dict)  #: architecture -> training losses, where kept
    preset: Optional[Preset] = None  #: None if the run does not say what it was

    @property
    def space(self) -> str:
        return self.summary["space"]

    def label(self, measure: str) -> str:
        """``gennas`` with its preset, which decides what it is."""
        return f"gennas ({self.summary['preset']})" if measure == "gennas" else measure

    @property
    def uses_preset(self) -> bool:
        """False for a benchmark without ``gennas`` by the preset of the command."""
        measures = [row["measure"] for row in self.rows]
        return self.command != "benchmark" or any(re.search(r"\bgennas\b(?!@)", measure) for measure in measures)

    @property
    def shell(self) -> str:
        """The command line that made the run."""
        argv = self.environment.get("command") or ["?"]
        program = Path(argv[0]).name
        start = "python -m naslib_gennas.cli" if program == "__main__.py" else shlex.quote(program)
        return " ".join([start, *map(shlex.quote, argv[1:])])


def load_run(directory: str | Path) -> LoadedRun:
    """Read a run directory. RunError if it is none, is of another command or version, or has no results."""
    directory = Path(directory)
    if not (directory / CONFIG).is_file():
        raise RunError(f"{directory} is no run directory ({CONFIG} is missing); give what --out named")
    config = _json(directory / CONFIG)
    command = config.get("command")
    if command not in SUMMARY_KEYS:
        raise RunError(f"{directory} is a run of {command!r}; a report takes runs of {', '.join(SUMMARY_KEYS)}")
    if not (directory / SUMMARY).is_file():
        raise RunError(f"{directory} has no results yet ({SUMMARY} is missing); finish the run with --resume")
    summary = _json(directory / SUMMARY)
    environment = _json(directory / ENVIRONMENT) if (directory / ENVIRONMENT).is_file() else {}
    rows = _rows(command, summary)
    _check(directory, environment, summary, SUMMARY_KEYS[command])
    for row in rows:
        _check(directory, environment, row, (*ROW_KEYS, "measure"))
    frame = _frame(directory, rows) if (directory / SCORES).is_file() else None
    records = _records(directory / RESULTS) if command == "search" else ()
    curves = _curves(directory / RESULTS) if config.get("curves") else {}
    preset = _preset(directory / PRESET, config)
    name = directory.resolve().name
    return LoadedRun(name, command, config, environment, summary, rows, frame, records, curves, preset)


def _preset(path: Path, config: dict[str, Any]) -> Optional[Preset]:
    """The preset that the run kept, or the shipped one of the same name if that still is what it was."""
    try:
        if path.is_file():
            return parse_preset(path.read_text(encoding="utf-8"), str(path))
        preset = load_preset(str(config.get("preset")))
    except (OSError, ValueError, GenNASError):
        return None
    return preset if preset.digest() == config.get("preset_digest") else None


def _curves(path: Path) -> dict[str, list[float]]:
    return {record["arch"]: record["curve"] for record in _records(path) if record.get("curve")}


def _rows(command: str, summary: dict[str, Any]) -> list[dict[str, Any]]:
    if command == "correlate":
        return [{**summary, "measure": "gennas"}]
    rows = summary.get("rows", [])
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else [{}]


def _check(directory: Path, environment: dict[str, Any], found: dict[str, Any], keys) -> None:
    missing = [key for key in keys if key not in found]
    if missing:
        version = environment.get("naslib_gennas", "unknown")
        raise RunError(
            f"{directory} was made by another version ({version}): its {SUMMARY} lacks {', '.join(missing)}; "
            "run the command again with a new --out"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{path} cannot be read as JSON; run the command again with a new --out") from None
    if not isinstance(data, dict):
        raise RunError(f"{path} holds no JSON object; run the command again with a new --out")
    return data


def _frame(directory: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    path = directory / SCORES
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); run the command again with a new --out") from None
    missing = {"arch", *(row[key] for row in rows for key in ("metric", "measure"))} - set(frame.columns)
    if missing:
        raise RunError(f"{path} lacks the columns {', '.join(sorted(missing))}; run the command again with a new --out")
    return frame.replace([np.inf, -np.inf], np.nan)


def _records(path: Path) -> tuple[dict[str, Any], ...]:
    """Complete lines only: a torn last line is what a kill leaves."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    try:
        return tuple(json.loads(line) for line in lines)
    except ValueError:
        raise RunError(f"{path} holds a line that is not JSON; delete that line and resume the run") from None
