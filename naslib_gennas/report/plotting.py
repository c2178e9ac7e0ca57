"""Pictures, drawn with matplotlib where it is installed (``pip install naslib_gennas[plot]``)."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, MissingPackageError

GALLERY_SIZE = 8  # pixels of the signals, as in the paper
GALLERY_MAPS = 6  # maps shown per signal
BLUE, ORANGE = "#0072B2", "#D55E00"  # distinguishable to colour-blind readers


def draw_signals(path: str | Path) -> None:
    """Six maps of every signal, one row a signal; the format follows the file's ending."""
    import torch

    from ..proxy.images import load_images
    from ..proxy.tasks import SIGNALS

    plt = _pyplot()
    images = load_images(None, GALLERY_MAPS, 32)
    rows = []
    for kind, (model, _) in SIGNALS.items():
        bands = ("low", "medium", "high") if "frequencies" in model.model_fields else (None,)
        rows += [(f"{kind} {band or ''}", model(frequencies=band) if band else model()) for band in bands]
    figure, axes = plt.subplots(len(rows), GALLERY_MAPS, figsize=(7, 1.1 * len(rows)))
    for line, (label, signal) in zip(axes, rows):
        generator = torch.Generator().manual_seed(0)
        maps = signal.maps((GALLERY_MAPS, 1, GALLERY_SIZE, GALLERY_SIZE), images, generator)
        for axis, picture in zip(line, maps[:, 0]):
            axis.imshow(picture.numpy(), cmap="viridis", vmin=-1, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    _save(figure, path)


def draw_scatter(path, scores, truth, metric: str, data) -> None:
    """Score against truth, failed architectures left out; nothing is drawn where matplotlib is missing."""
    plt = _pyplot(required=False)
    if plt is None:
        return
    pairs = [(s, t) for s, t in zip(scores, truth) if s is not None]
    figure, axis = plt.subplots(figsize=(5, 4))
    axis.scatter(*zip(*pairs), s=12, alpha=0.6, color=BLUE, linewidths=0)
    axis.set_xlabel(f"score ({data['preset']})")
    axis.set_ylabel(f"{metric} ({Path(data['table']).name})")
    axis.set_title(f"{data['space']}: rho {data['spearman']:.3f}, tau {data['kendall']:.3f}, n {data['n']}")
    _save(figure, path)


def draw_search(path, records, curve) -> None:
    """Scores of a search by step, and the best so far."""
    plt = _pyplot(required=False)
    if plt is None:
        return
    points = [(record["step"], record["score"]) for record in records if record["score"] is not None]
    figure, axis = plt.subplots(figsize=(6, 4))
    if points:
        axis.scatter(*zip(*points), s=8, alpha=0.5, color=BLUE, linewidths=0, label="evaluated")
        axis.plot(range(len(records) - len(curve), len(records)), curve, color=ORANGE, label="best so far")
        axis.legend(loc="lower right")
    axis.set_xlabel("step")
    axis.set_ylabel("score (higher is better)")
    _save(figure, path)


def draw_task_curves(path, curves: dict[str, list[list[float | None]]], labelled: int) -> None:
    """Best rho by step of task searches, algorithm -> one curve a run: the mean, and the range as a band."""
    plt = _pyplot(required=False)
    if plt is None:
        return
    figure, axis = plt.subplots(figsize=(6, 4))
    for algorithm, runs in curves.items():
        color = {"evolution": ORANGE, "random": BLUE}[algorithm]
        length = min(map(len, runs))
        complete = [step for step in range(length) if all(run[step] is not None for run in runs)]
        columns = [[run[step] for run in runs] for step in complete]
        label = algorithm if len(runs) == 1 else f"{algorithm}, mean and range of {len(runs)} runs"
        counts, means = [step + 1 for step in complete], [sum(column) / len(column) for column in columns]
        axis.plot(counts, means, color=color, label=label, drawstyle="steps-post")
        if len(runs) > 1:
            lows, highs = list(map(min, columns)), list(map(max, columns))
            axis.fill_between(counts, lows, highs, color=color, alpha=0.2, linewidth=0, step="post")
    axis.legend(loc="lower right")
    axis.set_xlabel("tasks evaluated")
    axis.set_ylabel(f"best rho on {labelled} labels")
    _save(figure, path)


def _pyplot(required: bool = True):
    try:
        import matplotlib
    except ImportError:
        if required:
            raise MissingPackageError("pictures need matplotlib: pip install 'naslib_gennas[plot]'") from None
        return None
    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    return plt


def _save(figure, path) -> None:
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write the picture {path}: {error}") from None
    finally:
        _pyplot().close(figure)
