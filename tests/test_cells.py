"""The NDS cell spaces and NAS-Bench-301 against the published records and an independent network."""

import gzip
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from naslib_gennas import Fidelity, load_space
from naslib_gennas.errors import ArchitectureError
from naslib_gennas.measures.flops import flops
from naslib_gennas.measures.measured_network import MeasuredNetwork
from naslib_gennas.proxy.layers import DropPath, uninitialised
from naslib_gennas.proxy.parameters import initialise
from naslib_gennas.spaces.cells.encoding import Cell, compact, live_cell
from naslib_gennas.spaces.cells.networks import CellBlock
from naslib_gennas.tables import load_table
from naslib_gennas.testing import same_function

RECORDS = {
    "Amoeba": "nds_amoeba_in",
    "DARTS": "nds_darts_in",
    "ENAS": "nds_enas_in",
    "DARTS_fix-w-d": "nds_darts_fix_in",
    "DARTS_lr-wd": "nds_darts_in",
}
DARTS, AMOEBA, NB301 = load_space("nds_darts_in"), load_space("nds_amoeba"), load_space("nasbench301")
NORMAL = "((0, 3), (1, 4), (0, 0), (2, 2), (1, 5), (3, 6), (0, 1), (4, 3))"
COMPACT = f"({NORMAL}, {NORMAL})"


def records(folder, name):
    with gzip.open(folder / "nds" / f"{name}_in.json.gz", "rt") as file:
        return json.load(file)


def net(**changes):
    """A valid DARTS ``net`` with some keys of it, or of its genotype, replaced."""
    edges = [["sep_conv_3x3", 0], ["none", 1]] * 4
    genotype = {"normal": edges, "normal_concat": [2, 3, 4, 5], "reduce": edges, "reduce_concat": [2, 3, 4, 5]}
    genotype.update({key: value for key, value in changes.items() if key in genotype})
    rest = {key: value for key, value in changes.items() if key not in genotype}
    return json.dumps({"depth": 6, "width": 32, "genotype": genotype, **rest})


@pytest.mark.parametrize("name", RECORDS)
def test_parameters_and_flops_of_every_record(shared, name):
    space = load_space(RECORDS[name])
    for record in records(shared, name):
        arch = space.parse(json.dumps(record["net"]))
        assert space.counts(arch) == (record["params"], record["flops"])
        assert json.loads(str(arch)) == record["net"]


@pytest.mark.parametrize("name", RECORDS)
def test_full_size_networks_have_the_parameters_of_the_records(shared, name):
    space = load_space(RECORDS[name])
    for record in records(shared, name)[::60]:
        with uninitialised():
            network = space.build_network(space.parse(json.dumps(record["net"])))
        assert sum(p.numel() for p in network.parameters()) == record["params"]


@pytest.mark.parametrize("name", ["nds_nasnet", "nds_pnas_in", "nasbench301", "nds_enas_fix"])
def test_counts_are_those_of_the_network(name):
    space = load_space(name)
    arch = space.sample(np.random.default_rng(3))
    with uninitialised():
        network = space.build_network(arch, classes=10)
    assert sum(p.numel() for p in network.parameters()) == space.counts(arch, classes=10)[0]


def test_records_are_a_table(shared):
    table = load_table(shared / "nds" / "DARTS_in.json.gz", "nds_darts_in")
    assert len(table) == 121 and not table.problems and table.metrics == ["accuracy", "accuracy_e10"]
    record = records(shared, "DARTS")[5]
    assert table.value(json.dumps(record["net"])) == pytest.approx(100 - record["min_test_top1"])


