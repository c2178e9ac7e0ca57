"""The read-out in closed form against direct solutions of the ridge problem and against drawn targets."""

from __future__ import annotations

import copy
import math
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from naslib_gennas import Scorer
from naslib_gennas.errors import SpecError
from naslib_gennas.proxy import closed_form
from naslib_gennas.proxy.closed_form import Leftover, expected_loss, white_residual
from naslib_gennas.proxy.moments import Moments
from naslib_gennas.proxy.presets import load_preset, parse_preset
from naslib_gennas.proxy.signal_base import Signal
from naslib_gennas.proxy.tasks import Dot, GDot, Noise, Resize, Sin1D, Sin2D, Stage, Zero

IMAGES, SIZE, WIDTH, RIDGE = 3, 4, 6, 0.2
ROWS = IMAGES * SIZE * SIZE


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def features(columns=WIDTH, seed=0, a=2):
    """Correlated columns of different means and scales."""
    rows = torch.randn(a, ROWS, columns, generator=seeded(seed))
    return rows @ torch.randn(columns, columns, generator=seeded(seed + 1)) * torch.arange(1.0, columns + 1) + 3.0


def direct_residual(rows, targets, ridge):
    """Mean square that ridge regression with an unpenalised bias leaves, by least squares with the penalty as rows."""
    rows, targets = rows.double(), targets.double()
    scaled = (rows - rows.mean(0)) / rows.std(0, correction=0)
    count, columns = scaled.shape
    penalty = math.sqrt(ridge * count) * torch.eye(columns, dtype=torch.float64)
    system = torch.cat([torch.cat([scaled, torch.ones(count, 1)], 1), torch.cat([penalty, torch.zeros(columns, 1)], 1)])
    right = torch.cat([targets, torch.zeros(columns, targets.shape[1])])
    solution = torch.linalg.lstsq(system, right).solution
    return float((targets - system[:count] @ solution).square().mean())


