"""Measures against straightforward references on a small network, and what they must leave alone."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from naslib_gennas.errors import InputError, UnknownNameError
from naslib_gennas.measures import MEASURES, MeasuredNetwork
from naslib_gennas.measures.base import in_order
from naslib_gennas.proxy.layers import SplitConv, own_randomness, shared_relu
from naslib_gennas.scoring import GenNASScorer, MeasuredNetworks, MeasureScorer, measure_module, measure_scorers
from naslib_gennas.scoring.measure import check_applicable, measured
from naslib_gennas.spaces import load_space

BATCH, CLASSES = 6, 4
COMPUTED = [name for name in MEASURES.names() if MEASURES[name].function]


class Small(nn.Module):
    """Convolution, BatchNorm, ReLU twice, pooling, classifier: (b, 3, s, s) -> (b, 4)."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.bn = nn.BatchNorm2d(5)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(5, 6, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(6, CLASSES)

    def forward(self, x):
        x = self.relu(self.bn(self.first(x)))
        x = F.relu(self.second(x))
        return self.classifier(self.dropout(x.mean(dim=(2, 3))))


class Joined(nn.Module):
    """Two parallel convolutions as one operator."""

    def __init__(self):
        super().__init__()
        self.convs = SplitConv(3, [4, 5], 3)
        self.classifier = nn.Linear(9, CLASSES)

    def forward(self, x):
        a, b = self.convs(shared_relu(x, 2))
        return self.classifier(F.relu(torch.cat([a, b], dim=1)).mean(dim=(2, 3)))


class Apart(nn.Module):
    """The same with two operators."""

    def __init__(self, joined: Joined):
        super().__init__()
        weights = joined.convs.conv.weight.detach().split([4, 5])
        self.convs = nn.ModuleList(nn.Conv2d(3, len(w), 3, padding=1, bias=False) for w in weights)
        self.bns = nn.ModuleList(nn.BatchNorm2d(len(w)) for w in weights)
        self.relus = nn.ModuleList(nn.ReLU() for _ in weights)
        for conv, weight in zip(self.convs, weights):
            conv.weight.data.copy_(weight)
        self.classifier = copy.deepcopy(joined.classifier)

    def forward(self, x):
        branches = [bn(conv(relu(x))) for conv, bn, relu in zip(self.convs, self.bns, self.relus)]
        return self.classifier(F.relu(torch.cat(branches, dim=1)).mean(dim=(2, 3)))


@pytest.fixture
def network():
    generator = torch.Generator().manual_seed(1)
    network = Small()
    for parameter in network.parameters():
        parameter.data.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(BATCH, 3, 8, 8, generator=generator), torch.arange(BATCH) % 3


def value(name, network, batch, seed=0):
    return measure_module(network, [name], *batch, seed=seed)[name].value


def weight_gradients(network, batch):
    network = copy.deepcopy(network)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    F.cross_entropy(network(batch[0]), batch[1]).backward()
    return [(layer.weight.detach(), layer.weight.grad) for layer in layers]


def test_gradient_measures_equal_a_plain_backward_pass(network, batch):
    pairs = weight_gradients(network, batch)
    assert value("snip", network, batch) == pytest.approx(sum((w * g).abs().sum().item() for w, g in pairs), rel=1e-5)
    assert value("plain", network, batch) == pytest.approx(sum((w * g).sum().item() for w, g in pairs), rel=1e-4)
    assert value("grad_norm", network, batch) == pytest.approx(sum(g.norm().item() for _, g in pairs), rel=1e-5)
    assert value("l2_norm", network, batch) == pytest.approx(sum(w.norm().item() for w, _ in pairs), rel=1e-5)


