"""The one batch of images that a regression sees."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .errors import ImageError, MissingPackageError

MEAN, STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)  # CIFAR-10, of 255
EMBEDDED = Path(__file__).resolve().parent / "data" / "images.npz"
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
TORCHVISION = "torchvision:"


def load_images(source: str | None = None, count: int = 16, size: int = 32) -> torch.Tensor:
    """The first ``count`` images of ``source`` as float32 (count, 3, size, size), normalised per channel.

    source: None (the embedded photographs), ``noise`` (standard normal pixels), an ``.npz`` file (key ``x``,
    ``images`` or its only array; uint8, or float in [0, 1]; (n, h, w, 3) or (n, 3, h, w)), a folder of
    pictures, or ``torchvision:cifar10:PATH``, ``torchvision:cifar100:PATH``, ``torchvision:imagefolder:PATH``.
    Raises ImageError (shape, type, values, number, file) or MissingPackageError.
    """
    if source == "noise":
        return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    pixels = _read(str(source or EMBEDDED), count)
    if len(pixels) < count:
        raise ImageError(f"{source} has {len(pixels)} images, the preset needs {count}; give more or lower batch_size")
    x = torch.from_numpy(np.ascontiguousarray(pixels[:count])).permute(0, 3, 1, 2).float()
    if x.shape[-2:] != (size, size):
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (x - mean) / std


@lru_cache(maxsize=4)
def _read(source: str, count: int) -> np.ndarray:
    """(n, h, w, 3) in 0..255."""
    if source.startswith(TORCHVISION):
        return _torchvision(source, count)
    path = Path(source)
    if path.is_dir():
        return _folder(path, count)
    if not path.exists():
        raise ImageError(f"there are no images at {path}; give an .npz file or a folder of pictures")
    return _checked(_npz(path), path)


def _npz(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in ("x", "images") if name in file.files] or file.files
            if len(names) != 1:
                raise ImageError(f"{path} holds {', '.join(names) or 'nothing'}; name the array of images 'x'")
            return file[names[0]]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ImageError(f"{path} cannot be read as an .npz file: {error}") from None


def _checked(x: np.ndarray, where) -> np.ndarray:
    if x.ndim == 4 and x.shape[1] == 3 and x.shape[3] != 3:
        x = x.transpose(0, 2, 3, 1)
    if x.ndim != 4 or x.shape[3] != 3:
        raise ImageError(f"{where}: images have shape {x.shape}, expected (n, height, width, 3) or (n, 3, height, width)")
    if x.dtype == np.uint8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise ImageError(f"{where}: images are {x.dtype}, expected uint8, or floats in [0, 1]")
    if not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
        raise ImageError(f"{where}: images of type float must be finite and lie in [0, 1]")
    return x.astype(np.float32) * 255


def _folder(path: Path, count: int) -> np.ndarray:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURE_ENDINGS)[:count]
    if not files:
        raise ImageError(f"the folder {path} holds no pictures ({', '.join(PICTURE_ENDINGS)})")
    return _stack(_open(file) for file in files)


def _open(file: Path):
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingPackageError("folders of pictures need Pillow: pip install 'naslib_gennas[images]'") from None
    try:
        return Image.open(file).convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise ImageError(f"{file} is not a picture that can be read: {error}") from None


def _stack(pictures) -> np.ndarray:
    """Pictures of any size, cut to their central square; all brought to the size of the smallest."""
    squares = []
    for picture in pictures:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        squares.append(picture.crop((left, top, left + side, top + side)))
    side = min(square.width for square in squares)
    return np.stack([np.asarray(square.resize((side, side))) for square in squares])


def _torchvision(source: str, count: int) -> np.ndarray:
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError):
        raise MissingPackageError(f"{source} needs torchvision: pip install torchvision") from None
    kinds = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100, "imagefolder": datasets.ImageFolder}
    _, _, rest = source.partition(":")
    kind, _, root = rest.partition(":")
    if kind not in kinds or not root:
        raise ImageError(f"{source}: expected torchvision:KIND:PATH, KIND one of {', '.join(kinds)}")
    try:
        data = kinds[kind](root)
    except (OSError, RuntimeError, ValueError) as error:
        raise ImageError(f"{source}: {error}") from None
    return _stack(data[i][0].convert("RGB") for i in range(min(count, len(data))))
