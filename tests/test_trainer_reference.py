"""The trainers against plain PyTorch, written from the paper's formulas, step by step in float64.

The forward pass of the backbones is shared (other tests compare it with the benchmarks' networks); heads, losses,
optimisers, weight decay and read-outs are written again here. Input noise and targets are handed in.
"""

from __future__ import annotations

import copy
import dataclasses
import math

import pytest
import torch
from torch import nn

from naslib_gennas.proxy import rnn_regression
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.proxy.parameters import adopt, initialise
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.proxy.regression import Head, Regressor, build_and_regress, train
from naslib_gennas.proxy.rnn import RNNBatch, RNNFidelity
from naslib_gennas.proxy.rnn_regression import RNNRegressor
from naslib_gennas.proxy.tasks import Batch, InputNoise
from naslib_gennas.spaces import load_space

STEPS, SIZE, TARGET, IMAGES = 20, 16, 4, 4
HEADS = (6, 5, 7)  # channels of the three targets
WEIGHTS, SCORE_WEIGHTS = (1.0, 0.75, 0.5), (0.25, 0.5, 1.0)
LOSS = {"rel": 1e-8, "abs": 1e-8}


class HandedIn(InputNoise):
    """The noise of every step, and of the read-out, from a formula."""

    level: float = 0.3
    calls: list[int] = []

    def add(self, images, generator):
        self.calls.append(len(self.calls))
        return images + self.level * waves(images.shape, 31 + len(self.calls))


def waves(shape, phase, scale=1.0):
    """Numbers without a pattern, in [-scale, scale], from a formula."""
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    return scale * torch.sin(12.9898 * places * (1 + 1e-3 * places) + phase).view(shape)