def test_grasp_is_the_curvature_along_the_gradient(network, batch):
    """theta H g by finite differences of the gradient, in float64."""
    network, images = network.double(), batch[0].double()
    pairs = weight_gradients(network, (images, batch[1]))
    step, moved = 1e-6, []
    for sign in (1, -1):
        shifted = copy.deepcopy(network)
        layers = [m for m in shifted.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        for layer, (_, gradient) in zip(layers, pairs):
            layer.weight.data += sign * step * gradient
        moved.append(weight_gradients(shifted, (images, batch[1])))
    hessian_g = [(up[1] - down[1]) / (2 * step) for up, down in zip(*moved)]
    expected = -sum((w * hg).sum().item() for (w, _), hg in zip(pairs, hessian_g))
    assert value("grasp", network, (images, batch[1])) == pytest.approx(expected, rel=1e-4)


def test_synflow_is_the_log_of_the_flow_without_batch_norm(network, batch):
    plain = copy.deepcopy(network).double()
    plain.bn = nn.Identity()
    for parameter in plain.parameters():
        parameter.data.abs_()
    plain(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    layers = [plain.first, plain.second, plain.classifier]
    flow = sum((layer.weight * layer.weight.grad).abs().sum().item() for layer in layers)
    assert value("synflow", network, batch) == pytest.approx(math.log(flow), rel=1e-9)


def test_synflow_survives_what_float32_does_not(batch):
    deep = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *(nn.Conv2d(8, 8, 3, padding=1) for _ in range(60)))
    network = nn.Sequential(deep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))
    for parameter in network.parameters():
        parameter.data.fill_(1.0)
    assert value("synflow", network, batch) > math.log(torch.finfo(torch.float32).max)


def test_naswot_counts_equal_activity(network, batch):
    seen = []
    before = F.relu(network.bn(network.first(batch[0])))
    for pre in (network.bn(network.first(batch[0])), network.second(before)):
        seen.append((pre > 0).flatten(1))
    active = torch.cat(seen, dim=1).numpy()
    kernel = np.array([[(a == b).sum() for b in active] for a in active], dtype=float)
    assert value("naswot", network, batch) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)


def test_jacobian_measures_equal_their_formulas(network, batch):
    images = batch[0].clone().requires_grad_()
    copy.deepcopy(network)(images).sum().backward()
    jacobian = images.grad.flatten(1).numpy()
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(jacobian))
    expected = -sum(math.log(v + 1e-5) + 1 / (v + 1e-5) for v in eigenvalues)
    assert value("jacob_cov", network, batch) == pytest.approx(expected, rel=1e-4)
    sums = [np.log(np.abs(np.corrcoef(jacobian[batch[1].numpy() == c])) + 1e-5).sum() for c in range(3)]
    assert value("epe_nas", network, batch) == pytest.approx(np.abs(sums).sum(), rel=1e-4)


def test_fisher_weighs_channels_by_their_weights(network, batch):
    network = copy.deepcopy(network)
    outputs = {}
    for layer in (network.first, network.second, network.classifier):
        layer.register_forward_hook(lambda m, i, o: (o.retain_grad(), outputs.update({m: o}))[-1])
    F.cross_entropy(network(batch[0]), batch[1]).backward()
    expected = 0.0
    for layer, out in outputs.items():
        product = (out * out.grad).detach()
        product = product.sum(dim=(2, 3)) if product.dim() == 4 else product
        expected += 0.5 * product.pow(2).mean(dim=0).sum().item() * layer.weight[0].numel()
    for layer in (network.first, network.second, network.classifier):
        layer._forward_hooks.clear()
    assert value("fisher", network, batch) == pytest.approx(expected, rel=1e-5)


def test_zico_compares_the_gradients_of_the_halves(network, batch):
    halves = [weight_gradients(network, (batch[0][rows], batch[1][rows])) for rows in (slice(0, 3), slice(3, 6))]
    expected = 0.0
    for (_, a), (_, b) in zip(*halves):
        both = np.abs(torch.stack([a, b]).double().numpy())
        mean, std = both.mean(axis=0), both.std(axis=0)
        expected += math.log((mean[std > 0] / std[std > 0]).sum())
    assert value("zico", network, batch) == pytest.approx(expected, rel=1e-3)


