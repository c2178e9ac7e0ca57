"""Scores of NASLib's graphs: with graphs of our own making, and with the real NASLib as a measure of its registry."""

from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from naslib_gennas import Scorer, load_preset, load_space, preset_names
from naslib_gennas.errors import DeviceError, ImageError, InputError, SpecError, UnknownNameError
from naslib_gennas.plugin import graphs
from naslib_gennas.plugin.graphs import SEGMENTS, GraphScorer
from naslib_gennas.proxy.regression import build_and_regress
from naslib_gennas.runs.score_files import FAILURE
from naslib_gennas.scoring.gennas import run_generator
from naslib_gennas.spaces.pasted import OUR_NAMES, from_naslib, to_naslib

TINY = load_preset("tiny").with_fidelity(cells=1, channels=4, input_size=16, batch_size=4, steps=3, average=1)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "naslib_zero_cost.py"


def images(count: int = 6, size: int = 16) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))


class Graph:
    """What is asked of a NASLib graph of a space that we know."""

    def __init__(self, space, spec):
        self.space = space
        self.spec = spec

    def get_type(self):
        return self.space

    def get_hash(self):
        return self.spec


def sampled(space: str, seed: int = 0) -> Graph:
    arch = load_space(space).sample(np.random.default_rng(seed))
    return Graph(space, to_naslib(space, arch))


# --- spaces that we have too


@pytest.mark.parametrize("kind", ["nasbench101", "nasbench201", "nasbench301", "transbench101_micro"])
def test_equals_the_scorer(kind):
    space = OUR_NAMES.get(kind, kind)
    graph, batch = sampled(space), images()
    graph.space = kind
    scores = GraphScorer(TINY, seed=3)
    arch = from_naslib(space, graph.spec)
    expected = Scorer(space, TINY, 3, images=batch).score(arch).value
    assert scores.score(graph, [(batch, torch.zeros(6))]) == expected
    assert scores.score(graph, batch) == expected
    assert scores.score(graph) == Scorer(space, TINY, 3).score(arch).value != expected


def test_first_images_count_and_scores_are_remembered(monkeypatch):
    graph, batch, scores = sampled("nasbench201"), images(9), GraphScorer(TINY)
    first = scores.score(graph, batch)
    assert scores.score(graph, batch[:4]) == first != scores.score(graph, batch[1:])
    monkeypatch.setattr(Scorer, "_scored", None)  # cannot compute any more
    assert scores.score(graph, batch.clone()) == first
    isomorphic = Graph("nasbench201", [np.int64(code) for code in graph.spec])
    assert scores.score(isomorphic, batch) == first


def test_kept_batches_are_few():
    scores = GraphScorer(TINY)
    for seed in range(graphs.SCORERS + 3):
        scores.scorer("nasbench201", images() + seed)
    assert len(scores._scorers) == graphs.SCORERS


def test_settings():
    graph = sampled("nasbench201")
    twice = GraphScorer(TINY, repeats=2)
    assert twice.preset.fidelity.repeats == 2
    assert len({GraphScorer(TINY).score(graph), GraphScorer(TINY, seed=1).score(graph), twice.score(graph)}) == 3
    explosive = TINY.with_fidelity(learning_rate=1e30, steps=20)
    assert GraphScorer(explosive).score(graph) is None
    with pytest.raises(UnknownNameError, match="did you mean fast"):
        GraphScorer("fats")
    with pytest.raises(SpecError, match="repeats"):
        GraphScorer(TINY, repeats=0)
    with pytest.raises(DeviceError):
        GraphScorer(TINY, device="abacus").score(graph)


def test_a_failed_regression_is_no_score_and_a_warning(monkeypatch, recwarn):
    explosive = TINY.with_fidelity(learning_rate=1e30, steps=20)
    assert GraphScorer(explosive).score(sampled("nasbench201")) is None
    assert not recwarn.list  # it diverged, as some do

    def fail(self, arch, member, repeat):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Scorer, "_regress", fail)
    with pytest.warns(UserWarning, match=r"gennas of \|.* failed: RuntimeError: out of memory"):
        assert GraphScorer(TINY).score(sampled("nasbench201")) is None


