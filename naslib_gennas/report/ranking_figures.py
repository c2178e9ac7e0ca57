"""Pictures of one run that compares measures with ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..evaluation import Floats, rank_data, retrieval
from .charts import Axes, Dot, circle, legend, limits, polyline, scatter, style
from .loaded import LoadedRun, Ranking
from .pictures import LEGEND, Hover, Picture, cut, hover_attributes, legend_place, picture, short, wide_axes

TOP = 0.1  # marked share of the architectures
SHARES = (0.01, 0.02, 0.05, *(round(0.1 * i, 1) for i in range(1, 11)))
CURVES = 3  # loss curves of the best, of the middle and of the worst
GROUPS, FEWEST_IN_GROUP = 10, 3  # of architectures along the rank by score

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """The architectures of a run, and which of them are drawn."""

    run: LoadedRun
    frame: pd.DataFrame
    shown: npt.NDArray[np.intp]  #: row numbers of the frame

    @classmethod
    def of(cls, run: LoadedRun, frame: pd.DataFrame, limit: int) -> Points:
        """All, or ``limit`` of them, evenly picked along the first metric."""
        truth = frame[run.rankings[0].metric].to_numpy(float)
        order = np.argsort(truth, kind="stable")
        if len(order) > limit:
            order = order[np.linspace(0, len(order) - 1, limit).round().astype(int)]
        return cls(run, frame, np.sort(order))

    def values(self, column: str) -> Floats:
        return self.frame[column].to_numpy(float)

    def sampling(self) -> str:
        """A sentence on what is drawn."""
        shown, total = len(self.shown), len(self.frame)
        what = f"{total} architectures of {self.run.table_name}, seed {self.run.seed}."
        if shown < total:
            what += f" The scatter plots show {shown} of them, evenly picked by accuracy; every figure counts all."
        return what

    def hover(self) -> Hover:
        drawn = self.frame.iloc[self.shown]
        names = dict.fromkeys(name for ranking in self.run.rankings for name in (ranking.metric, ranking.measure))
        values = {name: [short(value) for value in drawn[name]] for name in names}
        return Hover([cut(str(text)) for text in drawn["arch"]], values)


def scatters(points: Points, metric: str) -> list[Picture]:
    """Score against truth, one picture a measure."""
    known = np.isfinite(points.values(metric))
    rankings = points.run.by(metric)
    return [_scatter(points, row) for row in rankings if (np.isfinite(points.values(row.measure)) & known).any()]


def _scatter(points: Points, row: Ranking) -> Picture:
    truth = points.values(row.metric)
    best = _best_share(truth)[points.shown]
    scores, truth = points.values(row.measure)[points.shown], truth[points.shown]
    # the points keep their number among those shown, which the hover data is indexed by
    drawn = np.flatnonzero(np.isfinite(scores) & np.isfinite(truth))
    label, run = points.run.label(row.measure), points.run.name
    axes = Axes(limits(scores[drawn], robust=True), limits(truth[drawn]), label, row.metric)
    dots = [Dot(float(scores[i]), float(truth[i]), int(i), bool(best[i])) for i in drawn]
    attributes = hover_attributes(run, row.measure, row.metric)
    svg = scatter(dots, axes, f"{run}: {label} against {row.metric}", attributes)
    outside = int((np.clip(scores[drawn], *axes.x) != scores[drawn]).sum())
    return picture(f"{run}-{row.measure}-{row.metric}", svg, _scatter_caption(label, row, outside))


def _scatter_caption(label: str, row: Ranking, outside: int) -> str:
    known = row.spearman is not None and row.kendall is not None
    caption = f"{label}: " + (f"ρ {row.spearman:.3f}, τ {row.kendall:.3f}" if known else "no ranking")
    caption += f"; orange: the truly best {TOP:.0%}".replace("%", " %")
    if outside:
        caption += f"; {outside} beyond the axis stand at its border"
    if row.failures:
        caption += f"; {row.failures} without a score, not drawn"
    return caption + "."


def retrieval_curves(points: Points, metric: str) -> list[Picture]:
    """Share of the truly best k % found among the best-scored k %, over k."""
    run, rows = points.run, _ranked(points.run, metric)
    if not rows:
        return []
    truth = points.values(metric)
    axes = wide_axes((0, 100), (0, 1), ("k, % of the architectures", "retrieval rate"), 340)
    body = [polyline(axes, [(0, 0), (100, 1)], 'class="chance"').replace('class="line" ', "")]
    for number, row in enumerate(rows):
        scores = points.values(row.measure)
        curve = [(100 * share, retrieval(scores, truth, share)) for share in SHARES]
        body.append(polyline(axes, curve, style(number)))
    body += legend(_entries(run, rows), *legend_place(axes))
    caption = "The grey line is chance. Ties at the border count by their expected value."
    title = f"{run.name}: retrieval of the best by {metric}"
    return [picture(f"{run.name}-retrieval-{metric}", axes.svg(body, title), caption)]


def ranks(points: Points, metric: str) -> list[Picture]:
    """Rank by score against rank by truth: a line a measure, and the points where there is one measure only."""
    run, rows = points.run, _ranked(points.run, metric)
    truth = points.values(metric)
    known = np.isfinite(truth)
    if not rows or not known.any():
        return []
    axes = wide_axes((0, 100), (0, 100), ("rank by score, %", f"rank by {metric}, %"), 400)
    actual = _percentile(truth[known])
    body = ['<path class="chance" d="M{} {}L{} {}"/>'.format(*_diagonal(axes))]
    for number, row in enumerate(rows):
        by_score = _percentile(np.nan_to_num(points.values(row.measure)[known], nan=-np.inf))
        if len(rows) == 1:
            body.append(_rank_points(axes, points, row, known, (by_score, actual)))
        body.append(polyline(axes, _group_means(by_score, actual), style(number)))
    body += legend(_entries(run, rows), *legend_place(axes))
    caption = (
        f"100 is the best. Lines: the mean rank by {metric} of each tenth of the architectures by score, failed "
        "ones last; a perfect measure follows the grey line, chance is level at 50."
    )
    title = f"{run.name}: rank by score and by {metric}"
    return [picture(f"{run.name}-ranks-{metric}", axes.svg(body, title), caption)]


def losses(points: Points, metric: str) -> list[Picture]:
    """Training loss by step of the truly best, middle and worst architectures whose curves were kept."""
    run = points.run
    groups = _loss_groups(points, metric)
    values = np.array([loss for curves in groups.values() for curve in curves for loss in curve])
    steps = max((len(curve) for curves in groups.values() for curve in curves), default=0)
    if steps < 2 or not (values > 0).all():
        return []
    low, high = float(values.min()), float(np.quantile(values, 0.99))
    ends = low / 1.15, max(high, low * 1.5) * 1.15
    axes = Axes((1, steps), ends, "step", "training loss (logarithmic)", 760, 360, right=LEGEND, log_y=True)
    body: list[str] = []
    for number, curves in enumerate(groups.values()):
        body += [polyline(axes, list(enumerate(curve, start=1)), style(number)) for curve in curves]
    body += legend([(f"the {name}", style(number)) for number, name in enumerate(groups)], *legend_place(axes))
    caption = (
        f"Training loss of {run.label('gennas')}, first task and repeat; best and worst by {metric}. Values above "
        "those of 99 % stand at the border."
    )
    return [picture(f"{run.name}-losses-{metric}", axes.svg(body, f"{run.name}: loss by step"), caption)]


def _loss_groups(points: Points, metric: str) -> dict[str, list[list[float]]]:
    """Which architectures -> their curves; empty where there are too few."""
    frame, curves = points.frame, points.run.curves
    frame = frame[np.isfinite(frame[metric]) & frame["arch"].isin(list(curves))]
    ordered = frame.sort_values(metric, kind="stable")["arch"].drop_duplicates().tolist()
    if len(ordered) < 3 * CURVES:
        return {}
    middle = (len(ordered) - CURVES) // 2
    groups = {
        f"{CURVES} best": ordered[-CURVES:],
        f"{CURVES} in the middle": ordered[middle : middle + CURVES],
        f"{CURVES} worst": ordered[:CURVES],
    }
    return {name: [curves[arch] for arch in members] for name, members in groups.items()}


def _ranked(run: LoadedRun, metric: str) -> list[Ranking]:
    return [row for row in run.by(metric) if row.spearman is not None]


def _entries(run: LoadedRun, rows: list[Ranking]) -> list[tuple[str, str]]:
    """Of the legend."""
    return [(run.label(row.measure), style(number)) for number, row in enumerate(rows)]


def _rank_points(axes: Axes, points: Points, row: Ranking, known: Flags, ranks: tuple[Floats, Floats]) -> str:
    """The architectures that the scatter plot shows, at their ranks (by score, by truth)."""
    x, y = ranks
    place = np.cumsum(known) - 1  # of a row of the frame among those with a known truth
    dots = [
        circle(axes.px(float(x[place[at]])), axes.py(float(y[place[at]])), i)
        for i, at in enumerate(points.shown)
        if known[at]
    ]
    return f"<g {hover_attributes(points.run.name, row.measure, row.metric)}>{''.join(dots)}</g>"


def _percentile(values: Floats) -> Floats:
    """Rank (n,) of each value in percent, 100 the largest, ties shared."""
    percent: Floats = 100 * (rank_data(values) - 0.5) / len(values)
    return percent


def _group_means(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """Means of x and y in ten groups of equal size along x; fewer if there are few. Ties in x share their mean y."""
    _, ties = np.unique(x, return_inverse=True)
    y = (np.bincount(ties, y) / np.bincount(ties))[ties]
    groups = np.array_split(np.argsort(x, kind="stable"), max(2, min(GROUPS, len(x) // FEWEST_IN_GROUP)))
    return [(float(x[group].mean()), float(y[group].mean())) for group in groups]


def _diagonal(axes: Axes) -> tuple[float, ...]:
    return axes.px(axes.x[0]), axes.py(axes.y[0]), axes.px(axes.x[1]), axes.py(axes.y[1])


def _best_share(truth: Floats) -> Flags:
    """Which architectures (n,) are the truly best ``TOP``; ties at the border are in."""
    known = np.sort(truth[np.isfinite(truth)])
    border = known[-max(1, int(TOP * len(known) + 0.5))]
    return np.asarray(truth >= border)
