"""SWAP, MeCo, GradSign, the condition number of the NTK, and the parts of AZ-NAS against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.measures import MEASURES
from naslib_gennas.measures.az_nas import expressivity, progressivity, trainability
from naslib_gennas.measures.blocks import feature_maps
from naslib_gennas.measures.gradsign import gradsign
from naslib_gennas.measures.measured_network import MeasuredNetwork, example
from naslib_gennas.measures.meco import meco
from naslib_gennas.measures.ntk import ntk
from naslib_gennas.measures.ntk_trace import ntk_trace
from naslib_gennas.measures.swap import swap
from naslib_gennas.scoring.ensemble import parse_measure

BATCH = 5


class Net(nn.Module):
    """A stem, a block of stride 2, a head; the block is a module of two convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.block = nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1, bias=False))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(F.relu(self.block(self.stem(x))).mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def images():
    return torch.randn(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network(net, images):
    return MeasuredNetwork(lambda: net, images, torch.arange(BATCH) % 4)


def test_swap_counts_different_columns(net, images, network):
    inner = net.block[0](net.stem(images)).flatten(1) > 0
    last = net.block(net.stem(images)).flatten(1) > 0
    columns = {tuple(column) for part in (inner, last) for column in part.T.tolist()}
    assert swap(network) == len(columns)
    many = torch.randn(70, 3, 8, 8, generator=torch.Generator().manual_seed(2))  # more than an integer has bits
    inner, last = net.block[0](net.stem(many)).flatten(1) > 0, net.block(net.stem(many)).flatten(1) > 0
    columns = {tuple(column) for part in (inner, last) for column in part.T.tolist()}
    assert swap(MeasuredNetwork(lambda: net, many)) == pytest.approx(len(columns), abs=2)


def test_meco_is_numpys(net, images, network):
    maps = [net.stem(images[:1])]
    maps.append(net.block(maps[0]))
    expected = 0.0
    for values in maps:
        correlations = np.corrcoef(values[0].detach().flatten(1).double().numpy())
        expected += np.linalg.eigvals(correlations).real.min()
    assert meco(network) == pytest.approx(expected, abs=1e-5)


def test_gradsign_from_gradients_one_by_one(net, images, network):
    losses = F.cross_entropy(net(images), torch.arange(BATCH) % 4, reduction="none")
    weights = [net.stem.weight, net.block[2].weight, net.head.weight]
    signs = [
        torch.stack([torch.autograd.grad(loss, w, retain_graph=True)[0].sign() for loss in losses]) for w in weights
    ]
    assert gradsign(network) == pytest.approx(sum(float(s.sum(0).abs().sum()) for s in signs) / 1e6, rel=1e-3)


def test_ntk_from_the_jacobian(net, images, network):
    sums = net(images).sum(1)
    weights = [net.stem.weight, net.block[2].weight, net.head.weight]
    rows = [torch.cat([g.flatten() for g in torch.autograd.grad(s, weights, retain_graph=True)]) for s in sums]
    jacobian = torch.stack(rows).double().numpy()
    assert ntk(network) == pytest.approx(-2 * math.log(np.linalg.cond(jacobian)), rel=1e-3)
    assert ntk_trace(network) == pytest.approx(math.log(np.trace(jacobian @ jacobian.T) / len(images)), rel=1e-5)


def entropy_of(maps):
    rows = np.moveaxis(maps.detach().double().numpy(), 1, -1).reshape(-1, maps.shape[1])
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    shares = values / values.sum()
    return -(shares * np.log(shares)).sum()


def test_expressivity_and_its_gain(net, images, network):
    stem = net.stem(images)
    entropies = [entropy_of(stem), entropy_of(net.block(stem))]
    assert [tuple(maps.shape) for maps in feature_maps(network)] == [(5, 6, 8, 8), (5, 8, 4, 4)]
    assert expressivity(network) == pytest.approx(sum(entropies), rel=1e-5)
    assert progressivity(network) == pytest.approx(entropies[1] - entropies[0], rel=1e-4)


def test_trainability_of_one_block(net, images, network):
    stem = net.stem(images).detach().requires_grad_()
    out = net.block(stem)
    sent = (torch.randint(2, out.shape, generator=torch.Generator().manual_seed(network.seed)) * 2 - 1).float()
    (arrived,) = torch.autograd.grad(out, stem, sent)
    pieces = arrived.reshape(5, 6, 4, 2, 4, 2).permute(0, 1, 3, 5, 2, 4).reshape(5, 24, 4, 4)
    product = np.einsum("bchw,bdhw->cd", pieces.double().numpy(), sent.double().numpy()) / (5 * 16)
    norm = np.linalg.svd(product, compute_uv=False).max()
    assert trainability(network) == pytest.approx(2 - norm - 1 / norm, rel=1e-4)


def test_activations_in_place_change_nothing(images):
    def network(inplace):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace), nn.Conv2d(6, 6, 3), nn.ReLU(inplace)]
        return MeasuredNetwork(lambda: nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), images)

    for function in (swap, meco, expressivity, progressivity, trainability):
        assert function(network(True)) == pytest.approx(function(network(False)))


def test_az_nas_is_an_aggregation():
    expected = parse_measure("aznas(expressivity,progressivity,trainability,flops)")
    assert parse_measure("az_nas") == expected and "CVPR 2024" in MEASURES["az_nas"].source


def test_they_leave_the_network_alone(net, images, network):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for function in (swap, meco, gradsign, ntk, ntk_trace, expressivity, progressivity, trainability):
        function(network)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("function", [swap, meco, expressivity, progressivity, trainability])
def test_networks_that_cannot_be_measured(function):
    from naslib_gennas.errors import InputError

    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 2))
    with pytest.raises(InputError, match="this one has none|fewer than two"):
        function(MeasuredNetwork(lambda: flat, torch.randn(4, 3, 2, 2)))


def test_constant_channels_and_identical_images():
    constant = nn.Conv2d(3, 4, 1)
    nn.init.zeros_(constant.weight)
    assert meco(MeasuredNetwork(lambda: nn.Sequential(constant), torch.randn(3, 3, 4, 4))) == 0
    same = torch.ones(4, 3, 8, 8)
    assert ntk(MeasuredNetwork(lambda: example().module(), same)) < -20
    silent = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert ntk_trace(MeasuredNetwork(lambda: silent, torch.zeros(3, 3, 2, 2))) == -math.inf
