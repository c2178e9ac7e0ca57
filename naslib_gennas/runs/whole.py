"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

PART = ".part"  # of a file that is being written


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content``, make sure that it is on the disk, and only then put it in the place of what ``path`` was.

    OSError if that cannot be done; then ``path`` is what it was.

    >>> write_whole(Path("it.txt"), b"all of it")
    >>> Path("it.txt").read_text(), sorted(path.name for path in Path().iterdir())
    ('all of it', ['it.txt'])
    """
    scratch = path.with_name(path.name + PART)
    try:
        with open(scratch, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise
