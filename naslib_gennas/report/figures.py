"""Every picture of a report, made from the runs."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Optional

from ..proxy.presets import Preset
from . import fit_figures, ranking_figures, search_figures
from .assets import standalone
from .charts import Point, pareto
from .fit_figures import Predictions
from .gallery import drawn_size, gallery
from .loaded import LoadedRun, Ranking
from .pictures import Hover, Picture, picture
from .ranking_figures import Points
from .reference import published_ranking, published_seconds
from .search_figures import Search
from .spectrum_figures import spectra_picture

MARKS = 40_000  # points on a page: about 60 bytes each
RUN_MARKS = 1_000  # points in one picture
FIT_MARKS = 300  # each with a bar


class Figures:
    """Pictures of ``runs``; those asked for are remembered and can be written as files."""

    def __init__(self, runs: list[LoadedRun]):
        self.runs = runs
        charts = sum(len(run.rankings) for run in runs if run.frame is not None)
        charts += sum(run.search is not None for run in runs)
        limit = max(50, min(RUN_MARKS, MARKS // max(charts, 1)))
        self._points = {run.name: Points.of(run, run.frame, limit) for run in runs if run.frame is not None}
        self._searches = {run.name: Search.of(run, run.search, limit) for run in runs if run.search is not None}
        self._predictions = {
            run.name: Predictions(run, run.learnt.predictions, run.learnt.metric, FIT_MARKS)
            for run in runs
            if run.learnt is not None and run.learnt.predictions is not None
        }
        self._made: dict[str, Picture] = {}

    def scatters(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Score against truth, one picture a measure."""
        return self._keep(ranking_figures.scatters(self._points[run.name], metric))

    def retrieval(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Share of the truly best k % found among the best-scored k %, over k."""
        return self._keep(ranking_figures.retrieval_curves(self._points[run.name], metric))

    def ranks(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Rank by score against rank by truth: a line a measure, and the points where there is one measure only."""
        return self._keep(ranking_figures.ranks(self._points[run.name], metric))

    def losses(self, run: LoadedRun, metric: str) -> list[Picture]:
        """Training loss by step of the truly best, middle and worst architectures whose curves were kept."""
        return self._keep(ranking_figures.losses(self._points[run.name], metric))

    def spectra(self, run: LoadedRun, metric: str) -> list[Picture]:
        """What untrained networks explain, frequency by frequency, of a run in closed form."""
        return self._keep([] if run.spectra is None else spectra_picture(run, run.spectra, metric))

    def predictor(self, run: LoadedRun) -> list[Picture]:
        """Of a predictor that was checked: expected against true, tau by labels, importance of features."""
        if run.learnt is None or run.name not in self._predictions:
            return []
        return self._keep(list(fit_figures.pictures(self._predictions[run.name], run.learnt)))

    def sampling(self, run: LoadedRun) -> str:
        """A sentence on which architectures of a run are drawn."""
        return self._points[run.name].sampling()

    def cells(self, run: LoadedRun) -> list[Picture]:
        """The best architectures of a search drawn as cells, in the spaces where that is possible."""
        return [] if run.search is None else self._keep(search_figures.best_cells(run, run.search))

    def fronts(self, run: LoadedRun) -> list[Picture]:
        """Score by the costs that a search minimised."""
        return [] if run.search is None else self._keep(search_figures.fronts(run, run.search))

    def searches(self) -> list[Picture]:
        """The best score so far by step, one picture a space and preset."""
        groups: dict[tuple[str, str, str], list[Search]] = defaultdict(list)
        for search in self._searches.values():
            if any(score is not None for score in search.result.scores):
                run = search.run
                groups[run.space, run.preset_name, search.result.preset_digest].append(search)
        made = [search_figures.best_scores(space, preset, found) for (space, preset, _), found in groups.items()]
        return self._keep(made)

    def signals(self) -> list[Picture]:
        """What the presets of the runs regress, each preset once; presets of recurrent networks are left out."""
        found: dict[str, tuple[Preset, int]] = {}
        for run in self.runs:
            if run.preset is not None and run.preset.kind == "cnn" and run.uses_preset:
                found.setdefault(run.preset.digest(), (run.preset, run.seed))
        return self._keep([_signals(preset, seed) for preset, seed in found.values()])

    def pareto(self) -> list[Picture]:
        """Time and rho, one picture a space and ground truth."""
        groups: dict[tuple[str, str, str], list[tuple[LoadedRun, Ranking]]] = defaultdict(list)
        for run in self.runs:
            for row in run.rankings:
                if row.spearman is not None and row.seconds_per_architecture:
                    groups[run.space, run.table, row.metric].append((run, row))
        return self._keep([_pareto(found) for found in groups.values()])

    def hover(self) -> dict[str, Hover]:
        """Run -> what its points say."""
        drawn: dict[str, Hover] = {}
        for run in self.runs:
            if run.name in self._points:
                drawn[run.name] = self._points[run.name].hover()
            elif run.name in self._searches and self._searches[run.name].shown:
                drawn[run.name] = self._searches[run.name].hover()
            elif run.name in self._predictions:
                drawn[run.name] = self._predictions[run.name].hover()
            if run.search is not None and run.search.front:
                drawn[search_figures.front_name(run)] = search_figures.front_hover(run.search)
        return drawn

    def write(self, folder: Path) -> None:
        """Every picture made so far as an .svg file of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        for made in self._made.values():
            (folder / f"{made.name}.svg").write_text(standalone(made.svg), encoding="utf-8")

    def _keep(self, pictures: list[Picture]) -> list[Picture]:
        self._made.update({made.name: made for made in pictures})
        return pictures


def _signals(preset: Preset, seed: int) -> Picture:
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
    return picture(f"signals-{preset.name}", gallery(preset, seed, f"Signals of {preset.name}"), caption)


def _pareto(found: list[tuple[LoadedRun, Ranking]]) -> Picture:
    """Of rankings that share space, table and metric."""
    run, row = found[0]
    several = len({run.name for run, _ in found}) > 1
    cells = published_ranking(run.space, row.metric, run.table)
    points = [point for each, ranking in found for point in _measured(each, ranking, several)]
    points += [
        Point(f"{cell.column} (paper)", cell.value, published_seconds(cell), published=True)
        for cell in cells
        if cell.value is not None
    ]
    place = f"{run.space}, {row.metric} of {run.table_name}"
    caption = f"{place}. Blue: measured here, with bootstrap 95 % intervals."
    if cells:
        caption += (
            " Orange: printed in the paper's Table 2 (other architectures of the same space); GenNAS at its "
            "seconds on a GTX 1080 Ti, methods without a printed time at the right border."
        )
        caption += "".join(f" {remark}" for remark in dict.fromkeys(cell.remark for cell in cells) if remark)
    return picture(f"pareto-{run.space}-{row.metric}", pareto(points, f"{place}: time and rho"), caption)


def _measured(run: LoadedRun, row: Ranking, several: bool) -> list[Point]:
    if row.spearman is None:
        return []
    label = run.label(row.measure) + (f", {run.name}" if several else "")
    return [Point(label, row.spearman, row.seconds_per_architecture, _ends(row))]


def _ends(row: Ranking) -> Optional[tuple[float, float]]:
    low, high = row.spearman_interval or (None, None)
    return None if low is None or high is None else (low, high)
