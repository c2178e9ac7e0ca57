"""The regression engine against plain PyTorch: SGD trajectories, read-outs, initialisers, determinism."""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import BatchNorm2d, Conv2d, conv, uninitialised
from naslib_gennas.proxy.parameters import adopt, initialise
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.proxy.regression import Head, Regressor, build_and_regress, needed, regress, train
from naslib_gennas.proxy.tasks import Dot, InputNoise, Noise, ProxyTask, Resize, Stage
from naslib_gennas.spaces import load_space

CELL_201 = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
TASK = ProxyTask(stages=[Stage(channels=6, signals=[Noise()]), Stage(), Stage(channels=4, signals=[Dot(), Resize()])])
SMALL = Fidelity(input_size=8, target_size=2, batch_size=4, steps=6, channels=4, cells=1)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Toy(nn.Module):
    """Three strided convolutions with BatchNorm."""

    channels = (4, 6, 8)

    def __init__(self):
        super().__init__()
        widths = (3, *self.channels)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 1 + (a > 3), 1), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in zip(widths, widths[1:])
        )

    def forward(self, x):
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return tuple(maps)


def toy(seed=0):
    model = Toy()
    initialise(model, seeded(seed))
    return model


def batch_of(task=TASK, size=8, seed=0):
    images = torch.randn(4, 3, size, size, generator=seeded(100 + seed))
    return task.materialise(images, 2, seeded(seed))


def reference(regressor, batch, fidelity, noise=None):
    """Losses per step and the read-out, by torch.optim.SGD with decay on weights of two or more dimensions."""
    parameters = list(regressor.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": fidelity.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.SGD(groups, lr=fidelity.learning_rate, momentum=fidelity.momentum)

    def loss():
        inputs = batch.inputs
        if noise is not None:
            inputs = inputs + batch.noise.level * torch.randn(inputs.shape, generator=noise)
        maps = regressor.backbone(inputs)
        total = 0
        for stage, head in regressor.heads.items():
            target = batch.targets[int(stage)]
            x = maps[int(stage)]
            x = F.interpolate(x, size=target.shape[-2:], mode="nearest")
            total = total + batch.weights[int(stage)] * ((head.conv(head.bn(x)) - target) ** 2).mean()
        return total

    regressor.train()
    curve = []
    for _ in range(fidelity.steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        curve.append(value.item())
    regressor.eval()
    with torch.no_grad():
        return curve, loss().item()


def pair(seed=0):
    """The same regressor twice, one of them with parameters in one vector."""
    heads = nn.ModuleDict({"0": Head(4, 6, 2), "2": Head(8, 4, 2)})
    regressor = Regressor(toy(seed), heads)
    initialise(regressor, seeded(seed))
    plain = copy.deepcopy(regressor)
    return regressor, plain


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.0}, {"weight_decay": 0.1, "learning_rate": 0.02}])
def test_trajectory_equals_torch_sgd(settings):
    fidelity = SMALL.model_copy(update={"steps": 20, **settings})
    regressor, plain = pair()
    result = train(regressor, adopt(regressor), batch_of(), fidelity, seeded())
    curve, final = reference(plain, batch_of(), fidelity)
    assert result.curve == pytest.approx(curve, rel=1e-3)
    assert result.loss == pytest.approx(final, rel=1e-3)
    for ours, theirs in zip(regressor.parameters(), plain.parameters()):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(regressor.buffers(), plain.buffers()):
        assert torch.allclose(ours.float(), theirs.float(), rtol=1e-3, atol=1e-4)


def test_trajectory_with_input_noise():
    task = TASK.model_copy(update={"noise": InputNoise(level=0.5)})
    regressor, plain = pair()
    result = train(regressor, adopt(regressor), batch_of(task), SMALL, seeded(3))
    seed = int(torch.randint(2**62, (), generator=seeded(3)))
    curve, final = reference(plain, batch_of(task), SMALL, noise=seeded(seed))
    assert result.curve == pytest.approx(curve, rel=1e-3)
    assert result.loss == pytest.approx(final, rel=1e-3)


def test_regress_starts_from_the_given_parameters():
    model = toy(1)
    heads = nn.ModuleDict({"0": Head(4, 6, 2), "2": Head(8, 4, 2)})
    initialise(heads, seeded(2))
    curve, final = reference(Regressor(copy.deepcopy(model), heads), batch_of(), SMALL)
    result = regress(model, batch_of(), SMALL, seeded(2))
    assert result.curve == pytest.approx(curve, rel=1e-3)
    assert result.loss == pytest.approx(final, rel=1e-3)


