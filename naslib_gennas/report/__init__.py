"""One self-contained HTML page from the run directories of correlate, benchmark, search and fit."""

from .page import MAX_BYTES, write_report

__all__ = ["MAX_BYTES", "write_report"]
