"""Suites: tables and figures of the paper, run as far as the tables of ground truth at hand allow."""

from .context import SuiteSettings
from .results import Missing, SuiteResult, SuiteRow
from .run import run_suite, text_of
from .spec import load_suite, suite_names

__all__ = [
    "Missing",
    "SuiteResult",
    "SuiteRow",
    "SuiteSettings",
    "load_suite",
    "run_suite",
    "suite_names",
    "text_of",
]
