"""Make the default batch of photographs, ``naslib_gennas/data/images.npz``; needs scikit-image and Pillow.

The crops come from four pictures that lie inside the scikit-image wheel (nothing is downloaded):

=========  =================================================  ===========================================
picture    origin                                             licence, as stated by ``skimage.data``
=========  =================================================  ===========================================
astronaut  Eileen Collins, NASA Great Images database         public domain, no known restrictions
chelsea    a cat, photographed by Stefan van der Walt         CC0
coffee     a cup, photographed by Rachel Michetti, courtesy   CC0
           of Pikolo Espresso Bar
rocket     launch of DSCOVR on Falcon 9, SpaceX               public domain, released by SpaceX
=========  =================================================  ===========================================

Each crop is a square of 96 to 200 pixels at a random place, reduced to 32x32 by area averaging. Nearly
blank crops (standard deviation below 20 of 255) are drawn again; half of the crops are mirrored. The four
pictures take turns, so that neighbours in the batch come from different pictures. The result depends only
on the seed and on the versions of the two packages.

    python examples/make_default_images.py [OUTPUT.npz]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

PICTURES = ("astronaut", "coffee", "chelsea", "rocket")
COUNT = 96
SIZE = 32
SIDES = (96, 200)  # pixels, both included
LEAST_CONTRAST = 20.0  # standard deviation of the crop, of 255
SEED = 0
OUTPUT = Path(__file__).resolve().parents[1] / "naslib_gennas" / "data" / "images.npz"


def crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random crop of ``picture`` (h, w, 3) as uint8 (SIZE, SIZE, 3), drawn until it has contrast."""
    height, width, _ = picture.shape
    while True:
        side = int(rng.integers(SIDES[0], SIDES[1] + 1))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        square = Image.fromarray(picture[top : top + side, left : left + side])
        small = np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BOX))
        if small.std() >= LEAST_CONTRAST:
            return small[:, ::-1] if rng.random() < 0.5 else small


def make_images() -> np.ndarray:
    """All crops: uint8 (COUNT, SIZE, SIZE, 3), the pictures taking turns."""
    rng = np.random.default_rng(SEED)
    pictures = [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in PICTURES]
    return np.stack([crop(pictures[i % len(pictures)], rng) for i in range(COUNT)])


def main() -> None:
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT
    images = make_images()
    np.savez_compressed(output, x=images)
    print(f"{output}: {len(images)} images, {output.stat().st_size / 1024:.0f} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
