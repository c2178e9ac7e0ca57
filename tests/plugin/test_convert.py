"""Architectures in NASLib's compact form and in ours."""

from __future__ import annotations

import importlib
import json
import sys
import warnings

import numpy as np
import pytest

from naslib_gennas import load_space
from naslib_gennas.errors import ArchitectureError, UnknownNameError
from naslib_gennas.plugin import loading
from naslib_gennas.spaces.pasted import CONVERTERS, from_naslib, to_naslib

SPACES = ["nasbench101", "nasbench201", "nasbench301", "transnas101_micro", "transnas101_macro"]


def samples(space: str, count: int = 30):
    rng = np.random.default_rng(1)
    return [load_space(space).sample(rng) for _ in range(count)]


def deep(value, leaf, sequence):
    """The same nested value with other types."""
    if isinstance(value, tuple):
        return sequence(deep(item, leaf, sequence) for item in value)
    return leaf(value)


@pytest.mark.parametrize("space", SPACES)
def test_there_and_back(space):
    for arch in samples(space):
        spec = to_naslib(space, arch)
        assert from_naslib(space, spec) == arch
        assert to_naslib(space, str(arch)) == spec == to_naslib(space, from_naslib(space, spec))


@pytest.mark.parametrize("space", SPACES)
def test_every_way_of_writing_it(space):
    arch = samples(space, 1)[0]
    spec = to_naslib(space, arch)
    assert deep(spec, type, tuple) == deep(spec, lambda _: int, tuple)  # plain integers, so that str is the key
    forms = [
        deep(spec, int, list),
        deep(spec, np.int64, tuple),
        deep(spec, np.int8, list),
        np.array(spec),
        str(spec),
        str(deep(spec, int, list)),
        f"  {spec} ",
        str(deep(spec, lambda code: f"np.int64({code})", tuple)).replace("'", ""),  # numpy >= 2
        json.dumps(spec),
    ]
    assert all(from_naslib(space, form) == arch for form in forms)


def test_known_pairs():
    """Worked out by hand: NASLib counts edges (1,2) (1,3) (1,4) (2,3) (2,4) (3,4), 0 skip, 1 none, 2 and 3
    convolutions 3x3 and 1x1, 4 pooling; for NAS-Bench-101 2 pooling, 3 and 4 convolutions 1x1 and 3x3."""
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    assert to_naslib("nasbench201", text) == (2, 3, 0, 1, 4, 2)
    cell = {"matrix": [[0, 1, 1], [0, 0, 1], [0, 0, 0]], "ops": ["input", "conv1x1-bn-relu", "output"]}
    rows = [[0] * 7 for _ in range(7)]
    rows[0][1] = rows[0][6] = rows[1][6] = 1  # the output is the last of seven vertices
    spec = (*sum(rows, []), 0, 3, 4, 4, 4, 4, 1)
    assert to_naslib("nasbench101", json.dumps(cell)) == spec
    small = (0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 3, 1)
    assert from_naslib("nasbench101", small) == load_space("nasbench101").parse(json.dumps(cell))


@pytest.mark.parametrize("space, spec, sentence", [
    ("nasbench201", (1, 2, 3), "3 numbers, expected 6"),
    ("nasbench201", (0, 1, 2, 3, 4, 5), "operation 5 is 5"),
    ("nasbench201", (0, -1, 2, 3, 4, 0), "-1"),
    ("nasbench201", (0, 1.5, 2, 3, 4, 0), "1.5"),
    ("nasbench201", (0, True, 2, 3, 4, 0), "True"),
    ("nasbench201", 7, "one number"),
    ("nasbench201", None, "None"),
    ("nasbench201", "hello", "hello: the text is no tuple of integers"),
    ("nasbench201", "(" * 500, "nasbench201"),
    ("nasbench201", "__import__('os').getpid()", "nasbench201"),
    ("nasbench101", (0,) * 55, "55 numbers"),
    ("nasbench101", (0,) * 56, "output"),
    ("nasbench101", (*(0,) * 49, 0, 4, 4, 4, 4, 4, 1), "disconnected"),
    ("nasbench101", (*(0,) * 42, 1, *(0,) * 6, 0, 4, 4, 4, 4, 4, 1), "below the diagonal"),
    ("nasbench101", "00005c142e6f48ac74fdcf73e3439874", "nasbench101"),
    ("nasbench301", ((0, 1), (2, 3)), "nasbench301"),
    ("transnas101_micro", (0, 1, 2, 3, 4, 0), "operation 4 is 4"),
    ("transnas101_macro", (1, 0, 3, 2, 0, 0), "transnas101_macro"),
])  # fmt: skip
def test_what_is_no_compact_form(space, spec, sentence):
    with pytest.raises(ArchitectureError, match=sentence) as caught:
        from_naslib(space, spec)
    assert "\n" not in str(caught.value)