def test_the_given_model_is_unchanged():
    model = toy()
    model.eval()
    model.layers[0][0].weight.requires_grad_(True)
    before = copy.deepcopy(model.state_dict())
    storages = [p.data_ptr() for p in model.parameters()]
    regress(model, batch_of(), SMALL, seeded())
    regress(model, batch_of(), SMALL.model_copy(update={"readout": "train"}), seeded())
    assert not model.training
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert storages == [p.data_ptr() for p in model.parameters()]
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("space, text", [("nasbench201", CELL_201), ("nasbench101", "5:397:000")])
@pytest.mark.parametrize("readout", ["eval", "train"])
def test_same_seed_same_loss_bit_for_bit(space, text, readout):
    space = load_space(space)
    fidelity = SMALL.model_copy(update={"readout": readout})

    def run(seed):
        with uninitialised():
            backbone = space.build(space.parse(text), fidelity)
        return build_and_regress(backbone, batch_of(), fidelity, seeded(seed))

    first, again, other = run(5), run(5), run(6)
    assert first.loss == again.loss and first.curve == again.curve
    assert first.loss != other.loss


def flags():
    return (
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.mkldnn.enabled,
        torch.empty(0).device,
    )


def test_global_state_is_untouched():
    import random

    import numpy as np

    space = load_space("nasbench201")
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    before = flags()
    with uninitialised():
        backbone = space.build(space.parse(CELL_201), SMALL)
    build_and_regress(backbone, batch_of(), SMALL, seeded())
    regress(backbone, batch_of(), SMALL, seeded())
    assert flags() == before
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())


@pytest.mark.parametrize("readout", ["eval", "train"])
def test_divergence_is_reported(readout):
    fidelity = SMALL.model_copy(update={"learning_rate": 1e6, "steps": 100, "readout": readout})
    result = regress(toy(), batch_of(), fidelity, seeded())
    assert result.status == "diverged" and math.isnan(result.loss)
    assert result.steps == len(result.curve) <= 100


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("readout", ["eval", "train"])
def test_images_that_are_not_finite_diverge(value, readout):
    batch = batch_of()
    batch.inputs[0, 0, 0, 0] = value
    result = regress(toy(), batch, SMALL.model_copy(update={"readout": readout}), seeded())
    assert result.status == "diverged" and math.isnan(result.loss)


def test_train_read_out_is_the_mean_of_the_last_losses():
    fidelity = SMALL.model_copy(update={"readout": "train", "average": 3})
    result = regress(toy(), batch_of(), fidelity, seeded())
    assert result.status == "ok" and result.steps == fidelity.steps
    assert result.loss == pytest.approx(sum(result.curve[-3:]) / 3, rel=1e-5)


def test_eval_and_train_share_the_curve_but_not_the_loss():
    by_eval = regress(toy(), batch_of(), SMALL, seeded())
    by_train = regress(toy(), batch_of(), SMALL.model_copy(update={"readout": "train"}), seeded())
    assert by_eval.curve == pytest.approx(by_train.curve, rel=1e-5)
    assert by_train.loss == pytest.approx(by_train.curve[-1], rel=1e-6)
    assert by_eval.loss != pytest.approx(by_train.loss, rel=1e-6)


def test_loss_is_the_weighted_sum_of_the_stages():
    result = regress(toy(), batch_of(), SMALL, seeded())
    first, second, third = result.stage_losses
    assert math.isnan(second)
    assert result.loss == pytest.approx(0.25 * first + 1.0 * third, rel=1e-5)


def test_score_weights_change_the_loss_that_is_read_and_not_the_training():
    plain, read_first = batch_of(), dataclasses.replace(batch_of(), score_weights=(1.0, 0.0, 0.0))
    expected, result = (regress(toy(), batch, SMALL, seeded()) for batch in (plain, read_first))
    assert result.curve == expected.curve and result.stage_losses[0] == expected.stage_losses[0]
    assert result.loss == pytest.approx(expected.stage_losses[0], rel=1e-6)


def test_single_uses_only_the_last_stage():
    task = load_preset("paper-single").task
    images = torch.randn(4, 3, 8, 8, generator=seeded(1))
    batch = task.materialise(images, 2, seeded())
    assert batch.targets[0] is None and batch.targets[1] is None
    result = regress(toy(), batch, SMALL, seeded())
    assert math.isnan(result.stage_losses[0]) and math.isnan(result.stage_losses[1])
    assert result.loss == pytest.approx(result.stage_losses[2])
    heads = 8 * 2 + 8 * 64 + 64  # BatchNorm and 1x1 convolution of stage 3
    assert result.parameters == sum(p.numel() for p in toy().parameters()) + heads


def test_loss_falls():
    result = regress(toy(), batch_of(), SMALL.model_copy(update={"steps": 60}), seeded())
    assert result.curve[-1] < 0.7 * result.curve[0]
    assert result.seconds > 0


