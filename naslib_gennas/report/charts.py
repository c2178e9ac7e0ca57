"""Pictures as SVG text, without any plotting library. Colours: Okabe and Ito's, with a dash or shape beside each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Optional, Union

import numpy as np

from ..evaluation import Floats

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 42  # margins of a picture, pixels
LINE = 12  # height of a label
LETTER = 6.2  # width of a letter in a label, about

Label = tuple[float, float, float]  # where a text starts and ends, and its height


@dataclass(frozen=True)
class Axes:
    """Where values lie in a picture of ``width`` x ``height`` pixels; right is the room for labels there."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    width: int = 330
    height: int = 260
    right: int = RIGHT
    log_x: bool = False
    log_y: bool = False

    def px(self, value: float) -> float:
        return round(LEFT + _part(value, self.x, self.log_x) * (self.width - LEFT - self.right), 1)

    def py(self, value: float) -> float:
        return round(self.height - BOTTOM - _part(value, self.y, self.log_y) * (self.height - TOP - BOTTOM), 1)

    def svg(self, body: Iterable[str], title: str, attributes: str = "") -> str:
        """The picture: grid, ticks, labels, and ``body`` on top."""
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" {size} {attributes}>'
        ]
        return "".join([*parts, f"<title>{escape(title)}</title>", *self._grid(), *body, "</svg>"])

    def _grid(self) -> Iterable[str]:
        left, right, top, bottom = LEFT, self.width - self.right, TOP, self.height - BOTTOM
        for value in _marks(self.x, self.log_x):
            at = self.px(value)
            yield f'<path class="grid" d="M{at} {top}V{bottom}"/>'
            yield f'<text class="tick" x="{at}" y="{bottom + 14}" text-anchor="middle">{value:g}</text>'
        for value in _marks(self.y, self.log_y):
            at = self.py(value)
            yield f'<path class="grid" d="M{left} {at}H{right}"/>'
            yield f'<text class="tick" x="{left - 6}" y="{at + 4}" text-anchor="end">{value:g}</text>'
        yield f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>'
        place = f'x="{(left + right) / 2}" y="{self.height - 8}"'
        yield f'<text class="label" {place} text-anchor="middle">{escape(self.x_label)}</text>'
        at = (top + bottom) / 2
        yield (
            f'<text class="label" x="13" y="{at}" text-anchor="middle" transform="rotate(-90 13 {at})">'
            f"{escape(self.y_label)}</text>"
        )


def _marks(ends: tuple[float, float], logarithmic: bool) -> list[float]:
    """Ticks of an axis; a logarithmic one that is too short for three of its own has those of a linear one."""
    values = log_ticks(*ends) if logarithmic else []
    return values if len(values) > 2 else ticks(*ends)