def as_columns(maps):
    """(b, c, h, w) -> (b h w, c)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def images(size=8):
    return torch.randn(IMAGES, 3, size, size, generator=seeded(5))


@pytest.mark.parametrize("columns", [1, WIDTH, ROWS - 1, ROWS, ROWS + 7])
def test_the_leftover_of_given_maps_is_that_of_a_direct_solution(columns):
    rows, maps = features(columns), torch.randn(5, IMAGES, SIZE * SIZE, generator=seeded(3))
    found = Leftover.of(rows, IMAGES, RIDGE).of_maps(maps) / len(maps)
    for one, value in zip(rows, found):
        assert float(value) == pytest.approx(direct_residual(one, maps.flatten(1).T, RIDGE), rel=2e-4)


@pytest.mark.parametrize("columns", [1, WIDTH, ROWS, ROWS + 7])
def test_white_targets_are_the_mean_of_drawn_dots(columns):
    rows = features(columns)
    targets = as_columns(Dot().draw((IMAGES, 2000, SIZE, SIZE), None, seeded()))
    for one, value in zip(rows, white_residual(rows, RIDGE)):
        assert float(value) == pytest.approx(direct_residual(one, targets, RIDGE), rel=0.02)


def test_white_targets_need_the_eigenvalues_only():
    rows = features()
    shrinkage = closed_form.eigenvalues(rows) / (closed_form.eigenvalues(rows) + RIDGE)
    by_formula = 1 - (2 * shrinkage - shrinkage.square()).sum(dim=1) / ROWS - 1 / ROWS
    assert torch.allclose(white_residual(rows, RIDGE), by_formula, atol=1e-5)


class Stripes(Signal):
    """A kind without a formula, whose mean is not 0."""

    kind: Literal["stripes"] = "stripes"

    def draw(self, shape, images, generator):
        n, c, h, w = shape
        heights = 1 + torch.rand(n, c, 1, 1, generator=generator)
        return (heights * torch.arange(w).remainder(2)).expand(n, c, h, w).contiguous()


class Faded(Signal):
    """A kind without a formula, of the images."""

    needs_images = True
    kind: Literal["faded"] = "faded"

    def draw(self, shape, images, generator):
        n, c, h, w = shape
        return images[:, :1, :h, :w] * torch.rand(1, c, 1, 1, generator=generator)


SIGNALS = {
    "dot": [Dot(fraction=0.3, level=2.0)],
    "global dot": [Dot(scope="global")],
    "noise": [Noise()],
    "gdot": [GDot(fraction=0.5)],
    "global gdot": [GDot(scope="global")],
    "sin1d": [Sin1D(frequencies="high")],
    "global sin1d": [Sin1D(frequencies=[0.1, 0.23], scope="global")],
    "sin2d": [Sin2D(frequencies="medium", level=0.7)],
    "global sin2d": [Sin2D(frequencies=[0.05, 0.4], scope="global")],
    "resize": [Resize(level=1.5)],
    "one's own": [Stripes()],
    "one's own, of images": [Faded()],
    "mixture": [Sin1D(frequencies="low"), Dot(), Resize(level=2.0), GDot(scope="global"), Zero()],
}


@pytest.mark.parametrize("signals", SIGNALS.values(), ids=SIGNALS)
def test_the_expected_loss_is_the_mean_over_drawn_targets(signals):
    stage, rows, pictures = Stage(channels=2000, signals=signals), features(), images()
    drawn = stage.target(pictures, SIZE, seeded(9))
    found = expected_loss(rows, IMAGES, RIDGE, stage.moments(pictures, SIZE))
    for one, value in zip(rows, found):
        assert float(value) == pytest.approx(direct_residual(one, as_columns(drawn), RIDGE), rel=0.04)
    power = stage.moments(pictures, SIZE).power(IMAGES, SIZE * SIZE)
    assert power == pytest.approx(float(drawn.square().mean()), rel=0.04)


def test_zero_leaves_nothing():
    found = expected_loss(features(), IMAGES, RIDGE, Stage(signals=[Zero()]).moments(images(), SIZE))
    assert found.tolist() == [0.0, 0.0]


def test_the_spectrum_is_what_is_explained_of_waves():
    rows = features(20)
    found = closed_form.spectrum(rows, IMAGES, RIDGE)
    for fy, fx in ((0, 0), (0, 1), (1, 2), (3, 1), (2, 2)):
        moments = Moments(local=closed_form_waves(fx / SIZE, fy / SIZE))
        left = expected_loss(rows, IMAGES, RIDGE, moments) / moments.power(IMAGES, SIZE * SIZE)
        assert torch.allclose(1 - found[:, fy, fx], left, atol=1e-5)


def closed_form_waves(fx, fy):
    """E[y y^T] of sin(2 pi (fx x + fy y) + phi), by averaging 16 phases."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    phases = 2 * math.pi * torch.arange(16) / 16
    maps = torch.sin(2 * math.pi * (fx * x + fy * y).flatten()[None] + phases[:, None])
    return maps.T @ maps / 16


def test_scales_shifts_and_copies_of_columns():
    rows = features()
    same = white_residual(rows, RIDGE)
    assert torch.allclose(white_residual(rows * torch.arange(1.0, WIDTH + 1) * 7 - 100, RIDGE), same, atol=1e-4)
    order = torch.tensor([3, 1, 0, 2, 5, 4])
    assert torch.allclose(white_residual(rows[:, :, order], RIDGE), same, atol=1e-6)
    constant = torch.cat([rows, torch.full((2, ROWS, 1), 5e3)], dim=2)
    assert torch.allclose(white_residual(constant, RIDGE), same, atol=1e-6)


def test_a_dead_map_is_the_worst_and_a_value_that_is_not_finite_spoils_its_own_architecture_only():
    dead, broken = torch.zeros(1, ROWS, WIDTH), features(a=1)
    broken[0, 3, 1] = math.inf
    together = torch.cat([features(), dead, broken])
    found = white_residual(together, RIDGE)
    assert found[2] == pytest.approx(1 - 1 / ROWS)
    assert (found[:2] < found[2]).all()
    assert found[3].isnan()
    assert torch.allclose(found[:2], white_residual(features(), RIDGE))
    by_waves = expected_loss(together, IMAGES, RIDGE, Stage(signals=[Sin1D(frequencies="low")]).moments(images(), SIZE))
    assert by_waves[:3].isfinite().all() and by_waves[3].isnan() and by_waves.argmax() in (2, 3)
    assert closed_form.eigenvalues(together)[3].isnan().all()
    assert closed_form.effective_rank(together)[2] == 0


