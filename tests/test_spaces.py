"""Search spaces against the benchmarks' published numbers and definitions."""

import gzip
import itertools
import json
import math
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from naslib_gennas import Fidelity
from naslib_gennas.errors import ArchitectureError, UnknownNameError
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.spaces import SPACES, SearchSpace, load_space
from naslib_gennas.spaces.nasbench101.encoding import OPERATIONS as OPERATIONS_101

NB201, NB101 = load_space("nasbench201"), load_space("nasbench101")
FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def compact101(row):
    return f"{row.n_vertices}:{row.adjacency}:{row.ops}"


@pytest.fixture(scope="session")
def table101(shared):
    types = {"adjacency": str, "ops": str}
    return pd.read_csv(shared / "nasbench101.csv.gz", dtype=types, keep_default_na=False)


@pytest.mark.parametrize("space", [NB201, NB101], ids=lambda space: space.name)
def test_text_round_trip_mutation_and_canonical_form(space):
    rng = np.random.default_rng(0)
    for _ in range(100):
        arch = space.sample(rng)
        assert space.parse(str(arch)) == arch and hash(space.parse(str(arch))) == hash(arch)
        twin = space.representative(arch)
        assert space.canonical(twin) == space.canonical(arch) and space.representative(twin) == twin
        child = space.mutate(arch, rng)
        assert child != arch and space.parse(str(child)) == child


def test_nasbench201_has_6466_unique_cells_of_15625():
    cells = list(NB201)
    assert len(set(cells)) == len(cells) == NB201.size == 15_625
    assert len({NB201.canonical(cell) for cell in cells}) == NB201.unique == 6_466


def test_nasbench101_is_listed_without_its_table(table101):
    cells = list(NB101)
    assert len(cells) == NB101.size == NB101.unique == 423_624
    assert all(cell.pruned == cell for cell in cells[::1000])
    some = {NB101.canonical(cell) for cell in cells if len(cell.matrix) <= 5}
    rows = table101[table101.n_vertices <= 5]
    assert some == {NB101.canonical(NB101.parse(compact101(row))) for row in rows.itertuples()}


def test_nasbench201_numbering_is_the_benchmarks():
    assert str(NB201.parse("0")) == FIRST
    assert str(NB201.parse("9")) == "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def test_nasbench201_numbering_and_parameters_over_the_whole_table(shared):
    cells = pd.read_csv(shared / "nasbench201.csv.gz").arch
    assert [str(arch) for arch in NB201] == cells.tolist()
    millions = pd.read_csv(shared / "zerocost_nasbench201.csv.gz").params_cifar10
    for index in range(0, NB201.size, 100):
        with uninitialised():
            network = NB201.build_network(NB201.parse(cells[index]))
        assert parameters(network) / 1e6 == pytest.approx(millions[index], abs=5.1e-6)  # five decimals


