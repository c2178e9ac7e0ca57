"""Pictures of spectra: what a good and a bad architecture explain, and which frequencies tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from ..evaluation import Floats, spearman
from ..scoring.spectra import Spectra
from .gallery import VIRIDIS
from .loaded import LoadedRun
from .pictures import Picture, cut, picture

CELL, LEFT, TOP, GAP, FOOT = 40, 52, 40, 40, 64  # pixels: a square, margins, between maps
MAPS = 3


def spectra_picture(run: LoadedRun, found: Spectra, metric: str) -> list[Picture]:
    """Nothing where fewer than three architectures have a spectrum and a known truth."""
    frame = run.frame
    if frame is None:
        return []
    truth = {str(arch): float(value) for arch, value in zip(frame["arch"], frame[metric]) if np.isfinite(value)}
    archs = [arch for arch in found.shares if arch in truth]
    values = np.array([found.shares[arch] for arch in archs])  # (n, rows, columns)
    labels = np.array([truth[arch] for arch in archs])
    if len(archs) < 3 or (labels == labels[0]).all():
        return []
    order = np.argsort(labels, kind="stable")
    best, worst = order[-1], order[len(order) // 10]
    maps = [values[best], values[worst], _rho(values, labels)]
    titles = [f"best, {metric} {labels[best]:.2f}", f"poor, {metric} {labels[worst]:.2f}", "rho by frequency"]
    caption = (
        f"Stage {found.stage}, untrained: the share of a wave that the best heads explain, by its frequency in cycles "
        f"a pixel, of the best of {len(archs)} architectures ({cut(archs[best])}) and of one at the lowest tenth "
        f"({cut(archs[worst])}); and Spearman's rho of that share with {metric}, one frequency at a time."
    )
    title = f"{run.name}: spectrum of explained variance"
    return [picture(f"spectrum-{run.name}-{metric}", _svg(maps, titles, found.size, title), caption)]


def _rho(values: Floats, labels: Floats) -> Floats:
    rho = np.zeros(values.shape[1:])
    for place in np.ndindex(*rho.shape):
        column = values[(slice(None), *place)]
        rho[place] = 0.0 if (column == column[0]).all() else spearman(column.tolist(), labels.tolist())
    return rho


def _svg(maps: Sequence[Floats], titles: Sequence[str], size: int, title: str) -> str:
    side = CELL * maps[0].shape[0]
    width, height = MAPS * (LEFT + side) + (MAPS - 1) * GAP, TOP + side + FOOT
    body = [part for i, (values, name) in enumerate(zip(maps, titles)) for part in _map(values, name, i, size)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"><title>{escape(title)}</title>'
        f"{''.join(body)}</svg>"
    )


def _map(values: Floats, name: str, number: int, size: int) -> Iterable[str]:
    side = CELL * len(values)
    x = number * (LEFT + side + GAP) + LEFT
    yield f'<text class="label" x="{x}" y="{TOP - 12}">{escape(name)}</text>'
    low = -1.0 if number == MAPS - 1 else 0.0
    for row, line in enumerate(values):
        y = TOP + CELL * row
        yield f'<text class="tick" x="{x - 6}" y="{y + CELL / 2 + 4}" text-anchor="end">{row}/{size}</text>'
        for column, value in enumerate(line):
            level = round((min(1.0, max(low, float(value))) - low) / (1 - low) * (len(VIRIDIS) - 1))
            at = x + CELL * column
            ink = "#fff" if level < len(VIRIDIS) // 2 else "#000"
            yield f'<path fill="{VIRIDIS[level]}" d="M{at} {y}h{CELL}v{CELL}h-{CELL}z"/>'
            text = f"{value:.2f}".replace("0.", ".", 1)
            yield (
                f'<text class="tick" style="fill:{ink}" x="{at + CELL / 2}" y="{y + CELL / 2 + 4}" '
                f'text-anchor="middle">{text}</text>'
            )
    foot = TOP + side
    for column in range(values.shape[1]):
        centre = x + CELL * column + CELL / 2
        yield f'<text class="tick" x="{centre}" y="{foot + 16}" text-anchor="middle">{column}/{size}</text>'
    centre = x + side / 2
    yield f'<text class="label" x="{centre}" y="{foot + 36}" text-anchor="middle">horizontal frequency</text>'
    if not number:
        middle = TOP + side / 2
        yield (
            f'<text class="label" x="12" y="{middle}" text-anchor="middle" '
            f'transform="rotate(-90 12 {middle})">vertical</text>'
        )
