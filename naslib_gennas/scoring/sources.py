"""Scores that come from somewhere else than a measure: ``WORD:WHAT`` in the place of a measure's name."""

from __future__ import annotations

from typing import Callable

from ..registry import Registry
from .gennas import GenNASScorer
from .protocol import Scorer

SOURCES: Registry[Callable[[str, GenNASScorer], Scorer]] = Registry("source of scores", "naslib_gennas.score_sources")
"""Word -> function of what follows the colon, and of the scorer of ``gennas``, whose space it is for.

``econas:c8r16s2e10`` and ``ppl:FILE@3`` are there; ``import naslib_gennas.predictors`` adds ``fit:runs/fit``.
"""
