"""Texts that users of the benchmarks paste: against independent readings, and broken ones."""

import json
import sys

import numpy as np
import pytest
import yaml

from naslib_gennas.errors import ArchitectureError
from naslib_gennas.spaces import SPACES, load_space
from naslib_gennas.spaces.forms import literal

NAMES = [name for name in SPACES.names() if load_space(name).forms]


def sampled(name, count=5):
    space = load_space(name)
    return space, [space.sample(np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_all_forms_are_read(name):
    space = load_space(name)
    for form in space.forms:
        arch = space.parse(form.example)
        assert space.parse(str(arch)) == arch and str(arch) != form.example


def test_all_benchmarks_have_forms():
    ours = {name for name in SPACES.names() if name not in ("models", "modules", "timm", "torchvision")}
    assert {name for name in ours if name.startswith(("nas", "nds", "nats", "transnas"))} <= set(NAMES)


def test_darts_is_read_where_its_cells_are():
    text = (
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
        "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
        "normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
        "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
        "reduce_concat=[2, 3, 4, 5])"
    )  # DARTS, second order
    for name in ("nasbench301", "nds_darts", "nds_darts_in", "nds_darts_fix"):
        arch = load_space(name).parse(text)
        assert arch.normal.edges[5] == ("skip_connect", 0) and arch.normal.concat == (2, 3, 4, 5)
        assert arch.reduce.edges[-1] == ("max_pool_3x3", 1)
    positional = text.replace("normal=", "", 1).replace("normal_concat=", "").replace("reduce=", "")
    assert load_space("nds_darts").parse(positional.replace("reduce_concat=", "")) == load_space("nds_darts").parse(
        text
    )


@pytest.mark.parametrize("name", ["nds_darts", "nds_amoeba_in", "nds_resnet", "nds_resnext_a_in", "nasbench_nlp"])
def test_records_as_python_or_json_or_with_more_around_them(name):
    space, archs = sampled(name)
    key = "recipe" if name == "nasbench_nlp" else "net"
    for arch in archs:
        data = json.loads(str(arch))
        for text in (repr(data), repr({key: data, "params": 1}), json.dumps({key: data})):
            assert space.parse(text) == arch


def test_cells_of_nasbench201_by_edge_and_by_node():
    space, archs = sampled("nasbench201")
    for arch in archs:
        groups = [group.strip("|").split("|") for group in str(arch).split("+")]
        pairs = [[tuple(edge.split("~")) for edge in group] for group in groups]
        structure = [[(op, int(source)) for op, source in group] for group in pairs]
        edges = {(int(source), target): op for target, group in enumerate(pairs, 1) for op, source in group}
        written = [
            {f"{source}_{target}": op.replace("nor_", "") for (source, target), op in edges.items()},
            {f"{target}<-{source}": op for (source, target), op in edges.items()},
            {f"{source + 1}_{target + 1}": op for (source, target), op in edges.items()},
            edges,
        ]
        for text in (*map(repr, written), json.dumps(written[0]), repr(structure), repr(tuple(map(tuple, structure)))):
            assert space.parse(text) == arch, text


def test_cells_of_nasbench101_as_matrices():
    space, archs = sampled("nasbench101")
    for arch in archs:
        data = json.loads(arch.to_json())
        matrix, ops = np.array(data["matrix"]), data["ops"]
        for value in (
            (matrix, ops),
            [data["matrix"], ops],
            {"module_adjacency": matrix, "module_operations": ops, "trainable_parameters": 5},
            {"matrix": matrix.astype(np.int8), "ops": ops},
            {"adjacency": data["matrix"], "operations": ops[1:-1]},
        ):
            assert space.parse(repr(value)) == arch, value
            assert space.parse(value) == arch


def test_numpy_numbers_are_read():
    assert load_space("nasbench201").parse("(np.int64(2), 2, 0, 2, 4, 0)").ops == (3, 3, 3, 1, 4, 1)
    assert str(load_space("nats_sss").parse(np.array([8, 16, 24, 32, 40]).tolist())) == "8:16:24:32:40"


def test_configurations_of_pycls():
    config = {
        "MODEL": {"TYPE": "anynet"},
        "ANYNET": {
            "STEM_W": 32,
            "DEPTHS": [1, 2, 4],
            "WIDTHS": [32, 64, 128],
            "BOT_MULS": [1.0, 0.5, 0.5],
            "GROUP_WS": [16, 16, 32],
        },
    }
    arch = load_space("nds_resnext_a").parse(yaml.safe_dump(config))
    assert (arch.ds, arch.ws) == ((1, 1, 2, 4), (32, 32, 64, 128))
    assert arch.num_gs == (1, 2, 2, 2) and arch.bot_muls[1:] == (1.0, 0.5, 0.5)


def test_regnets_that_fit_and_that_do_not():
    space = load_space("nds_resnext_a_in")
    arch = space.parse("REGNET:\n  W0: 24\n  WA: 36.0\n  WM: 2.5\n  DEPTH: 4\n  GROUP_W: 8\n")
    assert (arch.ds[1:], arch.ws[1:], arch.num_gs[1:]) == ((1, 1, 2), (24, 64, 152), (3, 8, 19))
    with pytest.raises(ArchitectureError, match="4 stages .* has 3; score it as a network of your own"):
        space.parse("RegNetCfg(w0=24, wa=36.44, wm=2.49, depth=13, group_size=8)")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("nasbench201", "(4, 0, 3, 1, 4)", "5 numbers, expected 6"),
        ("nasbench201", "(4, 0, 3, 1, 4, 9)", "operation 5 is 9"),
        ("nasbench201", '{"0_1": "conv_3x3"}', "expected six"),
        ("nasbench201", '{"0_1": "conv_9x9"}', "operation .*conv_9x9"),
        ("nasbench201", "[[('none', 0)], [('none', 0)], [('none', 0)]]", "one pair for each node"),
        ("nasbench101", "([[0, 1], [0, 0]],)", "1 part"),
        ("nasbench101", "{'ops': ['input', 'output']}", "expected 'matrix' and 'ops'"),
        ("nasbench101", "([[0, 1], [1, 0]], ['input', 'output'])", "above the diagonal"),
        ("nds_darts", "Genotype(normal=[('sep_conv_3x3', 0)], reduce=[])", "1 edges, expected 8"),
        ("nasbench301", "Genotype(normal=[], normal_concat=[2], reduce=[], reduce_concat=[2])", "0 edges"),
        ("nds_resnet", "{'DEPTHS': [1], 'WIDTHS': [1]}", "list of 3 numbers"),
        ("nasbench_nlp", "{'h_new_0': {'op': 'linear', 'input': {1, 2}}}", "not a nasbench_nlp"),
        ("nats_sss", "[8, 8, 8, 8, 12]", "'12' is none"),
        ("nasbench_macro", "[0, 1, 2, 0, 1, 2, 0, 3]", "layer 7 is 3"),
        ("transnas101_micro", "(1, 0, 2, 3, 3, 4)", "operation 5 is 4"),
    ],
)
def test_broken_ones_say_where(name, text, what):
    with pytest.raises(ArchitectureError, match=what) as error:
        load_space(name).parse(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 2000


HOSTILE = [
    "__import__('os').system('touch ran')",
    "range(10**12)",
    "(lambda: 1)()",
    "[x for x in range(3)]",
    "open('ran', 'w')",
    "dict(normal=open('ran', 'w'))",
    "(" * 5000 + ")" * 5000,
    "[" * 50_000 + "]" * 50_000,
    "9" * 20_000,
    "{'a': *b}",
    "!!python/object/apply:os.system ['touch ran']",
    "a: &a [1,1]\nb: [*a,*a,*a,*a,*a,*a,*a,*a]",
    "Genotype(**{})",
    "f'{1}'",
    "\x00",
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_is_run_and_nothing_breaks(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("nasbench101", "nasbench201", "nds_darts", "nds_resnet", "nasbench_nlp", "nats_sss"):
        with pytest.raises(ArchitectureError) as error:
            load_space(name).parse(text)
        assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir()) and "ran" not in sys.modules


def test_literals():
    assert literal("{'a': (1, -2.5, None, True), \"b\": [np.float32(3), array([1, 2], dtype=int8)]}") == {
        "a": (1, -2.5, None, True),
        "b": [3, [1, 2]],
    }
    assert literal("OrderedDict([('a', 1)])") == {"a": 1}


THIN = "{'DEPTHS': [1, 1, 1], 'WIDTHS': [8, 8, 8], 'GROUP_WS': [0, 0, 0]}"
STEEP = "{'W0': 8, 'WA': 0, 'WM': 1e308, 'DEPTH': 3, 'GROUP_W': 0}"


@pytest.mark.parametrize("text", [THIN, STEEP])
def test_numbers_that_divide_by_zero_are_told(text):
    with pytest.raises(ArchitectureError, match="nds_resnext_a") as error:
        load_space("nds_resnext_a").parse(text)
    assert "\n" not in str(error.value)
