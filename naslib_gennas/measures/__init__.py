"""Measures: numbers that rank networks without training them, all of them higher-is-better.

Importing this package registers them; importing :mod:`.base` alone registers none and needs no tensors.
"""

from ..scoring import gennas_measure as gennas  # noqa: F401, I001 - the order of registration is the order of the lists
from .base import MEASURES, Measure, measure
from .measured_network import Subject

__all__ = ["MEASURES", "Measure", "Subject", "measure"]