def test_copies_have_forgotten_the_scores_and_give_the_same():
    scores, batch = GraphScorer(TINY, seed=2, repeats=2), images()
    expected = scores.score(sampled("nasbench201"), batch)
    for other in (copy.deepcopy(scores), pickle.loads(pickle.dumps(scores))):
        assert other.preset == scores.preset and not other._scorers
        assert other.score(sampled("nasbench201"), batch) == expected
    assert len(scores._scorers) == 1


@pytest.mark.parametrize("loader, sentence", [
    ([(images(3), None)], "has 3 images, 4 are needed"),
    ([(images()[:, :1], None)], r"must be floating point \(n, 3, h, w\)"),
    ([(images()[0], None)], r"must be floating point \(n, 3, h, w\)"),
    ([((255 * images()).to(torch.uint8), None)], "uint8"),
    ([(images() / 0, None)], "NaN or infinite"),
    ([], "list. yields no batch"),
    (7, "int. yields no batch"),
    ([("picture", None)], "must yield"),
])  # fmt: skip
def test_unsuitable_images(loader, sentence):
    with pytest.raises(ImageError, match=sentence):
        GraphScorer(TINY).score(sampled("nasbench201"), loader)


@pytest.mark.parametrize("graph, sentence", [
    (nn.Linear(2, 2), "got a Linear"),
    (Graph("nlp", None), "no network for its recipes"),
    (Graph("asr", None), "is no image"),
    (Graph("nasbench202", None), "did you mean nasbench201"),
    (Graph("nasbench_nlp", None), "no search space of NASLib's"),
    (Graph("nasbench201", (1, 2)), "6"),
])  # fmt: skip
def test_graphs_that_cannot_be_scored(graph, sentence):
    with pytest.raises(InputError, match=sentence):
        GraphScorer(TINY).score(graph)


def test_graph_without_architecture():
    graph = Graph("nasbench201", None)
    graph.get_hash = lambda: tuple(None)
    with pytest.raises(InputError, match="has no architecture.*set_spec"):
        GraphScorer(TINY).score(graph)


# --- copied networks


def layer(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs, affine=False), nn.ReLU())


class Foreign(Graph):
    """A parsed graph of another space."""

    def __init__(self, widths=(4, 4, 6, 8), strides=(1, 1, 2, 2), spec=(1, 2)):
        super().__init__("foreign", spec)
        inputs = (3, *widths[:-1])
        self.network = nn.Sequential(*map(layer, inputs, widths, strides))
        self.is_parsed = True


@pytest.fixture
def foreign(monkeypatch):
    monkeypatch.setitem(SEGMENTS._entries, "foreign", lambda graph: list(graph.network))
    return Foreign


class Reference(nn.Module):
    channels = (4, 6, 8)

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        maps = []
        for part in self.network:
            x = part(x)
            maps.append(x)
        return maps[1:]


def test_copied_network_equals_a_regression_by_hand(foreign):
    batch = images()
    scores = GraphScorer(TINY, seed=2)
    score = scores.score(foreign(), batch)
    targets = TINY.materialise(batch, run_generator(2, "task", 0)).to(torch.device("cpu"))
    reference = Reference(Foreign().network)
    result = build_and_regress(reference, targets, TINY.fidelity, run_generator(2, "network", 0))
    assert score == -result.loss


def test_graph_and_generators_stay_as_they_are(foreign):
    graph = foreign()
    graph.network.eval()
    before = {key: value.clone() for key, value in graph.network.state_dict().items()}
    state = generators()
    score = GraphScorer(TINY).score(graph, images())
    assert same(state, generators())
    assert all(torch.equal(before[key], value) for key, value in graph.network.state_dict().items())
    assert not graph.network.training and all(p.grad is None for p in graph.network.parameters())
    assert GraphScorer(TINY).score(foreign(), images()) == score  # whatever its weights
    assert GraphScorer(TINY).score(foreign(widths=(4, 4, 6, 9)), images()) != score