def test_a_ridge_too_small_for_float32_is_solved_in_float64():
    rows = torch.cat([features(), features()], dim=2)  # of half the rank
    found = white_residual(rows, 1e-12)
    assert torch.allclose(found, torch.full((2,), 1 - (WIDTH + 1) / ROWS), atol=1e-3)


def test_effective_rank_lies_between_one_and_the_number_of_columns():
    one = torch.randn(1, ROWS, 1, generator=seeded())
    assert closed_form.effective_rank(one.expand(1, ROWS, 4)) == pytest.approx(1.0, abs=1e-3)
    assert 1 < float(closed_form.effective_rank(features(a=1))) <= WIDTH


# ---------------------------------------------------------------- as a scorer

TEXT = """
name: mine
size_weight: {size}
task:
  noise: {{level: 0.3}}
  weights: {weights}
  stages:
    - signals: [{{kind: dot}}]
    - signals: [{{kind: sin1d, frequencies: high}}]
    - signals: [{{kind: dot}}]
fidelity: {{solver: ridge, ridge: 0.5, cells: 1, channels: 8, input_size: 16, batch_size: 4, weight_init: kaiming}}
"""


def preset(size=0.0, weights=(1.0, 0.5, 0.25), **fidelity):
    return parse_preset(TEXT.format(size=size, weights=list(weights)), "mine.yaml").with_fidelity(**fidelity)


