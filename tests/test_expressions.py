"""Networks as expressions against the modules with the same weights; sharing, order, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from naslib_gennas import Scorer
from naslib_gennas.errors import InputError
from naslib_gennas.proxy import expressions
from naslib_gennas.proxy.expressions import Graph, evaluate, fill, weight
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.proxy.presets import parse_preset
from naslib_gennas.spaces import SPACES, load_space

SHARING = [name for name in SPACES.names() if load_space(name).shares_parts]
SIZE, IMAGES = 16, 3
SMALL = Fidelity(cells=2, channels=8, input_size=SIZE, batch_size=IMAGES, solver="ridge")
PRESET = parse_preset(
    """
name: mine
task:
  noise: {level: 0.3}
  weights: [1, 0.5, 0.25]
  stages: [{signals: [{kind: dot}]}, {signals: [{kind: dot}]}, {signals: [{kind: dot}]}]
fidelity: {solver: ridge, ridge: 0.1, cells: 2, channels: 8, input_size: 16, batch_size: 4}
""",
    "mine.yaml",
)


def images(seed=0):
    return torch.randn(IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def drawn(space, count=8, seed=0):
    rng = np.random.default_rng(seed)
    return [space.reduced(space.sample(rng)) for _ in range(count)]


def rows(space, archs, size=SIZE, memory=512, seed=5, fidelity=SMALL):
    """Of every stage of every architecture, in float64."""
    graph = Graph(SIZE)
    outputs = [tuple(graph.shrink(n, size) for n in space.expressions(a, fidelity, graph)) for a in archs]
    found = [None] * len(archs)
    for places, maps in evaluate(graph, outputs, images().double(), seed, memory):
        for i, place in enumerate(places):
            found[place] = [stage[i] for stage in maps]
    return found


def test_there_are_spaces_that_share():
    assert {"nasbench101", "nasbench201", "transnas101_micro", "transnas101_macro"} <= set(SHARING)


@pytest.mark.parametrize("name", SHARING)
def test_the_graph_is_the_module_with_the_same_weights(name):
    space = load_space(name)
    archs = drawn(space)
    for arch, found in zip(archs, rows(space, archs)):
        module = space.build(arch, SMALL)
        fill(module, seed=5)
        with torch.no_grad():
            maps = module.double().train()(images().double())
        for expected, stage in zip(maps, found):
            wanted = expected.permute(0, 2, 3, 1).flatten(0, 2)
            assert stage.shape == wanted.shape
            assert torch.allclose(stage, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("size", [1, 4])
def test_shrinking_early_is_shrinking_late(name, size):
    space = load_space(name)
    archs = drawn(space, 4)
    for whole, small in zip(rows(space, archs), rows(space, archs, size)):
        for late, early in zip(whole, small):
            side = round((len(late) / IMAGES) ** 0.5)
            maps = late.view(IMAGES, side, side, -1).permute(0, 3, 1, 2)
            there = min(size, side)
            late = torch.nn.functional.interpolate(maps, size=(there, there), mode="nearest")
            assert torch.allclose(late.permute(0, 2, 3, 1).flatten(0, 2), early, atol=1e-9)


@pytest.mark.parametrize("name", SHARING)
def test_scores_depend_neither_on_order_nor_on_company_nor_on_memory(name):
    archs = drawn(load_space(name), 12)
    together = {s.arch: s.value for s in Scorer(name, PRESET).score_many(archs)}
    backwards = {s.arch: s.value for s in Scorer(name, PRESET, memory=2).score_many(archs[::-1])}
    alone = {str(arch): Scorer(name, PRESET).score(arch).value for arch in archs}
    assert together.keys() == backwards.keys() == alone.keys()
    for arch, value in together.items():
        assert backwards[arch] == pytest.approx(value, abs=1e-4)
        assert alone[arch] == pytest.approx(value, abs=1e-4)
    assert len(set(alone.values())) > 1


def test_a_budget_too_small_for_one_architecture_is_refused():
    space = load_space("nasbench201")
    graph = Graph(SIZE)
    outputs = [space.expressions(space.parse("9"), SMALL.model_copy(update={"channels": 64}), graph)]
    with pytest.raises(InputError, match="one architecture needs [0-9]+ MB of feature maps"):
        list(evaluate(graph, outputs, images(), 0, memory=1))


def test_a_network_without_a_path_gives_zeros_of_the_right_shape():
    space = load_space("nasbench201")
    dead = space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    (found,) = rows(space, [dead])
    assert [tuple(stage.shape) for stage in found] == [(3 * 256, 8), (3 * 64, 16), (3 * 16, 32)]
    assert all(bool((stage == 0).all()) for stage in found)
    assert Scorer("nasbench201", PRESET).score(dead).status == "ok"


def test_all_first_cells_of_the_benchmark_need_few_convolutions(monkeypatch):
    """As many as there are different (operation, edge, function of the input); counted from the cells themselves."""
    space, convolved = load_space("nasbench201"), []
    original = expressions._Evaluation._convolved
    monkeypatch.setattr(
        expressions._Evaluation,
        "_convolved",
        lambda self, what, sources: convolved.append(len(sources)) or original(self, what, sources),
    )
    graph, fidelity = Graph(8), Fidelity(cells=1, channels=2, input_size=8)
    archs = list(dict.fromkeys(space.reduced(arch) for arch in space))
    assert len(archs) == 4930
    outputs = [(graph.shrink(space.expressions(arch, fidelity, graph, stages=1)[0], 2),) for arch in archs]
    list(evaluate(graph, outputs, torch.randn(2, 3, 8, 8), 0))
    assert sum(convolved) == 1 + len({term for arch in archs for term in convolutions(arch)})


def convolutions(arch):
    """(edge, operation, what it reads) of the convolutions of a cell, sums as sorted tuples."""
    terms = {0: ["x"], 1: [], 2: [], 3: []}
    for op, source, target in arch.live_edges():
        value = terms[source][0] if len(terms[source]) == 1 else tuple(sorted(terms[source], key=repr))
        if op in (2, 3):
            yield ((source, target), op, value)
        terms[target].append(value if op == 1 else (("pool",) if op == 4 else (source, target, op)) + (value,))


def test_weights_are_of_their_seed_place_and_shape_alone():
    one = weight(1, (0, 2, "a"), (8, 4, 3, 3))
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    assert torch.equal(weight(1, (0, 2, "a"), (8, 4, 3, 3)), one)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(weight(2, (0, 2, "a"), (8, 4, 3, 3)), one)
    assert not torch.equal(weight(1, (0, 2, "b"), (8, 4, 3, 3)), one)
    assert not torch.equal(weight(1, (0, 2, "a"), (16, 4, 3, 3))[:8], one)
    large = weight(3, ("wide",), (512, 64, 3, 3))
    assert float(large.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.01)


def test_a_layer_without_a_place_is_not_filled():
    with pytest.raises(InputError, match="the layer 0 of Sequential has no place"):
        fill(nn.Sequential(nn.Conv2d(3, 4, 1)), 0)


@pytest.mark.parametrize("name", SHARING)
def test_places_cost_nothing_where_networks_are_trained(name):
    """Building draws nothing, and layers have their places even without storage."""
    space = load_space(name)
    with uninitialised():
        module = space.build(drawn(space, 1)[0], SMALL)
    assert all(p.device.type == "meta" for p in module.parameters())
    assert any(hasattr(layer, "places") for layer in module.modules())
