"""The options of the fidelity that make the networks of the paper's text and of its authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from naslib_gennas import Scorer
from naslib_gennas.errors import SpecError
from naslib_gennas.proxy.fidelity import NETWORK_OPTIONS, Fidelity
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.proxy.parameters import initialise
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.proxy.regression import Head, Regressor, build_and_regress
from naslib_gennas.spaces import SPACES, load_space

CNNS = [name for name in SPACES.names() if load_space(name).kind == "cnn"]
SHORT = {"steps": 2, "batch_size": 2, "input_size": 16}
ALL_CONVOLUTIONS = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def built(name, text=None, **fidelity):
    space = load_space(name)
    with uninitialised():
        return space.build(space.parse(text or space.example), Fidelity(**fidelity))


def layers(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def shapes(network):
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


@pytest.mark.parametrize("value", ["paper", "paper-code", "plain"])
def test_plain_norms_are_those_inside_the_cells_of_nasbench201(value):
    network = built("nasbench201", ALL_CONVOLUTIONS, cell_norm=value)
    inside = {id(layer) for layer in layers(network.stacks, nn.BatchNorm2d)}
    assert len(inside) == 3 * 5 * 4  # merged by node and kernel
    for layer in layers(network, nn.BatchNorm2d):
        plain = id(layer) in inside
        assert layer.affine == layer.track_running_stats == (not plain)
        assert (layer.weight is None) == (layer.running_mean is None) == plain


@pytest.mark.parametrize("value", ["own", "affine"])
def test_our_norms_have_scale_shift_and_statistics(value):
    network = built("nasbench201", ALL_CONVOLUTIONS, cell_norm=value)
    assert all(layer.affine and layer.track_running_stats for layer in layers(network, nn.BatchNorm2d))


def test_plain_norms_look_at_the_batch_in_evaluation_mode_too():
    network = built("nasbench201", ALL_CONVOLUTIONS, cell_norm="plain", cells=1)
    initialise(network, seeded())
    cell = network.stacks[0][0].eval()
    x = torch.randn(4, 16, 8, 8, generator=seeded(1))
    with torch.no_grad():
        assert torch.allclose(cell(x), cell(3 * x), atol=1e-3)
        assert not torch.allclose(cell(x), 3 * cell(x), atol=0.1)


@pytest.mark.parametrize("readout", ["eval", "train"])
def test_plain_norms_are_trained_and_read_like_any_other(readout):
    preset = load_preset("paper-combo").with_fidelity(**SHORT, readout=readout)
    batch = preset.materialise("noise", seeded())
    network = built("nasbench201", ALL_CONVOLUTIONS, **preset.fidelity.model_dump())
    result = build_and_regress(network, batch, preset.fidelity, seeded(1))
    assert result.status == "ok"
    heads = sum(2 * c + (c + 1) * 64 for c in (16, 32, 64))
    assert result.parameters == sum(math.prod(shape) for shape in shapes(network).values()) + heads


@pytest.mark.parametrize(
    ("space", "value", "drawn"),
    [
        ("nasbench101", "paper-code", True),
        ("nasbench101", "fan_out", True),
        ("nasbench101", "paper", False),
        ("nasbench101", "own", False),
        ("nds_resnet", "paper", True),
        ("nds_resnet_in", "paper", True),
        ("nds_resnext_a_in", "paper", True),
        ("nds_resnext_b", "paper-code", True),
        ("nds_resnext_a", "own", False),
    ],
)
def test_convolutions_start_by_their_fan_out(space, value, drawn):
    network = built(space, network_init=value)
    initialise(network, seeded())
    convolutions = [layer for layer in layers(network, nn.Conv2d) if layer.weight.numel() >= 2000]
    assert convolutions
    for layer in convolutions:
        weight = layer.weight.detach()
        area = math.prod(layer.kernel_size)
        bound = 1 / math.sqrt(weight.shape[1] * area)
        if not drawn:
            assert weight.abs().max() <= bound
            continue
        widths = layer.fan_outs
        for branch, width in zip(weight.split(widths), widths):
            expected = math.sqrt(2 / (area * width))
            assert branch.std().item() == pytest.approx(expected, rel=4 / math.sqrt(branch.numel()))
            assert branch.abs().max() > 2 * expected  # the tails of a normal distribution
        assert sum(widths) == layer.out_channels


def test_merged_projections_start_like_separate_convolutions_of_their_own_width():
    text = '{"matrix": [[0,1,1,1,1],[0,0,0,0,1],[0,0,0,0,1],[0,0,0,0,1],[0,0,0,0,0]], "ops": ["input", %s, "output"]}'
    network = built("nasbench101", text % ", ".join(['"conv3x3-bn-relu"'] * 3), network_init="fan_out")
    assert network.stacks[0][0].projections.conv.fan_outs == (6, 5, 5, 16)


def test_heads_start_as_before():
    network = built("nasbench101", network_init="fan_out")
    with uninitialised():
        regressor = Regressor(network, nn.ModuleDict({"0": Head(16, 4000, 8)}))
    initialise(regressor, seeded())
    assert 0.99 / 4 < regressor.heads["0"].conv.weight.abs().max().item() <= 1 / 4
    assert network.stem[0].weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 16)), rel=0.15)


@pytest.mark.parametrize("space", ["nds_darts_in", "nds_amoeba_in", "nds_enas_fix_in", "nds_pnas_in"])
def test_the_text_trains_the_cifar_network_of_cells_for_imagenet(space):
    own, code, text = (built(space, stem=value) for value in ("own", "paper-code", "paper"))
    assert shapes(own) == shapes(code) != shapes(text)
    arch = load_space(space).parse(load_space(space).example)
    assert text.stem.channels == (3 * arch.width,) * 2 and own.stem.channels == (arch.width,) * 2
    assert all(layer.stride == (1, 1) for layer in layers(own.stem, nn.Conv2d))
    x = torch.zeros(2, 3, 16, 16)
    for network in (own, text, text.first(2)):
        network.to_empty(device="cpu")
        assert [stage.shape[-1] for stage in network(x)] == [16, 8, 4][: len(network.channels)]


@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize("option", NETWORK_OPTIONS)
def test_a_space_refuses_an_option_that_it_does_not_have_and_understands_the_words(name, option):
    explicit = {"cell_norm": "plain", "network_init": "fan_out", "stem": "cifar"}[option]
    space = load_space(name)
    for word in ("own", "paper", "paper-code"):
        space.check_options(Fidelity(**{option: word}))
    if option in space.options:
        assert space.option(Fidelity(**{option: explicit}), option) == explicit
        return
    preset = load_preset("tiny").with_fidelity(**{option: explicit})
    with pytest.raises(SpecError) as caught:
        Scorer(name, preset)
    assert name in str(caught.value) and option in str(caught.value) and "\n" not in str(caught.value)


def test_which_space_has_which_option():
    having = {option: {name for name in CNNS if option in load_space(name).options} for option in NETWORK_OPTIONS}
    cells = ("darts", "amoeba", "enas", "nasnet", "pnas")
    assert having["cell_norm"] == {"nasbench201"}
    assert having["stem"] == {
        "darts_imagenet",
        *(f"nds_{cell}_in" for cell in cells),
        *(f"nds_{cell}_fix_in" for cell in ("darts", "enas", "pnas")),
    }
    residual = {name for name in CNNS if name.startswith("nds_res")}
    assert having["network_init"] == {"nasbench101", *residual} and len(residual) == 6


@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize("family", ["paper", "paper-code"])
def test_published_presets_score_in_every_space(name, family):
    space = load_space(name)
    preset = load_preset(f"{family}-combo").with_fidelity(steps=1, batch_size=2, input_size=8)
    arch = space.sample(np.random.default_rng(0))
    score = Scorer(space, preset, images="noise").score(arch)
    assert score.status in ("ok", "diverged"), score.error
