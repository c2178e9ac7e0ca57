"""NAS-Bench-NLP recipes: text, isomorphism, sampling, mutation, tables, and the benchmark's parameter counts."""

from __future__ import annotations

import gzip
import json
import pickle
from collections import Counter

import networkx
import numpy as np
import pytest
import torch

from naslib_gennas import load_table
from naslib_gennas.errors import ArchitectureError, InputError, TableError
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.spaces import load_space
from naslib_gennas.spaces.nasbench_nlp.encoding import NASBenchNLPArchitecture, live
from naslib_gennas.spaces.nasbench_nlp.space import NASBenchNLP
from naslib_gennas.tables import open_space

SPACE = load_space("nasbench_nlp")
GRU = {
    "r": {"op": "linear", "input": ["x", "h_prev_0"]},
    "r_act": {"op": "activation_sigm", "input": ["r"]},
    "z": {"op": "linear", "input": ["x", "h_prev_0"]},
    "z_act": {"op": "activation_sigm", "input": ["z"]},
    "rh": {"op": "elementwise_prod", "input": ["r_act", "h_prev_0"]},
    "h_tilde": {"op": "linear", "input": ["x", "rh"]},
    "h_tilde_act": {"op": "activation_tanh", "input": ["h_tilde"]},
    "h_new_0": {"op": "blend", "input": ["z_act", "h_prev_0", "h_tilde_act"]},
}


def parse(recipe):
    return SPACE.parse(json.dumps(recipe))


def shuffled(arch, rng):
    """The same cell under other names, in another order, its states after the first renumbered."""
    states = list(range(1, arch.states))
    names = {f"h_new_{a}": f"h_new_{b}" for a, b in zip(states, rng.permutation(states))}
    names |= {a.replace("new", "prev"): b.replace("new", "prev") for a, b in names.items()}
    nodes = [arch.nodes[i] for i in rng.permutation(len(arch.nodes))]
    for number, (name, _, _) in enumerate(nodes):
        if not name.startswith("h_new"):
            names[name] = f"other{number}"
    moved = []
    for name, op, inputs in nodes:
        inputs = inputs if op == "blend" else tuple(inputs[i] for i in rng.permutation(len(inputs)))
        moved.append((names.get(name, name), op, tuple(names.get(i, i) for i in inputs)))
    return NASBenchNLPArchitecture(tuple(moved))


def as_graph(arch):
    """For networkx's own isomorphism test: states are tied by an edge, the places of a blend's inputs kept."""
    graph = networkx.MultiDiGraph()
    for name, op, inputs in arch.nodes:
        graph.add_node(name, label=op + (" output" if name == "h_new_0" else " state" * name.startswith("h_new_")))
        for place, source in enumerate(inputs):
            graph.add_edge(source, name, label=place if op == "blend" else 0)
    for number in range(arch.states):
        graph.add_edge(f"h_prev_{number}", f"h_new_{number}", label="time")
    for name, data in graph.nodes(data=True):
        data.setdefault("label", "x" if name == "x" else "previous")
    return graph


def isomorphic(a, b):
    return networkx.is_isomorphic(
        as_graph(a),
        as_graph(b),
        node_match=lambda m, n: m["label"] == n["label"],
        edge_match=lambda m, n: Counter(e["label"] for e in m.values()) == Counter(e["label"] for e in n.values()),
    )


def distance(a, b):
    """Operations that one has more of than the other."""
    counts = [Counter(op for _, op, _ in arch.nodes) for arch in (a, b)]
    return sum((counts[0] - counts[1]).values()) + sum((counts[1] - counts[0]).values())


@pytest.fixture(scope="module")
def records(shared):
    with gzip.open(shared / "nasbench_nlp_ptb.jsonl.gz", "rt") as file:
        return [json.loads(line) for number, line in enumerate(file) if 0 < number <= 600]


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    return [SPACE.sample(rng) for _ in range(150)]


def test_text_round_trip_and_names():
    arch = parse(GRU)
    assert json.loads(str(arch)) == GRU
    assert SPACE.parse(str(arch)) == arch and hash(SPACE.parse(str(arch))) == hash(arch)
    assert arch.states == 1 and SPACE.kind == "rnn"


def test_random_recipes_follow_the_benchmarks_rules(cells):
    for arch in cells:
        assert SPACE.parse(str(arch)) == arch
        read = {source for _, _, inputs in arch.nodes for source in inputs}
        assert {"x", *(f"h_prev_{i}" for i in range(arch.states))} <= read
        for name, op, inputs in arch.nodes:
            assert op != "linear" or len(inputs) in (2, 3)
            assert not name.startswith("h_new") or not any(i.startswith("h_prev") for i in inputs)
    assert {arch.states for arch in cells} == {1, 2, 3}
    assert max(len(arch.nodes) for arch in cells) <= 25


