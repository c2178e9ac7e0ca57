"""The only code that imports NASLib.

After ``import naslib_gennas.plugin`` NASLib has our measures, and its ensembles our predictor: at once if it is
imported already, otherwise as soon as it is. ``import naslib`` then finds the checkout that NASLIB_HOME names, too,
and what breaks in it on current Python is repaired.

>>> import naslib_gennas.plugin
>>> from naslib.predictors.zerocost import ZeroCost  # doctest: +SKIP
>>> ZeroCost("gennas").query(graph, train_loader)  # doctest: +SKIP
-0.0123
"""

from __future__ import annotations

import contextlib
import sys

from ..errors import GenNASError
from .first_import import arm
from .loading import NASLib, load, on_load


def register(seed: int | None = None, device: str | None = None, naslib: NASLib | None = None) -> list[str]:
    """Add our measures to NASLib, see :func:`.measure.register`; MissingPackageError without NASLib."""
    from .measure import register

    return register(seed, device, naslib)


def _add_measures(naslib: NASLib) -> None:
    """A NASLib without a registry of measures has other uses."""
    if "measure" in naslib and "measures" in naslib:
        from .measure import register

        register(naslib=naslib)


def _add_to_ensembles(naslib: NASLib) -> None:
    if "Ensemble" in naslib:
        from .ensembles import add_to_ensembles

        add_to_ensembles(naslib)


on_load(_add_measures)
on_load(_add_to_ensembles)
arm(load)
if "naslib" in sys.modules:
    with contextlib.suppress(GenNASError):  # register() says why
        load()
