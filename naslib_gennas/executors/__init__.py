"""Where scorers run: here, or in processes. Importing this registers them."""

from . import here, processes  # noqa: F401
from .protocol import EXECUTORS, Executor, Resources, Work, open_executor
from .scores import OnError, ScorerElsewhere, score_all

__all__ = ["EXECUTORS", "Executor", "OnError", "Resources", "ScorerElsewhere", "Work", "open_executor", "score_all"]