def test_a_score_is_minus_the_weighted_losses_plus_the_size_term():
    scorer = Scorer("nasbench201", preset())
    heavier = Scorer("nasbench201", preset(size=0.1))
    for text in ("5", "4000", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"):
        score = scorer.score(text)
        assert score.status == "ok"
        assert -1.75 <= score.value < 0
        arch = scorer.space.reduced(scorer.space.parse(text))
        added = 0.1 * math.log(scorer.space.parameters(arch))
        assert heavier.score(text).value == pytest.approx(score.value + added)
    assert scorer.score("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|").value < scorer.score("4000").value


def test_stages_after_the_last_that_counts_are_not_built(monkeypatch):
    built = []
    space = Scorer("nasbench201", preset()).space
    monkeypatch.setattr(closed_form, "stage_rows", lambda backbone, batch: built.append(len(backbone.channels)) or [])
    first = preset(weights=(1.0, 0.0, 0.0))
    batch = first.expected(None, seeded())
    with torch.device("meta"):
        backbone = space.build(space.parse("5"), first.fidelity)
    closed_form.new_stage_rows(backbone, batch, first.fidelity, seeded())
    assert built == [1]


@pytest.mark.parametrize(
    "space", ["nasbench101", "nasbench201", "nds_darts_in", "nds_resnet", "transnas101_micro", "transnas101_macro"]
)
def test_many_scores_are_the_single_ones(space):
    rng = np.random.default_rng(0)
    scorer = Scorer(space, preset(size=0.01))
    archs = [scorer.space.sample(rng) for _ in range(4)]
    together = [score.value for score in Scorer(space, preset(size=0.01)).score_many([*archs, archs[0]])]
    assert together[:4] == pytest.approx([scorer.score(arch).value for arch in archs], abs=1e-4)
    assert together[4] == together[0]
    assert len(set(together)) > 1


def test_networks_of_ones_own_are_read_as_they_are():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    scorer = Scorer.for_modules({"mine": net, "new": lambda: copy.deepcopy(net)}, preset())
    mine, new = scorer.score("mine"), scorer.score("new")
    assert mine.status == new.status == "ok", (mine.message, new.message)
    assert mine.value == pytest.approx(new.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_recurrent_networks_are_read_at_all_time_steps():
    text = """
name: recurrent
kind: rnn
task: {dimension: 6, inputs: [{kind: noise}], targets: [{kind: dot}]}
fidelity: {solver: ridge, ridge: 0.01, embedding: 6, layers: 1, length: 4, batch_size: 8}
"""
    white = Scorer("nasbench_nlp", parse_preset(text, "white.yaml"))
    waves = Scorer("nasbench_nlp", parse_preset(text.replace("kind: dot", "kind: sin2d, frequencies: low"), "w.yaml"))
    archs = [white.space.sample(np.random.default_rng(seed)) for seed in range(4)]
    for scorer in (white, waves):
        values = [scorer.score(arch).value for arch in archs]
        assert all(-1 <= value <= 0 for value in values) and len(set(values)) > 1


def test_the_same_seed_is_the_same_score_and_repeats_are_a_mean():
    one = Scorer("nasbench201", preset(), seed=3).score("77").value
    assert Scorer("nasbench201", preset(), seed=3).score("77").value == one
    assert Scorer("nasbench201", preset(), seed=4).score("77").value != one
    twice = Scorer("nasbench201", preset(repeats=2), seed=3)
    arch = twice.space.reduced(twice.space.parse("77"))
    losses = [twice._read([arch], 0, repeat) for repeat in range(2)]
    values = [next(iter(found.values())).loss for found in losses]
    assert -twice.score("77").value == pytest.approx(np.mean(values))


def test_a_preset_may_be_another_for_a_family():
    text = (
        TEXT.format(size=0, weights=[1, 1, 1])
        + """
families:
  nasbench201:
    task: {stages: [{signals: [{kind: dot}]}, {}, {}]}
    fidelity: {solver: ridge, channels: 4, input_size: 8}
  nasbench_nlp:
    kind: rnn
    task: {dimension: 6, inputs: [{kind: noise}], targets: [{kind: dot}]}
    fidelity: {solver: ridge, embedding: 6, layers: 1, length: 4}
"""
    )
    whole = parse_preset(text, "mine.yaml")
    assert parse_preset(whole.to_yaml(), "again.yaml") == whole
    assert Scorer("nasbench201", whole).preset.fidelity.channels == 4
    assert Scorer("nasbench201", whole).preset.name == "mine"
    assert Scorer("nasbench_nlp", whole).preset.kind == "rnn"
    assert (
        Scorer("nasbench101", whole).preset.digest()
        == parse_preset(TEXT.format(size=0, weights=[1, 1, 1]), "m").digest()
    )
    assert whole.digest() != Scorer("nasbench101", whole).preset.digest()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ridge": 0}, "ridge: Input should be greater than 0"),
        ({"ridge": -1}, "ridge: Input should be greater than 0"),
        ({"ridge": math.nan}, "ridge: Input should be a finite number"),
        ({"batch_size": 1}, "batch_size: Input should be greater than or equal to 2"),
        ({"solver": "lasso"}, "solver: Input should be 'sgd' or 'ridge'"),
    ],
)
def test_settings_that_cannot_be(change, sentence):
    with pytest.raises(SpecError, match=sentence):
        preset(**change)


def test_targets_larger_than_the_map_are_refused_before_anything_is_scored():
    with pytest.raises(SpecError, match="reads stage 3 of nasbench201 as 8 x 8 pixels.* 4 x 4"):
        Scorer("nasbench201", preset(target_size=8))
    assert Scorer("nasbench201", preset(target_size=8, input_size=32)).score("5").status == "ok"
    assert Scorer("nasbench201", preset(target_size=8, weights=(1.0, 1.0, 0.0))).score("5").status == "ok"


def test_digests_of_trained_presets_do_not_know_of_the_solver():
    fast = load_preset("fast")
    assert fast.with_fidelity(ridge=0.5).digest() == fast.digest()
    assert preset(steps=5).digest() == preset().digest()
    assert preset(ridge=0.25).digest() != preset().digest()
    assert preset(size=0.1).digest() != preset().digest()
