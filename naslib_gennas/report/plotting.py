"""Pictures, drawn with matplotlib where it is installed (``pip install naslib_gennas[plot]``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from ..errors import InputError, MissingPackageError
from ..evaluation import best_so_far

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.figure import Figure

    from ..proxy.tasks import Signal

GALLERY_SIZE = 8  # pixels of the signals, as in the paper
GALLERY_MAPS = 6  # maps shown per signal
BANDS = ("low", "medium", "high")
BLUE, ORANGE = "#0072B2", "#D55E00"  # distinguishable to colour-blind readers

Out = Union[str, Path, None]
"""A file whose ending says the format; for None nothing is drawn."""


@dataclass(frozen=True)
class Labels:
    """What stands at a picture's axes, and above it."""

    x: str
    y: str
    title: str


def draw_signals(path: Union[str, Path]) -> None:
    """Six maps of every signal, one row a signal; the format follows the file's ending.

    MissingPackageError without matplotlib, InputError for a file that cannot be written.
    """
    import torch

    from ..proxy.images import load_images

    plt = _required()
    images = load_images(None, GALLERY_MAPS, 32)
    rows = list(_signals())
    figure, axes = plt.subplots(len(rows), GALLERY_MAPS, figsize=(7, 1.1 * len(rows)))
    for line, (label, signal) in zip(axes, rows):
        generator = torch.Generator().manual_seed(0)
        maps = signal.maps((GALLERY_MAPS, 1, GALLERY_SIZE, GALLERY_SIZE), images, generator)
        for axis, picture in zip(line, maps[:, 0]):
            axis.imshow(picture.numpy(), cmap="viridis", vmin=-1, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    _save(plt, figure, path)


def _signals() -> Iterator[tuple[str, Signal]]:
    """Label and signal; of those with frequencies one a band."""
    from ..proxy.tasks import SIGNALS

    for kind, (model, _) in SIGNALS.items():
        bands = BANDS if hasattr(model, "values") else (None,)
        for band in bands:
            yield f"{kind} {band or ''}", model.model_validate({"frequencies": band} if band else {})


def draw_scatter(path: Out, scores: Sequence[Optional[float]], truth: Sequence[float], labels: Labels) -> None:
    """Score (x) against truth (y), failed architectures left out; nothing is drawn where matplotlib is missing."""
    plt = _optional(path)
    if plt is None or path is None:
        return
    pairs = [(s, t) for s, t in zip(scores, truth) if s is not None]
    figure, axis = plt.subplots(figsize=(5, 4))
    axis.scatter([s for s, _ in pairs], [t for _, t in pairs], s=12, alpha=0.6, color=BLUE, linewidths=0)
    axis.set_xlabel(labels.x)
    axis.set_ylabel(labels.y)
    axis.set_title(labels.title)
    _save(plt, figure, path)


def draw_search(path: Out, scores: Sequence[Optional[float]]) -> None:
    """Scores of a search by step (None where it failed), and the best so far."""
    plt = _optional(path)
    if plt is None or path is None:
        return
    points = [(step, score) for step, score in enumerate(scores) if score is not None]
    curve = [(step, best) for step, best in enumerate(best_so_far(scores)) if best is not None]
    figure, axis = plt.subplots(figsize=(6, 4))
    if points:
        axis.scatter(*zip(*points), s=8, alpha=0.5, color=BLUE, linewidths=0, label="evaluated")
        axis.plot(*zip(*curve), color=ORANGE, label="best so far")
        axis.legend(loc="lower right")
    axis.set_xlabel("step")
    axis.set_ylabel("score (higher is better)")
    _save(plt, figure, path)


Curve = Sequence[Optional[float]]


def draw_task_curves(path: Out, curves: Mapping[str, Sequence[Curve]], labelled: int) -> None:
    """Best rho by step of task searches, algorithm -> one curve a run: the mean, and the range as a band."""
    plt = _optional(path)
    if plt is None or path is None:
        return
    figure, axis = plt.subplots(figsize=(6, 4))
    for algorithm, runs in curves.items():
        color = {"evolution": ORANGE, "random": BLUE}[algorithm]
        counts, columns = _complete(runs)
        label = algorithm if len(runs) == 1 else f"{algorithm}, mean and range of {len(runs)} runs"
        means = [sum(column) / len(column) for column in columns]
        axis.plot(counts, means, color=color, label=label, drawstyle="steps-post")
        if len(runs) > 1:
            lows, highs = [min(column) for column in columns], [max(column) for column in columns]
            axis.fill_between(counts, lows, highs, color=color, alpha=0.2, linewidth=0, step="post")
    axis.legend(loc="lower right")
    axis.set_xlabel("tasks evaluated")
    axis.set_ylabel(f"best rho on {labelled} labels")
    _save(plt, figure, path)


def _complete(runs: Sequence[Curve]) -> tuple[list[int], list[list[float]]]:
    """The counts of steps at which every run has a value, and their values."""
    counts, columns = [], []
    for count, column in enumerate(zip(*runs), start=1):
        known = [value for value in column if value is not None]
        if len(known) == len(column):
            counts.append(count)
            columns.append(known)
    return counts, columns


def _required() -> ModuleType:
    """matplotlib.pyplot, without a screen; MissingPackageError where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise MissingPackageError("pictures need matplotlib: pip install 'naslib_gennas[plot]'") from None
    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    return plt


def _optional(path: Out) -> Optional[ModuleType]:
    """None where there is nothing to draw with, or into."""
    if path is None:
        return None
    try:
        return _required()
    except MissingPackageError:
        return None


def _save(plt: ModuleType, figure: Figure, path: Union[str, Path]) -> None:
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write the picture {path}: {error}") from None
    finally:
        plt.close(figure)
