"""Scorers: an architecture goes in, one :class:`.score.Score` comes out. Importing this registers ``gennas``,
``econas:FACTORS`` and ``ppl:FILE@N``."""

from . import econas, gennas_measure, perplexity  # noqa: F401 - they register
from .ensemble import EnsembleScorer, parse_measure, parse_measures
from .gennas import GenNASScorer, check_kind, find_device
from .measure import MeasuredNetworks, MeasureScorer, measure_module, measure_scorers
from .protocol import BaseScorer, Scorer
from .score import ErrorRecord, Score
from .table import TableScorer

__all__ = [
    "BaseScorer",
    "EnsembleScorer",
    "ErrorRecord",
    "GenNASScorer",
    "MeasureScorer",
    "MeasuredNetworks",
    "Score",
    "Scorer",
    "TableScorer",
    "check_kind",
    "find_device",
    "measure_module",
    "measure_scorers",
    "parse_measure",
    "parse_measures",
]
