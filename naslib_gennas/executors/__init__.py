"""Where scorers run: here, in processes, on Dask or Ray. Importing this registers them, not the engines."""

from . import auto, dask, here, processes, ray  # noqa: F401
from .protocol import EXECUTORS, Executor, Resources, Work, open_executor
from .scores import OnError, ScorerElsewhere, score_all

__all__ = ["EXECUTORS", "Executor", "OnError", "Resources", "ScorerElsewhere", "Work", "open_executor", "score_all"]
