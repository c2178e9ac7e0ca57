"""Search over architectures: one generic evolution, one loop that scores, records and resumes."""

from .architectures import best_records, best_so_far, search_architectures
from .evolution import random_search, regularized_evolution

__all__ = ["best_records", "best_so_far", "random_search", "regularized_evolution", "search_architectures"]
