"""Cluttered digits: a small labelled data set made from scikit-learn's digits, for want of a real one.

A digit of 8x8 pixels (scikit-learn's ``load_digits``, UCI "Optical Recognition of Handwritten Digits", CC BY 4.0)
at a random place of a 16x16 canvas, fragments of other digits around it, Gaussian noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..errors import MissingPackageError

Labelled = tuple[torch.Tensor, torch.Tensor]  # images and labels
Floats = npt.NDArray[np.float32]

DIGIT, CANVAS, CLASSES = 8, 16, 10
FRAGMENTS, FRAGMENT = 2, 3  # number of fragments, their side in pixels
NOISE = 0.05  # standard deviation; the digits' range is 0..1
SOURCES_FOR_TRAINING = 1200  # of the 1,797 digits


def make_task(train: int, test: int) -> tuple[Labelled, Labelled]:
    """((images, labels) to train on, (images, labels) to test on), from different digits; always the same.

    Images: float32 (n, 3, 16, 16), channels equal; labels: int64 (n,). MissingPackageError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingPackageError("the digits come with scikit-learn: pip install scikit-learn") from None
    rng = np.random.default_rng(0)
    digits, labels = load_digits(return_X_y=True)
    digits = (digits / 16).reshape(-1, DIGIT, DIGIT).astype(np.float32)
    order = rng.permutation(len(digits))
    for_training, for_test = order[:SOURCES_FOR_TRAINING], order[SOURCES_FOR_TRAINING:]
    return (
        cluttered(digits[for_training], labels[for_training], train, rng),
        cluttered(digits[for_test], labels[for_test], test, rng),
    )


def cluttered(digits: Floats, labels: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> Labelled:
    """``count`` images float32 (count, 3, 16, 16), channels equal, and labels int64 (count,)."""
    canvas = np.zeros((count, CANVAS, CANVAS), np.float32)
    for image in canvas:
        for other in rng.integers(len(digits), size=FRAGMENTS):
            y, x = rng.integers(DIGIT - FRAGMENT + 1, size=2)
            _paste(image, digits[other, y : y + FRAGMENT, x : x + FRAGMENT], rng)
    chosen = rng.integers(len(digits), size=count)
    for image, digit in zip(canvas, digits[chosen]):
        _paste(image, digit, rng)
    canvas += rng.normal(0, NOISE, canvas.shape).astype(np.float32)
    canvas = (canvas - canvas.mean()) / canvas.std()
    images = torch.from_numpy(canvas)[:, None].repeat(1, 3, 1, 1)
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(labels[chosen]).long()


def _paste(image: Floats, patch: Floats, rng: np.random.Generator) -> None:
    side = len(patch)
    y, x = rng.integers(CANVAS - side + 1, size=2)
    region = image[y : y + side, x : x + side]
    np.maximum(region, patch, out=region)
