"""The command ``gennas``. Importing a module here adds its commands."""

from .base import main

__all__ = ["main"]
