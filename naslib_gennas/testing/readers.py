"""Checks of readers of table formats: see :data:`naslib_gennas.readers.registry.READERS` for what one promises."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable, Optional

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from ..errors import TableError
from ..readers import read_frame
from ..readers.registry import Progress
from .suite import Inapplicable, Suite, raised

CUTS = (0.15, 0.35, 0.55, 0.75, 0.95)  # of the bytes of a truncated file
GARBAGE = 4096  # bytes


@dataclass(frozen=True)
class ReaderCase:
    """A good file (or folder) of a few architectures, for the reader that is registered for its ending.

    Attributes:
        part: which table of the file is read, where it holds several.
        unchecked: name of a check that cannot be applied -> why.
    """

    path: Path
    part: Optional[str] = None
    unchecked: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: Optional[Path] = None, progress: Progress = None) -> pd.DataFrame:
        """The frame of the file, or of a damaged copy of it."""
        place = str(path or self.path)
        return read_frame(place if self.part is None else f"{place}#{self.part}", progress)


READER_SUITE: Suite[ReaderCase] = Suite()
READER_CHECKS = READER_SUITE.checks
"""Every check; called with a :class:`ReaderCase`."""


def check_reader(case: ReaderCase) -> dict[str, str]:
    """All checks of a registered reader, by a file; the first that fails raises AssertionError.

    The file is not changed; damaged copies of it are read in a temporary folder. Returns the checks that are declared
    as ``unchecked``, and why.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "table.json"
    ...     _ = path.write_text('[{"arch": "5", "accuracy": 90.5}, {"arch": "6", "accuracy": 91.5}]')
    ...     check_reader(ReaderCase(path))
    {}
    """
    return READER_SUITE.run(case)


@READER_SUITE.check
def check_frame(case: ReaderCase) -> None:
    """A row an architecture: its text in ``arch``, numeric metrics beside it."""
    frame = case.read()
    assert isinstance(frame, pd.DataFrame), f"a reader returns a DataFrame, got {type(frame).__name__}"
    assert "arch" in frame.columns, f"there is no column arch, but {list(frame.columns)}"
    assert all(type(name) is str for name in frame.columns), f"names of columns are text, got {list(frame.columns)}"
    assert frame.columns.is_unique, f"a column is there twice: {list(frame.columns)}"
    assert len(frame) > 0, "there are no architectures"
    wrong = [text for text in frame["arch"] if type(text) is not str or not text.strip()]
    assert not wrong, f"architectures are texts, one of them is {wrong[0]!r}"
    metrics = [name for name in frame.columns if name != "arch" and is_numeric_dtype(frame[name])]
    assert metrics, f"no column is numeric: {dict(frame.dtypes)}"
    assert any(frame[name].notna().any() for name in metrics), "no metric has a value"


@READER_SUITE.check
def check_repeatability(case: ReaderCase) -> None:
    """The same file is the same frame, and the file is left as it is."""
    before = _content(case.path)
    first, again = case.read(), case.read()
    assert first.equals(again), "the file is read differently a second time"
    assert list(first.columns) == list(again.columns), "the columns change their order"
    assert _content(case.path) == before, "reading changes the file"


@READER_SUITE.check
def check_progress(case: ReaderCase) -> None:
    """Progress, where it is told, is (done, total), grows, ends at the total, and changes nothing."""
    told: list[tuple[int, int]] = []
    frame = case.read(progress=lambda done, total: told.append((done, total)))
    assert frame.equals(case.read()), "the frame is another one when progress is asked for"
    assert all(0 <= done <= total for done, total in told), f"progress is {told}"
    assert told == sorted(told), f"progress goes back: {told}"


@READER_SUITE.check
def check_empty_file(case: ReaderCase) -> None:
    """A file without content is a TableError that names it."""
    _refused(case, partial(_replaced, b""), "a file without content")


@READER_SUITE.check
def check_garbage(case: ReaderCase) -> None:
    """A file of random bytes is a TableError that names it, and nothing else."""
    for seed in range(3):
        garbage = np.random.default_rng(seed).bytes(GARBAGE)
        _refused(case, partial(_replaced, garbage), "a file of random bytes")


@READER_SUITE.check
def check_truncated_file(case: ReaderCase) -> None:
    """A file that was cut off is a TableError that names it, wherever it was cut."""
    for share in CUTS:
        what, cut = f"a file of which {share:.0%} is left", partial(_cut, share)
        if _readable(case, cut):
            raise Inapplicable(f"{what} is read like a whole one")
        _refused(case, cut, what)


def _replaced(by: bytes, content: bytes) -> bytes:
    return by


def _cut(share: float, content: bytes) -> bytes:
    return content[: int(share * len(content))]


def _readable(case: ReaderCase, change: Callable[[bytes], bytes]) -> bool:
    with _damaged(case.path, change) as path:
        try:
            case.read(path)
        except Exception:
            return False
    return True


def _refused(case: ReaderCase, change: Callable[[bytes], bytes], what: str) -> None:
    with _damaged(case.path, change) as path:
        error = raised(TableError, lambda: case.read(path), f"reading {what}")
        assert str(path) in str(error), f"the error of {what} does not say which: {error}"
        assert "\n" not in str(error).strip(), f"the error of {what} is more than a sentence: {error}"


@contextmanager
def _damaged(path: Path, change: Callable[[bytes], bytes]) -> Iterator[Path]:
    """A copy of the same name with other content; of a folder, one whose files all have other content."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copy(path, copy)
        for file in _files(copy):
            file.write_bytes(change(file.read_bytes()))
        yield copy


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _content(path: Path) -> list[bytes]:
    return [file.read_bytes() for file in _files(path)]
