"""NASLib's own scripts with gennas in them."""

from ..plugin.runner import run_stock
from ..plugin.runner_config import read_config

__all__ = ["read_config", "run_stock"]
