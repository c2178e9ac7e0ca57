"""Pictures of searches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation import best_so_far
from .cells import cells
from .charts import PALETTE, Axes, legend, limits, polyline
from .loaded import Found, LoadedRun, SearchResult, Step
from .pictures import Hover, Picture, cut, hover_attributes, legend_place, picture, short, wide_axes

CELLS = 4  # best architectures of a search that are drawn


@dataclass(frozen=True)
class Search:
    """A run of a search, and which of its steps are drawn."""

    run: LoadedRun
    result: SearchResult
    shown: tuple[Step, ...]

    @classmethod
    def of(cls, run: LoadedRun, result: SearchResult, limit: int) -> Search:
        """Every step, or every so many so that there are at most ``limit``."""
        stride = -(-len(result.steps) // limit) or 1
        return cls(run, result, result.steps[::stride])

    @property
    def label(self) -> str:
        return "random search" if self.result.is_baseline else self.result.algorithm

    @property
    def color(self) -> str:
        return PALETTE[0] if self.result.is_baseline else PALETTE[1]

    @property
    def look(self) -> str:
        """Of its line."""
        return f'stroke="{self.color}"' + (' stroke-dasharray="6 3"' if self.result.is_baseline else "")

    def hover(self) -> Hover:
        return Hover([cut(step.arch) for step in self.shown], {"score": [short(step.score) for step in self.shown]})


def best_scores(space: str, preset: str, searches: Sequence[Search]) -> Picture:
    """The best score so far by step, of searches in one space with one preset."""
    scores = [score for search in searches for score in search.result.scores if score is not None]
    low = float(np.quantile(scores, 0.05))
    steps = max(len(search.result.steps) for search in searches)
    axes = wide_axes((0, steps), limits([low, float(max(scores))]), ("step", f"score ({preset})"), 360)
    body: list[str] = []
    entries: dict[str, str] = {}
    for search in searches:
        body.append(_evaluated(axes, search))
        body.append(polyline(axes, _curve(search.result), search.look, steps=True))
        entries.setdefault(search.label, search.look)
    body += legend(list(entries.items()), *legend_place(axes))
    names = ", ".join(search.run.name for search in searches)
    caption = f"Best score so far on {space} ({names}); points: every step, the lowest 5 % at the border."
    if not any(search.result.is_baseline for search in searches):
        caption += " Add a run of `gennas search --algorithm random` with the same preset for the baseline."
    return picture(f"search-{space}-{preset}", axes.svg(body, f"Searches on {space}"), caption)


def _evaluated(axes: Axes, search: Search) -> str:
    dots = [
        f'<circle data-i="{i}" cx="{axes.px(step.step)}" cy="{axes.py(step.score)}" r="2"/>'
        for i, step in enumerate(search.shown)
        if step.score is not None
    ]
    group = f'<g fill="{search.color}" fill-opacity=".35" {hover_attributes(search.run.name, "score", "step")}>'
    return f"{group}{''.join(dots)}</g>"


def _curve(result: SearchResult) -> list[tuple[float, float]]:
    """(step, best score) where the best changes, and at the end."""
    best = [(step, score) for step, score in enumerate(best_so_far(result.scores)) if score is not None]
    changes = [best[i] for i in range(len(best)) if i == 0 or best[i][1] != best[i - 1][1]]
    return [*changes, (len(result.steps), best[-1][1])]


def best_cells(run: LoadedRun, result: SearchResult) -> list[Picture]:
    """The best architectures of a search drawn as cells, in the spaces where that is possible."""
    pictures = []
    for place, found in enumerate(result.best[:CELLS], start=1):
        for name, svg in cells(run.space, found.arch, f"{run.name}: number {place}").items():
            caption = _cell_caption(place, found) + ("" if name == "cell" else f"; {name} cell")
            pictures.append(picture(f"{run.name}-{name}-{place}", svg, caption))
    return pictures


def _cell_caption(place: int, found: Found) -> str:
    final = found.final_score
    caption = f"{place}. " + (f"score {found.score:.4f}" if final is None else f"final score {final:.4f}")
    return caption + ("" if found.accuracy is None else f", ground truth {found.accuracy:.2f}")


def fronts(run: LoadedRun, result: SearchResult) -> list[Picture]:
    """Score by each of the costs that a search minimised: what nothing else beats; and cells from all over it."""
    if not result.front:
        return []
    return [*(_front(run, result, name) for name in result.objectives), *_cells_of_front(run, result)]


def front_hover(result: SearchResult) -> Hover:
    """What the points of a front say."""
    values = {name: [short(found.costs.get(name)) for found in result.front] for name in result.objectives}
    values["score"] = [short(found.score) for found in result.front]
    return Hover([cut(found.arch) for found in result.front], values)


def front_name(run: LoadedRun) -> str:
    """By which the page finds what these points say."""
    return f"{run.name}, front"


def _front(run: LoadedRun, result: SearchResult, cost: str) -> Picture:
    known = [(found.costs.get(cost), found.score, place) for place, found in enumerate(result.front)]
    points = sorted((value, score, place) for value, score, place in known if value is not None)
    costs, scores, _ = zip(*points)
    axes = Axes(limits(costs), limits(scores), cost, f"score ({run.preset_name})")
    look = f'stroke="{PALETTE[1]}"'
    line = polyline(axes, [(x, y) for x, y, _ in points], look) if len(result.objectives) == 1 else ""
    dots = [
        f'<circle data-i="{place}" cx="{axes.px(x)}" cy="{axes.py(y)}" r="3.5" fill="{PALETTE[0]}"/>'
        for x, y, place in points
    ]
    group = f"<g {hover_attributes(front_name(run), 'score', cost)}>{''.join(dots)}</g>"
    caption = f"{len(points)} architectures that no other one beats in score and {', '.join(result.objectives)}."
    name = re.sub(r"\W+", "-", f"{run.name}-front-{cost}")
    return picture(name, axes.svg([line, group], f"Front of {run.name}: score and {cost}"), caption)


def _cells_of_front(run: LoadedRun, result: SearchResult) -> list[Picture]:
    """Of its ends and between, from the highest score on."""
    places = sorted({round(part * (len(result.front) - 1) / (CELLS - 1)) for part in range(CELLS)})
    pictures = []
    for place in places:
        found = result.front[place]
        costs = ", ".join(f"{name} {value:.4g}" for name, value in found.costs.items() if value is not None)
        for name, svg in cells(run.space, found.arch, f"{run.name}: number {place + 1} of the front").items():
            caption = f"score {found.score:.4f}, {costs}" + ("" if name == "cell" else f"; {name} cell")
            pictures.append(picture(f"{run.name}-front-{name}-{place + 1}", svg, caption))
    return pictures
