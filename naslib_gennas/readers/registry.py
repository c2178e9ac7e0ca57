from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pandas as pd

from ..registry import Registry

Progress = Optional[Callable[[int, int], None]]  # called with (done, total): bytes, or files of a folder
FOLDER = "/"  # the "ending" of a folder
Reader = Callable[[Path, Optional[str], Progress], pd.DataFrame]

READERS: Registry[Reader] = Registry("table format")
"""Ending of a file name -> reader(path, part, progress) of a frame: ``arch`` (text) and metrics.

``part`` is what follows '#' in the source, for formats that hold several tables, otherwise None.
"""
