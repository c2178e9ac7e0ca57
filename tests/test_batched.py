"""Many networks trained as one program against each of them trained alone, in float64; company, order, memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from naslib_gennas import Scorer
from naslib_gennas.proxy.batched import Training, regress_together, training
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import layers_of, uninitialised
from naslib_gennas.proxy.parameters import adopt, initialise
from naslib_gennas.proxy.presets import load_preset, parse_preset
from naslib_gennas.proxy.regression import Regressor, _heads, train
from naslib_gennas.scoring import gennas
from naslib_gennas.scoring.batch_trainer import BatchTrainer, can_train_together
from naslib_gennas.spaces import SPACES, load_space

CELLS = ("nasbench301", "nds_darts_in", "nds_nasnet")  # of the spaces of cells: all operations and both stems
TRAINED = [
    name
    for name in SPACES.names()
    if load_space(name).expressed and (name in CELLS or not load_space(name).family.startswith("cells"))
]
FIDELITY = Fidelity(  # a larger learning rate carries the order of additions to more than the last digits
    steps=20, cells=2, channels=8, input_size=16, batch_size=3, readout="train", average=3, learning_rate=0.02
)
TASK = """
name: mine
task:
  noise: {level: %s}
  weights: [0.25, 0.5, 1]
  stages: [{channels: 4, signals: [{kind: sin2d, frequencies: high}]}, {channels: 6, signals: [{kind: dot}]}, %s]
