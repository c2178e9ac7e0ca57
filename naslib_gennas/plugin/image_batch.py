"""A batch of images for NASLib's own measures, in the place of data sets that are downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..proxy.images import load_images
from .loading import NASLib
from .runner_config import Job
from .swaps import Swaps

EMBEDDED_BATCH = 64  # images at most, where none are named
SIZE = 32  # pixels
STOCK_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}

Batch = tuple[torch.Tensor, torch.Tensor]

CLASSES = {"class_scene": 63, "class_object": 100, "room_layout": 9}  # of soft labels
PIECES = 3  # a side, of a jigsaw puzzle
SIZES = {"ImageNet16-120": 16, "jigsaw": PIECES * SIZE}  # of the data sets that differ


def task_batch(task: str, images: torch.Tensor, labels: torch.Tensor) -> Batch:
    """What a network of TransNAS-Bench-101 for ``task`` is fed with, and compared with; other tasks take labels.

    images (b, 3, s, s), labels (b,). Soft labels are one-hot; autoencoder and normal take the images themselves,
    segmentsemantic the labels at every pixel, jigsaw nine pieces of s // 3 pixels.

    >>> images, labels = torch.zeros(2, 3, 48, 48), torch.tensor([0, 1])
    >>> [tuple(values.shape) for values in task_batch("jigsaw", images, labels)]
    [(2, 9, 3, 16, 16), (2,)]
    >>> task_batch("class_scene", images, labels)[1].shape
    torch.Size([2, 63])
    """
    if task in CLASSES:
        return images, torch.nn.functional.one_hot(labels % CLASSES[task], CLASSES[task]).float()
    if task in ("autoencoder", "normal"):
        return images, images
    if task == "segmentsemantic":
        return images, labels[:, None, None].expand(-1, *images.shape[-2:]).contiguous()
    if task == "jigsaw":
        side = images.shape[-1] // PIECES
        cut = images[..., : side * PIECES, : side * PIECES].unfold(2, side, side).unfold(3, side, side)
        return cut.permute(0, 2, 3, 1, 4, 5).reshape(len(images), PIECES**2, -1, side, side), labels
    return images, labels


def image_batch(source: str | None, count: int, size: int) -> Batch:
    """(images, labels) for NASLib: float32 (b, 3, size, size) and int64 (b,); b is at most 64 if embedded.

    Labels are those of an ``.npz`` that has them (``y``), otherwise 0 to 9 in turn. Raises ImageError as
    :func:`naslib_gennas.proxy.images.load_images`, which says what ``source`` can be.

    >>> images, labels = image_batch(None, 4, 16)
    >>> images.shape, labels.tolist()
    (torch.Size([4, 3, 16, 16]), [0, 1, 2, 3])
    """
    if source is None:
        count = min(count, EMBEDDED_BATCH)
    images = load_images(source, count, size)
    labels = torch.arange(count) % 10
    if source is not None and str(source).endswith(".npz"):
        with np.load(source) as archive:
            if "y" in archive.files:
                labels = torch.from_numpy(archive["y"][:count].astype(np.int64))
    return images, labels


def substitute_loaders(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """One batch of images, unless the data set was downloaded before."""
    data = naslib.root / "naslib" / "data"
    if job.images is None and (data / STOCK_FOLDERS.get(job.dataset, "-")).is_dir():
        _keep_loaders(job, naslib, swaps, data)
        return

    def get_train_val_loaders(config: Any, *unused: Any, **named: Any) -> Any:
        count = config["batch_size"] if "batch_size" in config else config.search.batch_size
        loader = [task_batch(job.dataset, *image_batch(job.images, int(count), SIZES.get(job.dataset, SIZE)))]
        return loader, loader, loader, None, None

    source = job.images or "the embedded photographs, labels 0 to 9 in turn"
    what = f"data loaders: one batch of {source}, instead of {job.dataset}"
    swaps.swap(naslib["get_train_val_loaders"], get_train_val_loaders, what)


def _keep_loaders(job: Job, naslib: NASLib, swaps: Swaps, data: Path) -> None:
    """NASLib's own, reading from ``data`` wherever its configuration has been redirected to."""
    original = naslib["get_train_val_loaders"]

    def get_train_val_loaders(config: Any, *args: Any, **kwargs: Any) -> Any:
        before, config.data = config.data, str(data)
        try:
            return original(config, *args, **kwargs)
        finally:
            config.data = before

    swaps.swap(original, get_train_val_loaders, f"images: NASLib's own {job.dataset} in {data}")
