"""The only code that imports NASLib.

After ``import naslib_gennas.plugin`` NASLib has our measures: at once if it is imported already, otherwise as soon
as it is. ``import naslib`` then finds the checkout that NASLIB_HOME names, too, and what breaks in it on current
Python is repaired.

>>> import naslib_gennas.plugin
>>> from naslib.predictors.zerocost import ZeroCost
>>> ZeroCost("gennas").query(graph, train_loader)
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from ..errors import GenNASError
from .first_import import arm


def register(**settings: Any) -> list[str]:
    """Add our measures to NASLib, see :func:`.measure.register`; MissingPackageError without NASLib."""
    from .measure import register

    return register(**settings)


arm()
if "naslib" in sys.modules:
    with contextlib.suppress(GenNASError):  # register() says why
        register()
