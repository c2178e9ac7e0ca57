"""The one record of what a scorer found about an architecture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal, Optional, cast

from ..runs.run import Record

Status = Literal["ok", "diverged", "failed", "crashed", "timeout"]

GENNAS = "gennas"
_FIELDS = ("arch", "key", "measure", "score", "status", "seconds", "message", "error", "curve")


@dataclass(frozen=True)
class ErrorRecord:
    """What went wrong: the ``type`` of the exception (or of the process's end) and one sentence."""

    type: str
    message: str


@dataclass(frozen=True)
class Score:
    """What every scorer returns and every run keeps.

    Attributes:
        arch: the architecture's text.
        key: equal keys of one scorer have equal values.
        value: higher is better; None unless ``status`` is ``ok``.
        status: ``ok``; ``diverged`` (a loss that is not finite); ``failed`` (an exception); ``crashed`` (its process
            died); ``timeout`` (stopped after the time limit).
        seconds: all that the value took, building the network included.
        measure: whose value it is.
        error: why there is no value; None if there is one.
        note: what the reader should know of a value, such as the stages that were read.
        details: numbers beside the value; of ``gennas`` ``seconds_build``, ``steps`` and ``parameters``.
        curve: training loss of every step of the first regression; empty where nothing is trained.

    >>> score = Score("|nor_conv_1x1~0|...", "0", 0.5, "ok", 0.1, details={"steps": 20})
    >>> Score.from_record(score.as_record()) == score
    True
    """

    arch: str
    key: str
    value: Optional[float]
    status: Status
    seconds: float
    measure: str = GENNAS
    error: Optional[ErrorRecord] = None
    note: str = ""
    details: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()

    @property
    def score(self) -> Optional[float]:
        """The value, under the name that it has in files."""
        return self.value

    @property
    def message(self) -> str:
        """The error's sentence, or the note."""
        return self.error.message if self.error else self.note

    def _repr_html_(self) -> str:
        """In a notebook."""
        rows = {"architecture": self.arch, self.measure: f"{self.value:.5g}" if self.value is not None else self.status}
        rows |= {"seconds": f"{self.seconds:.3g}", **({"message": self.message} if self.message else {})}
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
        return f"<table>{cells}</table>"

    def of(self, arch: str) -> Score:
        """The same for another architecture with the same key."""
        return self if arch == self.arch else replace(self, arch=arch)

    def again(self, arch: str) -> Score:
        """The same, met again: it took no time."""
        return replace(self, arch=arch, seconds=0.0)

    def as_record(self, curve: bool = False) -> Record:
        """Plain JSON values; ``curve`` keeps the losses, to five digits, up to the first that is not finite."""
        record: Record = {
            "arch": self.arch,
            "key": self.key,
            "measure": self.measure,
            "score": self.value,
            "status": self.status,
            "seconds": self.seconds,
            **self.details,
            "message": self.message,
        }
        if self.error:
            record["error"] = self.error.type
        if curve and self.curve:
            record["curve"] = [float(f"{loss:.5g}") for loss in itertools.takewhile(math.isfinite, self.curve)]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Score:
        """The score of a line of a run, of this version or an older one."""
        status, message = cast(Status, record["status"]), record.get("message", "")
        error = None if status == "ok" else ErrorRecord(record.get("error", status), message)
        numbers = {
            name: value
            for name, value in record.items()
            if name not in _FIELDS and isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        return cls(
            arch=record["arch"],
            key=record["key"],
            value=record["score"],
            status=status,
            seconds=record["seconds"],
            measure=record.get("measure", GENNAS),
            error=error,
            note=message if error is None else "",
            details=numbers,
            curve=tuple(record.get("curve", ())),
        )
