"""Labels to a predictor. Importing this registers the source of scores ``fit``."""

from .fitted import PREDICTOR, FittedScorer
from .spectrum_predictor import SpectrumPredictor

__all__ = ["PREDICTOR", "FittedScorer", "SpectrumPredictor"]