def fill(module):
    """Values for all parameters, of the size that usual initialisers give."""
    for number, p in enumerate(module.parameters()):
        fan_in = max(1, p.numel() // p.shape[0])
        centre = 1.0 if p.dim() == 1 and number % 2 else 0.0
        p.data = centre + waves(p.shape, number, 1.2 / math.sqrt(fan_in) if p.dim() >= 2 else 0.1)
    return module


def backbone_of(space, fidelity, text=None):
    space = load_space(space)
    with uninitialised():
        network = space.build(space.parse(text or space.example), fidelity)
    initialise(network, torch.Generator().manual_seed(0))
    return fill(network.double())


# ---------------------------------------------------------------- the reference for convolutional networks


class PlainHead:
    """Nearest resize, BatchNorm with running statistics, 1x1 convolution."""

    def __init__(self, scale, shift, weight, bias):
        self.scale, self.shift, self.weight, self.bias = (
            x.clone().requires_grad_() for x in (scale, shift, weight, bias)
        )
        self.mean, self.variance = torch.zeros_like(scale), torch.ones_like(scale)

    def __call__(self, x, training):
        rows, columns = (torch.arange(TARGET) * n // TARGET for n in x.shape[-2:])
        x = x[:, :, rows][:, :, :, columns]
        mean, variance = self.mean, self.variance
        if training:
            count = x.numel() // x.shape[1]
            mean = x.mean(dim=(0, 2, 3))
            variance = ((x - mean[:, None, None]) ** 2).mean(dim=(0, 2, 3))
            self.mean = 0.9 * self.mean + 0.1 * mean.detach()
            self.variance = 0.9 * self.variance + 0.1 * variance.detach() * count / (count - 1)
        x = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        x = x * self.scale[:, None, None] + self.shift[:, None, None]
        return torch.einsum("kc,bchw->bkhw", self.weight, x) + self.bias[:, None, None]


def reference(network, heads, images, targets, fidelity):
    """(weighted losses of the steps, stage losses of the read-out) by torch.optim.SGD."""
    weights = [p for p in network.parameters() if p.dim() >= 2] + [head.weight for head in heads.values()]
    vectors = [p for p in network.parameters() if p.dim() < 2]
    vectors += [p for head in heads.values() for p in (head.scale, head.shift, head.bias)]
    groups = [{"params": weights, "weight_decay": fidelity.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=fidelity.learning_rate, momentum=fidelity.momentum)
    noise = HandedIn(calls=[])

    def losses(training):
        maps = network(noise.add(images, None))
        return {i: ((head(maps[i], training) - targets[i]) ** 2).mean() for i, head in heads.items()}

    network.train()
    curve, stages = [], []
    for _ in range(fidelity.steps):
        optimiser.zero_grad()
        found = losses(training=True)
        total = sum(WEIGHTS[i] * loss for i, loss in found.items())
        total.backward()
        optimiser.step()
        curve.append(total.item())
        stages.append({i: loss.item() for i, loss in found.items()})
    if fidelity.readout == "train":
        last = stages[-fidelity.average :]
        return curve, {i: sum(found[i] for found in last) / len(last) for i in heads}
    network.eval()
    with torch.no_grad():
        return curve, {i: loss.item() for i, loss in losses(training=False).items()}


def compare(network, fidelity, used=(0, 1, 2)):
    images = waves((IMAGES, 3, SIZE, SIZE), 0.5)
    targets = [waves((IMAGES, HEADS[i], TARGET, TARGET), 7 + i) if i in used else None for i in range(3)]
    other = copy.deepcopy(network)
    ours = nn.ModuleDict({str(i): Head(network.channels[i], HEADS[i], TARGET).double() for i in used})
    fill(ours)
    plain = {
        i: PlainHead(h.bn.weight.data, h.bn.bias.data, h.conv.weight.data[:, :, 0, 0], h.conv.bias.data)
        for i, h in ((int(name), head) for name, head in ours.items())
    }
    batch = Batch(images, tuple(targets), WEIGHTS, SCORE_WEIGHTS, HandedIn(calls=[]))
    regressor = Regressor(network, ours)
    result = train(regressor, adopt(regressor), batch, fidelity, torch.Generator().manual_seed(0))
    curve, stages = reference(other, plain, images, targets, fidelity)
    assert len(curve) == fidelity.steps and result.curve == pytest.approx(curve, **LOSS)
    assert {i: result.stage_losses[i] for i in used} == pytest.approx(stages, **LOSS)
    assert result.loss == pytest.approx(sum(SCORE_WEIGHTS[i] * loss for i, loss in stages.items()), **LOSS)
    for mine, theirs in zip(network.parameters(), other.parameters()):
        assert torch.allclose(mine, theirs, rtol=1e-7, atol=1e-9)
    assert curve[-1] < curve[0]  # it does learn
    return regressor


SMALL = Fidelity(cells=1, channels=8, input_size=SIZE, target_size=TARGET, steps=STEPS, weight_decay=1e-2)
NB201 = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
NETWORKS = {
    "NAS-Bench-101": ("nasbench101", None, {}),
    "NAS-Bench-201": ("nasbench201", NB201, {}),
    "NAS-Bench-201 as published": ("nasbench201", NB201, {"cell_norm": "paper"}),
    "DARTS": ("nds_darts", None, {}),
    "DARTS for ImageNet": ("nds_darts_in", None, {"stem": "paper-code"}),
    "ResNeXt-A": ("nds_resnext_a_in", None, {"channels": 4}),
}


@pytest.mark.parametrize("readout", [{"readout": "eval"}, {"readout": "train", "average": 3}], ids=["eval", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_twenty_steps_equal_plain_pytorch(name, readout):
    space, text, changes = NETWORKS[name]
    fidelity = SMALL.model_copy(update={**changes, **readout})
    compare(backbone_of(space, fidelity, text), fidelity)


@pytest.mark.parametrize("used", [(2,), (0, 2)])
def test_unused_stages_count_for_nothing(used):
    compare(backbone_of("nasbench101", SMALL), SMALL, used)


def test_the_papers_optimiser():
    f = load_preset("paper-combo").fidelity
    fidelity = SMALL.model_copy(update={k: getattr(f, k) for k in ("learning_rate", "momentum", "weight_decay")})
    compare(backbone_of("nasbench201", fidelity, NB201), fidelity)


# ---------------------------------------------------------------- the reference for recurrent networks


@pytest.mark.parametrize("readout", ["eval", "train"])
@pytest.mark.parametrize("recurrent", ["trained", "frozen"])
def test_twenty_steps_of_a_recurrent_network_equal_plain_pytorch(recurrent, readout):
    fidelity = RNNFidelity(
        embedding=8, hidden=12, layers=2, steps=STEPS, learning_rate=1e-2, weight_decay=1e-2, dropout=0.0,
        recurrent=recurrent, readout=readout,
    )  # fmt: skip
    space = load_space("nasbench_nlp")
    network = space.build(space.parse(space.example), fidelity).double()
    regressor = fill(RNNRegressor(network, 5).double())
    other = copy.deepcopy(network)
    layers = [
        x.detach().clone().requires_grad_() for m in (regressor.encoder, regressor.decoder) for x in m.parameters()
    ]
    inputs, targets = waves((6, 3, 5), 0.1), waves((6, 3, 5), 0.2)
    batch = RNNBatch(inputs, targets, HandedIn(calls=[]))
    result = rnn_regression.train(regressor, batch, fidelity, torch.Generator().manual_seed(0))

    learning = [p for p in other.parameters() if p.requires_grad] + layers
    assert (len(learning) == len(list(other.parameters())) + 4) == (recurrent == "trained")
    optimiser = torch.optim.Adam(learning, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)
    noise = HandedIn(calls=[])

    def loss():
        hidden = noise.add(inputs, None) @ layers[0].T + layers[1]
        return ((other(hidden)[0] @ layers[2].T + layers[3] - targets) ** 2).mean()

    curve = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        curve.append(value.item())
    with torch.no_grad():
        final = loss().item() if readout == "eval" else curve[-1]
    assert result.curve == pytest.approx(curve, **LOSS)
    assert result.loss == pytest.approx(final, **LOSS)
    assert curve[-1] < curve[0]


# ---------------------------------------------------------------- what the trainer is given


class Watched(nn.Module):
    """A backbone that keeps what it is given, and whether it was in training mode."""

    channels = (4, 4, 4)

    def __init__(self):
        super().__init__()
        self.layer, self.bn = nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4)
        self.seen = []

    def forward(self, x):
        self.seen.append((x.detach().clone(), self.bn.training, self.bn.track_running_stats))
        return (self.bn(self.layer(x)),) * 3


@pytest.mark.parametrize("name, low, high", [("paper-search-n", -0.1, 0.1), ("search-n", 0.0, 0.1)])
@pytest.mark.parametrize("readout", ["eval", "train"])
def test_every_step_sees_fresh_noise_of_the_tasks_range(name, low, high, readout):
    preset = load_preset(name)
    fidelity = preset.fidelity.model_copy(update={"steps": 5, "readout": readout, "average": 1})
    batch = preset.materialise("noise", torch.Generator().manual_seed(0))
    with uninitialised():
        network = Watched()
    build_and_regress(network, batch, fidelity, torch.Generator().manual_seed(1))
    noise = [x - batch.inputs for x, _, _ in network.seen]
    assert len(noise) == 5 + (readout == "eval")
    assert all(not torch.equal(a, b) for a, b in zip(noise, noise[1:]))
    drawn = torch.stack(noise)
    assert low - 1e-6 <= drawn.min() < low + 0.002 and high - 0.002 < drawn.max() <= high + 1e-6
    assert abs(drawn.mean().item() - (low + high) / 2) < 0.002
    modes = [training for _, training, _ in network.seen]
    assert modes == [True] * 5 + [False] * (readout == "eval")
    assert {tracks for _, _, tracks in network.seen} == {readout == "eval"}


@pytest.mark.parametrize("norm, tracks", [("paper", False), ("own", True)])
def test_flags_and_statistics_of_the_norms_after_training(norm, tracks):
    fidelity = SMALL.model_copy(update={"cell_norm": norm})
    regressor = compare(backbone_of("nasbench201", fidelity, NB201), fidelity)
    inside = set(regressor.backbone.stacks.modules())
    for layer in regressor.modules():
        if isinstance(layer, nn.BatchNorm2d):
            kept = tracks or layer not in inside
            assert layer.affine == layer.track_running_stats == kept and not layer.training
            assert (layer.eps, layer.momentum) == (1e-5, 0.1)
            assert layer.running_mean is None if not kept else bool(layer.running_mean.any())


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_decay_and_vectors_do_not(name):
    space, text, changes = NETWORKS[name]
    network = backbone_of(space, SMALL.model_copy(update=changes), text)
    regressor = Regressor(network, nn.ModuleDict({"2": Head(network.channels[2], 4, TARGET).double()}))
    sizes = [(name, p.dim(), p.numel()) for name, p in regressor.named_parameters()]
    decays = adopt(regressor).decays.split([size for _, _, size in sizes])
    for (where, dimensions, _), decay in zip(sizes, decays):
        assert decay.unique().tolist() == [float(dimensions >= 2)], where
    kinds = {where.rpartition(".")[2] for where, dimensions, _ in sizes if dimensions < 2}
    assert kinds == {"weight", "bias"}  # of BatchNorm, and the bias of the head


def test_spread_of_the_first_weights_of_heads_and_of_the_recurrent_regressor():
    head = Head(16, 4096, 8)
    initialise(head, torch.Generator().manual_seed(0))
    for values in (head.conv.weight, head.conv.bias):  # PyTorch's: uniform within 1 / sqrt(inputs)
        assert 0.249 < values.abs().max() <= 0.25 and values.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.03)
    assert (head.bn.weight == 1).all() and not head.bn.bias.any()
    space = load_space("nasbench_nlp")
    fidelity = RNNFidelity()
    regressor = RNNRegressor(space.build(space.parse(space.example), fidelity), 64)
    regressor.reset(torch.Generator().manual_seed(0))
    for layer in (regressor.encoder, regressor.decoder):
        assert 0.0999 < layer.weight.abs().max() <= 0.1
        assert layer.weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)
    assert not regressor.decoder.bias.any()
    for layer in regressor.backbone.layers:  # uniform within 1 / sqrt(hidden)
        bound = 1 / math.sqrt(layer.hidden)
        assert all(0.99 * bound < p.abs().max() <= bound for p in layer.parameters() if p.numel() > 1000)


def test_losses_are_those_of_single_precision_where_nothing_else_is_asked_for():
    preset = load_preset("tiny").with_fidelity(steps=2, average=1)
    batch = preset.materialise("noise", torch.Generator().manual_seed(0))
    batch = dataclasses.replace(batch, noise=InputNoise(level=0.1))
    network = load_space("nasbench101").build(load_space("nasbench101").parse("5:397:000"), preset.fidelity)
    found = [build_and_regress(network, batch, preset.fidelity, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert found[0].loss == found[1].loss == float(torch.tensor(found[0].loss, dtype=torch.float32))