def _part(value: float, ends: tuple[float, float], logarithmic: bool) -> float:
    """Where ``value`` lies between the ends of an axis, 0 to 1."""
    low, high, value = (math.log10(v) if logarithmic else v for v in (*ends, value))
    return min(max((value - low) / (high - low), 0.0), 1.0)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers in [low, high].

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten in [low, high]; within three decades their 2- and 5-fold, too.

    >>> log_ticks(0.1, 1)
    [0.1, 0.2, 0.5, 1.0]
    """
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    values = [float(f"{factor}e{i}") for i in range(first, last + 1) for factor in factors]
    return [value for value in values if low * 0.999 <= value <= high * 1.001]


def limits(values: Union[Sequence[float], Floats], robust: bool = False) -> tuple[float, float]:
    """Range with a margin; ``robust``: without the outermost 1 % where these would take most of the room."""
    known = np.asarray(values, dtype=float)
    low, high = float(known.min()), float(known.max())
    if robust:
        inner = np.quantile(known, [0.01, 0.99])
        if high - low > 3 * (inner[1] - inner[0]) > 0:
            low, high = map(float, inner)
    margin = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


@dataclass(frozen=True)
class Dot:
    """A point of a scatter plot; ``index`` is its place in the data that is shown on hover."""

    x: float
    y: float
    index: int
    top: bool = False  #: an orange diamond, above the others


def scatter(dots: Iterable[Dot], axes: Axes, title: str, attributes: str) -> str:
    order = sorted(dots, key=lambda dot: dot.top)
    return axes.svg((_mark(axes.px(dot.x), axes.py(dot.y), dot) for dot in order), title, attributes)


def _mark(x: float, y: float, dot: Dot) -> str:
    if dot.top:
        return f'<path class="top" data-i="{dot.index}" d="M{x} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z"/>'
    return circle(x, y, dot.index)


def circle(x: float, y: float, index: int) -> str:
    """A dot at pixels (x, y)."""
    return f'<circle class="dot" data-i="{index}" cx="{x}" cy="{y}" r="2.6"/>'


def style(index: int) -> str:
    """Colour and dash of the line number ``index``: never told apart by colour alone."""
    color, dash = PALETTE[index % len(PALETTE)], DASHES[index % len(DASHES)]
    return f'stroke="{color}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def polyline(axes: Axes, points: Sequence[tuple[float, float]], look: str, steps: bool = False) -> str:
    """``steps``: the value holds until the next point."""
    path = [f"M{axes.px(points[0][0])} {axes.py(points[0][1])}"]
    for x, y in points[1:]:
        path.append(f"H{axes.px(x)}V{axes.py(y)}" if steps else f"L{axes.px(x)} {axes.py(y)}")
    return f'<path class="line" {look} d="{"".join(path)}"/>'


def legend(entries: Sequence[tuple[str, str]], x: float, y: float) -> Iterable[str]:
    """(label, look) of lines, one below the other."""
    for number, (label, look) in enumerate(entries):
        at = y + LINE * 1.25 * number
        yield f'<path class="line" {look} d="M{x} {at}h24"/>'
        yield f'<text class="tick" x="{x + 30}" y="{at + 4}">{escape(label)}</text>'


@dataclass(frozen=True)
class Point:
    """A measure in the picture of time and rho; without seconds it is a level at the right border."""

    label: str
    rho: float
    seconds: Optional[float] = None
    interval: Optional[tuple[float, float]] = None
    published: bool = False


def pareto(points: Sequence[Point], title: str) -> str:
    """Seconds (logarithmic) against rho: ours as blue discs with 95 % bars, published ones as orange diamonds."""
    timed = [(point.seconds, point) for point in points if point.seconds]
    levels = [point for point in points if not point.seconds]
    ends = [end for p in points for end in (p.rho, *(p.interval or ()))]
    seconds = [spent for spent, _ in timed] or [1.0]
    low, high = limits(ends)
    y = max(low, -1.0), min(high, 1.0)
    axes = Axes(
        (10 ** math.floor(math.log10(min(seconds))), 10 ** math.ceil(math.log10(max(seconds) * 1.5))),
        y,
        "seconds an architecture, building included (logarithmic)",
        "Spearman's rho",
        width=760,
        height=400,
        right=150,
        log_x=True,
    )
    body: list[str] = []
    taken: list[Label] = []
    for spent, point in sorted(timed, key=lambda pair: -pair[1].rho):
        body += _timed(axes, spent, point, taken)
    taken = []
    for point in sorted(levels, key=lambda p: -p.rho):
        body += _level(axes, point, taken)
    return axes.svg(body, title)


def _timed(axes: Axes, seconds: float, point: Point, taken: list[Label]) -> Iterable[str]:
    x, y = axes.px(seconds), axes.py(point.rho)
    if point.interval:
        yield f'<path class="bar" d="M{x} {axes.py(point.interval[0])}V{axes.py(point.interval[1])}"/>'
    if point.published:
        yield f'<path class="top" d="M{x} {y - 6}l6 6l-6 6l-6 -6z"/>'
    else:
        yield f'<circle class="dot solid" cx="{x}" cy="{y}" r="5"/>'
    room = axes.width - axes.right - 16 - x  # up to the levels at the border
    width = 9 + LETTER * len(point.label)
    yield _label(point, x + 9 if width < room else x - width, y, taken)


def _level(axes: Axes, point: Point, taken: list[Label]) -> Iterable[str]:
    border, y = axes.width - axes.right, axes.py(point.rho)
    yield f'<path class="level" d="M{border - 14} {y}h14"/>'
    yield _label(point, border + 5, y, taken)


def _label(point: Point, x: float, y: float, taken: list[Label]) -> str:
    """Text at (x, y), moved down until it covers no other."""
    end = x + LETTER * len(point.label)
    at = y
    while any(x < b and a < end and abs(at - c) < LINE for a, b, c in taken):
        at += 2
    taken.append((x, end, at))
    return f'<text class="name" x="{x}" y="{at + 4:.1f}">{escape(point.label)}</text>'
