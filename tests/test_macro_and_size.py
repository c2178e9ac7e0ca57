"""NAS-Bench-Macro and NATS-Bench's size space: counts of the benchmarks, and networks against plain definitions."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from naslib_gennas import Scorer
from naslib_gennas.measures.flops import flops
from naslib_gennas.measures.measured_network import MeasuredNetwork
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.spaces import load_space
from naslib_gennas.spaces.nasbench_macro.networks import InvertedBottleneck
from naslib_gennas.spaces.nats_sss.networks import Cell

SIZE, MACRO = "nats_sss", "nasbench_macro"


@pytest.fixture(scope="module")
def records(shared):
    return pd.read_csv(shared / "nasbench_macro_600.csv", dtype={"arch": str})


@pytest.mark.parametrize(
    ("text", "parameters"),
    [("8:8:8:8:8", 11_714), ("8:8:16:40:40", 107_826), ("64:64:64:64:64", 713_674)],  # as the benchmark stores them
)
def test_parameters_of_the_size_space(text, parameters):
    space = load_space(SIZE)
    assert space.parameters(space.parse(text)) == parameters


def test_numbers_of_architectures():
    size, macro = load_space(SIZE), load_space(MACRO)
    assert len(set(size)) == size.size == 32_768
    assert len(set(macro)) == macro.size == 6561
    assert len({macro.canonical(arch) for arch in macro}) == macro.unique


def test_parameters_of_all_macro_records(records):
    space = load_space(MACRO)
    for row in records.itertuples():
        arch = space.parse(row.arch)
        assert space.parameters(arch) == row.params, row.arch


def test_flops_of_macro_records(records):
    space = load_space(MACRO)
    images = torch.zeros(2, 3, 32, 32)
    for row in records.sample(12, random_state=0).itertuples():
        network = MeasuredNetwork(partial(space.build_network, space.parse(row.arch)), images)
        assert flops(network) == pytest.approx(row.flops / 1e6, rel=1e-9), row.arch


def plain_cell(cell, x):
    """The string |3x3~0|+|3x3~0|3x3~1|+|skip~0|3x3~1|3x3~2|, edge by edge."""

    def edge(convs, number, value):
        width = convs.widths[0]
        part = slice(number * width, (number + 1) * width)
        y = F.conv2d(F.relu(value), convs.conv.weight[part], padding=1)
        return F.batch_norm(y, None, None, training=True)

    first = edge(cell.from_input, 0, x)
    second = edge(cell.from_input, 1, x) + edge(cell.from_first, 0, first)
    return cell.shortcut(x) + edge(cell.from_first, 1, first) + edge(cell.from_second, 0, second)


@pytest.mark.parametrize("outputs", [4, 6])
def test_cell_of_the_size_space_equals_its_definition(outputs):
    torch.manual_seed(0)
    cell, x = Cell(4, outputs), torch.randn(2, 4, 8, 8)
    assert torch.allclose(cell(x), plain_cell(cell, x), atol=1e-5)
    assert isinstance(cell.shortcut, nn.Identity) == (outputs == 4)


@pytest.mark.parametrize(("stride", "outputs"), [(1, 4), (2, 8)])
def test_inverted_bottleneck_equals_its_definition(stride, outputs):
    torch.manual_seed(0)
    block, x = InvertedBottleneck(4, outputs, stride, kernel=5, expansion=6), torch.randn(2, 4, 8, 8)

    def normed(y):
        return F.batch_norm(y, None, None, training=True)

    y = F.relu(normed(F.conv2d(x, block.expand.weight)))
    y = F.relu(normed(F.conv2d(y, block.depthwise.weight, stride=stride, padding=2, groups=24)))
    y = normed(F.conv2d(y, block.project.weight))
    assert torch.allclose(block(x), y + x if stride == 1 else y, atol=1e-5)


def test_identities_inside_a_stage_share_a_key():
    space = load_space(MACRO)
    first, second = space.parse("10201101"), space.parse("10210110")
    assert space.score_key(first) == space.score_key(second) != space.score_key(space.parse("01210110"))
    assert Scorer(MACRO, "tiny").score(first).value == Scorer(MACRO, "tiny").score(second).value


def test_widths_of_proxy_networks_keep_their_proportions():
    space = load_space(SIZE)
    network = space.build(space.parse("8:16:24:32:64"), Fidelity(channels=16, cells=2))
    assert network.channels == (4, 12, 32)
    assert [tuple(stage.shape[1:]) for stage in network(torch.zeros(2, 3, 16, 16))] == [
        (4, 16, 16),
        (12, 8, 8),
        (32, 4, 4),
    ]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        (SIZE, "8:8:8:8", "4 widths"),
        (SIZE, "8:8:8:8:12", "'12' is none"),
        (SIZE, "32768", "0 to 32767"),
        (MACRO, "0120122", "8 digits"),
        (MACRO, "01201223", "0 to 2"),
        (MACRO, "122", "leading zeros"),
    ],
)
def test_broken_texts_are_told(name, text, what):
    with pytest.raises(ValueError, match=what) as error:
        load_space(name).parse(text)
    assert "\n" not in str(error.value)


def test_instant_ranks_macro_networks(records):
    """On networks that its read-out was not chosen on."""
    chosen = records.sample(200, random_state=0).index
    others = records.drop(chosen).sample(100, random_state=1)
    scores = list(Scorer(MACRO, "instant").score_many(list(others.arch)))
    rho = spearmanr([score.value for score in scores], others.cifar10_test)[0]
    assert rho > 0.8 > spearmanr(others.flops, others.cifar10_test)[0]


def test_wider_networks_of_the_size_space_score_higher():
    archs = ["8:8:8:8:8", "24:24:24:24:24", "64:64:64:64:64"]
    values = [score.value for score in Scorer(SIZE, "instant").score_many(archs)]
    assert np.all(np.diff(values) > 0)
