"""Labelled images: an .npz, a folder with a folder a class, or CIFAR's Python files."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ImageError
from ..measures.pretext_data import read_labels
from ..proxy.images import SUFFIXES, images_of, load_images
from ..readers.pickles import BoundedUnpickler

CIFAR = ("data_batch_*", "train")  # names of CIFAR-10's and CIFAR-100's files of training images
FEWEST = 8
NUMPY = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class LabelledImages:
    """Images float32 (n, 3, s, s), normalised, labels int64 (n,), and how many ``classes`` there are."""

    images: torch.Tensor
    labels: torch.Tensor
    classes: int

    def halves(self) -> tuple[LabelledImages, LabelledImages]:
        """To learn weights by and to choose architectures by; a fixed draw."""
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(self.labels)))
        middle = (len(order) + 1) // 2
        first, second = (
            LabelledImages(self.images[part], self.labels[part], self.classes)
            for part in (order[:middle], order[middle:])
        )
        return first, second

    def to(self, device: torch.device) -> LabelledImages:
        return LabelledImages(self.images.to(device), self.labels.to(device), self.classes)


def load_labelled(source: str | Path, size: int = 32) -> LabelledImages:
    """Images of ``source``, ``size`` pixels a side, and their labels.

    ``source``: an ``.npz`` with ``x`` and ``y`` (see :func:`naslib_gennas.proxy.images.load_images`), a folder with a
    folder of pictures for every class, or the folder of CIFAR's Python files. Raises ImageError for anything else, and
    for fewer than 8 images or 2 classes.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(file for pattern in CIFAR for file in path.glob(pattern) if file.is_file())
        images, labels = _of_cifar(files, size) if files else _of_folders(path, size)
    else:
        images, labels = _of_npz(path, size)
    if len(images) != len(labels):
        raise ImageError(f"{source} has {len(images)} images and {len(labels)} labels; give one for each")
    names = torch.unique(labels)
    if len(labels) < FEWEST or len(names) < 2:
        raise ImageError(f"{source} has {len(labels)} images of {len(names)} classes; {FEWEST} of 2 are needed")
    return LabelledImages(images, torch.searchsorted(names, labels), len(names))


def _of_npz(path: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = load_images(path, None, size)
    labels = read_labels(path)
    if labels is None:
        raise ImageError(f"{path} has no labels: add the array y, a class from 0 for every image")
    return images, labels


def _of_folders(path: Path, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir())
    found = [folder for folder in folders if any(file.suffix.lower() in SUFFIXES for file in folder.iterdir())]
    if not found:
        raise ImageError(f"{path} has neither CIFAR's Python files nor a folder of pictures for every class")
    batches = [load_images(folder, None, size) for folder in found]
    labels = [torch.full((len(batch),), number) for number, batch in enumerate(batches)]
    return torch.cat(batches), torch.cat(labels)


def _of_cifar(files: list[Path], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, labels = [], []
    for file in files:
        batch = _unpickled(file)
        classes = batch.get("labels", batch.get("fine_labels"))
        data = batch.get("data")
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3072 or not isinstance(classes, list):
            raise ImageError(f"{file} is none of CIFAR's Python files: expected data (n, 3072) and labels")
        pixels.append(data.reshape(-1, 3, 32, 32))
        labels += classes
    images = images_of(np.concatenate(pixels), str(files[0].parent), size)
    return images, torch.tensor(labels, dtype=torch.int64)


class _Arrays(BoundedUnpickler):
    """Makes arrays of numbers and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NUMPY:
            raise pickle.UnpicklingError(f"it would run {module}.{name}")
        return super().find_class(module, name)


def _unpickled(file: Path) -> dict[str, Any]:
    try:
        with open(file, "rb") as stream:
            found = _Arrays(stream).load()
    except (pickle.UnpicklingError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ImageError(f"{file} cannot be read as one of CIFAR's Python files: {error}") from None
    if not isinstance(found, dict):
        raise ImageError(f"{file} is none of CIFAR's Python files: it holds no dictionary")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in found.items()}
