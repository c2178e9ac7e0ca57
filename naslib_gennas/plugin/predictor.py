"""A NASLib predictor: for ``PredictorEvaluator``, the zero-cost evaluator, BANANAS and NPENAS.

>>> from naslib_gennas.plugin.predictor import GenNASPredictor  # loads NASLib  # doctest: +SKIP
>>> GenNASPredictor(preset="fast").query(graph)  # doctest: +SKIP
-0.0123
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .naslib_predictor import GenNASPredictor

__all__ = ["GenNASPredictor"]


def __getattr__(name: str) -> Any:
    """The class when first asked for, since its base class is NASLib's; MissingPackageError without NASLib."""
    if name == "GenNASPredictor":
        from .naslib_predictor import GenNASPredictor

        return GenNASPredictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
