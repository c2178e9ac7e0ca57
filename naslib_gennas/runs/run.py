"""Run directories: configuration, environment and append-only results that survive a kill and can be resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Callable, Optional, TypeVar, Union

from filelock import FileLock, Timeout

from ..errors import InputError, RunError
from ..progress import Standing, progress, warn
from ..texts import parse_json
from .lines import Record as Record
from .lines import line_of, record_of
from .whole import PART, write_whole

CONFIG, ENVIRONMENT, RESULTS, SUMMARY = "config.json", "environment.json", "results.jsonl", "summary.json"
PRESET = "preset.json"  # what its name stood for
SPECTRA = "spectra.json"  # what untrained networks explain, frequency by frequency
PREDICTIONS = "predictions.csv"  # what a predictor expects, and what is
SCORES = "scores.csv"  # one row an architecture: its ground truth and its scores

RECENT = 60  # seconds
PROGRESS = "progress.json"  # how far it is, every few seconds
LOCK, OWNER = "run.lock", "run.owner.json"  # held while a process writes; who that is
BEGINNING = (RESULTS, PROGRESS, ENVIRONMENT, CONFIG, OWNER, LOCK)
"""Files of a run in which nothing has been recorded."""

T = TypeVar("T")

IDENTITY = ("space", "preset", "preset_digest", "seed", "device", "images", "images_digest", "threads", "table_digest")
"""Keys of a configuration that say which scorer and table made the run. A run whose version did not write one is not
asked."""

LAST_DIGITS = ("naslib_gennas", "torch", "numpy", "vectors", "cuda")
"""Of the environment: what may change the last digits of scores; a run that goes on with another says so."""

REJECTED = "results.rejected"  # lines that are not as they were written, and failures that are tried again
FAILED = ("failed", "crashed", "timeout")


class Run:
    """Records of one command, kept in a directory (or in memory only, when ``directory`` is None).

    Every record is one line of ``results.jsonl``, written at once. A torn last line, left by a kill, is cut
    off when the run is resumed. A run that ends in an InputError before its first record leaves nothing. One process
    writes at a time: until it closes the run or ends, even by a kill, others are refused. Raises RunError if the
    directory cannot be written, is being written, holds something else, or belongs to another configuration (the
    differences are shown).

    Args:
        directory: made if it is not there.
        config: what was asked for; a run that is continued must have been asked for the same.
        resume: continue the run that is there, if there is one.
        retry: of a run that is continued, forget records that have failed, crashed or taken too long.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Run(folder, {"command": "score", "seed": 0}) as run:
    ...         run.append({"arch": "5", "score": 0.25})
    ...     with Run(folder, {"command": "score", "seed": 0}, resume=True) as run:
    ...         print(run.records)
    [{'arch': '5', 'score': 0.25}]
    """

    def __init__(self, directory: Union[str, Path, None], config: Record, resume: bool = False, retry: bool = False):
        self.config = config
        self.records: list[Record] = []
        self.directory = None if directory is None else Path(directory)
        self._file: Optional[BinaryIO] = None
        self._lock: Optional[FileLock] = None
        self._begun = False  # here, rather than continued
        self._made = self.directory is not None and not self.directory.exists()
        if self.directory is not None:
            self._file = self._opened(self.directory, resume, retry)

    def append(self, record: Record) -> None:
        """Keep one record; it is on its way to the disk when this returns."""
        if self._file is not None:
            self._keep(line_of(record))
        self.records.append(record)

    def _keep(self, line: bytes) -> None:
        """RunError if it is not kept: the disk is full, or the directory is gone."""
        file = self._file
        assert file is not None
        try:
            file.write(line)
            file.flush()
            if os.fstat(file.fileno()).st_nlink == 0:
                raise OSError("the file was deleted while the run was being written")
        except OSError as error:
            raise RunError(self._unwritten(RESULTS, error)) from None

    def _unwritten(self, name: str, error: OSError) -> str:
        reason = error.strerror or error
        return f"cannot write {self.path(name)}: {reason}; what was kept before is whole, --resume continues from it"

    def write(self, name: str, data: object) -> None:
        """Write ``data`` as the JSON file ``name`` of the run, replacing it in one step; RunError if that fails."""
        if self.directory is not None:
            try:
                _write_json(self.directory / name, data)
            except OSError as error:
                raise RunError(self._unwritten(name, error)) from None

    def write_bytes(self, name: str, content: bytes) -> None:
        """Likewise any file; nothing where the run is kept in memory only."""
        if self.directory is not None:
            try:
                write_whole(self.directory / name, content)
            except OSError as error:
                raise RunError(self._unwritten(name, error)) from None

    def progress(
        self, items: Iterable[T], total: int, label: str, workers: Callable[[], int] = lambda: 1
    ) -> Iterator[T]:
        """:func:`~naslib_gennas.progress.progress`, which others can follow in :data:`PROGRESS`."""
        return progress(items, total, label, workers, self._tell)

    def _tell(self, standing: Standing) -> None:
        self.write(PROGRESS, {**dataclasses.asdict(standing), "at": time.time()})

    def path(self, name: str) -> Optional[Path]:
        """Of the file ``name`` of the run; None for a run in memory."""
        return None if self.directory is None else self.directory / name

    def inside(self, name: str, config: Record) -> Run:
        """A run of its own in the folder ``name`` of this one, continued if it is there."""
        folder = self.path(name)
        return Run(folder, config, resume=folder is not None and folder.exists())

    def close(self) -> None:
        self._close_file()
        self._release()

    def _close_file(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # of what could not be written, which was said
                self._file.close()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._close_file()
        if self._begun and not self.records and isinstance(error, InputError):
            self._withdraw()
        self.close()

    def _withdraw(self) -> None:
        """Leave nothing of a run that was refused, so that the corrected command can have the same directory."""
        assert self.directory is not None
        with contextlib.suppress(OSError):
            if {path.name for path in self.directory.iterdir()} <= set(BEGINNING):
                for name in BEGINNING:
                    (self.directory / name).unlink(missing_ok=True)
                if self._made:
                    self.directory.rmdir()

    def _opened(self, directory: Path, resume: bool, retry: bool) -> BinaryIO:
        """The file that records are appended to, once the directory is known to belong to this run."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not (directory / CONFIG).exists() and any(not _ours(path) for path in directory.iterdir()):
                raise RunError(f"{directory} is not empty and is no run directory; choose another --out")
            self._lock = _locked(directory)
            return self._claimed(directory, resume, retry)
        except OSError as error:
            self._release()
            raise RunError(f"cannot write the run directory {directory}: {error.strerror or error}") from None
        except RunError:
            self._release()
            raise

    def _claimed(self, directory: Path, resume: bool, retry: bool) -> BinaryIO:
        if (directory / CONFIG).exists():
            _check_same(directory, self.config, resume)
            self.records = _read_records(directory / RESULTS)
            if retry:
                self.records = _without_failures(directory / RESULTS, self.records)
        else:
            self._begun = True
            _write_json(directory / CONFIG, self.config)
        now = environment()
        _tell_changes(directory / ENVIRONMENT, now)
        _write_json(directory / ENVIRONMENT, now)
        return open(directory / RESULTS, "ab")


