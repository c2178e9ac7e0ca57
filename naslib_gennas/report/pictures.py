"""One picture of a report, and what pictures of points share."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Optional

import numpy as np

from .charts import Axes

TEXT = 300  # characters of an architecture shown on hover
LEGEND = 190  # pixels at the right of a wide picture


@dataclass(frozen=True)
class Picture:
    name: str  #: of the file, without ending
    svg: str
    caption: str


@dataclass(frozen=True)
class Hover:
    """What the points of a run say: its architectures, and axis -> values, None where there is none."""

    arch: list[str]
    values: dict[str, list[Optional[float]]]


def picture(name: str, svg: str, caption: str) -> Picture:
    """``name`` becomes one that a file can have."""
    return Picture("".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name), svg, caption)


def wide_axes(x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str], height: int) -> Axes:
    """As wide as the page, with room for a legend."""
    return Axes(x, y, *labels, width=760, height=height, right=LEGEND)


def legend_place(axes: Axes) -> tuple[float, float]:
    return axes.width - LEGEND + 10, 22


def hover_attributes(run: str, x: str, y: str) -> str:
    """By these the page finds what a point says: the run, and the names of the values on the axes."""
    return f'data-run="{escape(run)}" data-x="{escape(x)}" data-y="{escape(y)}"'


def short(value: Optional[float]) -> Optional[float]:
    """To five digits; None for what is not finite."""
    return float(f"{value:.5g}") if value is not None and np.isfinite(value) else None


def cut(text: str) -> str:
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"
