"""Search over architectures: one generic evolution, one loop that scores, records and resumes."""

from .architectures import Engine, SearchSettings, Step, best_steps, own_engine, search_architectures
from .evolution import random_search, regularized_evolution

__all__ = [
    "Engine",
    "SearchSettings",
    "Step",
    "best_steps",
    "own_engine",
    "random_search",
    "regularized_evolution",
    "search_architectures",
]