def _locked(directory: Path) -> FileLock:
    lock = FileLock(directory / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{directory} is being written by {_owner(directory)}; wait for it, stop it, or choose another --out"
        ) from None
    owner = {"process": os.getpid(), "machine": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    _write_json(directory / OWNER, owner)
    return lock


def _owner(directory: Path) -> str:
    found = read_json(directory / OWNER)
    if not {"process", "machine", "since"} <= found.keys():
        return "another process"
    return f"process {found['process']} on {found['machine']}, since {found['since']}"


def writer_of(directory: Path) -> Optional[str]:
    """Who writes the run there; None if nobody does. Of a run that may only be read: who wrote in the last minute."""
    if not (directory / LOCK).exists():
        return None
    lock = FileLock(directory / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _owner(directory)
    except OSError:
        return _owner(directory) if time.time() - (directory / RESULTS).stat().st_mtime < RECENT else None
    lock.release()
    return None


def read_json(path: Path) -> Record:
    """The object in a file of a run; nothing where there is none."""
    try:
        return _json_object(path.read_bytes()) or {}
    except OSError:
        return {}


def _ours(path: Path) -> bool:
    """Whether a file may be in a directory whose run has not begun: the lock, and what a kill left of a file."""
    return path.name in (LOCK, OWNER) or path.name.endswith(PART)


def _check_same(directory: Path, config: Record, resume: bool) -> None:
    before = _json_object((directory / CONFIG).read_bytes())
    if before is None:
        raise RunError(f"{directory / CONFIG} is no JSON object; the run cannot be continued, choose another --out")
    if not resume:
        raise RunError(f"{directory} holds a run; add --resume to continue it, or choose another --out")
    changed = _changes(before, json.loads(json.dumps(config)))
    if changed:
        raise RunError(
            f"{directory} was made with other settings ({'; '.join(changed)}); repeat those or choose another --out"
        )


def _tell_changes(path: Path, now: Record) -> None:
    """Warn if what is at ``path`` was written elsewhere or by other versions."""
    before = _json_object(path.read_bytes()) if path.exists() else None
    if before is None:
        return
    other = [name for name in LAST_DIGITS if name in before and before[name] != now[name]]
    if other:
        changes = "; ".join(f"{name} {before[name]} then, {now[name]} now" for name in other)
        warn(f"{path.parent} was begun elsewhere ({changes}): scores may differ in their last digits from here on")


def _changes(before: Record, now: Record) -> list[str]:
    """What differs between two configurations."""
    unsaid = {key for key in IDENTITY if key not in before}
    return [
        f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
        for key in sorted({*before, *now} - unsaid)
        if before.get(key) != now.get(key)
    ]


def _write_json(path: Path, data: object) -> None:
    write_whole(path, (json.dumps(data, indent=2) + "\n").encode())


def _read_records(path: Path) -> list[Record]:
    """The complete lines; what a kill left of one more is cut off.

    Lines that are not as they were written are put aside, and those after them where they are steps that follow on each
    other, so that they are computed again.
    """
    if not path.exists():
        return []
    found, end = [], 0
    with open(path, "rb") as file:
        for line in _complete(file):
            found.append(record_of(line))
            end += len(line)
    bad = [number for number, record in enumerate(found) if record is None]
    if bad and any(record is not None and "step" in record for record in found):
        bad = list(range(bad[0], len(found)))
    put_aside = set(bad)
    if bad:
        with open(path, "rb") as file:
            lines = list(_complete(file))
        _put_aside(path, lines, put_aside)
    elif end < path.stat().st_size:
        os.truncate(path, end)
    return [record for number, record in enumerate(found) if record is not None and number not in put_aside]


def _complete(file: BinaryIO) -> Iterator[bytes]:
    """The lines, but one without an end."""
    return (line for line in file if line.endswith(b"\n"))


def _without_failures(path: Path, records: list[Record]) -> list[Record]:
    kept = [record for record in records if record.get("status") not in FAILED]
    if len(kept) < len(records):
        with open(path.with_name(REJECTED), "ab") as file:
            file.writelines(line_of(record) for record in records if record.get("status") in FAILED)
        write_whole(path, b"".join(map(line_of, kept)))
    return kept


def _put_aside(path: Path, lines: list[bytes], bad: set[int]) -> None:
    with open(path.with_name(REJECTED), "ab") as file:
        file.writelines(lines[number] for number in sorted(bad))
    write_whole(path, b"".join(line for number, line in enumerate(lines) if number not in bad))
    named = ", ".join(str(number + 1) for number in sorted(bad)[:5]) + (", ..." if len(bad) > 5 else "")
    warn(f"{path}: line {named} is not as it was written; put into {REJECTED} and computed again ({len(bad)} in all)")


def _json_object(text: bytes) -> Optional[Record]:
    """None if it is none."""
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def environment() -> Record:
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
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "command": sys.argv,
    }