def test_nasbench201_known_parameter_counts():
    assert parameters(NB201.build_network(NB201.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"))) == 73_306
    everything = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    assert parameters(NB201.build_network(NB201.parse(everything))) == 1_531_546


def test_nasbench201_sampling_is_uniform_over_operations():
    rng = np.random.default_rng(1)
    counts = Counter(op for _ in range(2000) for op in NB201.sample(rng).ops)
    expected = 2000 * 6 / 5
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 18.5  # 0.1 % of chi2(4)


def test_nasbench201_mutation_redraws_an_edge_with_probability_one_fifth():
    rng = np.random.default_rng(2)
    parent = NB201.parse(CELL)
    changed = np.mean([sum(a != b for a, b in zip(parent.ops, NB201.mutate(parent, rng).ops)) for _ in range(4000)])
    p = 1 / 5 * 4 / 5  # redrawn, and to another operation
    assert changed == pytest.approx(6 * p / (1 - (1 - p) ** 6), rel=0.05)  # given that something changed


def test_nasbench101_hashes_are_sorted_in_the_benchmarks_order(table101):
    hashes = [NB101.canonical(NB101.parse(compact101(row))) for row in table101.iloc[::3000].itertuples()]
    assert hashes == sorted(hashes) and len(set(hashes)) == len(hashes)


def test_nasbench101_parameter_counts(table101):
    rows = list(table101.iloc[::4000].itertuples())
    equal = 0
    for row in rows:
        with uninitialised():
            network = NB101.build_network(NB101.parse(compact101(row)))
        equal += math.isclose(parameters(network) / 1e6, float(row.params_m), abs_tol=1e-6)
    assert equal >= 0.95 * len(rows)  # the others are isomorphic relabellings of the benchmark's own matrix


def test_nasbench101_known_hash_and_parameter_count():
    """The benchmark's own example, an Inception-like cell, has 2,694,282 parameters."""
    matrix = [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    c1, c3, pool = "conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"
    text = json.dumps({"matrix": matrix, "ops": ["input", c1, c3, c3, c3, pool, "output"]})
    arch = NB101.parse(text)
    assert NB101.parse(arch.to_json()) == arch
    with uninitialised():
        assert parameters(NB101.build_network(arch)) == 2_694_282


def test_nasbench101_canonical_form_ignores_vertex_order_and_dead_vertices():
    a = NB101.parse(json.dumps({"matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4],
                                "ops": ["input", "conv1x1-bn-relu", "maxpool3x3", "output"]}))  # fmt: skip
    b = NB101.parse(json.dumps({"matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4],
                                "ops": ["input", "maxpool3x3", "conv1x1-bn-relu", "output"]}))  # fmt: skip
    dead = NB101.parse(
        json.dumps(
            {
                "matrix": [[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0] * 5, [0] * 5],
                "ops": ["input", "conv1x1-bn-relu", "maxpool3x3", "maxpool3x3", "output"],
            }
        )
    )
    assert NB101.canonical(a) == NB101.canonical(b) == NB101.canonical(dead)
    assert NB101.representative(a) == NB101.representative(b) == NB101.representative(dead)
    other = NB101.parse("4:33:11")
    assert NB101.canonical(other) != NB101.canonical(a)


@pytest.mark.parametrize("space", [NB201, NB101], ids=lambda space: space.name)
@pytest.mark.parametrize("fidelity", [{}, {"cells": 1, "channels": 8}, {"cells": 2, "channels": 5}], ids=str)
def test_backbones_have_the_declared_maps_and_finite_gradients(space, fidelity):
    from naslib_gennas.proxy.parameters import initialise

    rng = np.random.default_rng(3)
    for _ in range(3):
        with uninitialised():
            backbone = space.build(space.representative(space.sample(rng)), Fidelity(**fidelity))
        initialise(backbone, torch.Generator().manual_seed(0))
        maps = backbone(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
        for width, stride, x in zip(backbone.channels, space.strides, maps):
            assert x.shape == (2, width, 16 // stride, 16 // stride) and torch.isfinite(x).all()
        sum(x.square().mean() for x in maps).backward()
        assert all(torch.isfinite(p.grad).all() for p in backbone.parameters() if p.grad is not None)


BAD201 = {
    "": "1 node groups",
    "|none~0|": "1 node groups",
    CELL.replace("skip_connect~2", "skip_connect~1"): "skip_connect~1",
    CELL.replace("avg_pool_3x3", "avg_pool_5x5"): "avg_pool_3x3",
    CELL[:-1]: "node 3",
    "15625": "15624",
}
BAD101 = {
    "": "part",
    "5:397": "2 part",
    "9:0:0000000": "vertices",
    "5:zz:000": "hexadecimal",
    "5:397:0003": "operation digit",
    "5:397:003": "operation digit",
    "5:000:000": "disconnected",
    "7:1fffff:00000": "at most 9",
    "17": "table",
    '{"matrix": [[0, 1], [0, 0]]}': "'ops'",
    '{"matrix": [[0, 1], [0]], "ops": ["input", "output"]}': "square",
    '{"matrix": [[0, 2], [0, 0]], "ops": ["input", "output"]}': "matrix[0][1]",
    '{"matrix": [[0, 1], [1, 0]], "ops": ["input", "output"]}': "upwards",
    '{"matrix": [[0, 1], [0, 0]], "ops": ["in", "output"]}': "input",
    '{"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "conv", "output"]}': "conv3x3",
}


@pytest.mark.parametrize("text", BAD201)
def test_bad_nasbench201_text_says_where_it_breaks(text):
    with pytest.raises(ArchitectureError) as error:
        NB201.parse(text)
    assert BAD201[text] in str(error.value)


@pytest.mark.parametrize("text", BAD101)
def test_bad_nasbench101_text_says_where_it_breaks(text):
    with pytest.raises(ArchitectureError) as error:
        NB101.parse(text)
    assert BAD101[text] in str(error.value)


def test_unknown_space():
    with pytest.raises(UnknownNameError, match="nasbench201"):
        load_space("nasbench-201")


def relabelled(arch, rng):
    """The same cell, its inner vertices in another topological order (text form)."""
    size = len(arch.matrix)
    while True:
        order = [0, *(1 + rng.permutation(size - 2)).tolist(), size - 1]
        matrix = [[arch.matrix[u][v] for v in order] for u in order]
        if all(not matrix[u][v] for u in range(size) for v in range(u + 1)):
            ops = [OPERATIONS_101[arch.ops[v - 1]] for v in order[1:-1]]
            return NB101.parse(json.dumps({"matrix": matrix, "ops": ["input", *ops, "output"]}))


def smallest_form(arch):
    """The least of all relabelled matrices of the pruned cell: equal if and only if cells are isomorphic."""
    matrix, ops = arch.pruned.matrix, arch.pruned.ops
    size = len(matrix)
    orders = ((0, *order, size - 1) for order in itertools.permutations(range(1, size - 1)))
    return min((tuple(ops[v - 1] for v in o[1:-1]), tuple(matrix[u][v] for u in o for v in o)) for o in orders)


def test_nasbench101_canonical_form_and_representative_under_random_relabelling():
    rng = np.random.default_rng(4)
    for _ in range(60):
        arch = NB101.sample(rng)
        twin = relabelled(arch, rng)
        assert NB101.canonical(twin) == NB101.canonical(arch)
        assert NB101.representative(twin) == NB101.representative(arch)
        assert smallest_form(NB101.representative(arch)) == smallest_form(arch)


def test_nasbench101_canonical_form_is_shared_by_isomorphic_cells_only():
    rng = np.random.default_rng(5)
    cells = [NB101.parse("2:1:"), NB101.parse("3:7:0"), NB101.parse("3:5:0")]
    for _ in range(40):  # families of close relatives
        arch = NB101.sample(rng)
        cells += [arch, *(NB101.mutate(arch, rng) for _ in range(4))]
    forms = {arch: smallest_form(arch) for arch in cells}
    keys = {arch: NB101.canonical(arch) for arch in cells}
    assert len(set(forms.values())) == len(set(keys.values())) == len(set(zip(forms.values(), keys.values())))


def test_nasbench101_samples_and_mutants_obey_the_benchmarks_limits():
    rng = np.random.default_rng(6)
    arch = NB101.parse("2:1:")  # a mutant of the smallest cell gets seven vertices, too
    for _ in range(200):
        child = NB101.mutate(arch, rng)
        assert NB101.canonical(child) != NB101.canonical(arch)
        for cell in (child, NB101.sample(rng)):
            assert len(cell.matrix) == 7 and len(cell.ops) == 5
            assert not np.tril(np.array(cell.matrix)).any()
            assert 1 <= np.array(cell.pruned.matrix).sum() <= 9
        arch = child


def test_nasbench101_sampling_is_uniform_over_operations_of_every_vertex():
    rng = np.random.default_rng(7)
    ops = np.array([NB101.sample(rng).ops for _ in range(1500)])
    for vertex in range(5):
        assert stats.chisquare(np.bincount(ops[:, vertex], minlength=3)).pvalue > 1e-4


def test_nasbench101_records_with_matrices_lie_at_their_index(shared, table101):
    records = json.loads(gzip.decompress((shared / "nasbench101_gennas_sets.json.gz").read_bytes()))["test_2500"]
    for record in records[::100]:
        arch = NB101.parse(json.dumps({"matrix": record["matrix"], "ops": record["ops"]}))
        row = NB101.parse(compact101(table101.iloc[record["index"]]))
        assert NB101.canonical(arch) == NB101.canonical(row)
        assert NB101.representative(arch) == NB101.representative(row)


@pytest.mark.parametrize(
    "text, count",
    [("7:134255:02001", 8_555_530), ("7:10423d:11010", 5_878_154)],  # the benchmark's numbers 0 and 1
)
def test_nasbench101_counts_of_the_first_cells(text, count):
    with uninitialised():
        assert parameters(NB101.build_network(NB101.parse(text))) == count


@pytest.mark.parametrize("index, count", [("0", 129_306), ("1", 802_426)])
def test_nasbench201_counts_of_the_first_cells(index, count):
    with uninitialised():
        assert parameters(NB201.build_network(NB201.parse(index))) == count


@pytest.mark.parametrize("text", [None, "2:1:", "7:134255:02001"])
def test_full_size_networks_give_logits(text):
    space = NB101 if text else NB201
    network = space.build_network(space.parse(text or "9"), classes=7).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 7) and torch.isfinite(logits).all()


def test_nasbench201_sampling_is_uniform_on_every_edge():
    rng = np.random.default_rng(8)
    ops = np.array([NB201.sample(rng).ops for _ in range(5000)])
    for edge in range(6):
        assert stats.chisquare(np.bincount(ops[:, edge], minlength=5)).pvalue > 1e-4
    pairs = np.bincount(ops[:, 0] * 5 + ops[:, 5], minlength=25)  # and edges are independent
    assert stats.chisquare(pairs).pvalue > 1e-4


def test_nasbench201_live_edges_lie_on_a_path_from_input_to_output():
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    for arch in itertools.islice(NB201, 0, None, 7):
        present = {edge: op for edge, op in zip(edges, arch.ops) if op}
        on_path = set()
        for inner in ((), (1,), (2,), (1, 2)):
            path = list(zip((0, *inner), (*inner, 3)))
            if all(edge in present for edge in path):
                on_path.update(path)
        assert {(s, t): op for op, s, t in arch.live_edges()} == {e: present[e] for e in on_path}


def test_nasbench201_cells_of_one_class_compute_the_same():
    """Random functions stand for the operations; a missing value stays missing."""
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    functions = {2: lambda v: v * v + 3, 3: lambda v: v * v * v + 5, 4: lambda v: 7 * v**5 + 11}
    classes = {}
    for arch in NB201:
        nodes = [123_457, None, None, None]
        for (source, target), op in zip(edges, arch.ops):
            if op and nodes[source] is not None:
                value = nodes[source] if op == 1 else functions[op](nodes[source]) % 2_147_483_647
                nodes[target] = (nodes[target] or 0) + value
        for key in (NB201.canonical(arch), "live " + NB201.score_key(arch)):
            classes.setdefault(key, set()).add(nodes[3])
    assert all(len(outputs) == 1 for outputs in classes.values())
    live = [outputs for key, outputs in classes.items() if key.startswith("live")]
    assert len(live) == len(set().union(*live)) == 4_930


@pytest.mark.parametrize("space", [NB201, NB101], ids=lambda space: space.name)
def test_sampling_and_mutation_follow_the_generator_and_leave_the_parent(space):
    first, again, other = ([space.sample(np.random.default_rng(seed)) for _ in range(3)] for seed in (0, 0, 1))
    assert first == again != other
    parent, text = first[0], str(first[0])
    children = [space.mutate(parent, np.random.default_rng(2)) for _ in range(2)]
    assert children[0] == children[1] and str(parent) == text


def test_most_spaces_cannot_be_listed():
    with pytest.raises(ArchitectureError, match="sample"):
        iter(load_space("nds_darts"))


def assert_behaves_alike(space, twin):
    assert type(twin) is type(space) and vars(twin).keys() == vars(space).keys()
    assert (twin.source, twin.example, twin.size) == (space.source, space.example, space.size)
    archs = [[s.sample(np.random.default_rng(seed)) for seed in range(5)] for s in (space, twin)]
    assert archs[0] == archs[1]
    for arch in archs[0]:
        assert twin.parse(str(arch)) == arch and twin.score_key(arch) == space.score_key(arch)
    children = [s.mutate(archs[0][0], np.random.default_rng(0)) for s in (space, twin)]
    assert children[0] == children[1]


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("name", SPACES.names())
def test_spaces_survive_pickle(name, protocol):
    space = load_space(name)
    space.parse(space.example)  # fills what is computed once
    assert_behaves_alike(space, pickle.loads(pickle.dumps(space, protocol)))


@pytest.mark.parametrize("name", ["nds_resnet", "nasbench_nlp"])
def test_spaces_over_architectures_survive_pickle(name):
    rng = np.random.default_rng(0)
    full = load_space(name)
    given = [full.sample(rng) for _ in range(6)]
    space = full.over([str(given[0]), *given[1:]], "some.csv")
    assert space.source == f"{name}:some.csv" and full.source == name
    assert {space.sample(rng) for _ in range(100)} == set(given)
    assert space.mutate(given[0], rng) in given[1:]
    assert_behaves_alike(space, pickle.loads(pickle.dumps(space)))


def test_a_space_that_is_not_registered_survives_pickle():
    twin = pickle.loads(pickle.dumps(Numbers(5)))
    assert type(twin) is Numbers and twin.limit == 5


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "nds_darts", "transnas101_micro"])
def test_spaces_with_rules_of_their_own_take_no_list(name):
    with pytest.raises(ArchitectureError, match="its own rules; leave out ':some.csv'"):
        load_space(name).over([], "some.csv")


class Numbers(SearchSpace[int]):
    """The least that a space needs."""

    name = "numbers"
    description = "numbers"

    def __init__(self, limit=10):
        self.limit = limit

    def sample(self, rng):
        return int(rng.integers(self.limit))

    def mutate(self, arch, rng):
        return (arch + 1) % self.limit

    def parse(self, text):
        return int(text)

    def canonical(self, arch):
        return str(arch)

    def representative(self, arch):
        return arch

    def build(self, arch, fidelity):
        raise NotImplementedError

    def build_network(self, arch, classes=10):
        raise NotImplementedError


def test_a_space_says_by_itself_what_its_architectures_look_like():
    space = Numbers()
    assert space.parse(space.example) in range(10)
    assert space.source == "numbers" and space.unchecked == {} and space.metrics == ()
