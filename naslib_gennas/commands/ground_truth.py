"""Tables of ground truth, NASLib's own included."""

from __future__ import annotations

import os
from typing import Optional, Union

from .. import tables
from ..readers.registry import Progress
from ..spaces.base import SearchSpace

NASLIB = "naslib:"


def load_table(
    source: Union[str, os.PathLike[str]],
    space: Union[str, SearchSpace],
    strict: bool = False,
    progress: Optional[Progress] = None,
) -> tables.Table:
    """As :func:`naslib_gennas.tables.load_table`; ``naslib:cifar10`` and the like read the files that NASLib has."""
    if str(source).startswith(NASLIB):
        from ..plugin import dataset_api  # noqa: F401 - it registers the reader
    return tables.load_table(source, space, strict, progress)
