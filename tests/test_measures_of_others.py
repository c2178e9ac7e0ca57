"""Measures on the networks that people bring: attention, recurrence, in-place activations, weights that are shared."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.measures.base import MEASURES
from naslib_gennas.measures.fisher import fisher
from naslib_gennas.measures.flops import flops
from naslib_gennas.measures.grasp import grasp
from naslib_gennas.measures.measured_network import MeasuredNetwork
from naslib_gennas.measures.naswot import naswot
from naslib_gennas.scoring.measure import measure_module

BY_ITSELF = [name for name in MEASURES.names() if MEASURES[name].function is not None and "@" not in name]


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def measured(make, shape):
    network = seeded(make)
    return MeasuredNetwork(lambda: network, torch.randn(*shape, generator=torch.Generator().manual_seed(1)))


class FirstToken(nn.Module):
    """A network of tokens (b, n, d), whose first one is classified."""

    def __init__(self, body, width, classes=5):
        super().__init__()
        self.body, self.head = body, nn.Linear(width, classes)

    def forward(self, x):
        found = self.body(x)
        return self.head((found[0] if isinstance(found, tuple) else found)[:, 0])


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class ByHand(SelfAttention):
    """The same attention, written out."""

    def forward(self, x):
        b, n, d = x.shape
        heads = self.attention.num_heads
        q, k, v = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias).chunk(3, dim=-1)
        q, k, v = (part.reshape(b, n, heads, d // heads).transpose(1, 2) for part in (q, k, v))
        mixed = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(d // heads), dim=-1) @ v
        return self.attention.out_proj(mixed.transpose(1, 2).reshape(b, n, d))


def attention_work(n, d):
    """Multiply-accumulates of self-attention: three projections, scores, mixture, one projection."""
    return 4 * n * d * d + 2 * n * n * d


class TestFlops:
    @pytest.mark.parametrize("kind", [SelfAttention, ByHand])
    def test_attention(self, kind):
        n, d = 9, 16
        network = measured(lambda: FirstToken(kind(d, 4), d), (2, n, d))
        assert flops(network) == pytest.approx((attention_work(n, d) + 5 * d) / 1e6, rel=1e-6)

    def test_a_layer_of_a_transformer(self):
        n, d, hidden = 7, 16, 40
        layer = measured(lambda: FirstToken(nn.TransformerEncoderLayer(d, 4, hidden, batch_first=True), d), (2, n, d))
        assert flops(layer) == pytest.approx((attention_work(n, d) + 2 * n * d * hidden + 5 * d) / 1e6, rel=1e-6)

    @pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
    def test_recurrent_layers(self, kind, gates):
        n, d, h = 6, 10, 12
        network = measured(lambda: FirstToken(kind(d, h, batch_first=True), h), (2, n, d))
        assert flops(network) == pytest.approx((gates * n * (d * h + h * h) + 5 * h) / 1e6, rel=1e-6)

    def test_a_convolution(self):
        make = lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 25, 5))  # noqa: E731
        assert flops(measured(make, (2, 3, 5, 5))) == pytest.approx((25 * 4 * 27 + 500) / 1e6, rel=1e-6)


def convolutional(activation):
    return lambda: nn.Sequential(nn.Conv2d(3, 6, 3), activation, nn.Flatten(), nn.Linear(6 * 16, 5))


class Functional(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class TestActivations:
    """NASWOT sees which units are on; how far they are on makes no difference."""

    @pytest.mark.parametrize(
        "activation",
        [nn.ReLU6(), nn.ReLU6(inplace=True), nn.ReLU(inplace=True), nn.Hardtanh(), nn.Hardswish(), nn.LeakyReLU(),
         Functional(F.relu6), Functional(lambda x: x.clamp(min=0)), Functional(lambda x: torch.clamp(x, 0, 6)),
         Functional(lambda x: x.clamp_(0)), Functional(torch.relu_), Functional(lambda x: F.threshold(x, 0.0, 0.0))],
        ids=str,
    )  # fmt: skip
    def test_naswot_sees_it(self, activation):
        shape = (4, 3, 6, 6)
        assert naswot(measured(convolutional(activation), shape)) == naswot(measured(convolutional(nn.ReLU()), shape))

    def test_a_clamp_elsewhere_is_none(self):
        from naslib_gennas.errors import InputError

        with pytest.raises(InputError, match="ReLU"):
            naswot(measured(convolutional(Functional(lambda x: x.clamp(-1, 1))), (4, 3, 6, 6)))

    def test_what_is_overwritten_is_remembered_as_it_was(self):
        def make(inplace):
            return lambda: nn.Sequential(
                nn.Conv2d(3, 6, 3),
                nn.ReLU(inplace),
                nn.Conv2d(6, 4, 3),
                nn.ReLU(inplace),
                nn.Flatten(),
                nn.Linear(16, 5),
            )

        shape = (4, 3, 6, 6)
        assert fisher(measured(make(True), shape)) == pytest.approx(fisher(measured(make(False), shape)), rel=1e-6)


class TestAttention:
    def test_grasp_differentiates_it_twice(self):
        network = measured(lambda: FirstToken(SelfAttention(16, 4), 16), (3, 6, 16))
        by_hand = measured(lambda: FirstToken(ByHand(16, 4), 16), (3, 6, 16))
        assert grasp(network) == pytest.approx(grasp(by_hand), rel=1e-4)
        assert math.isfinite(grasp(network)) and grasp(network) != 0

    def test_what_is_fused_stays_so_afterwards(self):
        before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
        flops(measured(lambda: FirstToken(SelfAttention(16, 4), 16), (2, 6, 16)))
        assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()) == before


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight
        self.head = nn.Linear(3, 5)

    def forward(self, x):
        return self.head(F.relu(self.second(F.relu(self.first(x)))).mean(dim=(2, 3)))


def normed(norm):
    body = [norm(nn.Conv2d(3, 6, 3)), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm(nn.Linear(6, 5))]
    return nn.Sequential(*body)


BROUGHT = {
    "tied weights": Tied,
    "weight_norm": lambda: normed(nn.utils.parametrizations.weight_norm),
    "spectral_norm": lambda: normed(nn.utils.parametrizations.spectral_norm),
    "in-place": convolutional(nn.ReLU(inplace=True)),
}


@pytest.mark.parametrize("kind", BROUGHT)
def test_every_measure_has_a_value_or_a_sentence(kind):
    network = seeded(BROUGHT[kind])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    shape = (4, 3, 6, 6)
    images = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    found = measure_module(network, BY_ITSELF, images=images)
    for name, score in found.items():
        assert score.value is not None or "Error: " not in (score.message or ""), (name, score.message)
    assert sum(score.value is not None for score in found.values()) >= len(BY_ITSELF) - 3, found
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


PUBLISHED = {  # multiply-accumulate operations in 10^9 as torchvision lists them, side of the image
    "alexnet": (0.714, 224),
    "vgg11": (7.609, 224),
    "resnet18": (1.814, 224),
    "resnet50": (4.089, 224),
    "wide_resnet50_2": (11.398, 224),
    "resnext50_32x4d": (4.23, 224),
    "densenet121": (2.834, 224),
    "mobilenet_v2": (0.301, 224),
    "mnasnet0_5": (0.104, 224),
    "squeezenet1_1": (0.349, 224),
    "efficientnet_b0": (0.386, 224),
    "regnet_x_400mf": (0.414, 224),
    "convnext_tiny": (4.456, 224),
    "vit_b_32": (4.409, 224),
    "vit_b_16": (17.564, 224),
    "swin_t": (4.491, 224),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_flops_are_the_published_ones(name):
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    expected, size = PUBLISHED[name]
    found = measure_module(models.get_model(name), ["flops"], images=torch.zeros(2, 3, size, size))["flops"].value
    assert found / 1e3 == pytest.approx(expected, abs=6e-4)
