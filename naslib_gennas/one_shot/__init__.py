"""Weight sharing on NAS-Bench-201: one supernet, and the methods that search in it, one a file."""

from . import darts, enas, gdas, rsps, setn  # noqa: F401 - they register
from .data import LabelledImages, load_labelled
from .method import METHODS, Method, OneShotSettings
from .search import Epoch, search_one_shot
from .supernet import Supernet

__all__ = [
    "METHODS",
    "Epoch",
    "LabelledImages",
    "Method",
    "OneShotSettings",
    "Supernet",
    "load_labelled",
    "search_one_shot",
]
