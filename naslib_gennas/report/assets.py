"""The stylesheets and the script of the page."""

from __future__ import annotations

from importlib import resources


def asset(name: str) -> str:
    return resources.files("naslib_gennas.report").joinpath(name).read_text(encoding="utf-8")