class PlainOperation(nn.Module):
    """An operation as the papers define it, its parameters taken from ours."""

    def __init__(self, name, stride, ours):
        super().__init__()
        self.name, self.stride, self.ours = name, stride, ours

    def forward(self, x):
        if self.name == "max_pool_3x3":
            return F.max_pool2d(x, 3, self.stride, 1)
        if self.name == "avg_pool_3x3":
            return F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)
        if self.name == "skip_connect" and self.stride == 1:
            return x
        x = F.relu(x)
        if self.name == "skip_connect":
            even = F.conv2d(x, self.ours.even.weight, stride=2)
            odd = F.conv2d(F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:], self.ours.odd.weight, stride=2)
            return self.norm(torch.cat([even, odd], dim=1), self.ours.bn)
        kernel, dilation = int(self.name[-1]), 2 if self.name.startswith("dil") else 1
        stride = self.stride
        for first in range(0, len(self.ours), 4):
            depthwise, pointwise, norm = self.ours[first : first + 3]
            if first:
                x = F.relu(x)
            padding = dilation * (kernel // 2)
            x = F.conv2d(x, depthwise.weight, None, stride, padding, dilation, x.shape[1])
            x = self.norm(F.conv2d(x, pointwise.weight), norm)
            stride = 1
        return x

    @staticmethod
    def norm(x, layer):
        return F.batch_norm(x, None, None, layer.weight, layer.bias, training=True)


@pytest.mark.parametrize("stride, size", [(1, 6), (2, 6), (2, 5)])
def test_cell_against_a_plain_one(stride, size):
    rng = np.random.default_rng(4)
    for _ in range(4):
        cell = DARTS.sample(rng).normal
        block = CellBlock(cell, 4, stride).train()
        first, second = torch.randn(2, 3, 4, size, size).unbind(0)
        states, parameters = [first, second], iter(block.operations)
        for pair in zip(cell.edges[::2], cell.edges[1::2]):
            total = torch.zeros(3, 4, -(-size // stride), -(-size // stride))
            for name, source in pair:
                step = stride if source < 2 else 1
                owned = "conv" in name or (name == "skip_connect" and step == 2)
                operation = PlainOperation(name, step, next(parameters) if owned else None)
                total = total if name == "none" else total + operation(states[source])
            states.append(total)
        expected = torch.cat([states[node] for node in cell.concat], dim=1)
        torch.testing.assert_close(block(first, second), expected, rtol=1e-4, atol=1e-5)


def test_live_backbone_equals_the_whole_one():
    rng = np.random.default_rng(5)
    fidelity = Fidelity(cells=2, channels=8, input_size=8)
    for _ in range(4):
        arch = load_space("nds_darts").sample(rng)
        dead = replace(arch, normal=replace(arch.normal, concat=(3,)), width=16, depth=6)
        assert same_function(load_space("nds_darts"), dead, load_space("nds_darts").reduced(dead))
        with uninitialised():
            backbone = load_space("nds_darts").build(dead, fidelity)
        assert backbone.channels == (4 * 1, 8 * 4, 16 * 4)


def test_live_cell_drops_what_has_no_effect():
    cell = Cell(
        (("none", 1), ("none", 0), ("skip_connect", 2), ("sep_conv_3x3", 1), ("sep_conv_3x3", 2), ("none", 1),
         ("sep_conv_5x5", 0), ("max_pool_3x3", 1)), (3, 4))  # fmt: skip
    nothing = ("none", 0)
    assert live_cell(cell).edges == (
        nothing, nothing, nothing, ("sep_conv_3x3", 1), ("sep_conv_3x3", 2), nothing, nothing, nothing)  # fmt: skip


def test_paper_proxies_keep_depth_and_width_and_small_ones_the_proportion():
    arch = DARTS.parse(net(depth=22, width=48))
    assert DARTS.proxy_size(arch, Fidelity()) == (22, 48)
    assert DARTS.proxy_size(arch, Fidelity(cells=1, channels=16)) == (5, 12)  # of 14 cells, 64 channels
    assert DARTS.proxy_size(DARTS.parse(net()), Fidelity(cells=1, channels=16)) == (3, 8)
    with uninitialised():
        backbone = DARTS.build(DARTS.parse(net(depth=6)), Fidelity())
    assert backbone.taps == (3, 5, 7) and backbone.channels == (128, 256, 512)


def test_relabelled_cells_share_the_canonical_form():
    rng = np.random.default_rng(6)
    for _ in range(20):
        arch = AMOEBA.sample(rng)
        cell, keys = arch.normal, set()
        for order in itertools.permutations(range(5)):
            label = {0: 0, 1: 1, **{2 + old: 2 + new for new, old in enumerate(order)}}
            pairs = [[(op, label[source]) for op, source in cell.edges[2 * old : 2 * old + 2]] for old in order]
            if all(source < 2 + node for node, pair in enumerate(pairs) for _, source in pair):
                edges = tuple(edge for pair in pairs for edge in pair[::-1])
                twin = replace(arch, normal=Cell(edges, tuple(label[node] for node in cell.concat[::-1])))
                keys.add(AMOEBA.canonical(twin))
        assert keys == {AMOEBA.canonical(arch)}


def test_sampling_follows_the_published_rules():
    rng = np.random.default_rng(7)
    archs = [AMOEBA.sample(rng) for _ in range(400)]
    operations = [op for arch in archs for op, _ in arch.normal.edges]
    assert stats.chisquare(np.unique(operations, return_counts=True)[1]).pvalue > 1e-3
    inputs = [arch.reduce.edges[9][1] for arch in archs]
    assert stats.chisquare(np.bincount(inputs, minlength=6)).pvalue > 1e-3
    for arch in archs:
        used = {source for _, source in arch.normal.edges}
        assert arch.normal.concat == tuple(node for node in range(2, 7) if node not in used)
        assert arch.depth in (4, 8, 12, 16, 20) and arch.width in (16, 24, 32, 40, 48)
    assert all(DARTS.counts(DARTS.sample(rng))[0] <= 6_000_000 for _ in range(20))


def test_mutation_changes_one_edge():
    rng = np.random.default_rng(8)
    for space in (AMOEBA, DARTS, NB301):
        for _ in range(50):
            parent = space.sample(rng)
            child = space.mutate(parent, rng)
            changed = [
                (a, b)
                for one, other in ((parent.normal, child.normal), (parent.reduce, child.reduce))
                for a, b in zip(one.edges, other.edges)
                if a != b
            ]
            assert len(changed) == 1 and sum(x != y for x, y in zip(*changed[0])) == 1


def test_nasbench301_reads_and_writes_naslibs_compact_form():
    arch = NB301.parse(COMPACT)
    assert str(arch) == COMPACT == str(compact(arch))
    assert NB301.parse(COMPACT.replace("(", "[").replace(")", "]")) == arch
    assert NB301.from_compact(np.array(compact(arch)).tolist()) == arch
    numpy = tuple(tuple((np.int64(a), np.int64(b)) for a, b in cell) for cell in compact(arch))
    assert NB301.from_compact(numpy) == arch and str(NB301.from_compact(numpy)) == COMPACT
    assert arch.normal.edges[:2] == (("sep_conv_3x3", 0), ("sep_conv_5x5", 1))
    assert NB301.proxy_size(arch, Fidelity()) == (8, 16)


@pytest.mark.parametrize(
    "text, words",
    [
        (net(normal=[["sep_conv_3x4", 0]] * 8), "edge 0 of the normal cell: no operation is called 'sep_conv_3x4'"),
        (net(normal=[["none", 2]] * 8), "edge 0 of the normal cell leads to node 2, so its input is 0 to 1, got 2"),
        (net(reduce=[["none", -1]] * 8), "edge 0 of the reduce cell"),
        (net(reduce=[["none", True]] * 8), "got True"),
        (net(normal=[["none", 0]] * 10), "the normal cell has 10 edges, expected 8"),
        (net(normal=[["none"]] * 8), "must read [operation, input node]"),
        (net(normal=[[["none"], 0]] * 8), "no operation is called"),
        (net(normal_concat=[2, 6]), "normal_concat must list different nodes out of 2 to 5, got [2, 6]"),
        (net(reduce_concat=[1]), "reduce_concat"),
        (net(reduce_concat=[]), "reduce_concat"),
        (net(reduce_concat=[2, 2]), "reduce_concat"),
        (net(depth=2), "depth must be a whole number from 3 to 4096, got 2"),
        (net(width=33), "width must be even, got 33"),
        (net(width="wide"), "width must be a whole number"),
        (net(genotype=[1]), "genotype must be an object"),
        (net(deepth=3), "the network has the unknown key 'deepth'"),
        ('{"depth": 6, "width": 32}', "the network lacks genotype"),
        (net()[:-5], "is not JSON"),
    ],
)
def test_bad_texts(text, words):
    with pytest.raises(ArchitectureError) as caught:
        DARTS.parse(text)
    assert words in str(caught.value) and "nds_darts_in" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        (COMPACT.replace("(0, 3)", "(0, 7)"), "operations of the normal cell are 0 to 6, got 7"),
        (COMPACT.replace("(1, 4)", "(0, 4)"), "must have different inputs"),
        (COMPACT.replace("(1, 4)", "(2, 4)"), "edge 1 of the normal cell leads to node 2"),
        (COMPACT.replace("(1, 4)", "(True, 4)"), "got True"),
        (COMPACT.replace("(1, 4), ", ""), "has 7 edges, expected 8"),
        (f"({NORMAL},)", "expected two cells"),
        ("((1, 2), (3, 4)", "is not a nested tuple"),
        ("__import__('os')", "is not a nested tuple"),
    ],
)
def test_bad_compact_texts(text, words):
    with pytest.raises(ArchitectureError) as caught:
        NB301.parse(text)
    assert words in str(caught.value) and "nasbench301" in str(caught.value)


def test_a_cell_of_zeros_is_built_and_trained():
    arch = DARTS.parse(net(normal=[["none", 0]] * 8))
    with uninitialised():
        backbone = DARTS.build(DARTS.reduced(arch), Fidelity(cells=1, channels=8, input_size=8))
    initialise(backbone, torch.Generator().manual_seed(0))
    stages = backbone(torch.randn(2, 3, 8, 8))
    assert not stages[0].any() and [stage.shape[-1] for stage in stages] == [8, 4, 2]


@pytest.mark.parametrize("name", ["nasbench301", "nds_enas_in"])
def test_the_first_stages_keep_the_cells_and_leave_the_network_as_it_was(name):
    space = load_space(name)
    backbone = space.build(space.sample(np.random.default_rng(4)), Fidelity(cells=2, channels=8))
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = backbone(x)
        for count in (1, 2):
            part = backbone.first(count)
            assert [tuple(y.shape) for y in part(x)] == [tuple(y.shape) for y in before[:count]]
            assert part.channels == backbone.channels[:count]
            assert len(part.cells) < len(backbone.cells)
            assert all(block is backbone.cells[cell] for cell, block in part.cells.items())
        after = backbone(x)
    assert all(torch.equal(*pair) for pair in zip(before, after))


# --- Table 4 of the paper: cells for ImageNet


def test_widths_fit_the_operations_and_both_counts_are_those_of_the_network():
    space, rng = load_space("darts_imagenet"), np.random.default_rng(3)
    for arch in [space.sample(rng) for _ in range(20)]:
        assert arch.depth == 14 and 500e6 <= space.multiply_adds(arch) <= 600e6
        assert space.multiply_adds(replace(arch, width=arch.width + 2)) > 600e6
        child = space.mutate(arch, rng)
        assert child == space.parse(str(child)) and 500e6 <= space.multiply_adds(child) <= 600e6
        assert space.parse(space.other_texts(arch)["genotype"]) == arch
    narrow = replace(arch, width=16)
    assert space.mutate(narrow, rng).width == 16  # a width of one's own stays


@pytest.mark.parametrize(
    "name", ["nds_darts", "nds_amoeba_in", "nds_pnas", "nds_nasnet", "nasbench301", "darts_imagenet"]
)
def test_multiply_adds_without_building(name):
    space, rng = load_space(name), np.random.default_rng(0)
    for arch in [space.sample(rng) for _ in range(2)]:
        size = space.image_size
        images = torch.zeros(2, 3, size, size, device="meta")

        def make(arch=arch):
            with uninitialised():
                return space.build_network(arch)

        assert flops(MeasuredNetwork(make, images)) * 1e6 == pytest.approx(space.multiply_adds(arch), rel=1e-12)


def test_multiply_adds_are_those_of_fvcore():
    fvcore = pytest.importorskip("fvcore.nn")
    space = load_space("darts_imagenet")
    arch = space.parse(space.example)
    network, image = space.build_network(arch).eval(), torch.zeros(1, 3, 224, 224)
    analysis = fvcore.FlopCountAnalysis(network, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counted = analysis.by_operator()
    assert counted["conv"] + counted["linear"] == space.multiply_adds(arch)
    assert sum(parameter.numel() for parameter in network.parameters()) == space.parameters(arch)


@pytest.mark.parametrize(("name", "size", "extra"), [("nds_darts", 32, 1536), ("darts_imagenet", 224, 0)])
def test_the_network_to_train(name, size, extra):
    space = load_space(name)
    arch = replace(space.parse(space.example), depth=5, width=4)
    plain, whole = space.build_network(arch, 7), space.build_trainable(arch, 7, auxiliary=True, drop_path=0.3)
    inputs = 16 * len(arch.reduce.concat)
    head = inputs * 128 + 2 * 128 + 128 * 768 * 4 + extra + (768 + 1) * 7
    numbers = [sum(p.numel() for p in network.parameters()) for network in (plain, whole)]
    assert numbers[1] - numbers[0] == head
    whole.load_state_dict({**whole.state_dict(), **plain.state_dict()})
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        logits, auxiliary = whole.eval()(x)
        assert torch.allclose(logits, plain.eval()(x)) and auxiliary.shape == (2, 7)
        torch.manual_seed(0)
        first, second = whole.train()(x)[0], whole.train()(x)[0]
    assert not torch.allclose(first, second)


def test_drop_path_drops_whole_maps_and_keeps_the_mean():
    torch.manual_seed(0)
    found = DropPath(0.25).train()(torch.ones(4000, 3, 2, 2))
    values = found.flatten(1)
    assert bool((values == values[:, :1]).all()) and sorted(set(values[:, 0].tolist())) == pytest.approx([0.0, 4 / 3])
    assert float(values.mean()) == pytest.approx(1.0, abs=0.04)
