"""Pictures that networks are trained on by the measures ``cls@N``, ``rot@N``, ``jig@N`` and ``col@N``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ..errors import ImageError
from ..proxy.images import load_images
from ..tables.digits import make_task

DIGITS = (1024, 512)  # cluttered digits to train on and held out
HELD_OUT = 4  # every fourth picture
FEWEST = 8


@dataclass(frozen=True)
class Lesson:
    """Pictures float32 (n, 3, s, s) with targets, to train on (``images``) and held out (``test_images``)."""

    images: torch.Tensor
    targets: torch.Tensor
    test_images: torch.Tensor
    test_targets: torch.Tensor

    def to(self, device: torch.device) -> Lesson:
        return Lesson(*(tensor.to(device) for tensor in vars(self).values()))


class Pictures:
    """All pictures of ``source`` (see :func:`naslib_gennas.proxy.images.load_images`), read when first needed.

    They are split by a fixed draw: one in four is held out. An ``.npz`` with labels ``y`` beside the images ``x`` is
    the labelled set; otherwise that is cluttered digits (:mod:`naslib_gennas.tables.digits`).
    """

    def __init__(self, source=None, size: int = 32):
        self.source, self.size = source, size

    @cached_property
    def plain(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Unlabelled pictures (to train on, held out); ImageError if there are fewer than 8."""
        images = load_images(self.source, None, self.size)
        kept, held = split(len(images))
        return images[kept], images[held]

    @cached_property
    def labelled(self) -> Lesson:
        """Labelled pictures; ImageError for labels that cannot be used."""
        labels = read_labels(self.source)
        if labels is None:
            (images, targets), (test_images, test_targets) = make_task(*DIGITS)
            return Lesson(images, targets, test_images, test_targets)
        images = load_images(self.source, None, self.size)
        if len(labels) != len(images):
            raise ImageError(f"{self.source} has {len(images)} images x and {len(labels)} labels y; give one for each")
        kept, held = split(len(images))
        return Lesson(images[kept], labels[kept], images[held], labels[held])


def split(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Places of the pictures to train on and of those held out, always the same."""
    if count < FEWEST:
        raise ImageError(f"training needs at least {FEWEST} pictures, one in {HELD_OUT} of them held out; got {count}")
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    return order[count // HELD_OUT :], order[: count // HELD_OUT]


def read_labels(source) -> torch.Tensor | None:
    """The array ``y`` of an ``.npz``, int64 (n,); None where there is none."""
    if not isinstance(source, (str, Path)) or Path(source).suffix != ".npz" or not Path(source).is_file():
        return None
    with np.load(source, allow_pickle=False) as archive:
        if "y" not in archive.files:
            return None
        labels = archive["y"]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise ImageError(f"the labels y of {source} must be whole numbers from 0, one an image")
    return torch.from_numpy(labels.astype(np.int64))
