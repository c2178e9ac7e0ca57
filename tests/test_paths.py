"""What the paths through cells are made of, against walking along every one of them."""

import json
import math

import numpy as np
import pytest
import torch

from naslib_gennas import load_space
from naslib_gennas.errors import InputError
from naslib_gennas.predictors import SpectrumPredictor
from naslib_gennas.spaces.cell_graph import CellGraph
from naslib_gennas.spaces.paths import path_numbers

SPACES_OF_CELLS = ("nasbench101", "nasbench201", "transnas101_micro", "nds_darts", "nds_amoeba_in", "nasbench301")


NONE_CELLS = {
    "normal": [["none", 0], ["none", 1]] * 4,
    "normal_concat": [2, 3, 4, 5],
    "reduce": [["skip_connect", 0], ["skip_connect", 1]] * 4,
    "reduce_concat": [2, 3, 4, 5],
}


def walked(graph):
    """Every path, as the operations on it."""
    last = len(graph.nodes) - 1

    def onwards(node):
        if node == last:
            yield []
        for source, target, name in graph.edges:
            if source == node:
                here = name or ("" if target == last else graph.nodes[target])
                for rest in onwards(target):
                    yield [here, *rest]

    return [[name for name in path if name] for node in range(graph.inputs) for path in onwards(node)]


@pytest.mark.parametrize("name", SPACES_OF_CELLS)
def test_as_by_walking(name):
    space, rng = load_space(name), np.random.default_rng(0)
    for _ in range(40):
        arch = space.reduced(space.sample(rng))
        for cell, graph in space.cell_graphs(arch).items():
            numbers, paths = path_numbers(graph, space.cell_operations), walked(graph)
            assert numbers["paths"] == pytest.approx(math.log1p(len(paths)))
            for kind in space.cell_operations:
                counts = [path.count(kind) for path in paths] or [0]
                assert numbers[f"fewest {kind}"] == min(counts) and numbers[f"most {kind}"] == max(counts)
                assert numbers[f"mean {kind}"] == pytest.approx(np.mean(counts))
            lengths = [sum(name in space.cell_operations for name in path) for path in paths] or [0]
            assert numbers["fewest operations"] == min(lengths) and numbers["most operations"] == max(lengths)
            assert numbers["mean operations"] == pytest.approx(np.mean(lengths))
            assert all(space.path_numbers(arch)[f"{cell} {key}"] == value for key, value in numbers.items())


@pytest.mark.parametrize("name", SPACES_OF_CELLS)
def test_every_architecture_of_a_space_has_the_same_numbers(name):
    space, rng = load_space(name), np.random.default_rng(1)
    names = {tuple(space.path_numbers(space.reduced(space.sample(rng)))) for _ in range(30)}
    assert len(names) == 1
    drawn = {edge[2] for _ in range(30) for g in space.cell_graphs(space.sample(rng)).values() for edge in g.edges}
    assert drawn - {""} <= set(space.cell_operations)


def test_operations_at_the_ends():
    on_edges = CellGraph(("in", "1", "out"), ((0, 1, "conv"), (0, 2, "pool"), (1, 2, "conv")))
    numbers = path_numbers(on_edges, ("conv", "pool", "skip"))
    assert [numbers[f"{kind} at the inputs"] for kind in ("conv", "pool", "skip")] == [1, 1, 0]
    assert [numbers[f"{kind} at the output"] for kind in ("conv", "pool", "skip")] == [1, 1, 0]
    joined = CellGraph(
        ("a", "b", "0", "1", "out"), ((0, 2, "conv"), (1, 2, "pool"), (2, 3, "skip"), (2, 4, ""), (3, 4, "")), 2
    )
    numbers = path_numbers(joined, ("conv", "pool", "skip"))
    assert [numbers[f"{kind} at the output"] for kind in ("conv", "pool", "skip")] == [1, 1, 1]
    assert numbers["paths"] == pytest.approx(math.log(5)) and numbers["conv"] == 1


def test_a_cell_without_a_path_is_all_zero_on_paths():
    numbers = path_numbers(CellGraph(("in", "1", "out"), ((0, 1, "conv"),)), ("conv",))
    assert numbers["paths"] == numbers["most conv"] == numbers["fewest conv"] == numbers["mean operations"] == 0
    assert numbers["conv"] == 1


def test_spaces_without_cells_have_none():
    space = load_space("nds_resnet")
    arch = space.sample(np.random.default_rng(0))
    assert space.path_numbers(arch) == {} and not space.is_cut(arch)


@pytest.mark.parametrize("name", ["nasbench201", "transnas101_micro", "nds_darts"])
def test_a_network_that_is_cut_answers_the_same_to_all_images(name):
    space, rng = load_space(name), np.random.default_rng(3)
    archs = [space.reduced(space.sample(rng)) for _ in range(40 if name == "nds_darts" else 150)]
    if name == "nds_darts":  # the last cell of a network of three is a reduction, of others it is not
        archs += [space.parse(json.dumps({"depth": n, "width": 16, "genotype": NONE_CELLS})) for n in (3, 5)]
    cut, whole = ([arch for arch in archs if space.is_cut(arch) is state] for state in (True, False))
    assert cut and whole
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for arch in (cut[0], cut[-1], whole[0], whole[-1]):
        network = space.build_network(arch).train()
        with torch.no_grad():
            answers = network(images)
        same = bool((answers - answers[:1]).abs().max() < 1e-5)
        assert same is space.is_cut(arch), str(arch)


def test_features_of_which_a_space_has_none_are_a_sentence():
    space, rng = load_space("nds_resnet"), np.random.default_rng(0)
    with pytest.raises(InputError, match="of paths nothing is known in nds_resnet; add another feature"):
        SpectrumPredictor(space, ["paths"]).fit([space.sample(rng) for _ in range(5)], range(5))


def test_a_predictor_of_former_features_is_as_it_was(tmp_path):
    """Files that were written without this feature are read and predict as before."""
    labels = {"5": 60.0, "77": 71.0, "1462": 90.0, "11175": 93.0, "15000": 91.0}
    former = ("closed_form", "size", "encoding")
    before = SpectrumPredictor("nasbench201", former).fit(list(labels), list(labels.values()), range(0, 15625, 500))
    before.save(tmp_path / "predictor.json")
    after = SpectrumPredictor.load(tmp_path / "predictor.json")
    assert after.features == former and "paths" not in after.features_of_columns
    assert after.predict(["8000", "9000"]) == pytest.approx(before.predict(["8000", "9000"]))
    with_paths = SpectrumPredictor("nasbench201", [*former, "paths"]).fit(labels, labels.values(), range(0, 15625, 500))
    assert "cell mean skip" in with_paths.columns and len(with_paths.process.groups) == len(before.process.groups) + 1
