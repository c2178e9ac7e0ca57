"""Measures that train: what they learn, that they repeat, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from naslib_gennas.cli import main
from naslib_gennas.errors import ImageError, InputError, UnknownNameError
from naslib_gennas.measures import MEASURES
from naslib_gennas.measures.col import SIDE, to_lab, uncoloured
from naslib_gennas.measures.jig import shuffled
from naslib_gennas.measures.pretext_data import TrainingImages, split
from naslib_gennas.measures.rot import turned
from naslib_gennas.proxy.images import MEAN, STD
from naslib_gennas.scoring import GenNASScorer, measure_module, measure_scorers
from naslib_gennas.scoring.ensemble import parse_measures
from naslib_gennas.scoring.measure import check_applicable
from naslib_gennas.spaces import load_space

PRETEXT = ["rot@2", "jig@2", "col@2"]


class Net(nn.Module):
    """(b, 3, s, s) -> (b, classes)"""

    def __init__(self, classes=10, width=8):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()),
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """160 pictures whose class is their colour, and whose left half is dark."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=160)
    pictures = rng.integers(60, size=(160, 8, 8, 3))
    pictures[np.arange(160), :, :, labels] += 120
    pictures[:, :, :4] //= 3
    path = tmp_path_factory.mktemp("pictures") / "coloured.npz"
    np.savez(path, x=pictures.astype(np.uint8), y=labels)
    return path


def test_easy_tasks_are_learned_better_with_more_epochs(network, coloured):
    pictures = TrainingImages(coloured, 8)
    found = measure_module(network, ["cls@1", "cls@12", "rot@12", "col@1", "col@12"], training_images=pictures)
    score = {name: result.value for name, result in found.items()}
    assert score["cls@12"] > 90 and score["cls@12"] >= score["cls@1"]
    assert score["rot@12"] > 60  # by chance 25
    assert score["col@1"] < score["col@12"] < 0


def test_scores_repeat_and_leave_everything_as_it_was(network, coloured):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    names = ["cls@1", *PRETEXT]
    one, two = (measure_module(network, names, training_images=TrainingImages(coloured, 8)) for _ in range(2))
    assert [one[name].value for name in names] == [two[name].value for name in names]
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert torch.equal(state, torch.get_rng_state()) and network.training
    other = measure_module(network, ["cls@1"], training_images=TrainingImages(coloured, 8), seed=1)
    assert other["cls@1"].value != one["cls@1"].value or other["cls@1"].seconds > 0


def test_rotations_and_puzzles_are_what_they_say():
    images = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4).float()
    pictures, turns = turned(images)
    assert pictures.shape == (8, 3, 4, 4) and turns.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(pictures[2], torch.from_numpy(np.rot90(images[0].numpy(), 1, (1, 2)).copy()))
    pieces, orders = shuffled(images)
    assert pieces.shape == (8, 3, 4, 4) and 0 <= orders.min() and orders.max() < 10
    for shown, original in zip(pieces, images.repeat(4, 1, 1, 1)):
        assert shown.flatten().sort().values.equal(original.flatten().sort().values)
        corners = sorted(shown[0, y, x].item() for y in (0, 2) for x in (0, 2))
        assert corners == sorted(original[0, y, x].item() for y in (0, 2) for x in (0, 2))  # whole tiles move
    same = {order.item(): piece for order, piece in zip(orders[::2], pieces[::2])}
    assert all(torch.equal(same[o.item()], p) for o, p in zip(orders[::2], pieces[::2]))


def test_colours_against_known_values():
    rgb = torch.tensor([[255, 0, 0], [0, 0, 255], [128, 128, 128], [255, 255, 255]]).float()
    images = ((rgb - torch.tensor(MEAN)) / torch.tensor(STD)).view(4, 3, 1, 1)
    expected = [(53.2, 80.1, 67.2), (32.3, 79.2, -107.9), (53.6, 0, 0), (100, 0, 0)]  # of sRGB under D65
    assert torch.allclose(to_lab(images).view(4, 3), torch.tensor(expected), atol=0.3)
    lightness, cells = uncoloured(images.repeat(1, 1, 4, 4), (2, 2))
    assert lightness.shape == (4, 3, 4, 4) and torch.equal(lightness[:, 0], lightness[:, 2])
    assert cells.shape == (4, 2, 2) and cells[0, 0, 0] == SIDE * 9 + 8  # (80 + 110) / 20, (67 + 110) / 20
    assert cells[2, 0, 0] == cells[3, 0, 0] == SIDE * 5 + 5


def test_digits_are_the_labelled_pictures_for_want_of_others(network):
    pytest.importorskip("sklearn")
    data = TrainingImages().labelled
    assert data.images.shape == (1024, 3, 16, 16) and data.test_targets.shape == (512,)
    assert 5 < measure_module(network, ["cls@1"])["cls@1"].value < 60


def test_nothing_held_out_is_trained_on():
    kept, held = split(100)
    assert len(held) == 25 and sorted([*kept.tolist(), *held.tolist()]) == list(range(100))
    with pytest.raises(ImageError, match="at least 8 pictures"):
        split(7)


def test_in_a_space_and_from_the_command_line(coloured, tmp_path):
    space = load_space("nasbench201")
    names = ["cls@1", "rot@1", "col@1"]
    scorers = measure_scorers(names, GenNASScorer(space, images=str(coloured)), batch_size=2, image_size=8)
    arch = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|none~2|"
    scores = [scorer.score(arch) for scorer in scorers]
    assert [(score.measure, score.status) for score in scores] == [(name, "ok") for name in names]
    shown = CliRunner().invoke(main, ["measures", "show", "cls@5"])
    assert shown.exit_code == 0 and shown.stdout.startswith("cls@5: Held-out accuracy")
    assert "cls@N" in CliRunner().invoke(main, ["measures"]).stdout


def test_bad_input(network, tmp_path):
    for text in ("cls@N", "cls@0", "cls@-1", "cls@1.5", "rank(cls@x,params)"):
        with pytest.raises(InputError):
            parse_measures(text)
    with pytest.raises(UnknownNameError):
        MEASURES["clx@3"]
    with pytest.raises(InputError, match="number of epochs"):
        measure_module(network, ["cls@N"])
    with pytest.raises(InputError, match="recurrent"):
        check_applicable(["cls@2"], load_space("nasbench_nlp"))
    few = measure_module(Net(classes=3), ["rot@1", "jig@1"])
    assert all("outputs" in result.message and result.value is None for result in few.values())
    flat = measure_module(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10)), ["col@1"])
    assert "global pooling" in flat["col@1"].message
    pictures = np.zeros((12, 8, 8, 3), np.uint8)
    for labels in (np.zeros(11, int), np.zeros(12), np.full(12, -1)):
        np.savez(tmp_path / "bad.npz", x=pictures, y=labels)
        with pytest.raises(ImageError, match="labels y"):
            measure_module(network, ["cls@1"], training_images=TrainingImages(tmp_path / "bad.npz", 8))
