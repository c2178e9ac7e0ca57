"""Images: every source gives the documented batch; everything unusable gives one clear sentence."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from naslib_gennas.errors import ImageError, MissingPackageError
from naslib_gennas.proxy.images import MEAN, STD, load_images


def pictures(count=4, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def save(folder, **arrays):
    path = folder / "images.npz"
    np.savez(path, **arrays)
    return path


def denormalised(batch):
    return batch.permute(0, 2, 3, 1).numpy() * np.array(STD) + np.array(MEAN)


def test_embedded_batch_holds_64_different_photographs():
    batch = load_images(count=64)
    assert batch.shape == (64, 3, 32, 32) and batch.dtype == torch.float32
    assert len(torch.unique(batch.flatten(1), dim=0)) == 64
    assert batch.flatten(1).std(dim=1).min() > 0.1
    assert -2 < batch.min() and batch.max() < 2.2


def test_embedded_batch_is_not_changed_by_its_users():
    first = load_images()
    first.zero_()
    assert load_images().abs().sum() > 0
    assert torch.equal(load_images(count=4), load_images(count=8)[:4])


def test_npz_pixels_are_normalised_per_channel(tmp_path):
    images = pictures()
    batch = load_images(save(tmp_path, x=images), count=3)
    np.testing.assert_allclose(denormalised(batch), images[:3], atol=1e-3)


@pytest.mark.parametrize("key", ["x", "images", "anything"])
def test_npz_keys(tmp_path, key):
    assert load_images(save(tmp_path, **{key: pictures()}), count=4).shape == (4, 3, 32, 32)


def test_npz_layouts_and_types_agree(tmp_path):
    images = pictures()
    expected = load_images(save(tmp_path, x=images), count=4)
    for same in (np.moveaxis(images, -1, 1), images / 255, (images / 255).astype(np.float32)):
        torch.testing.assert_close(load_images(save(tmp_path, x=same), count=4), expected)


def test_larger_pictures_are_averaged_by_area(tmp_path):
    images = pictures(size=64)
    means = images.reshape(4, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(denormalised(load_images(save(tmp_path, x=images), 4)), means, atol=1e-3)


def test_smaller_pictures_are_enlarged_bilinearly(tmp_path):
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[:, :, 1] = 200
    row = denormalised(load_images(save(tmp_path, x=images), 1, size=4))[0, 0, :, 0]
    np.testing.assert_allclose(row, [0, 50, 150, 200], atol=1e-3)


def test_noise_is_fixed_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    batch = load_images("noise", count=64)
    assert torch.equal(batch, load_images("noise", count=64))
    assert torch.equal(state, torch.get_rng_state())
    assert abs(batch.mean()) < 0.02 and abs(batch.std() - 1) < 0.02


def test_folder_is_read_in_the_order_of_the_names(tmp_path):
    image = pytest.importorskip("PIL.Image")
    images = pictures(3)
    for name, pixels in zip(("b.png", "a.png", "c.PNG"), images):
        image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    np.testing.assert_allclose(denormalised(load_images(tmp_path, 3)), images[[1, 0, 2]], atol=1e-3)


def test_folder_cuts_the_central_square_and_converts_grey(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((32, 64), np.uint8)
    pixels[:, 16:48] = 255
    image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_allclose(denormalised(load_images(tmp_path, 1)), 255, atol=1e-3)


def test_folder_with_a_broken_picture_or_too_few(tmp_path):
    pytest.importorskip("PIL.Image")
    with pytest.raises(ImageError, match="0 images, 1 are needed"):
        load_images(tmp_path, 1)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ImageError, match="a.png cannot be read"):
        load_images(tmp_path, 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 32, 32), np.uint8), r"\(4, 32, 32\): expected \(n, height, width, 3\)"),
        (np.zeros((4, 32, 32, 1), np.uint8), r"\(4, 32, 32, 1\)"),
        (np.zeros((4, 32, 32, 3), np.int64), "int64: expected uint8 or floating point"),
        (np.array([["a"]]), r"\(1, 1\)"),
        (np.full((4, 32, 32, 3), np.nan), "NaN or infinite"),
        (np.full((4, 32, 32, 3), 255.0), r"pixels from 255 to 255: .* in \[0, 1\]"),
        (pictures(3), "has 3 images, 4 are needed"),
        (pictures(0), "has 0 images, 4 are needed"),
    ],
)
def test_unusable_arrays(tmp_path, array, message):
    path = save(tmp_path, x=array)
    with pytest.raises(ImageError, match=message) as caught:
        load_images(path, 4)
    assert str(path) in str(caught.value)


def test_unusable_files(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        load_images(tmp_path / "none.npz")
    with pytest.raises(ImageError, match="expected an .npz file"):
        load_images(tmp_path / "none")
    with pytest.raises(ImageError, match="name the one with the images 'x'"):
        load_images(save(tmp_path, a=pictures(), b=pictures()))
    for content in (b"", b"not a zip file", save(tmp_path, x=pictures(100)).read_bytes()[:5000]):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(ImageError, match="cannot be read as .npz"):
            load_images(tmp_path / "bad.npz")
    np.savez(tmp_path / "objects.npz", x=np.array([None]))
    with pytest.raises(ImageError, match="cannot be read as .npz"):
        load_images(tmp_path / "objects.npz")


def test_more_than_the_embedded_batch_and_nonsense_sizes():
    with pytest.raises(ImageError, match="has 96 images, 1000 are needed"):
        load_images(count=1000)
    with pytest.raises(ImageError, match="count 0"):
        load_images(count=0)


def test_torchvision_sources(monkeypatch, tmp_path):
    with pytest.raises(ImageError, match="expected torchvision:cifar10:PATH"):
        load_images("torchvision:mnist:data")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingPackageError, match="pip install torchvision"):
        load_images(f"torchvision:cifar10:{tmp_path}")


def test_torchvision_image_folder(tmp_path):
    pytest.importorskip("torchvision")
    image = pytest.importorskip("PIL.Image")
    images = pictures(2)
    for name, pixels in zip(("cat", "dog"), images):
        (tmp_path / name).mkdir()
        image.fromarray(pixels).save(tmp_path / name / "a.png")
    batch = load_images(f"torchvision:imagefolder:{tmp_path}", 2)
    np.testing.assert_allclose(denormalised(batch), images, atol=1e-3)
    with pytest.raises(ImageError, match="finds no cifar10 data"):
        load_images(f"torchvision:cifar10:{tmp_path}")
