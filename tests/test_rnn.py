"""Regression with recurrent networks: the network against a plain one, the training loop, presets, scores."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from naslib_gennas import Scorer, load_preset, load_space
from naslib_gennas.cli import main
from naslib_gennas.errors import SpecError
from naslib_gennas.proxy.parameters import FlatParameters
from naslib_gennas.proxy.presets import parse_preset
from naslib_gennas.proxy.rnn import RNNFidelity
from naslib_gennas.proxy.rnn_regression import adam, build_and_regress_rnn
from naslib_gennas.spaces.nasbench_nlp.networks import RecurrentNet

SPACE = load_space("nasbench_nlp")
PRESETS = ["rnn-single", "rnn-combo", "rnn-search"]
GRU = (
    '{"r": {"op": "linear", "input": ["x", "h_prev_0"]}, "r_act": {"op": "activation_sigm", "input": ["r"]}, '
    '"z": {"op": "linear", "input": ["x", "h_prev_0"]}, "z_act": {"op": "activation_sigm", "input": ["z"]}, '
    '"rh": {"op": "elementwise_prod", "input": ["r_act", "h_prev_0"]}, '
    '"h_tilde": {"op": "linear", "input": ["x", "rh"]}, '
    '"h_tilde_act": {"op": "activation_tanh", "input": ["h_tilde"]}, '
    '"h_new_0": {"op": "blend", "input": ["z_act", "h_prev_0", "h_tilde_act"]}}'
)
NO_WEIGHTS = '{"h_new_0": {"op": "activation_tanh", "input": ["h_prev_0"]}}'
NO_INPUT = '{"a": {"op": "linear", "input": ["h_prev_0"]}, "h_new_0": {"op": "activation_sigm", "input": ["a"]}}'


@pytest.fixture
def tiny():
    return load_preset("rnn-fast").with_fidelity(embedding=8, steps=6, batch_size=4, repeats=1)


def plain_layer(layer, arch, x):
    """The recipe node by node, every linear node with a weight matrix per input, as the benchmark defines it."""
    hidden, columns, biases = layer.hidden, {}, {}
    at_x = at_bias = 0
    for group, weight in zip(layer.cell.groups, layer.weights):
        for place, name in enumerate(group.names):
            biases[name] = layer.bias[at_bias : at_bias + hidden]
            at_bias += hidden
            if group.with_x:
                columns[name, "x"] = layer.weight_x[:, at_x : at_x + hidden]
                at_x += hidden
            for row, source in enumerate(group.sources):
                block = weight[row * hidden : (row + 1) * hidden, place * hidden : (place + 1) * hidden]
                columns[name, source] = block
    states, outputs = [x.new_zeros(x.shape[1], hidden)] * arch.states, []
    for step in x:
        values = {"x": step, **{f"h_prev_{i}": state for i, state in enumerate(states)}}
        for name, op, inputs in arch.ordered:
            a = [values[i] for i in inputs]
            if op == "linear":
                values[name] = sum(values[i] @ columns[name, i] for i in inputs) + biases[name]
            elif op == "blend":
                values[name] = a[0] * a[1] + (1 - a[0]) * a[2]
            elif op.startswith("elementwise"):
                values[name] = a[0] * a[1] if op.endswith("prod") else a[0] + a[1]
            elif op == "activation_leaky_relu":
                values[name] = torch.where(a[0] > 0, a[0], 0.01 * a[0])
            else:
                values[name] = {"activation_tanh": torch.tanh, "activation_sigm": torch.sigmoid}[op](a[0])
        states = [values[f"h_new_{i}"] for i in range(arch.states)]
        outputs.append(states[0])
    return torch.stack(outputs)


def test_the_network_computes_the_recipe():
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    for arch in [SPACE.parse(text) for text in (GRU, NO_WEIGHTS, NO_INPUT)] + [SPACE.sample(rng) for _ in range(25)]:
        network = RecurrentNet(arch, embedding=5, hidden=7, layers=3).double()
        network.reset(generator)
        network.eval()
        x = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64)
        expected = x
        for layer in network.layers:
            expected = plain_layer(layer, arch, expected)
        actual = network(x)[0]
        torch.testing.assert_close(actual, expected)
        parameters = [p for p in network.parameters() if p.numel()]
        pairs = [
            torch.autograd.grad(out.square().sum(), parameters, allow_unused=True) if out.requires_grad else ()
            for out in (actual, expected)
        ]
        for fast, plain in zip(*pairs):
            assert (fast is None or not fast.any()) if plain is None else torch.allclose(fast, plain)


def test_groups_share_a_matrix_product():
    cell = RecurrentNet(SPACE.parse(GRU), 4, 4, 1).layers[0].cell
    assert sorted(len(group.names) for group in cell.groups) == [1, 2] and cell.linear == cell.linear_x == 3


def test_dropout_is_locked_in_time_and_off_in_eval_mode():
    network = RecurrentNet(SPACE.parse(GRU), embedding=400, hidden=600, layers=1)
    network.reset(torch.Generator().manual_seed(0))
    x = torch.randn(6, 3, 400, generator=torch.Generator().manual_seed(1))
    state = torch.get_rng_state()
    dropped = network(x, torch.Generator().manual_seed(2))[0] == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert (dropped == dropped[0]).all() and dropped.float().mean() == pytest.approx(0.1, abs=0.03)
    again = network(x, torch.Generator().manual_seed(2))[0]
    assert torch.equal(again, network(x, torch.Generator().manual_seed(2))[0])
    assert not torch.equal(again, network(x, torch.Generator().manual_seed(3))[0])
    network.eval()
    assert torch.equal(network(x)[0], network(x, torch.Generator().manual_seed(2))[0])


def test_adam_is_pytorchs():
    fidelity = RNNFidelity(learning_rate=0.05, weight_decay=0.1)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(20, generator=generator)
    flat = FlatParameters(values.clone(), torch.zeros(20), torch.ones(20), count=20)
    reference = torch.nn.Parameter(values.clone())
    optimizer = torch.optim.Adam([reference], lr=0.05, weight_decay=0.1)
    step = adam(flat, fidelity)
    for _ in range(10):
        gradient = torch.randn(20, generator=generator)
        flat.gradients.copy_(gradient)
        step()
        reference.grad = gradient
        optimizer.step()
    torch.testing.assert_close(flat.values, reference.detach())


@pytest.mark.parametrize("recurrent", ["trained", "frozen"])
def test_recurrent_weights_learn_or_stay(tiny, recurrent):
    preset = tiny.with_fidelity(recurrent=recurrent)
    backbone = SPACE.build(SPACE.parse(GRU), preset.fidelity)
    batch = preset.materialise(None, torch.Generator().manual_seed(0))
    build_and_regress_rnn(backbone, batch, preset.fidelity, torch.Generator().manual_seed(1))
    fresh = SPACE.build(SPACE.parse(GRU), preset.fidelity)
    fresh.reset(torch.Generator().manual_seed(1))
    same = [torch.equal(a, b) for a, b in zip(backbone.layers[0].weights, fresh.layers[0].weights)]
    assert all(same) if recurrent == "frozen" else not any(same)
    assert not torch.equal(backbone.layers[0].weight_x, fresh.layers[0].weight_x)


def test_training_fits_the_targets():
    preset = load_preset("rnn-fast").with_fidelity(steps=100, repeats=1)
    result = Scorer("nasbench_nlp", preset).score(GRU)
    assert result.status == "ok" and result.curve[-1] < 0.5 * result.curve[0]
    assert result.score > -0.5 * result.curve[0] and len(result.curve) == result.details["steps"] == 100


def test_same_seed_same_score_and_the_global_generator_is_left_alone(tiny):
    preset = tiny.with_fidelity(dropout=1.0)
    state = torch.get_rng_state()
    first = Scorer("nasbench_nlp", preset, seed=3).score(GRU)
    with torch.no_grad():
        again = Scorer("nasbench_nlp", preset, seed=3).score(SPACE.canonical(SPACE.parse(GRU)))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.score == again.score and first.curve == again.curve and first.key == again.key
    assert Scorer("nasbench_nlp", preset, seed=4).score(GRU).score != first.score


@pytest.mark.parametrize("text", [NO_WEIGHTS, NO_INPUT])
@pytest.mark.parametrize("readout", ["eval", "train"])
def test_cells_that_cannot_learn_score_low(text, readout):
    scorer = Scorer("nasbench_nlp", load_preset("rnn-fast").with_fidelity(readout=readout))
    assert scorer.score(text).status == "ok" and scorer.score(text).score < scorer.score(GRU).score


def test_divergence_is_reported_not_scored(tiny):
    result = Scorer("nasbench_nlp", tiny.with_fidelity(learning_rate=1e30, steps=30)).score(GRU)
    assert result.status == "diverged" and result.score is None and result.details["steps"] == 10


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hold_the_published_numbers(name, shared):
    published = json.loads((shared.parent / "paper" / "tasks.json").read_text())[name.replace("-", "_")]
    task = load_preset(name).task
    assert task.dimension == published["dimension"]
    assert task.noise.level == published["noise"]["noise_level"]
    assert published["noise"]["type"] == "uniform"
    assert task.noise.distribution == ("symmetric" if task.noise.level else "uniform")  # without noise, as released
    for signals, entry in ((task.inputs, "0"), (task.targets, "1")):
        expected = {kind: values for kind, values in published["feature"][entry].items() if values}
        assert [signal.kind.replace("gdot", "dot_gaussian") for signal in signals] == list(expected)
        for signal, values in zip(signals, expected.values()):
            assert signal.level == pytest.approx(values["level"])
            if "range" in values:
                assert signal.values() == pytest.approx(values["range"])
            else:
                assert signal.fraction == pytest.approx(values["partial"])


def test_the_published_fidelity():
    fidelity = load_preset("rnn-search").fidelity
    assert (fidelity.steps, fidelity.learning_rate, fidelity.weight_decay) == (100, 1e-3, 1.2e-6)
    network = SPACE.build(SPACE.parse(GRU), fidelity)
    shapes = [(layer.weight_x.shape[0], layer.hidden) for layer in network.layers]
    assert shapes == [(400, 600), (600, 600), (600, 400)] and network.strength == 1


@pytest.mark.parametrize("name", [*PRESETS, "rnn-fast"])
def test_signals_differ_between_members_of_the_batch(name):
    preset = load_preset(name)
    batch = preset.materialise(None, torch.Generator().manual_seed(0))
    fidelity = preset.fidelity
    shape = (fidelity.length, fidelity.batch_size, preset.task.dimension)
    assert batch.inputs.shape == batch.targets.shape == shape
    assert not torch.equal(batch.inputs, batch.targets)
    assert not torch.equal(batch.inputs[:, 0], batch.inputs[:, 1])


def test_a_preset_and_a_space_of_another_kind():
    with pytest.raises(SpecError, match="fast is for CNNs, the space nasbench_nlp holds RNNs; use rnn-"):
        Scorer("nasbench_nlp", "fast")
    with pytest.raises(SpecError, match="rnn-fast is for RNNs, the space nasbench201 holds CNNs; use best, fast"):
        Scorer("nasbench201", "rnn-fast")
    with pytest.raises(SpecError, match="see no images"):
        Scorer("nasbench_nlp", "rnn-fast", images="noise").score(GRU)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: rnn", "kind: rmn", "no kind of preset is called 'rmn'; did you mean rnn"),
        ("kind: rnn", "kind: cnn", "task.stages"),
        ("dimension: 64", "dimension: 0", "task.dimension.*greater than or equal to 1"),
        ("kind: dot,", "kind: resize,", "task.inputs.0"),
        ("kind: dot,", "kind: dot, scope: global,", "signals of an RNN task are local"),
        ("fidelity: {}", "fidelity: {cells: 3}", "fidelity.cells: there is no such key"),
        ("fidelity: {}", "fidelity: {average: 3}", "average applies to the 'train' read-out only"),
        ("fidelity: {}", "fidelity: {average: 300, readout: train}", "must not exceed steps"),
        ("targets:", "goals:", "task"),
    ],
)
def test_presets_that_are_wrong(old, new, message):
    text = (
        "name: mine\nkind: rnn\ntask:\n  dimension: 64\n  inputs: [{kind: dot, fraction: 1.0}]\n"
        "  targets: [{kind: sin1d, frequencies: low}]\nfidelity: {}\n"
    )
    assert parse_preset(text, "mine.yaml").kind == "rnn"
    with pytest.raises(SpecError, match=message):
        parse_preset(text.replace(old, new, 1), "mine.yaml")


def test_the_command_line(tmp_path, tiny):
    rng = np.random.default_rng(0)
    rows = [
        {"recipe": json.loads(str(SPACE.sample(rng))), "status": "OK", "best_test_loss": 4.5 + i / 10} for i in range(6)
    ]
    table, preset = tmp_path / "logs.jsonl", tmp_path / "tiny.yaml"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    preset.write_text(tiny.to_yaml())
    common = ["--preset", str(preset), "--json"]
    run = CliRunner().invoke(
        main, ["correlate", "--space", "nasbench_nlp", "--table", str(table), "--sample", "5", *common]
    )
    assert run.exit_code == 0, run.output
    assert '"metric": "minus_best_test_loss"' in run.output and '"n": 5' in run.output
    for space in ("nasbench_nlp", f"nasbench_nlp:{table}"):
        arguments = ["search", "--space", space, "--steps", "4", "--population", "2", "--tournament", "2"]
        run = CliRunner().invoke(main, [*arguments, *common])
        assert run.exit_code == 0, run.output
    run = CliRunner().invoke(main, ["score", "--space", "nasbench_nlp", "--preset", "fast", GRU])
    assert run.exit_code == 2 and "rnn-fast" in run.stderr


def test_the_example_measures_the_three_versions(capsys, tmp_path):
    path = Path(__file__).resolve().parents[1] / "examples" / "benchmark_rnn.py"
    spec = importlib.util.spec_from_file_location("benchmark_rnn", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(["--sample", "1", "--steps", "1", "--out", str(tmp_path / "speed.json")])
    assert set(json.loads((tmp_path / "speed.json").read_text())["seconds"]) == {"plain", "rnn-search", "rnn-fast"}
    assert "rnn-fast" in capsys.readouterr().out
