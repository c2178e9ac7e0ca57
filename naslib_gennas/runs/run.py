"""Run directories: configuration, environment and append-only results that survive a kill and can be resumed."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from ..errors import RunError

CONFIG, ENVIRONMENT, RESULTS, SUMMARY = "config.json", "environment.json", "results.jsonl", "summary.json"
PRESET = "preset.json"  # what its name stood for
SCORES = "scores.csv"  # one row an architecture: its ground truth and its scores

Record = dict[str, Any]
"""A JSON object: a line of ``results.jsonl``, or a configuration."""


class Run:
    """Records of one command, kept in a directory (or in memory only, when ``directory`` is None).

    Every record is one line of ``results.jsonl``, written at once. A torn last line, left by a kill, is cut
    off when the run is resumed. Raises RunError if the directory cannot be written, holds something else,
    or belongs to another configuration (the differences are shown).
    """

    def __init__(self, directory: str | Path | None, config: dict[str, Any], resume: bool = False):
        self.config = config
        self.records: list[dict[str, Any]] = []
        self.directory = None if directory is None else Path(directory)
        self._file = None
        if self.directory is not None:
            self._open(resume)

    def append(self, record: dict[str, Any]) -> None:
        """Keep one record; it is on its way to the disk when this returns."""
        self.records.append(record)
        if self._file is not None:
            self._file.write((json.dumps(record) + "\n").encode())
            self._file.flush()

    def write(self, name: str, data: Any) -> None:
        """Write ``data`` as the JSON file ``name`` of the run, replacing it in one step."""
        if self.directory is None:
            return
        scratch = self.directory / (name + ".part")
        scratch.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        scratch.replace(self.directory / name)

    def path(self, name: str) -> Path | None:
        return None if self.directory is None else self.directory / name

    def inside(self, name: str, config: dict[str, Any]) -> Run:
        """A run of its own in the folder ``name`` of this one, continued if it is there."""
        folder = self.path(name)
        return Run(folder, config, resume=folder is not None and folder.exists())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _open(self, resume: bool) -> None:
        known = self.directory / CONFIG
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if known.exists():
                self._check(known, resume)
                self.records = _read_records(self.directory / RESULTS)
            elif any(self.directory.iterdir()):
                raise RunError(f"{self.directory} is not empty and is no run directory; choose another --out")
            else:
                self.write(CONFIG, self.config)
            self.write(ENVIRONMENT, environment())
            self._file = open(self.directory / RESULTS, "ab")
        except OSError as error:
            raise RunError(f"cannot write the run directory {self.directory}: {error.strerror or error}") from None

    def _check(self, known: Path, resume: bool) -> None:
        try:
            before = json.loads(known.read_text(encoding="utf-8"))
        except ValueError:
            raise RunError(f"{known} is not JSON; the run cannot be continued, choose another --out") from None
        if not resume:
            raise RunError(f"{self.directory} holds a run; add --resume to continue it, or choose another --out")
        now = json.loads(json.dumps(self.config))
        changed = [
            f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        if changed:
            raise RunError(
                f"{self.directory} was made with other settings ({'; '.join(changed)}); "
                "repeat those or choose another --out"
            )


def _read_records(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    data = path.read_bytes()
    complete = data.rfind(b"\n") + 1
    if complete < len(data):
        with open(path, "r+b") as file:
            file.truncate(complete)
    records = []
    for number, line in enumerate(data[:complete].splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except ValueError:
            raise RunError(f"{path}, line {number} is not JSON; delete that line and resume") from None
    return records


def environment() -> dict[str, Any]:
    """Versions and hardware of this process, for the record."""
    import numpy
    import torch

    from .. import __version__

    return {
        "naslib_gennas": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "command": sys.argv,
    }
