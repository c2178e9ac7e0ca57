"""The command ``gennas``. Importing a module here adds its commands."""

from . import benchmark, compare, demo, export, fit, lists, naslib, one_shot, report, scores, scoring, search, tasks  # noqa: F401
from .base import main

__all__ = ["main"]
