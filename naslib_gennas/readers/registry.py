"""Which function reads which source: by the ending of a file's name, or by the word before a colon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pandas as pd

from ..registry import Registry

Progress = Optional[Callable[[int, int], None]]
"""Called with (done, total): bytes, or files of a folder."""
FOLDER = "/"  # the "ending" of a folder

Reader = Callable[[Path, Optional[str], Progress], pd.DataFrame]
Scheme = Callable[[str, str], pd.DataFrame]

READERS: Registry[Reader] = Registry("table format", "naslib_gennas.readers")
"""Ending of a file name -> reader(path, part, progress) of a frame: ``arch`` (text) and metrics.

``part`` is what follows '#' in the source, for formats that hold several tables, otherwise None.
"""

SCHEMES: Registry[Scheme] = Registry("source of tables", "naslib_gennas.sources")
"""Word before the colon of a source that is no file -> function of (what follows, name of the search space) that
returns a frame as a reader does. ``import naslib_gennas.plugin.dataset_api`` adds ``naslib``, as in ``naslib:cifar10``.
"""