def test_counts(network, batch):
    parameters = 3 * 5 * 9 + 5 + 2 * 5 + 5 * 6 + 6 * CLASSES + CLASSES
    macs = 64 * (3 * 5 * 9 + 5 * 6) + 6 * CLASSES
    assert value("params", network, batch) == pytest.approx(parameters / 1e6)
    assert value("flops", network, batch) == pytest.approx(macs / 1e6)


def test_zen_does_not_depend_on_the_weights(network, batch):
    other = Small()
    assert value("zen", network, batch, seed=3) == value("zen", other, batch, seed=3)
    assert value("zen", network, batch, seed=3) != value("zen", network, batch, seed=4)


OF_BLOCKS = ("expressivity", "progressivity", "trainability")  # whole ones, which no space joins


@pytest.mark.parametrize("name", [name for name in COMPUTED if name not in ("zen", *OF_BLOCKS)])
def test_operators_that_a_space_joins_count_as_the_separate_ones(name, batch):
    with own_randomness(0, torch.device("cpu")):  # of zico, a ratio that rounding can spoil, another draw may fail
        joined = Joined()
    assert value(name, joined, batch) == pytest.approx(value(name, Apart(joined), batch), rel=1e-4)


def test_the_network_and_the_global_generator_stay_as_they_were(network, batch):
    network.relu.eval()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    random = torch.get_rng_state()
    results = measure_module(network, COMPUTED, *batch)
    assert {result.status for result in results.values()} == {"ok"}
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_generators_of_other_devices_are_not_touched(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("set the generators of all GPUs"))
    before = torch.get_rng_state()
    with own_randomness(3, torch.device("cpu")):
        drawn = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, torch.rand(4, generator=torch.Generator().manual_seed(3)))


def test_forward_passes_are_shared(network, batch):
    calls = []
    network.classifier.register_forward_hook(lambda *_: calls.append(1))
    names = ["naswot", "jacob_cov", "epe_nas", "snip", "plain", "grad_norm", "fisher", "grasp"]
    subject = MeasuredNetwork(lambda: network, *batch)
    results = [measured(subject, MEASURES[name], "small", "small") for name in in_order(names)]
    assert len(calls) == 1 and [result.status for result in results] == ["ok"] * len(names)
    shared = subject.seconds("forward")
    assert all(result.seconds > shared for result in results)  # charged to each


def test_dropout_draws_from_the_seed(batch):
    network = Small(dropout=0.5)
    assert value("snip", network, batch, seed=1) == value("snip", network, batch, seed=1)
    assert value("snip", network, batch, seed=1) != value("snip", network, batch, seed=2)


def test_labels_are_drawn_from_the_seed(network, batch):
    images = batch[0]
    first = measure_module(network, ["snip"], images, seed=5)["snip"].value
    labels = torch.randint(CLASSES, (BATCH,), generator=torch.Generator().manual_seed(5))
    assert first == value("snip", network, (images, labels))


def test_a_dead_network_fails_instead_of_scoring(batch):
    network = Small()
    nn.init.zeros_(network.second.weight)
    results = measure_module(network, ["synflow", "jacob_cov", "params"], *batch)
    assert results["synflow"].value is None and "-inf" in results["synflow"].message
    assert (results["jacob_cov"].status, results["params"].status) == ("failed", "ok")


def test_unsuitable_networks_are_answered_with_the_reason(batch):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, CLASSES))
    results = measure_module(linear, ["naswot", "zen", "snip"], *batch)
    assert "ReLU" in results["naswot"].message and "pooling" in results["zen"].message
    assert results["snip"].status == "ok"
    assert "logits" in measure_module(nn.Conv2d(3, 4, 3), ["snip"], *batch)["snip"].message
    with pytest.raises(InputError, match="at least 2 images"):
        measure_module(linear, ["snip"], batch[0][:1])
    with pytest.raises(UnknownNameError, match="did you mean naswot"):
        measure_module(linear, ["naswott"])
    with pytest.raises(InputError, match="gennas cannot be measured on a single module"):
        measure_module(linear, ["gennas"])