TORCH_INIT = {
    "default": lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)),
    "kaiming": nn.init.kaiming_uniform_,
    "xavier": nn.init.xavier_uniform_,
}


@pytest.mark.parametrize("weights", TORCH_INIT)
@pytest.mark.parametrize(
    "make", [lambda: nn.Conv2d(16, 48, 3), lambda: nn.Conv2d(64, 32, 1), lambda: nn.Linear(64, 40)]
)
def test_weight_initialisers_equal_torchs_in_range_and_spread(weights, make):
    ours, theirs = make(), make()
    initialise(ours, seeded(), weights=weights)
    TORCH_INIT[weights](theirs.weight)
    bound = theirs.weight.abs().max().item()
    assert ours.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert ours.weight.std().item() == pytest.approx(theirs.weight.std().item(), rel=0.08)
    assert abs(ours.weight.mean().item()) < 0.1 * bound


def test_biases_follow_torch_or_are_zero():
    ours, theirs = nn.Linear(16, 4000), nn.Linear(16, 4000)
    initialise(ours, seeded(), biases="default")
    assert ours.bias.abs().max().item() == pytest.approx(theirs.bias.abs().max().item(), rel=0.01)
    assert ours.bias.abs().max().item() <= 0.25
    initialise(ours, seeded(), biases="zero")
    assert not ours.bias.any()


def test_merged_branches_are_initialised_as_separate_convolutions():
    merged, single = conv(16, 96, 3, branches=3), nn.Conv2d(16, 32, 3, bias=False)
    for weights, fill in TORCH_INIT.items():
        initialise(merged, seeded(), weights=weights)
        fill(single.weight)
        bound = single.weight.abs().max().item()
        assert merged.weight.abs().max().item() == pytest.approx(bound, rel=0.01)


def test_layers_without_storage_get_no_first_values_and_others_have_those_of_pytorch(monkeypatch):
    for own, theirs in ((Conv2d, nn.Conv2d), (BatchNorm2d, nn.BatchNorm2d)):
        sizes = (3, 4, 3) if own is Conv2d else (3,)
        pair = []
        for kind in (own, theirs):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                pair.append(kind(*sizes).state_dict())
        assert pair[0].keys() == pair[1].keys()
        assert all(torch.equal(pair[0][name], pair[1][name]) for name in pair[0])
        with monkeypatch.context() as patched, uninitialised():
            patched.setattr(theirs, "reset_parameters", lambda layer: pytest.fail("first values for nothing"))
            own(*sizes)
    assert not torch.isnan(BatchNorm2d(3, affine=False)(torch.randn(2, 3, 4, 4))).any()


def test_a_network_is_divided_only_where_stages_are_left_out():
    space = load_space("nasbench301")
    with uninitialised():
        backbone = space.build(space.sample(np.random.default_rng(0)), Fidelity(cells=1, channels=8))
    assert needed(backbone, 3) is backbone
    assert needed(backbone, 2).channels == backbone.channels[:2]
    assert needed(Toy(), 1).channels == Toy().channels


def test_batch_norm_starts_neutral_and_decay_spares_vectors():
    model = Toy()
    initialise(model, seeded())
    flat = adopt(model)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(layer.weight, torch.ones_like(layer.weight))
            assert not layer.bias.any() and not layer.running_mean.any()
            assert torch.equal(layer.running_var, torch.ones_like(layer.running_var))
    assert flat.count == sum(p.numel() for p in model.parameters())
    assert int(flat.decays.sum()) == sum(p.numel() for p in model.parameters() if p.dim() >= 2)


def test_adopt_keeps_values_and_shares_memory():
    model = toy()
    before = [p.detach().clone() for p in model.parameters()]
    flat = adopt(model)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    flat.values.zero_()
    assert not any(p.any() for p in model.parameters())


def copy_batch_norm(ours, start, theirs):
    width = theirs.num_features
    with torch.no_grad():
        theirs.weight.copy_(ours.weight[start : start + width])
        theirs.bias.copy_(ours.bias[start : start + width])


def perturb(model):
    """BatchNorms with scales and shifts of their own, so that mixed-up branches show."""
    generator = seeded(11)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.copy_(torch.rand(layer.weight.shape, generator=generator) + 0.5)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator))