def test_images_are_enlarged_where_the_network_shrinks_them(foreign):
    scores = GraphScorer(TINY)
    scores.score(foreign(strides=(4, 2, 1, 2)), images())
    [scorer] = scores._scorers.values()
    assert scorer.preset.fidelity.input_size == 64 and scorer.preset.fidelity.signal_size == 4


def test_stages_are_thirds(foreign):
    ends = [graphs.copied(foreign((4,) * (n + 1), (1,) * (n + 1)), "foreign").ends for n in (3, 4, 5, 6)]
    assert ends == [[1, 2, 3], [2, 3, 4], [2, 4, 5], [2, 4, 6]]
    with pytest.raises(InputError, match="needs 3 layers after its stem"):
        GraphScorer(TINY).score(foreign((4, 4, 4), (1, 1, 1)))


def test_unparsed_graph_is_an_error(foreign):
    graph = foreign()
    graph.is_parsed = False
    with pytest.raises(InputError, match="not parsed.*graph.parse()"):
        GraphScorer(TINY).score(graph)


def generators():
    return torch.get_rng_state(), np.random.get_state()[1:3], random.getstate()


def same(first, second) -> bool:
    return (
        torch.equal(first[0], second[0])
        and np.array_equal(first[1][0], second[1][0])
        and first[1][1] == second[1][1]
        and first[2] == second[2]
    )


# --- the real NASLib


@pytest.fixture(scope="module")
def naslib(naslib_home):
    import warnings

    from naslib_gennas.plugin import loading

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return loading.load(naslib_home)


@pytest.fixture
def register(naslib, monkeypatch):
    """The measures, with their settings put back afterwards."""
    from naslib_gennas.plugin import measure

    monkeypatch.setattr(measure, "_settings", replace(measure._settings))
    return measure.register


@pytest.mark.naslib
def test_registered_once_under_every_preset(naslib, register):
    names = register()
    assert register() == names
    known = naslib["measures"].available_measures
    assert all(known.count(name) == 1 for name in names)
    cnn = [name for name in preset_names() if load_preset(name).kind == "cnn"]
    assert names == ["gennas", *(f"gennas_{name}" for name in cnn)]
    assert {"synflow", "nwot", "jacov"} <= set(known)


SPECS = {
    "nasbench101": to_naslib("nasbench101", "5:397:000"),
    "nasbench201": (4, 0, 3, 1, 4, 3),
}


@pytest.mark.naslib
@pytest.mark.parametrize("space", list(SPECS))
@pytest.mark.parametrize("parsed", [False, True])
def test_measure_equals_the_scorer_and_leaves_no_trace(naslib, register, space, parsed):
    register(seed=4, device="cpu")
    zero_cost = naslib["ZeroCost"]("gennas")
    graph = naslib["get_search_space"](space, "cifar10")
    graph.instantiate_model = parsed  # else it is a specification
    graph.set_spec(SPECS[space])
    if parsed:
        graph.parse()
    graph.get_prunable_copy = None  # a copy would have to call it
    weights = {key: value.clone() for key, value in graph.state_dict().items()}
    state, flags = generators(), (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype())
    batch = images(16, 32)
    score = zero_cost.query(graph, [(batch, torch.zeros(16, dtype=torch.long))])
    assert same(state, generators())
    assert flags == (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype())
    assert type(score) is float
    assert score == Scorer(space, "hybrid", 4, images=batch).score(from_naslib(space, SPECS[space])).value
    assert all(torch.equal(weights[key], value) for key, value in graph.state_dict().items())
    assert all(parameter.grad is None for parameter in graph.parameters()) and graph.training