def test_a_measure_that_is_not_defined_for_the_space():
    class Recurrent:
        name, kind = "nlp", "rnn"

    with pytest.raises(InputError, match="zen is not defined for nlp, whose networks are recurrent"):
        check_applicable(["gennas", "zen"], Recurrent())


def test_every_measure_documents_itself():
    for name in MEASURES.names():
        measure = MEASURES[name]
        assert measure.summary and measure.source and measure.passes and measure.memory


@pytest.mark.parametrize("space", ["nasbench101", "nasbench201"])
def test_architectures_of_a_space(space):
    space = load_space(space)
    networks = MeasuredNetworks(space, batch_size=2)
    scorers = [MeasureScorer(name, networks) for name in ("params", "synflow", "flops")]
    arch = space.parse(space.example)
    scores = [scorer.score(str(arch)) for scorer in scorers]
    assert [score.status for score in scores] == ["ok"] * 3
    assert [score.measure for score in scores] == ["params", "synflow", "flops"]
    parameters = sum(p.numel() for p in space.build_network(arch).parameters())
    assert scores[0].value == pytest.approx(parameters / 1e6)
    networks.forget()
    again = [scorer.score(str(arch)) for scorer in scorers]
    assert scores == [replace(score, seconds=first.seconds) for score, first in zip(again, scores)]


def test_ranks_agree_with_published_scores(shared):
    published = pd.read_csv(shared / "zerocost_nasbench201.csv.gz", index_col="index")
    rows = published[published["naswot_cifar10"].notna()].sample(12, random_state=1)
    space = load_space("nasbench201")
    columns = {"synflow": "logsynflow_cifar10", "naswot": "naswot_cifar10", "params": "params_cifar10"}
    texts = [str(space.parse(str(index))) for index in rows.index]
    for scorer in measure_scorers(columns, GenNASScorer(space), batch_size=8):
        ours = [-math.inf if score.value is None else score.value for score in scorer.score_many(texts)]
        assert spearmanr(ours, rows[columns[scorer.measure]])[0] >= 0.93


def test_the_example_that_compares_with_published_scores(tmp_path, capsys):
    path = Path(__file__).resolve().parents[1] / "examples" / "published_measures.py"
    spec = importlib.util.spec_from_file_location("published_measures", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    space = load_space("nasbench201")
    rows = [
        (i, sum(p.numel() for p in space.build_network(space.parse(str(i))).parameters()), -1e8 if i == 7 else i)
        for i in (1, 2, 3, 4, 5, 7)
    ]
    frame = pd.DataFrame(rows, columns=["index", "params_cifar10", "nbsz_l2_norm_cifar10"])
    frame.to_csv(tmp_path / "published.csv", index=False)
    out = tmp_path / "out.json"
    example.main(
        ["--published", str(tmp_path / "published.csv"), "--sample", "5", "--batch-size", "2", "--out", str(out)]
    )
    found = {row["measure"]: row for row in json.loads(out.read_text())["rows"]}
    assert found["params"]["spearman"] == pytest.approx(1) and found["params"]["between_seeds"] == pytest.approx(1)
    assert set(found) == {"params", "l2_norm"} and "l2_norm" in capsys.readouterr().out


def test_the_comparison_matrix_says_what_the_registry_says():
    text = (Path(__file__).resolve().parents[1] / "docs" / "measures.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 9}
    assert list(rows) == MEASURES.names()
    for name, row in rows.items():
        measure = MEASURES[name]
        yes = ["yes" if fact else "no" for fact in (measure.needs_images, measure.needs_labels, measure.rnn)]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2:] == [measure.passes, measure.memory, *yes, measure.source]