class Separate(nn.Module):
    """Convolution and BatchNorm of one branch of a merged operator."""

    def __init__(self, split, branch):
        super().__init__()
        start, width = sum(split.widths[:branch]), split.widths[branch]
        merged = split.conv
        size = merged.kernel_size
        self.conv = nn.Conv2d(merged.in_channels, width, size, merged.stride, size[0] // 2, bias=False)
        self.bn = nn.BatchNorm2d(width)
        with torch.no_grad():
            self.conv.weight.copy_(merged.weight[start : start + width])
        copy_batch_norm(split.bn, start, self.bn)

    def forward(self, x):
        return self.bn(self.conv(x))


def cell_201(cell, arch, x):
    """The benchmark's cell: node j is the sum over i < j of the operation on edge (i, j), one after another."""
    names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    ops = dict(zip([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], (names[op] for op in arch.ops)))
    merged = iter(cell.convs)
    branches = {}
    for source in range(3):
        for name in ("nor_conv_1x1", "nor_conv_3x3"):
            edges = [e for e in sorted(ops) if e[0] == source and ops[e] == name]
            if edges:
                split = next(merged)
                branches.update({e: Separate(split, place) for place, e in enumerate(edges)})
    nodes = [x]
    for target in (1, 2, 3):
        total = torch.zeros_like(x)
        for source in range(target):
            name = ops[source, target]
            if name == "skip_connect":
                total = total + nodes[source]
            elif name == "avg_pool_3x3":
                total = total + F.avg_pool2d(nodes[source], 3, 1, 1, count_include_pad=False)
            elif name != "none":
                total = total + branches[source, target](F.relu(nodes[source]))
        nodes.append(total)
    return nodes[3]


@pytest.mark.parametrize(
    "text",
    [
        CELL_201,
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "|nor_conv_1x1~0|+|avg_pool_3x3~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|avg_pool_3x3~2|",
    ],
)
def test_merged_nasbench201_network_equals_separate_operators(text):
    space = load_space("nasbench201")
    arch = space.parse(text)
    with uninitialised():
        net = space.build(arch, SMALL.model_copy(update={"cells": 2}))
    initialise(net, seeded())
    perturb(net)
    net.train()
    x = torch.randn(4, 3, 16, 16, generator=seeded(1))
    maps = net(x)
    value = net.stem(x)
    for stage, stack in enumerate(net.stacks):
        for cell in stack:
            value = cell_201(cell, arch, value)
        assert torch.allclose(maps[stage], value, rtol=1e-3, atol=1e-3)
        if stage < 2:
            r = net.reductions[stage]
            y = r.bn_a(F.conv2d(F.relu(value), r.conv_a.weight, stride=2, padding=1))
            y = r.bn_b(F.conv2d(F.relu(y), r.conv_b.weight, padding=1))
            value = y + F.conv2d(F.avg_pool2d(value, 2, 2), r.shortcut.weight)


def cell_101(cell, matrix, ops, x):
    """The benchmark's cell, one vertex after another; ops are names of the inner vertices."""
    last = len(matrix) - 1
    projected = [v for v in range(1, last + 1) if matrix[0][v]]
    p = {v: Separate(cell.projections, place) for place, v in enumerate(projected)}
    tensors = {}
    for v in range(1, last):
        width = cell.widths[v]
        total = sum(tensors[u][:, :width] for u in range(1, v) if matrix[u][v])
        if v in p:
            total = total + F.relu(p[v](x))
        if ops[v - 1] == "maxpool3x3":
            tensors[v] = F.max_pool2d(total, 3, 1, 1)
        else:
            layer = cell.operations[v - 1]
            y = F.conv2d(total, layer[0].weight, padding=layer[0].kernel_size[0] // 2)
            bn = layer[1]
            tensors[v] = F.relu(F.batch_norm(y, None, None, bn.weight, bn.bias, training=True))
            assert layer[0].kernel_size[0] == (3 if ops[v - 1] == "conv3x3-bn-relu" else 1)
    out = torch.cat([tensors[v] for v in range(1, last) if matrix[v][last]], dim=1)
    return out + F.relu(p[last](x)) if last in p else out


def test_merged_nasbench101_network_equals_separate_operators():
    space = load_space("nasbench101")
    matrix = [
        [0, 1, 1, 0, 0, 1],
        [0, 0, 1, 0, 1, 0],
        [0, 0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
    ]
    names = ["conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu"]
    arch = space.parse(json.dumps({"matrix": matrix, "ops": ["input", *names, "output"]}))
    with uninitialised():
        net = space.build(arch, SMALL.model_copy(update={"cells": 2, "channels": 8}))
    initialise(net, seeded())
    perturb(net)
    net.train()
    x = torch.randn(4, 3, 16, 16, generator=seeded(1))
    maps = net(x)
    assert net.stacks[0][0].widths == [8, 3, 3, 3, 2, 8]  # 8 channels over three branches, the first take more
    value = net.stem(x)
    for stage, stack in enumerate(net.stacks):
        if stage:
            value = F.max_pool2d(value, 2, 2)
        for cell in stack:
            value = cell_101(cell, matrix, names, value)
        assert torch.allclose(maps[stage], value, rtol=1e-3, atol=1e-3)
