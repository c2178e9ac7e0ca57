"""Pictures of a predictor: what it expects against what is, more labels, and which features it needs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from .charts import Axes, circle, legend, limits, polyline, style
from .loaded import Check, CurvePoint, Learnt, LoadedRun
from .pictures import Hover, Picture, cut, hover_attributes, picture, short

BAR, LABEL, WIDTH = 22, 110, 330  # pixels: height of a bar with its gap, room for its name, of the picture
EXPECTED = "expected"


class Predictions:
    """Of a run, and which of them are drawn."""

    def __init__(self, run: LoadedRun, frame: pd.DataFrame, metric: str, limit: int):
        self.run, self.metric = run, metric
        drawn = np.sort(np.random.default_rng(0).permutation(len(frame))[:limit])
        self.frame, self.count = frame.iloc[drawn], len(frame)

    def hover(self) -> Hover:
        names = (EXPECTED, "deviation", self.metric)
        values = {name: [short(value) for value in self.frame[name]] for name in names}
        return Hover([cut(str(arch)) for arch in self.frame["arch"]], values)


def expected_against_true(shown: Predictions, learnt: Learnt) -> Picture:
    """A point an architecture, with a bar of one standard deviation to both sides."""
    frame, run = shown.frame, shown.run
    expected, deviation = frame[EXPECTED].to_numpy(float), frame["deviation"].to_numpy(float)
    truth = frame[shown.metric].to_numpy(float)
    known = np.flatnonzero(np.isfinite(expected) & np.isfinite(truth))
    both = np.concatenate([expected[known], truth[known]])
    axes = Axes(limits(expected[known], robust=True), limits(both, robust=True), EXPECTED, shown.metric)
    body = [f'<path class="chance" d="{_diagonal(axes)}"/>']
    for i in known:
        left, right = axes.px(expected[i] - deviation[i]), axes.px(expected[i] + deviation[i])
        body.append(f'<path class="spread" d="M{left} {axes.py(truth[i])}H{right}"/>')
    body += [circle(axes.px(expected[i]), axes.py(truth[i]), int(i)) for i in known]
    title = f"{run.name}: {EXPECTED} against {shown.metric}"
    caption = f"{shown.metric} as expected from {learnt.labelled} labels, one standard deviation to both sides"
    caption += f"; {len(frame)} of {shown.count} are drawn." if len(frame) < shown.count else "."
    return picture(
        f"{run.name}-expected-{shown.metric}",
        axes.svg(body, title, hover_attributes(run.name, EXPECTED, shown.metric)),
        caption,
    )


def _diagonal(axes: Axes) -> str:
    low, high = max(axes.x[0], axes.y[0]), min(axes.x[1], axes.y[1])
    return f"M{axes.px(low)} {axes.py(low)}L{axes.px(high)} {axes.py(high)}"


def learning_curve(run: LoadedRun, check: Check) -> list[Picture]:
    """Tau by number of labels, and what it is without any; nothing where there is one number only."""
    points = check.curve
    if len(points) < 2:
        return []
    free = check.label_free_tau
    ends = [value for point in points for value in (point.lowest, point.highest)] + ([] if free is None else [free])
    axes = Axes((points[0].labels * 0.9, points[-1].labels * 1.1), limits(ends), "labels", "Kendall's tau", log_x=True)
    body = [polyline(axes, [(point.labels, point.tau) for point in points], style(0))]
    body += [_draws(axes, point) for point in points]
    entries = [("with labels", style(0))]
    if free is not None:
        body.append(polyline(axes, [(end, free) for end in axes.x], style(1)))
        entries.append(("without", style(1)))
    body += legend(entries, axes.width - 120, axes.height - 80)
    caption = "Tau on the other architectures by the number of labels: mean, lowest and highest of five draws."
    return [picture(f"{run.name}-labels", axes.svg(body, f"{run.name}: tau by labels"), caption)]


def _draws(axes: Axes, point: CurvePoint) -> str:
    x = axes.px(point.labels)
    return f'<path class="bar" d="M{x} {axes.py(point.lowest)}V{axes.py(point.highest)}"/>'


def importance_bars(run: LoadedRun, check: Check) -> Picture:
    """What rho loses if a feature is shuffled."""
    ranked = sorted(check.importance.items(), key=lambda item: -item[1])
    longest = max(max((abs(loss) for _, loss in ranked), default=0.0), 1e-9)
    height = BAR * len(ranked) + 16
    title = f"{run.name}: importance of features"
    body = "".join(_bar(name, loss, longest, row) for row, (name, loss) in enumerate(ranked))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"><title>{escape(title)}</title>{body}</svg>'
    )
    caption = "How much Spearman's rho on the others falls if a feature is shuffled among them."
    return picture(f"{run.name}-importance", svg, caption)


def _bar(name: str, loss: float, longest: float, row: int) -> str:
    y = 8 + BAR * row
    length = round(max(loss, 0.0) / longest * (WIDTH - LABEL - 60), 1)
    return (
        f'<text class="tick" x="{LABEL - 6}" y="{y + 14}" text-anchor="end">{escape(_cut_name(name))}</text>'
        f'<path class="dot solid" d="M{LABEL} {y + 3}h{length}v{BAR - 8}h{-length}z"/>'
        f'<text class="tick" x="{LABEL + length + 6}" y="{y + 14}">{loss:.3f}</text>'
    )


def _cut_name(name: str) -> str:
    return name if len(name) <= 17 else name[:16] + "…"


def pictures(shown: Predictions, learnt: Learnt) -> Sequence[Picture]:
    """All of a checked predictor."""
    check = learnt.check
    if check is None:
        return []
    return [
        expected_against_true(shown, learnt),
        *learning_curve(shown.run, check),
        importance_bars(shown.run, check),
    ]
