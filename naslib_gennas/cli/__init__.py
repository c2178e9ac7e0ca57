"""The command ``gennas``. Importing a module here adds its commands."""

from . import (  # noqa: F401
    benchmark,
    compare,
    demo,
    export,
    fit,
    lists,
    measures,
    naslib,
    one_shot,
    report,
    scores,
    scoring,
    search,
    tasks,
    top,
)
from .base import main

__all__ = ["main"]
