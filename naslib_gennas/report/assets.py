"""The stylesheets and the script of the page."""

from __future__ import annotations

from importlib import resources


def asset(name: str) -> str:
    return resources.files("naslib_gennas.report").joinpath(name).read_text(encoding="utf-8")


def standalone(svg: str) -> str:
    """A picture of the page as a file of its own, with its look."""
    look = f"<style>{asset('charts.css').replace('svg ', '')}</style>"
    return svg.replace("</title>", "</title>" + look, 1)
