"""The signals of a preset as maps of little squares, as in the paper's Fig. 3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..proxy.images import load_images
from ..proxy.presets import Preset
from ..proxy.tasks import AnySignal
from ..scoring.gennas import run_generator

if TYPE_CHECKING:
    import torch

VIRIDIS = "#440154 #482475 #414487 #355f8d #2a788e #21918c #22a884 #44bf70 #7ad151 #bddf26 #fde725".split()
"""Ordered in lightness, so that it survives print and colour blindness."""
IMAGES, CHANNELS = 2, 3  # shown of a batch
LARGEST = 16  # pixels of a signal that are drawn
MAP, GAP, ROW, LABEL, TOP, KEY = 64, 6, 72, 250, 34, 40  # pixels: a map, between maps, a row, its text, head, foot


@dataclass(frozen=True)
class Row:
    """Maps (images, channels, s, s) of one signal or of a whole target, and the value of the lightest colour."""

    stage: str
    text: str
    maps: torch.Tensor
    bound: float


def gallery(preset: Preset, seed: int, title: str) -> str:
    """SVG of two images' worth of every signal of a preset for CNNs, and of the targets that they add up to."""
    members = [member for _, member in preset.members()]
    rows = [row for number, member in enumerate(members) for row in signal_rows(member, seed, number, len(members) > 1)]
    width = LABEL + IMAGES * CHANNELS * (MAP + GAP) + 4 * GAP
    height = TOP + ROW * len(rows) + KEY
    body = [*_heads(), *(part for i, row in enumerate(rows) for part in _row(row, rows[:i], TOP + ROW * i))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"><title>{escape(title)}</title>'
        f"{''.join([*body, *_key(height - KEY + 14)])}</svg>"
    )


def drawn_size(preset: Preset) -> int:
    return min(preset.fidelity.signal_size, LARGEST)


def signal_rows(preset: Preset, seed: int, member: int = 0, numbered: bool = False) -> list[Row]:
    task, size, generator = preset.task, drawn_size(preset), run_generator(seed, "task", 0, member)
    images = load_images(None, IMAGES, preset.fidelity.input_size)
    read = task.score_weights or task.weights
    rows = []
    for number, stage in enumerate(task.stages):
        name = f"{f'task {member + 1}, ' if numbered else ''}stage {number + 1}"
        if not stage.signals:
            continue
        drawn = [signal.maps((IMAGES, CHANNELS, size, size), images, generator) for signal in stage.signals]
        for signal, maps in zip(stage.signals, drawn):
            rows.append(Row(name, _described(signal), maps.expand(IMAGES, -1, -1, -1), 1.0))
        levelled = [signal.level * maps for signal, maps in zip(stage.signals, drawn)]
        target = sum(levelled[1:], levelled[0]).expand(IMAGES, -1, -1, -1)
        weights = f"weight {task.weights[number]:g} in training, {read[number]:g} in the score"
        rows.append(Row(name, f"target; {weights}", target, float(target.abs().max()) or 1.0))
    return rows


def _described(signal: AnySignal) -> str:
    """Kind, scope, level and what else the signal is made of, short."""
    parts = [f"{signal.kind}, {signal.scope}, level {signal.level:g}"]
    if hasattr(signal, "values"):
        values = signal.values()
        parts.append(f"{min(values):.2g} to {max(values):.2g} cycles a pixel")
    if hasattr(signal, "fraction"):
        parts.append(f"{signal.fraction:.0%} of the pixels".replace("%", " %"))
    return "; ".join(parts)


def _heads() -> Iterable[str]:
    for image in range(IMAGES):
        middle = _left(image, 0) + (CHANNELS * (MAP + GAP) - GAP) / 2
        yield f'<text class="label" x="{middle}" y="20" text-anchor="middle">image {image + 1}, 3 channels</text>'


def _left(image: int, channel: int) -> int:
    return LABEL + image * (CHANNELS * (MAP + GAP) + 3 * GAP) + channel * (MAP + GAP)


def _row(row: Row, before: Sequence[Row], top: int) -> Iterable[str]:
    first = not before or before[-1].stage != row.stage
    if first:
        yield f'<text class="label" style="font-weight:600" x="0" y="{top + 14}">{row.stage}</text>'
        yield f'<path class="grid" d="M0 {top - 4}H{_left(IMAGES - 1, CHANNELS - 1) + MAP}"/>'
    for line, text in enumerate(row.text.split("; ")):
        yield f'<text class="name" x="0" y="{top + 32 + 14 * line}">{escape(text)}</text>'
    for image in range(IMAGES):
        for channel in range(CHANNELS):
            yield _map(row.maps[image, channel] / row.bound, _left(image, channel), top, MAP / row.maps.shape[-1])


def _map(values: torch.Tensor, x: int, y: int, side: float) -> str:
    """Squares of one colour are one path; the picture is that of (s, s) values in [-1, 1], others at the ends."""
    levels = ((values.clamp(-1, 1) + 1) / 2 * (len(VIRIDIS) - 1)).round().int().tolist()
    squares: dict[int, list[str]] = {}
    for i, line in enumerate(levels):
        for j, level in enumerate(line):
            squares.setdefault(level, []).append(f"M{j} {i}h1v1h-1z")
    paths = "".join(f'<path fill="{VIRIDIS[level]}" d="{"".join(d)}"/>' for level, d in sorted(squares.items()))
    return f'<g shape-rendering="crispEdges" transform="translate({x} {y}) scale({side:g})">{paths}</g>'


def _key(y: int) -> Iterable[str]:
    """What the colours mean."""
    for i, color in enumerate(VIRIDIS):
        yield f'<path fill="{color}" d="M{LABEL + 14 * i} {y}h14v10h-14z"/>'
    end = LABEL + 14 * len(VIRIDIS)
    yield f'<text class="tick" x="{LABEL - 6}" y="{y + 9}" text-anchor="end">−1 (target: −largest)</text>'
    yield f'<text class="tick" x="{end + 6}" y="{y + 9}">+1 (target: +largest)</text>'
