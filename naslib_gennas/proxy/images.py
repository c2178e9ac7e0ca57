"""The images that proxy tasks look at: embedded photographs, files, folders, torchvision or noise."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Callable, TypeVar, Union

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ..errors import ImageError, MissingPackageError

if TYPE_CHECKING:
    from PIL import Image

Source = Union[str, Path, torch.Tensor, None]
Pixels = npt.NDArray[np.generic]
T = TypeVar("T")

MEAN = (125.3, 123.0, 113.9)  # of CIFAR-10's training images per channel, of 255
STD = (63.0, 62.1, 66.7)
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
NOISE_SEED, NOISE_COUNT = 0, 1024
EMBEDDED = "the embedded batch"
DIGESTED = 256  # files of a folder


def load_images(source: Source = None, count: int | None = 16, size: int = 32) -> torch.Tensor:
    """The first ``count`` images of ``source``, all if None: float32 (count, 3, size, size), normalised per channel.

    ``source``:

    - None: the photographs that come with the package (see ``data/README.md``);
    - a path ending in ``.npz``: key ``x`` or ``images`` or the only array, (n, h, w, 3) or (n, 3, h, w),
      uint8 or floating point in [0, 1];
    - a folder of pictures (needs Pillow), in the order of their names, each cut to its central square;
    - ``torchvision:cifar10:PATH`` or ``torchvision:imagefolder:PATH`` (needs torchvision; no download);
    - ``noise``: standard normal numbers, the same at every call;
    - a floating point tensor (n, 3, h, w), normalised already and only resized.

    Pictures larger than ``size`` are reduced by antialiased area averaging, smaller ones are enlarged
    bilinearly. Raises ImageError for anything that cannot be used, MissingPackageError for Pillow or
    torchvision.

    >>> load_images(count=4, size=16).shape
    torch.Size([4, 3, 16, 16])
    >>> load_images(count=1000)
    Traceback (most recent call last):
    naslib_gennas.errors.ImageError: the embedded batch has 96 images, 1000 are needed: give more or ask for fewer
    """
    if (count is not None and count < 1) or size < 1:
        raise ImageError(f"a batch needs at least 1 image of 1 pixel; got count {count}, size {size}")
    if isinstance(source, torch.Tensor):
        count = len(source) if count is None else count
        return _resize(_checked_batch(source, count), size)
    text = "" if source is None else str(source)
    if text == "noise":
        count = NOISE_COUNT if count is None else count
        return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(NOISE_SEED))
    if source is None:
        pixels, available = _embedded()[:count], len(_embedded())
    elif text.startswith("torchvision:"):
        pixels, available = _from_torchvision(text, count, size)
    elif Path(text).is_dir():
        pixels, available = _from_folder(Path(text), count, size)
    else:
        pixels, available = _from_npz(Path(text), count)
    name = text or EMBEDDED
    if count is not None and available < count:
        raise ImageError(f"{name} has {available} images, {count} are needed: give more or ask for fewer")
    return _normalise(_resize(pixels, size))


def images_of(pixels: Pixels, name: str, size: int = 32) -> torch.Tensor:
    """Pixels (n, h, w, 3) or (n, 3, h, w), uint8 or floating point in [0, 1], as :func:`load_images` gives them.

    ``name`` stands in the ImageError for anything else.

    >>> images_of(np.zeros((2, 8, 8, 3), dtype=np.uint8), "mine", size=4).shape
    torch.Size([2, 3, 4, 4])
    """
    return _normalise(_resize(_check(pixels, name), size))


def images_identity(source: str | Path | torch.Tensor | None) -> dict[str, str | None]:
    """What tells images apart: their name, and a digest of their content; of the first 256 files of a folder.

    >>> images_identity(None)
    {'images': None, 'images_digest': None}
    """
    if source is None:
        return {"images": None, "images_digest": None}
    if isinstance(source, torch.Tensor):
        return {"images": f"a batch of shape {tuple(source.shape)}", "images_digest": _digest_of_batch(source)}
    path = Path(source)
    files = sorted(path.rglob("*"))[:DIGESTED] if path.is_dir() else [path]
    content = hashlib.sha256()
    for file in files:
        if file.is_file():
            content.update(file.name.encode() + file.read_bytes())
    known = any(file.is_file() for file in files)
    return {"images": str(source), "images_digest": content.hexdigest()[:16] if known else None}


def _digest_of_batch(batch: torch.Tensor) -> str:
    return hashlib.sha256(batch.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _embedded() -> torch.Tensor:
    with resources.files("naslib_gennas").joinpath("data", "images.npz").open("rb") as file:
        return _check(np.load(file)["x"], EMBEDDED)


def _checked_batch(images: torch.Tensor, count: int) -> torch.Tensor:
    """The first ``count`` images of a normalised batch, float32 on the CPU."""
    shape = tuple(images.shape)
    if images.dim() != 4 or shape[1] != 3 or 0 in shape[2:] or not images.is_floating_point():
        raise ImageError(f"a batch of images must be floating point (n, 3, h, w); got {images.dtype} of shape {shape}")
    if len(images) < count:
        raise ImageError(f"the batch has {len(images)} images, {count} are needed: use a batch size of {count} or more")
    images = images[:count].detach().to("cpu", torch.float32).clone()  # it may be of inference mode
    if not torch.isfinite(images).all():
        raise ImageError("the batch of images holds NaN or infinite pixels")
    return images


def _from_npz(path: Path, count: int | None) -> tuple[torch.Tensor, int]:
    if path.suffix != ".npz":
        raise ImageError(
            f"no images at {path}: expected an .npz file, an existing folder of pictures, "
            "'torchvision:cifar10:PATH', 'torchvision:imagefolder:PATH' or 'noise'"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[_key(archive.files, path)]
    except FileNotFoundError:
        raise ImageError(f"the image file {path} does not exist") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path} cannot be read as .npz ({error}): write it with numpy.savez") from error
    return _check(array, str(path), count), len(array)


def _key(keys: list[str], path: Path) -> str:
    for key in ("x", "images"):
        if key in keys:
            return key
    if len(keys) != 1:
        found = ", ".join(keys) or "none"
        raise ImageError(f"{path} has the arrays {found}: name the one with the images 'x'")
    return keys[0]


def _check(array: Pixels, name: str, count: int | None = None) -> torch.Tensor:
    """The first ``count`` images as float32 (n, 3, h, w) in [0, 255]."""
    if array.ndim != 4 or 0 in array.shape[1:] or 3 not in (array.shape[1], array.shape[-1]):
        raise ImageError(
            f"{name} holds images of shape {tuple(array.shape)}: expected (n, height, width, 3) or "
            "(n, 3, height, width)"
        )
    is_float = np.issubdtype(array.dtype, np.floating)
    if array.dtype != np.uint8 and not is_float:
        raise ImageError(f"{name} holds images of type {array.dtype}: expected uint8 or floating point in [0, 1]")
    array = array[:count]
    if array.shape[-1] == 3:
        array = np.moveaxis(array, -1, 1)
    pixels = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if not is_float:
        return pixels
    if not torch.isfinite(pixels).all():
        raise ImageError(f"{name} holds NaN or infinite pixels: expected numbers in [0, 1]")
    if len(pixels) and (pixels.min() < 0 or pixels.max() > 1):
        raise ImageError(
            f"{name} holds pixels from {pixels.min():.3g} to {pixels.max():.3g}: floating point images "
            "must be in [0, 1], not normalised"
        )
    return 255 * pixels


def _from_folder(folder: Path, count: int | None, size: int) -> tuple[torch.Tensor, int]:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackageError("reading a folder of pictures needs Pillow: pip install pillow") from error
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)

    def read(path: Path) -> torch.Tensor:
        try:
            with Image.open(path) as picture:
                return _square(picture, size)
        except (OSError, ValueError, SyntaxError) as error:
            raise ImageError(f"the picture {path} cannot be read: remove or replace it") from error

    return _stack(read, paths[:count]), len(paths)


def _from_torchvision(source: str, count: int | None, size: int) -> tuple[torch.Tensor, int]:
    kind, _, path = source[len("torchvision:") :].partition(":")
    if kind not in ("cifar10", "imagefolder") or not path:
        raise ImageError(
            f"unknown image source {source!r}: expected torchvision:cifar10:PATH or torchvision:imagefolder:PATH"
        )
    try:
        from torchvision import datasets
    except ImportError as error:
        raise MissingPackageError(f"{source} needs torchvision: pip install torchvision") from error
    try:
        data = datasets.CIFAR10(path, train=True) if kind == "cifar10" else datasets.ImageFolder(path)
    except (OSError, RuntimeError) as error:
        raise ImageError(f"torchvision finds no {kind} data in {path}: {error}") from error
    wanted = len(data) if count is None else min(count, len(data))
    spread = kind == "imagefolder"  # sorted by class: take images all over the folder
    indices = [i * len(data) // wanted if spread else i for i in range(wanted)]
    return _stack(lambda i: _square(data[i][0], size), indices), len(data)


def _square(picture: Image.Image, size: int) -> torch.Tensor:
    """The central square of a Pillow picture: float32 (3, size, size) in [0, 255]."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.convert("RGB").crop((left, top, left + side, top + side))
    pixels = torch.from_numpy(np.array(square, dtype=np.float32)).permute(2, 0, 1)
    return _resize(pixels[None], size)[0]


def _stack(read: Callable[[T], torch.Tensor], items: Sequence[T]) -> torch.Tensor:
    return torch.stack([read(item) for item in items]) if len(items) else torch.empty(0, 3, 1, 1)


def _resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """(b, 3, h, w) -> (b, 3, size, size), each side on its own."""
    height, width = pixels.shape[-2:]
    if len(pixels) == 0 or (height, width) == (size, size):
        return pixels
    smaller = (min(height, size), min(width, size))
    pixels = F.interpolate(pixels, smaller, mode="area")
    return F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False)


def _normalise(pixels: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (pixels - mean) / std
