"""How far runs are that others write: what each says of itself every few seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from ..errors import InputError, RunError
from ..progress import Standing
from ..runs.run import CONFIG, PROGRESS, RESULTS, read_json, writer_of


@dataclass(frozen=True)
class RunStanding:
    """Of a run: how far it is (None if it has not said so), its records, who writes it, and when it spoke last."""

    path: str
    records: int
    standing: Optional[Standing]
    writer: Optional[str]
    silent: Optional[float]  # seconds

    @property
    def state(self) -> str:
        """
        >>> RunStanding("a", 9, Standing("scoring", 9, 9, 30.0), None, 80.0).state
        'finished'
        >>> RunStanding("a", 3, Standing("scoring", 3, 9, 30.0), None, 80.0).state
        'stopped; --resume continues it'
        """
        if self.writer is not None:
            return f"written by {self.writer}"
        if self.standing is None:
            return "nobody writes it"
        return "finished" if self.standing.done >= self.standing.total else "stopped; --resume continues it"

    def as_record(self) -> dict[str, object]:
        standing = self.standing
        known = standing is not None and standing.done > 0
        return {
            "run": self.path,
            "records": self.records,
            "what": standing.label if standing else None,
            "done": standing.done if standing else None,
            "total": standing.total if standing else None,
            "rate": standing.rate if standing and known else None,
            "workers": standing.workers if standing else None,
            "left": standing.left if standing and known else None,
            "silent": self.silent,
            "writer": self.writer,
            "state": self.state,
        }


def standings(runs: Sequence[Union[str, Path]]) -> list[RunStanding]:
    """Of every run in the folders ``runs``, those inside others too; InputError where there is none."""
    found: list[RunStanding] = []
    for folder in map(Path, runs):
        inside = sorted(path.parent for path in folder.rglob(CONFIG))
        if not inside:
            raise InputError(f"{folder} holds no run; give the --out directory of a command that is running")
        found += map(_standing, inside)
    return found


def _standing(run: Path) -> RunStanding:
    said = read_json(run / PROGRESS)
    at = said.pop("at", None)
    try:
        standing = Standing(**said) if said else None
        str(standing)  # numbers that are none
        silent = None if at is None else max(0.0, time.time() - float(at))
    except (TypeError, ValueError):
        raise RunError(f"{run / PROGRESS} is not what this version writes; delete it, the run goes on") from None
    return RunStanding(str(run), _lines(run / RESULTS), standing, writer_of(run), silent)


def _lines(path: Path) -> int:
    try:
        with open(path, "rb") as file:
            return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return 0