fidelity: {cells: 2, channels: 8, input_size: 16, batch_size: 3, steps: 20}
"""
THIRD = "{channels: 5, signals: [{kind: resize}]}"
SEED = 11


def drawn(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return list(dict.fromkeys(space.reduced(space.sample(rng)) for _ in range(count)))


def task(noise=0.0, third=THIRD):
    return parse_preset(TASK % (noise, third), "mine.yaml")


def double(preset, device="cpu"):
    batch = preset.materialise(None, torch.Generator().manual_seed(2)).to(torch.device(device))
    targets = tuple(t if t is None else t.double() for t in batch.targets)
    return replace(batch, inputs=batch.inputs.double(), targets=targets)


def trainer(space, batch, fidelity=FIDELITY, memory=512):
    return BatchTrainer(space, fidelity, batch, SEED, memory)


def together(space, archs, batch, fidelity=FIDELITY):
    made = trainer(space, batch, fidelity)
    return Training([made._network(arch) for arch in archs], batch, fidelity, SEED, torch.float64).results()


def alone(space, arch, batch, fidelity=FIDELITY):
    with uninitialised():
        backbone = space.build(arch, fidelity)
        if batch.stages < 3:
            backbone = backbone.first(batch.stages)
    regressor = Regressor(backbone, _heads(backbone, batch))
    generator = torch.Generator().manual_seed(SEED)
    initialise(regressor, generator, "cpu", fidelity.weight_init, fidelity.bias_init)
    regressor = regressor.to(batch.inputs.device, torch.float64)
    return train(regressor, adopt(regressor), batch, fidelity, generator)


def suited(name, preset, fidelity):
    """TransNAS halves maps so often that BatchNorm would see one pixel; cell networks are small ones here."""
    if load_space(name).family.startswith("cells"):
        return preset, fidelity.model_copy(update={"cells": 1, "channels": 4, "steps": 10})
    if not name.startswith("transnas"):
        return preset, fidelity
    return preset.with_fidelity(input_size=32), fidelity.model_copy(update={"cells": 1})


def assert_equal(one, other, tolerance=1e-9):
    assert (one.status, one.steps, one.parameters) == (other.status, other.steps, other.parameters)
    assert one.loss == pytest.approx(other.loss, rel=tolerance, nan_ok=True)
    assert one.curve == pytest.approx(other.curve, rel=tolerance, nan_ok=True)
    assert one.stage_losses == pytest.approx(other.stage_losses, rel=tolerance, nan_ok=True)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize(
    "changes, preset",
    [
        ({}, task()),
        ({"readout": "eval", "average": 1}, task()),
        ({"weight_init": "xavier", "bias_init": "zero", "weight_decay": 0.0}, task(third="{signals: []}")),
    ],
    ids=["train", "eval", "two stages"],
)
def test_every_step_is_that_of_training_alone(name, changes, preset):
    space, preset, fidelity = load_space(name), *suited(name, preset, FIDELITY.model_copy(update=changes))
    batch, archs = double(preset), drawn(space, 3)
    for arch, found in zip(archs, together(space, archs, batch, fidelity)):
        assert_equal(found, alone(space, arch, batch, fidelity))
        assert found.seconds > 0


def test_noise_is_that_of_training_alone():
    """Drawn in float32, so that it is noise of that type here and there."""
    space, batch = load_space("nasbench101"), double(task(noise=0.5))
    archs = drawn(space, 3)
    found = together(space, archs, batch)
    for arch, one in zip(archs, found):
        assert_equal(one, alone(space, arch, batch))
    still = together(space, archs, double(task(noise=0.0)))
    assert all(one.loss != pytest.approx(other.loss, rel=1e-3) for one, other in zip(found, still))


@pytest.mark.parametrize("readout", ["train", "eval"])
def test_plain_batchnorms_have_neither_parameters_nor_running_statistics(readout):
    space, batch = load_space("nasbench201"), double(task())
    fidelity = FIDELITY.model_copy(update={"cell_norm": "plain", "readout": readout, "average": 1})
    archs = drawn(space, 4)
    for arch, found in zip(archs, together(space, archs, batch, fidelity)):
        assert_equal(found, alone(space, arch, batch, fidelity))


def test_neither_company_nor_order_matters():
    space, batch = load_space("nasbench201"), double(task())
    archs = drawn(space, 9)
    whole = dict(zip(archs, together(space, archs, batch)))
    backwards = dict(zip(archs[::-1], together(space, archs[::-1], batch)))
    for arch in archs:
        assert_equal(whole[arch], backwards[arch], 1e-10)
        assert_equal(whole[arch], together(space, [arch], batch)[0], 1e-10)


def test_a_network_that_diverges_disturbs_no_other(monkeypatch):
    space, batch = load_space("nasbench201"), double(task())
    archs = drawn(space, 4)
    healthy = together(space, archs, batch)
    original = training.Program.losses

    def poisoned(self, inputs, training):
        self.operations[0].weight.values[1] = torch.nan  # the stem of the second
        return original(self, inputs, training)

    monkeypatch.setattr(training.Program, "losses", poisoned)
    found = together(space, archs, batch)
    assert (found[1].status, found[1].steps, len(found[1].curve)) == ("diverged", 10, 10)
    for place in (0, 2, 3):
        assert_equal(found[place], healthy[place], 1e-12)


def test_a_training_alone_that_diverges_ends_at_the_same_step():
    space, batch = load_space("nasbench201"), double(task())
    wild = FIDELITY.model_copy(update={"learning_rate": 1e200})
    arch = drawn(space, 1)[0]
    found, expected = together(space, [arch], batch, wild)[0], alone(space, arch, batch, wild)
    assert found.status == expected.status == "diverged"
    assert found.steps == expected.steps


def test_a_network_without_a_path_is_trained_too():
    space, batch = load_space("nasbench201"), double(task())
    dead = space.reduced(space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"))
    archs = [dead, *drawn(space, 2)]
    assert_equal(together(space, archs, batch)[0], alone(space, dead, batch))


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_layers_are_those_of_the_modules_in_their_order(name, stages):
    space = load_space(name)
    for arch in drawn(space, 12):
        with uninitialised():
            network = space.build(arch, FIDELITY)
            whole = layers_of(network.first(stages) if hasattr(network, "first") else network)
        assert space.layers(arch, FIDELITY, stages) == whole


def scores(scorer, archs):
    return {str(score.arch): score for score in scorer.score_many(archs)}


@pytest.mark.parametrize("name, preset", [("nasbench201", "search-201"), ("nasbench101", "fast")])
def test_a_scorer_trains_together_where_that_pays(monkeypatch, name, preset):
    preset = load_preset(preset)
    archs = drawn(load_space(name), 5)
    expected = scores(Scorer(name, preset), archs)
    monkeypatch.setattr(gennas, "pays_together", lambda device: True)
    chunks = []
    original = Training.__post_init__
    monkeypatch.setattr(Training, "__post_init__", lambda self: chunks.append(len(self.networks)) or original(self))
    found = scores(Scorer(name, preset), archs)
    assert chunks == [len(archs)] * len(preset.members())
    for arch, score in found.items():
        assert score.value == pytest.approx(expected[arch].value, rel=0.1)  # float32: steps amplify last digits
        assert score.curve[0] == pytest.approx(expected[arch].curve[0], rel=1e-5)
        assert score.details["parameters"] == expected[arch].details["parameters"]
    single = Scorer(name, preset).score(archs[0])
    assert single.value == pytest.approx(found[str(archs[0])].value, rel=0.1)


def test_memory_decides_how_many_are_trained_at_once(monkeypatch):
    space = load_space("nasbench201")
    batch = task().materialise(None, torch.Generator().manual_seed(2))
    archs, sizes = drawn(space, 12), []
    original = Training.__post_init__
    monkeypatch.setattr(Training, "__post_init__", lambda self: sizes.append(len(self.networks)) or original(self))
    small = dict(trainer(space, batch, memory=4).read(archs))
    assert len(sizes) > 2 and sum(sizes) == len(archs)
    sizes.clear()
    large = dict(trainer(space, batch).read(archs))
    assert sizes == [len(archs)]
    assert small.keys() == large.keys() == set(archs)
    for arch in archs:
        assert small[arch].curve[0] == pytest.approx(large[arch].curve[0], rel=1e-5)


def test_what_does_not_fit_into_a_gpu_is_halved_and_that_is_said(monkeypatch):
    space = load_space("nasbench201")
    batch = task().materialise(None, torch.Generator().manual_seed(2))
    made = trainer(space, batch)
    networks = [made._network(arch) for arch in drawn(space, 10)]
    original = Training.__post_init__

    def full(self):
        if len(self.networks) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        original(self)

    monkeypatch.setattr(Training, "__post_init__", full)
    with pytest.warns(UserWarning, match=f"{len(networks)} networks do not fit into the GPU's memory; trying half"):
        found = list(regress_together(networks, batch, FIDELITY, SEED, 512))
    assert sorted(place for places, _ in found for place in places) == list(range(len(networks)))
    monkeypatch.setattr(Training, "__post_init__", lambda self: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError()))
    with pytest.warns(UserWarning), pytest.raises(torch.cuda.OutOfMemoryError):
        list(regress_together(networks, batch, FIDELITY, SEED, 512))


def test_which_networks_can_be_trained_together():
    space = load_space("nasbench201")
    assert can_train_together(space, FIDELITY)
    assert not can_train_together(space, FIDELITY.model_copy(update={"precision": "bfloat16"}))
    assert not can_train_together(space, FIDELITY.model_copy(update={"solver": "ridge"}))
    assert not can_train_together(load_space("nds_resnet"), FIDELITY)
    assert not can_train_together(load_space("nasbench101"), FIDELITY.model_copy(update={"network_init": "fan_out"}))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", TRAINED)
def test_on_a_gpu(name):
    space, preset, fidelity = load_space(name), *suited(name, task(), FIDELITY)
    archs = drawn(space, 6)
    there, here = (together(space, archs, double(preset, device), fidelity) for device in ("cuda", "cpu"))
    for one, other in zip(there, here):
        assert_equal(one, other)
    again = together(space, archs, double(preset, "cuda"), fidelity)
    assert [one.curve for one in there] == [one.curve for one in again]
    both = [scores(Scorer(name, "search-201", device="cuda"), archs) for _ in range(2)]
    assert {a: s.value for a, s in both[0].items()} == {a: s.value for a, s in both[1].items()}