def test_the_canonical_form_is_shared_by_isomorphic_recipes_and_by_no_others(cells):
    rng = np.random.default_rng(1)
    small = [arch for arch in cells if len(arch.nodes) <= 7]
    for arch in cells:
        twin = shuffled(arch, rng)
        assert SPACE.canonical(twin) == SPACE.canonical(arch) and isomorphic(arch, twin)
        assert SPACE.representative(SPACE.representative(arch)) == SPACE.representative(arch)
        assert isomorphic(arch, SPACE.representative(arch))
        assert SPACE.score_key(twin) == SPACE.score_key(arch)
    for a in small[:25]:
        for b in small[:25]:
            assert (SPACE.canonical(a) == SPACE.canonical(b)) == isomorphic(a, b)


def test_equal_branches_are_told_from_one_branch_read_twice():
    """Two linear nodes have weights of their own."""
    two = {
        "a": {"op": "linear", "input": ["x", "h_prev_0"]},
        "b": {"op": "linear", "input": ["x", "h_prev_0"]},
        "h_new_0": {"op": "elementwise_sum", "input": ["a", "b"]},
    }
    one = {"a": two["a"], "h_new_0": {"op": "elementwise_sum", "input": ["a", "a"]}}
    assert SPACE.canonical(parse(two)) != SPACE.canonical(parse(one))


def test_many_equal_branches_take_no_time():
    branches = {f"a{i}": {"op": "linear", "input": ["x", "h_prev_0"]} for i in range(9)}
    branches |= {f"b{i}": {"op": "activation_tanh", "input": [f"a{i}"]} for i in range(9)}
    arch = parse({**branches, "h_new_0": {"op": "linear", "input": [f"b{i}" for i in range(9)]}})
    assert SPACE.canonical(shuffled(arch, np.random.default_rng(0))) == SPACE.canonical(arch)


def test_parts_without_effect_are_left_out_of_the_score_key():
    dead = {
        **GRU,
        "h_new_1": {"op": "activation_tanh", "input": ["lost"]},
        "lost": {"op": "linear", "input": ["h_prev_1", "r"]},
    }
    assert SPACE.canonical(parse(dead)) != SPACE.canonical(parse(GRU))
    assert SPACE.score_key(parse(dead)) == SPACE.score_key(parse(GRU))
    inner = {**GRU, "h_new_0": {"op": "activation_tanh", "input": ["h_new_1"]}, "h_new_1": GRU["h_new_0"]}
    plain = json.loads(json.dumps(inner).replace("h_new_1", "inner"))
    assert SPACE.score_key(parse(inner)) == SPACE.score_key(parse(plain))
    assert live(parse(inner)).states == 1


def test_mutation_is_another_recipe_and_close():
    rng = np.random.default_rng(2)
    parent = SPACE.sample(rng)
    child = SPACE.mutate(parent, rng)
    assert SPACE.canonical(child) != SPACE.canonical(parent) and SPACE.parse(str(child)) == child


def test_mutation_within_a_recipe_set_prefers_neighbours(records):
    space = NASBenchNLP(json.dumps(record["recipe"]) for record in records[:300])
    members, rng = list(space), np.random.default_rng(3)
    near, far = [], []
    for parent in members[:20]:
        children = [space.mutate(parent, rng) for _ in range(3)]
        assert set(children) <= set(members) and space.sample(rng) in members
        assert all(space.canonical(child) != space.canonical(parent) for child in children)
        near += [distance(child, parent) for child in children]
        far += [distance(arch, parent) for arch in members]
    assert np.mean(near) < 0.8 * np.mean(far)
    assert len({space.mutate(members[0], rng) for _ in range(20)}) > 1


def test_a_set_without_another_recipe():
    space = NASBenchNLP([json.dumps(GRU)])
    with pytest.raises(InputError, match="no other recipe"):
        space.mutate(parse(GRU), np.random.default_rng(0))


def test_parameter_counts_are_the_records(records):
    for record in records[::3]:
        with uninitialised():
            network = SPACE.build_network(parse(record["recipe"]))
        assert sum(p.numel() for p in network.parameters()) == record["num_params"], record["file"]


