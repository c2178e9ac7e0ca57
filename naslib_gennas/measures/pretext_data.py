"""Images that networks are trained on by the measures ``cls@N``, ``rot@N``, ``jig@N`` and ``col@N``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch

from ..errors import ImageError
from ..proxy.images import load_images
from ..tables.digits import make_task

DIGITS = (1024, 512)  # cluttered digits to train on and held out
HELD_OUT = 4  # every fourth image
FEWEST = 8

ImageSource = Union[str, Path, torch.Tensor, None]


@dataclass(frozen=True)
class TrainTestSplit:
    """Images float32 (n, 3, s, s) with targets (n, ...), to train on (``images``) and held out (``test_images``).

    Targets are int64 classes, one an image, or one a place of its feature map.
    """

    images: torch.Tensor
    targets: torch.Tensor
    test_images: torch.Tensor
    test_targets: torch.Tensor

    def to(self, device: torch.device) -> TrainTestSplit:
        """The same on ``device``."""
        return TrainTestSplit(
            self.images.to(device), self.targets.to(device), self.test_images.to(device), self.test_targets.to(device)
        )


class TrainingImages:
    """All images of ``source`` (see :func:`naslib_gennas.proxy.images.load_images`), read when first needed.

    They are split by a fixed draw: one in four is held out. With labels they are the labelled set as well, and that is
    cluttered digits (:mod:`naslib_gennas.tables.digits`) otherwise.

    Args:
        size: height and width, in pixels.
        labels: int64 (n,), classes from 0; None takes the array ``y`` of a source that is an ``.npz``, if it has one.

    >>> import torch
    >>> kept, held_out = TrainingImages(torch.zeros(12, 3, 8, 8), 8).unlabelled
    >>> len(kept), len(held_out)
    (9, 3)
    """

    def __init__(self, source: ImageSource = None, size: int = 32, labels: Optional[torch.Tensor] = None):
        self.source, self.size = source, size
        self._labels = labels

    @cached_property
    def unlabelled(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (to train on, held out); ImageError if there are fewer than 8."""
        images = load_images(self.source, None, self.size)
        kept, held_out = split(len(images))
        return images[kept], images[held_out]

    @cached_property
    def labelled(self) -> TrainTestSplit:
        """Images and their labels.

        ImageError for labels that cannot be used, MissingPackageError where the digits cannot be made.
        """
        labels = read_labels(self.source) if self._labels is None else self._labels
        if labels is None:
            (images, targets), (test_images, test_targets) = make_task(*DIGITS)
            return TrainTestSplit(images, targets, test_images, test_targets)
        images = load_images(self.source, None, self.size)
        if len(labels) != len(images):
            raise ImageError(f"{self.source} has {len(images)} images x and {len(labels)} labels y; give one for each")
        kept, held_out = split(len(images))
        return TrainTestSplit(images[kept], labels[kept], images[held_out], labels[held_out])


def split(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Places of the images to train on and of those held out, always the same; ImageError for fewer than 8.

    >>> [len(places) for places in split(100)]
    [75, 25]
    """
    if count < FEWEST:
        raise ImageError(f"training needs at least {FEWEST} pictures, one in {HELD_OUT} of them held out; got {count}")
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    return order[count // HELD_OUT :], order[: count // HELD_OUT]


def read_labels(source: ImageSource) -> Optional[torch.Tensor]:
    """The array ``y`` of an ``.npz``, int64 (n,); None where there is none. ImageError unless it holds classes."""
    if not isinstance(source, (str, Path)) or Path(source).suffix != ".npz" or not Path(source).is_file():
        return None
    with np.load(source, allow_pickle=False) as archive:
        if "y" not in archive.files:
            return None
        labels = archive["y"]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise ImageError(f"the labels y of {source} must be whole numbers from 0, one an image")
    return torch.from_numpy(labels.astype(np.int64))
