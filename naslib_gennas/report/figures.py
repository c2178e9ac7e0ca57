"""Every picture of a report, made from the runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Optional

import numpy as np
from scipy.stats import rankdata

from ..evaluation import retrieval
from ..proxy.presets import Preset
from ..evaluation import best_so_far
from .assets import asset
from .cells import cell
from .charts import PALETTE, Axes, Point, legend, limits, pareto, polyline, scatter, style
from .load import LoadedRun
from .reference import published_ranking, published_seconds

TOP = 0.1  # marked share of the architectures
MARKS = 40_000  # points on a page: about 60 bytes each
RUN_MARKS = 1_000  # points in one picture
CELLS = 4  # best architectures of a search that are drawn
TEXT = 300  # characters of an architecture shown on hover
SHARES = (0.01, 0.02, 0.05, *(round(0.1 * i, 1) for i in range(1, 11)))
BASELINE = "random"
CURVES = 3  # loss curves of the best, of the middle and of the worst
GROUPS, FEWEST_IN_GROUP = 10, 3  # of architectures along the rank by score


@dataclass(frozen=True)
class Picture:
    name: str  #: of the file, without ending
    svg: str
    caption: str


class Figures:
    """Pictures of ``runs``; those asked for are remembered and can be written as files."""

    def __init__(self, runs: list[LoadedRun]):
        self.runs = runs
        charts = sum(len(run.rows) for run in runs if run.frame is not None)
        charts += sum(run.command == "search" for run in runs)
        self._limit = max(50, min(RUN_MARKS, MARKS // max(charts, 1)))
        self._shown = {run.name: self._drawn(run) for run in runs if run.frame is not None}
        self._made: dict[str, Picture] = {}

    def scatters(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Score against truth, one picture a measure."""
        truth = run.frame[metric].to_numpy(float)
        best = _best_share(truth)
        shown = self._shown[run.name]
        rows = [row for row in run.rows if row["metric"] == metric]
        return [self._scatter(run, row, truth, best, shown) for row in rows if _finite(run, row, metric).any()]

    def retrieval(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Share of the truly best k % found among the best-scored k %, over k."""
        truth = run.frame[metric].tolist()
        rows = [row for row in run.rows if row["metric"] == metric and row["spearman"] is not None]
        if not rows:
            return []
        axes = Axes((0, 100), (0, 1), "k, % of the architectures", "retrieval rate", 760, 340, right=190)
        body = [polyline(axes, [(0, 0), (100, 1)], 'class="chance"').replace('class="line" ', "")]
        entries = []
        for number, row in enumerate(rows):
            scores = run.frame[row["measure"]].tolist()
            curve = [(100 * share, retrieval(scores, truth, share)) for share in SHARES]
            body.append(polyline(axes, curve, style(number)))
            entries.append((run.label(row["measure"]), style(number)))
        body += legend(entries, axes.width - 180, 22)
        title = f"{run.name}: retrieval of the best by {metric}"
        caption = "The grey line is chance. Ties at the border count by their expected value."
        return [self._keep(f"{run.name}-retrieval-{metric}", axes.svg(body, title), caption)]

    def ranks(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Rank by score against rank by truth: a line a measure, and the points where there is one measure only."""
        truth = run.frame[metric].to_numpy(float)
        rows = [row for row in run.rows if row["metric"] == metric and row["spearman"] is not None]
        known = np.isfinite(truth)
        if not rows or not known.any():
            return []
        axes = Axes((0, 100), (0, 100), "rank by score, %", f"rank by {metric}, %", 760, 400, right=190)
        actual = _percentile(truth[known])
        body = ['<path class="chance" d="M{} {}L{} {}"/>'.format(*_diagonal(axes))]
        entries = []
        for number, row in enumerate(rows):
            by_score = _percentile(np.nan_to_num(run.frame[row["measure"]].to_numpy(float)[known], nan=-np.inf))
            if len(rows) == 1:
                body.append(self._rank_points(axes, run, row, known, by_score, actual))
            body.append(polyline(axes, _group_means(by_score, actual), style(number)))
            entries.append((run.label(row["measure"]), style(number)))
        body += legend(entries, axes.width - 180, 22)
        caption = (
            f"100 is the best. Lines: the mean rank by {metric} of each tenth of the architectures by score, failed "
            "ones last; a perfect measure follows the grey line, chance is level at 50."
        )
        title = f"{run.name}: rank by score and by {metric}"
        return [self._keep(f"{run.name}-ranks-{metric}", axes.svg(body, title), caption)]

    def losses(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Training loss by step of the truly best, middle and worst architectures whose curves were kept."""
        frame = run.frame[np.isfinite(run.frame[metric]) & run.frame["arch"].isin(list(run.curves))]
        ordered = frame.sort_values(metric, kind="stable")["arch"].drop_duplicates().tolist()
        if len(ordered) < 3 * CURVES:
            return []
        middle = (len(ordered) - CURVES) // 2
        groups = {
            f"{CURVES} best": ordered[-CURVES:],
            f"{CURVES} in the middle": ordered[middle : middle + CURVES],
            f"{CURVES} worst": ordered[:CURVES],
        }
        curves = {name: [run.curves[arch] for arch in members] for name, members in groups.items()}
        values = np.array([loss for members in curves.values() for curve in members for loss in curve])
        steps = max(len(curve) for members in curves.values() for curve in members)
        if not (values > 0).all() or steps < 2:
            return []
        low, high = float(values.min()), float(np.quantile(values, 0.99))
        ends = low / 1.15, max(high, low * 1.5) * 1.15
        axes = Axes((1, steps), ends, "step", "training loss (logarithmic)", 760, 360, right=190, log_y=True)
        body, entries = [], []
        for number, (name, members) in enumerate(curves.items()):
            look = style(number)
            body += [polyline(axes, list(enumerate(curve, start=1)), look) for curve in members]
            entries.append((f"the {name}", look))
        body += legend(entries, axes.width - 180, 22)
        caption = (
            f"Training loss of {run.label('gennas')}, first task and repeat; best and worst by {metric}. Values above "
        )
        caption += "those of 99 % stand at the border."
        return [self._keep(f"{run.name}-losses-{metric}", axes.svg(body, f"{run.name}: loss by step"), caption)]

    def signals(self) -> list[Picture]:
        """What the presets of the runs regress, each preset once; presets of recurrent networks are left out."""
        found: dict[str, LoadedRun] = {}
        for run in self.runs:
            if run.preset is not None and run.preset.kind == "cnn" and run.uses_preset:
                found.setdefault(run.preset.digest(), run)
        return [self._gallery(run.preset, int(run.summary["seed"])) for run in found.values()]

    def _gallery(self, preset: Preset, seed: int) -> Picture:
        from .gallery import drawn_size, gallery

        sizes = []
        for _, member in preset.members():
            size, drawn = member.fidelity.signal_size, drawn_size(member)
            sizes.append(f"{size} x {size} pixels{f' ({drawn} x {drawn} drawn)' if drawn < size else ''}")
        weights = " and ".join(f"{weight:g}" for weight, _ in preset.members())
        together = f" The score adds the losses of the tasks with weights {weights}." if preset.also else ""
        caption = (
            f"{preset.name}: two images of the batch and 3 channels of every "
            f"signal, {' and '.join(dict.fromkeys(sizes))}.{together} Local signals are "
            "drawn afresh for every image, global ones shared; a target is the sum of its signals times their levels."
        )
        return self._keep(f"signals-{preset.name}", gallery(preset, seed, f"Signals of {preset.name}"), caption)

    def pareto(self) -> list[Picture]:
        """Time and rho, one picture a space and ground truth."""
        groups: dict[tuple[str, str, str], list[tuple[LoadedRun, dict[str, Any]]]] = defaultdict(list)
        for run in self.runs:
            for row in run.rows:
                if row["spearman"] is not None and row["seconds_per_architecture"]:
                    groups[run.space, run.summary["table"], row["metric"]].append((run, row))
        return [self._pareto(place, found) for place, found in groups.items()]

    def searches(self) -> list[Picture]:
        """The best score so far by step, one picture a space and preset."""
        groups: dict[tuple[str, str, str], list[LoadedRun]] = defaultdict(list)
        for run in self.runs:
            if any(record["score"] is not None for record in run.records):
                preset = run.summary["preset"], str(run.config.get("preset_digest"))
                groups[(run.space, *preset)].append(run)
        return [self._search(space, preset, found) for (space, preset, _), found in groups.items()]

    def cells(self, run: LoadedRun) -> list[Picture]:
        """The best architectures of a search drawn as cells, in the spaces where that is possible."""
        pictures = []
        for place, found in enumerate(run.summary["best"][:CELLS], start=1):
            svg = cell(run.space, found["arch"], f"{run.name}: number {place}")
            if svg is not None:
                final = found.get("final_score")
                caption = f"{place}. " + (
                    f"score {found['score']:.4f}" if final is None else f"final score {final:.4f}"
                )
                caption += "" if found.get("accuracy") is None else f", ground truth {found['accuracy']:.2f}"
                pictures.append(self._keep(f"{run.name}-cell-{place}", svg, caption))
        return pictures

    def sampling(self, run: LoadedRun) -> str:
        shown, total = len(self._shown[run.name]), len(run.frame)
        what = f"{total} architectures of {Path(run.summary['table']).name}, seed {run.summary['seed']}."
        if shown < total:
            what += f" The scatter plots show {shown} of them, evenly picked by accuracy; every figure counts all."
        return what

    def hover(self) -> dict[str, Any]:
        """Run -> architectures of its points, and the values on the axes."""
        data = {}
        for run in self.runs:
            if run.name in self._shown:
                data[run.name] = _hover_frame(run, self._shown[run.name])
            elif run.records:
                records = self._points(run)
                scores = [_short(record["score"]) for record in records]
                data[run.name] = {"arch": [_cut(r["arch"]) for r in records], "values": {"score": scores}}
        return data

    def write(self, folder: Path) -> None:
        """Every picture made so far as an .svg file of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        for picture in self._made.values():
            look = f"<style>{asset('charts.css').replace('svg ', '')}</style>"
            svg = picture.svg.replace("</title>", "</title>" + look, 1)
            (folder / f"{picture.name}.svg").write_text(svg, encoding="utf-8")

    def _keep(self, name: str, svg: str, caption: str) -> Picture:
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
        picture = Picture(safe, svg, caption)
        self._made[safe] = picture
        return picture

    def _drawn(self, run: LoadedRun) -> np.ndarray:
        """Row numbers of the frame that are drawn: all, or evenly picked along the accuracy."""
        truth = run.frame[run.rows[0]["metric"]].to_numpy(float)
        order = np.argsort(truth, kind="stable")
        if len(order) <= self._limit:
            return np.sort(order)
        return np.sort(order[np.linspace(0, len(order) - 1, self._limit).round().astype(int)])

    def _scatter(self, run: LoadedRun, row: dict[str, Any], truth, best, shown) -> Picture:
        measure, metric = row["measure"], row["metric"]
        scores = run.frame[measure].to_numpy(float)
        # the points keep their number among those shown, which the hover data is indexed by
        keep = np.isfinite(scores[shown]) & np.isfinite(truth[shown])
        label = run.label(measure)
        axes = Axes(limits(scores[shown][keep], robust=True), limits(truth[shown][keep]), label, metric)
        numbers = np.flatnonzero(keep)
        attributes = _attributes(run.name, measure, metric)
        title = f"{run.name}: {label} against {metric}"
        svg = scatter(scores[shown], truth[shown], best[shown], axes, title, attributes, numbers)
        caption = f"{label}: "
        caption += "no ranking" if row["spearman"] is None else f"ρ {row['spearman']:.3f}, τ {row['kendall']:.3f}"
        caption += f"; orange: the truly best {TOP:.0%}".replace("%", " %")
        outside = int((np.clip(scores[shown][keep], *axes.x) != scores[shown][keep]).sum())
        if outside:
            caption += f"; {outside} beyond the axis stand at its border"
        if row["failures"]:
            caption += f"; {row['failures']} without a score, not drawn"
        return self._keep(f"{run.name}-{measure}-{metric}", svg, caption + ".")

    def _rank_points(self, axes: Axes, run: LoadedRun, row: dict[str, Any], known, x, y) -> str:
        """The architectures that the scatter plot shows, at their ranks."""
        shown = self._shown[run.name]
        place = np.cumsum(known) - 1  # of a row of the frame among those with a known truth
        dots = [
            f'<circle class="dot" data-i="{i}" cx="{axes.px(x[place[at]])}" cy="{axes.py(y[place[at]])}" r="2.6"/>'
            for i, at in enumerate(shown)
            if known[at]
        ]
        return f"<g {_attributes(run.name, row['measure'], row['metric'])}>{''.join(dots)}</g>"

    def _pareto(self, place: tuple[str, str, str], found) -> Picture:
        space, table, metric = place
        several = len({run.name for run, _ in found}) > 1
        points = [_point(run, row, several) for run, row in found]
        cells = published_ranking(space, metric, table)
        points += [
            Point(f"{cell.column} (paper)", cell.value, published_seconds(cell), published=True) for cell in cells
        ]
        title = f"{space}, {metric} of {Path(table).name}: time and rho"
        caption = f"{space}, {metric} of {Path(table).name}. Blue: measured here, with bootstrap 95 % intervals."
        if cells:
            caption += (
                " Orange: printed in the paper's Table 2 (other architectures of the same space); GenNAS at its "
                "seconds on a GTX 1080 Ti, methods without a printed time at the right border."
            )
            caption += "".join(f" {remark}" for remark in dict.fromkeys(cell.remark for cell in cells) if remark)
        return self._keep(f"pareto-{space}-{metric}", pareto(points, title), caption)

    def _search(self, space: str, preset: str, runs: list[LoadedRun]) -> Picture:
        curves = {run.name: _curve(run) for run in runs}
        scores = np.array([record["score"] for run in runs for record in run.records if record["score"] is not None])
        low = float(np.quantile(scores, 0.05))
        steps = max(len(run.records) for run in runs)
        axes = Axes((0, steps), limits([low, float(scores.max())]), "step", f"score ({preset})", 760, 360, right=190)
        body, entries = [], {}
        for run in runs:
            algorithm = run.config.get("algorithm", "evolution")
            color = PALETTE[0] if algorithm == BASELINE else PALETTE[1]
            body.append(self._evaluated(axes, run, color))
            look = f'stroke="{color}"' + (' stroke-dasharray="6 3"' if algorithm == BASELINE else "")
            body.append(polyline(axes, curves[run.name], look, steps=True))
            entries.setdefault("random search" if algorithm == BASELINE else algorithm, look)
        body += legend(list(entries.items()), axes.width - 180, 22)
        names = ", ".join(run.name for run in runs)
        caption = f"Best score so far on {space} ({names}); points: every step, the lowest 5 % at the border."
        if "random search" not in entries:
            caption += " Add a run of `gennas search --algorithm random` with the same preset for the baseline."
        return self._keep(f"search-{space}-{preset}", axes.svg(body, f"Searches on {space}"), caption)

    def _evaluated(self, axes: Axes, run: LoadedRun, color: str) -> str:
        dots = [
            f'<circle data-i="{i}" cx="{axes.px(record["step"])}" cy="{axes.py(record["score"])}" r="2"/>'
            for i, record in enumerate(self._points(run))
            if record["score"] is not None
        ]
        group = f'<g fill="{color}" fill-opacity=".35" {_attributes(run.name, "score", "step")}>'
        return f"{group}{''.join(dots)}</g>"

    def _points(self, run: LoadedRun) -> list[dict[str, Any]]:
        stride = -(-len(run.records) // self._limit)
        return list(run.records[::stride])


def _attributes(run: str, x: str, y: str) -> str:
    return f'data-run="{escape(run)}" data-x="{escape(x)}" data-y="{escape(y)}"'


def _finite(run: LoadedRun, row: dict[str, Any], metric: str) -> np.ndarray:
    return np.isfinite(run.frame[row["measure"]].to_numpy(float)) & np.isfinite(run.frame[metric].to_numpy(float))


def _percentile(values: np.ndarray) -> np.ndarray:
    """Rank (n,) of each value in percent, 100 the largest, ties shared."""
    return 100 * (rankdata(values) - 0.5) / len(values)


def _group_means(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Means of x and y in ten groups of equal size along x; fewer if there are few. Ties in x share their mean y."""
    _, ties = np.unique(x, return_inverse=True)
    y = (np.bincount(ties, y) / np.bincount(ties))[ties]
    groups = np.array_split(np.argsort(x, kind="stable"), max(2, min(GROUPS, len(x) // FEWEST_IN_GROUP)))
    return [(float(x[group].mean()), float(y[group].mean())) for group in groups]


def _diagonal(axes: Axes) -> tuple[float, ...]:
    return axes.px(axes.x[0]), axes.py(axes.y[0]), axes.px(axes.x[1]), axes.py(axes.y[1])


def _best_share(truth: np.ndarray) -> np.ndarray:
    """Which architectures (n,) are the truly best ``TOP``; ties at the border are in."""
    known = np.sort(truth[np.isfinite(truth)])
    border = known[-max(1, int(TOP * len(known) + 0.5))]
    return truth >= border


def _point(run: LoadedRun, row: dict[str, Any], several: bool) -> Point:
    label = run.label(row["measure"]) + (f", {run.name}" if several else "")
    ends = row["spearman_interval"]
    interval = tuple(ends) if ends and None not in ends else None
    return Point(label, row["spearman"], row["seconds_per_architecture"], interval)


def _curve(run: LoadedRun) -> list[tuple[int, float]]:
    """(step, best score) where the best changes, and at the end."""
    best = best_so_far([record["score"] for record in run.records])
    first = len(run.records) - len(best)
    points = [(first + i, r["score"]) for i, r in enumerate(best) if i == 0 or r is not best[i - 1]]
    return [*points, (len(run.records), best[-1]["score"])]


def _hover_frame(run: LoadedRun, shown: np.ndarray) -> dict[str, Any]:
    frame = run.frame.iloc[shown]
    columns = dict.fromkeys(row[key] for row in run.rows for key in ("metric", "measure"))
    values = {column: [_short(value) for value in frame[column]] for column in columns}
    return {"arch": [_cut(text) for text in frame["arch"]], "values": values}


def _short(value: Optional[float]) -> Optional[float]:
    return float(f"{value:.5g}") if value is not None and np.isfinite(value) else None


def _cut(text: Any) -> str:
    text = str(text)
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"