def test_the_language_model_runs_and_hands_on_its_states():
    torch.manual_seed(0)
    model = SPACE.build_network(parse(GRU), classes=50).eval()
    words = torch.arange(12).view(6, 2)
    logits, _ = model(words)
    first, states = model(words[:4])
    second, _ = model(words[4:], states)
    assert logits.shape == (6, 2, 50) and torch.isfinite(logits).all()
    torch.testing.assert_close(torch.cat([first, second]), logits)
    assert torch.equal(pickle.loads(pickle.dumps(model))(words)[0], logits)
    assert not torch.equal(model.train()(words)[0], logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": {"op": "lineal", "input": ["x"]}}, "did you mean linear"),
        ({"r": {"op": "linear", "input": ["x", "nowhere"]}}, "node 'r' reads 'nowhere', which is no node"),
        ({"r": {"op": "linear", "input": ["x", "h_prev_1"]}}, "there is no node 'h_new_1'"),
        ({"r": {"op": "linear", "input": ["x", "z_act", "rh"]}, "rh": GRU["rh"]}, "cycle"),
        ({"r": {"op": "linear", "input": ["r"]}}, "cycle"),
        ({"r": {"op": "activation_tanh", "input": ["x"]}}, "can enter linear nodes only"),
        ({"r": {"op": "blend", "input": ["z", "z_act"]}}, "blend takes 3 inputs, not 2"),
        ({"r": {"op": "linear", "input": []}}, "takes 1 to 16 inputs, not 0"),
        ({"r": {"op": "linear", "input": "x"}}, "must be a list of names"),
        ({"r": {"op": "linear"}}, "keys op and input"),
        ({"r": {"op": ["linear"], "input": ["x"]}}, "no operation"),
        ({"r": 3}, "keys op and input"),
        ({"x": GRU["r"]}, "must not be called so"),
        ({"h_prev_0": GRU["r"]}, "must not be called so"),
        ({"a b": GRU["r"]}, "must not be called so"),
        ({"h_new_2": GRU["r"]}, "no node 'h_new_1'"),
    ],
)
def test_broken_recipes(change, message):
    with pytest.raises(ArchitectureError, match=message):
        parse({**GRU, **change})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("linear", "not JSON"),
        ('{"a": 1, "a": 2}', "is given twice"),
        ("[]", "not a JSON object"),
        ("{}", "not a JSON object"),
        ('{"a": {"op": "linear", "input": ["x"]}}', "output 'h_new_0' is missing"),
        (json.dumps({f"n{i}": GRU["r"] for i in range(100)}), "at most 64"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_texts_that_are_no_recipes(text, message):
    with pytest.raises(ArchitectureError, match=message):
        SPACE.parse(text)


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


LOGS = [
    {"_header": {"hyper_parameters": {"emsize": 400}}},
    {"file": "a", "recepie_id": 1, "status": "OK", "recipe": GRU, "best_test_loss": 4.5, "test_losses": [5.0, 4.5]},
    {
        "file": "b",
        "recepie_id": 2,
        "status": "loss is nan!",
        "recipe": json.loads(SPACE.example),
        "best_test_loss": 4.4,
        "test_losses": [4.4, None],
    },
]


def test_logs_as_a_table(tmp_path):
    table = load_table(written(tmp_path / "logs.jsonl", LOGS), "nasbench_nlp")
    assert table.metrics == ["minus_best_test_loss"] == [table.default_metric]
    assert table.value(parse(GRU)) == -4.5 and table.value(shuffled(parse(GRU), np.random.default_rng(0))) == -4.5
    assert table.value(SPACE.example) is None and table.problems.missing == {"minus_best_test_loss": 1}
    assert table.sample(1, None, np.random.default_rng(0))["arch"].tolist() == [str(parse(GRU))]


def test_recipes_without_a_status_keep_their_values(tmp_path):
    rows = [
        {"recipe": GRU, "accuracy": 0.5},
        {"recipe": SPACE.example, "accuracy": 0.25},
        {"recipe": {}, "accuracy": 1},
    ]
    table = load_table(written(tmp_path / "own.jsonl", rows), "nasbench_nlp")
    assert table.value(SPACE.example) == 0.25 and table.problems.unparsable == 1


def test_a_space_over_a_file_draws_the_finished_runs(tmp_path):
    path = written(tmp_path / "logs.jsonl", LOGS)
    space = open_space(f"nasbench_nlp:{path}")
    assert space.source == f"nasbench_nlp:{path}" and space.origin == str(path)
    assert [str(arch) for arch in space] == [str(parse(GRU))] == [str(space.sample(np.random.default_rng(0)))]
    with pytest.raises(TableError, match="there is no table"):
        open_space(f"nasbench_nlp:{tmp_path / 'none.jsonl'}")
    with pytest.raises(ArchitectureError, match="its own rules"):
        open_space(f"nasbench201:{path}")
