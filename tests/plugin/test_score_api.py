"""NASLib's score API, filled when asked; batches for its tasks; parameters and operations as its measures count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from naslib_gennas.errors import TableError
from naslib_gennas.plugin.image_batch import image_batch, task_batch
from naslib_gennas.plugin.model_stats import get_model_stats
from naslib_gennas.plugin.score_api import ScoreAPI, pool


def test_what_is_not_known_is_computed_once():
    asked = []

    def compute(key, name):
        asked.append((key, name))
        return {"score": 1.0, "time": 0.0}

    api = ScoreAPI(
        [("(1,)", {"val_accuracy": 90.0, "snip": {"score": 2.0, "time": 0.1}})], lambda key: {"val": key}, compute
    )
    assert api["(1,)"]["snip"]["score"] == 2.0 and api["(1,)"]["val_accuracy"] == 90.0 and not asked
    assert "nwot" in api["(1,)"] and not asked
    assert api["(1,)"]["nwot"] == api["(1,)"]["nwot"] and asked == [("(1,)", "nwot")]
    assert list(api) == ["(1,)"] and api["(2,)"]["val"] == "(2,)" and list(api) == ["(1,)", "(2,)"]


def test_an_unknown_architecture_is_an_error_of_whoever_knows():
    def unknown(key):
        raise TableError(f"lacks {key}")

    with pytest.raises(TableError, match="lacks 7"):
        ScoreAPI([], unknown, unknown)["7"]


@pytest.mark.parametrize(
    "space", ["nasbench101", "nasbench201", "nasbench301", "transnas101_micro", "transnas101_macro"]
)
def test_pools_hold_keys_that_are_read_back(space):
    from naslib_gennas.spaces.pasted import from_naslib, to_naslib

    keys = pool(space, 0)
    assert keys == pool(space, 0) != pool(space, 1) and len(set(keys)) == len(keys) > 400
    assert all(str(to_naslib(space, from_naslib(space, key))) == key for key in keys[:20])


@pytest.mark.parametrize(
    ("task", "shapes", "kind"),
    [
        ("cifar10", [(4, 3, 48, 48), (4,)], torch.int64),
        ("class_scene", [(4, 3, 48, 48), (4, 63)], torch.float32),
        ("class_object", [(4, 3, 48, 48), (4, 100)], torch.float32),
        ("room_layout", [(4, 3, 48, 48), (4, 9)], torch.float32),
        ("autoencoder", [(4, 3, 48, 48), (4, 3, 48, 48)], torch.float32),
        ("normal", [(4, 3, 48, 48), (4, 3, 48, 48)], torch.float32),
        ("segmentsemantic", [(4, 3, 48, 48), (4, 48, 48)], torch.int64),
        ("jigsaw", [(4, 9, 3, 16, 16), (4,)], torch.int64),
    ],
)
def test_batches_of_tasks(task, shapes, kind):
    images, targets = task_batch(task, *image_batch(None, 4, 48))
    assert [tuple(images.shape), tuple(targets.shape)] == shapes and targets.dtype == kind


def test_pieces_of_a_puzzle_are_those_of_the_image():
    images, labels = image_batch(None, 2, 48)
    pieces, _ = task_batch("jigsaw", images, labels)
    assert torch.equal(pieces[1, 5], images[1, :, 16:32, 32:48])


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, (3, 1), stride=2, groups=2)
        self.norm, self.plain = nn.BatchNorm2d(8), nn.BatchNorm2d(8, affine=False)
        self.act, self.pool, self.mean = nn.ReLU6(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d((1, 2))
        self.up, self.head, self.unused = nn.Upsample(scale_factor=2), nn.Linear(16, 5), nn.Linear(9, 9)

    def forward(self, x):
        x = self.pool(self.act(self.plain(self.norm(self.conv(x)))))
        return self.head(self.mean(self.up(x)).flatten(1))


def test_statistics_from_the_formulas():
    """(1, 4, 17, 16) -> 8 x 8 x 8 -> pool 8 x 4 x 4 -> 8 x 8 x 8 -> 8 x 1 x 2."""
    model = Small()
    stats = get_model_stats(model, (1, 4, 17, 16))
    conv = (3 * 1 * 4 * 4 + 8) * 64
    adaptive = 8 * (8 + 1) * ((4 + 1) + (4 + 1))
    assert stats.Flops == conv + 2 * 512 + 512 + 512 + 8 * 16 * 4 + 64 + adaptive + 16 * 5
    assert stats.parameters == 3 * 2 * 8 + 8 + 16 + 16 * 5 + 5
    assert model.training and not model._forward_hooks


def test_statistics_are_tensorwatchs():
    tensorwatch = pytest.importorskip("tensorwatch")
    for model, shape in ((Small(), (1, 4, 17, 16)), (Small(), (1, 4, 33, 32))):
        theirs = tensorwatch.ModelStats(model, list(shape), clone_model=True)
        ours = get_model_stats(model, shape)
        assert (ours.parameters, ours.Flops) == (theirs.parameters, theirs.Flops)