def test_recipes_of_nasbench_nlp():
    space = load_space("nasbench_nlp")
    recipe = {
        "h_new_1": {"op": "activation_tanh", "input": ["node_7"]},
        "node_7": {"op": "linear", "input": ["x", "h_prev_0", "h_prev_1"]},
        "h_new_0": {"op": "blend", "input": ["node_7", "h_prev_0", "node_7"]},
    }
    spec = to_naslib("nasbench_nlp", json.dumps(recipe))
    assert spec == (
        ((0, 4), (1, 4), (2, 4), (4, 5), (1, 5), (4, 5), (4, 6)),
        (0, 0, 0, 0, 6, 7, 2),
        (5, 6),
    )
    names = {"node_7": "node_0"}
    expected = {
        names.get(name, name): (node["op"], [names.get(source, source) for source in node["input"]])
        for name, node in recipe.items()
    }
    back = from_naslib("nasbench_nlp", str(spec))
    assert {name: (op, list(inputs)) for name, op, inputs in back.nodes} == expected
    for arch in samples("nasbench_nlp"):
        try:
            spec = to_naslib("nasbench_nlp", arch)
        except ArchitectureError as error:
            assert "no way to write" in str(error)
            continue
        back = from_naslib("nasbench_nlp", deep(spec, np.int64, list))
        assert space.canonical(back) == space.canonical(arch)
        assert to_naslib("nasbench_nlp", back) == spec


@pytest.mark.parametrize("spec, sentence", [
    ((1, 2, 3), "edges, operations, states"),
    (((), (0, 0, 0, 0), (9,)), "state 0 is 9"),
    ((((0, 4),), (0, 0, 0, 1, 6), (4,)), "first 4 nodes"),
    ((((0, 4), (1, 5)), (0, 0, 0, 0, 6), (4,)), "end of an edge 1 is 5"),
    (((0,),) * 3, "edge|node"),
    ((((0, 4), (4, 5), (5, 4)), (0, 0, 0, 0, 6, 2), (5,)), "cycle"),
    ((((0, 4), (1, 4)), (0, 0, 0, 0, 6), ()), "no node 'h_new_0'"),
])  # fmt: skip
def test_what_is_no_recipe(spec, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        from_naslib("nasbench_nlp", spec)


def test_space_without_converter():
    with pytest.raises(UnknownNameError, match="nasbench201"):
        from_naslib("nasbench202", (0,) * 6)
    assert set(SPACES) <= set(CONVERTERS.names())


# --- against NASLib's own conversions


@pytest.fixture(scope="module")
def naslib(naslib_home):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return loading.load(naslib_home)


@pytest.mark.naslib
def test_nasbench201_as_naslib_writes_it(naslib):
    theirs = sys.modules["naslib.search_spaces.nasbench201.conversions"]
    for arch in samples("nasbench201"):
        assert theirs.convert_op_indices_to_str(to_naslib("nasbench201", arch)) == str(arch)
        assert tuple(theirs.convert_str_to_op_indices(str(arch))) == to_naslib("nasbench201", arch)


@pytest.mark.naslib
def test_nasbench101_as_naslib_writes_it(naslib):
    theirs = sys.modules["naslib.search_spaces.nasbench101.conversions"]
    graph = naslib["NasBench101SearchSpace"]()
    for text in [*map(str, samples("nasbench101", 10)), "5:397:000", "3:5:2"]:
        arch = load_space("nasbench101").parse(text)
        cell = json.loads(arch.to_json())
        padded = graph.convert_to_cell(np.array(cell["matrix"]), cell["ops"])  # NASLib's own seven vertices
        spec = tuple(int(code) for code in theirs.convert_spec_to_tuple(padded))
        assert to_naslib("nasbench101", arch) == spec
        ours = from_naslib("nasbench101", spec)
        assert ours.to_json() == json.dumps({"matrix": padded["matrix"].tolist(), "ops": padded["ops"]})


@pytest.mark.naslib
def test_nasbench301_as_naslib_writes_it(naslib):
    conversions = sys.modules["naslib.search_spaces.nasbench301.conversions"]
    for arch in samples("nasbench301", 10):
        genotype = conversions.convert_compact_to_genotype(to_naslib("nasbench301", arch))
        for ours, theirs in ((arch.normal, genotype.normal), (arch.reduce, genotype.reduce)):
            assert [(str(op), source) for op, source in theirs] == list(ours.edges)


@pytest.mark.naslib
def test_recipes_as_naslib_writes_them(naslib):
    try:
        theirs = importlib.import_module("naslib.search_spaces.nasbenchnlp.conversions")
    except ModuleNotFoundError:
        pytest.skip("this NASLib has no NAS-Bench-NLP")
    for arch in samples("nasbench_nlp", 20):
        try:
            spec = to_naslib("nasbench_nlp", arch)
        except ArchitectureError:
            continue
        recipe = theirs.convert_compact_to_recipe(spec)
        assert recipe == json.loads(str(from_naslib("nasbench_nlp", spec)))
        assert theirs.convert_recipe_to_compact(recipe) == spec


@pytest.mark.naslib
def test_transnas_as_naslib_looks_it_up(naslib):
    theirs = sys.modules["naslib.search_spaces.transbench101.conversions"]
    for kind in ("micro", "macro"):
        write = getattr(theirs, f"convert_op_indices_{kind}_to_str")
        for arch in samples(f"transnas101_{kind}"):
            assert write(to_naslib(f"transnas101_{kind}", arch)) == str(arch)
    assert str(from_naslib("transnas101_macro", np.array([2, 1, 1, 3, 0, 0]))) == "64-2113-basic"