@pytest.mark.naslib
def test_measure_of_a_preset_and_failures(naslib, register, monkeypatch):
    from naslib_gennas.plugin import measure

    register(device="cpu")
    graph = naslib["NasBench201SearchSpace"]()
    graph.set_spec(SPECS["nasbench201"])
    batch = images(16, 32)
    loader = [(batch, torch.zeros(16, dtype=torch.long))]
    short = load_preset("paper-combo").with_fidelity(steps=2, cells=1, channels=4)
    monkeypatch.setattr(measure, "_scorer", lambda preset, seed, device: GraphScorer(short, seed, device))
    expected = Scorer("nasbench201", short, images=batch).score(from_naslib("nasbench201", SPECS["nasbench201"]))
    assert naslib["ZeroCost"]("gennas_paper-combo").query(graph, loader) == expected.value
    explosive = short.with_fidelity(learning_rate=1e30, steps=20)
    monkeypatch.setattr(measure, "_scorer", lambda preset, seed, device: GraphScorer(explosive, seed, device))
    assert naslib["ZeroCost"]("gennas").query(graph, loader) == FAILURE
    with pytest.raises(ImageError, match="has 2 images"):
        naslib["ZeroCost"]("gennas").query(graph, [(batch[:2], torch.zeros(2))])


@pytest.mark.naslib
def test_graph_of_transbench_by_a_copy(naslib):
    graph = naslib["TransBench101SearchSpaceMicro"](dataset="svhn", create_graph=True)
    graph.set_spec(np.array((3, 2, 1, 2, 1, 0)))
    tiny = TINY.with_fidelity(input_size=8, batch_size=2, steps=1)
    with pytest.raises(InputError, match="not parsed"):
        GraphScorer(tiny).score(graph)
    graph.parse()
    weights = {key: value.clone() for key, value in graph.state_dict().items()}
    state = generators()
    backbone = graphs.copied(graph, graph.get_type())
    assert (backbone.channels, backbone.enlargement) == ((128, 128, 256), 1)
    score = GraphScorer(tiny).score(graph)
    assert same(state, generators()) and weights
    assert all(torch.equal(weights[key], value) for key, value in graph.state_dict().items())
    assert -100 < score < 0 and GraphScorer(tiny, seed=1).score(graph) != score


@pytest.mark.naslib
@pytest.mark.parametrize("kind, arguments, spec, text", [
    ("Micro", {"dataset": "jigsaw"}, (3, 0, 1, 2, 0, 2), "64-41414-3_01_202"),
    ("Macro", {"dataset": "autoencoder"}, (2, 1, 1, 3, 0, 0), "64-2113-basic"),
])  # fmt: skip
def test_networks_of_transbench_are_ours(naslib, kind, arguments, spec, text):
    graph = naslib[f"TransBench101SearchSpace{kind}"](**arguments)
    graph.set_spec(np.array(spec))
    graph.parse()
    batch = images(16, 32)
    assert (
        GraphScorer(TINY).score(graph, batch)
        == Scorer(f"transnas101_{kind.lower()}", TINY, images=batch).score(text).value
    )


@pytest.mark.naslib
@pytest.mark.parametrize("name", ["NasBenchNLPSearchSpace", "NasBenchASRSearchSpace"])
def test_spaces_without_networks_are_refused(naslib, name):
    spaces = sys.modules[naslib["NasBench201SearchSpace"].__module__.split(".nasbench201")[0]]
    if not hasattr(spaces, name):
        pytest.skip(f"this NASLib has no {name}")
    with pytest.raises(InputError, match="gennas cannot score NASLib's graphs"):
        GraphScorer(TINY).score(getattr(spaces, name)())


@pytest.mark.naslib
def test_example(naslib_home, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--count", "3", "--measures", "gennas", "jacov", "--out", tmp_path / "out"],
        env={**os.environ, "NASLIB_HOME": str(naslib_home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["measure", "Spearman", "Kendall", "s/arch"]
    assert [row.split()[0] for row in rows] == ["gennas", "jacov"]
