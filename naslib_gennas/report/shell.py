"""What every page shares: one HTML file that opens from disk, without network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .assets import asset

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
GENERATOR = "naslib_gennas"

Heads = list[tuple[str, bool]]
"""Names of columns, and whether they hold numbers."""
Cells = list[list[str]]
"""Rows of a table, each cell an element."""


def html_page(title: str, body: str, scripts: str = "") -> str:
    """The page: ``body`` under the style sheets, ``scripts`` at its end.

    >>> html_page("a < b", "<p>text</p>").count("a &lt; b")
    1
    """
    style = "".join(map(asset, ("page.css", "charts.css", "dark.css")))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="generator" content="{GENERATOR}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"{body}\n{scripts}</body>\n</html>\n"
    )


def html_table(heads: Heads, rows: Sequence[Sequence[str]], sortable: bool = False) -> str:
    """A table; cells are elements, and wide ones scroll.

    >>> html_table([("rho", True)], [["<td>.9</td>"]]).count("<td>")
    1
    """

    def head(name: str, number: bool) -> str:
        inside = f'<button type="button">{escape(name)}</button>' if sortable else escape(name)
        return f'<th scope="col"{" class=number" if number else ""}>{inside}</th>'

    kind = ' class="sortable"' if sortable else ""
    lines = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table{kind}><thead><tr>{"".join(head(*h) for h in heads)}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>"
    )
