"""A heat map as SVG: rows and columns of correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Optional

POSITIVE, NEGATIVE = "#0072B2", "#D55E00"
CELL, LINE, LETTER = 54, 22, 7.4  # pixels of a cell, a row, a letter
LINE_OF_HEAD = 14


def heat_map(
    rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[Optional[float]]], title: str
) -> str:
    """``values[row][column]`` in [-1, 1]: blue where positive, orange where negative, empty where None.

    A name of a column may have several lines.

    >>> "0.80" in heat_map(["synflow"], ["cifar10"], [[0.8]], "Spearman's rho")
    True
    """
    left = round(max(len(name) for name in rows) * LETTER + 12)
    top = LINE_OF_HEAD * max(len(name.splitlines()) for name in columns) + 8
    width, height = left + CELL * len(columns) + 4, top + LINE * len(rows) + 4
    parts = [
        *_heads(columns, left),
        *(part for i, name in enumerate(rows) for part in _row(name, values[i], left, top + LINE * i)),
    ]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{name}" {size}><title>{name}</title>'
        f"{''.join(parts)}</svg>"
    )


def _heads(columns: Sequence[str], left: int) -> Iterator[str]:
    for i, name in enumerate(columns):
        for line, text in enumerate(name.splitlines()):
            x, y = left + CELL * i + CELL / 2, LINE_OF_HEAD * (line + 1)
            yield f'<text class="tick" x="{x:g}" y="{y}" text-anchor="middle">{escape(text)}</text>'


def _row(name: str, values: Sequence[Optional[float]], left: int, top: int) -> Iterator[str]:
    yield f'<text class="label" x="{left - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>'
    for i, value in enumerate(values):
        if value is None:
            continue
        colour, x = POSITIVE if value >= 0 else NEGATIVE, left + CELL * i
        look = f'fill="{colour}" fill-opacity="{0.75 * min(1.0, abs(value)):.2f}"'
        yield f'<rect x="{x + 1}" y="{top + 1}" width="{CELL - 2}" height="{LINE - 2}" rx="2" {look}/>'
        yield f'<text class="tick" x="{x + CELL / 2:g}" y="{top + 15}" text-anchor="middle">{value:.2f}</text>'
