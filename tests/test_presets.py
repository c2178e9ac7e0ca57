"""Presets: the paper's numbers, YAML both ways, one sentence for every mistake."""

import pytest

from naslib_gennas import load_preset, preset_names
from naslib_gennas.errors import SpecError, UnknownNameError
from naslib_gennas.presets import parse_preset

GOOD = "name: mine\ntask:\n  stages: [{}, {}, {signals: [{kind: dot}]}]\n"


@pytest.mark.parametrize("name", preset_names())
def test_yaml_round_trip(name):
    preset = load_preset(name)
    again = parse_preset(preset.to_yaml(), name)
    assert again == preset and again.digest() == preset.digest()


def test_combo_is_the_papers():
    preset = load_preset("paper-combo")
    kinds = [[signal.kind for signal in stage.signals] for stage in preset.task.stages]
    assert kinds == [["sin1d", "sin2d", "dot"], ["sin1d", "sin2d", "resize"], ["sin1d", "dot", "resize"]]
    first, second, _ = preset.task.stages
    assert first.signals[0].values() == pytest.approx([0.375 + 0.0125 * i for i in range(10)])
    assert second.signals[1].values() == pytest.approx([0.125 + 0.025 * i for i in range(10)])
    assert preset.task.weights == (0.25, 0.5, 1.0) and preset.task.noise.level == 0
    fidelity = preset.fidelity
    assert (fidelity.steps, fidelity.learning_rate, fidelity.momentum, fidelity.weight_decay) == (100, 0.1, 0.9, 4e-5)
    assert (fidelity.input_size, fidelity.batch_size, fidelity.signal_size, fidelity.readout) == (32, 16, 8, "eval")


def test_searched_tasks_are_the_published_ones():
    task = load_preset("paper-search-n").task
    assert [stage.channels for stage in task.stages] == [64, 48, 16]
    assert (task.noise.distribution, task.noise.level) == ("uniform", 0.1)
    assert task.stages[1].signals[2].fraction == 0.578125
    assert task.stages[2].signals[0].scope == "global"


def test_every_cell_of_table_1_is_there():
    assert sum(name.startswith("paper-stage") for name in preset_names()) == 3 * 12


def test_digest_follows_the_definition_not_the_name():
    preset = load_preset("fast")
    assert preset.model_copy(update={"description": "other"}).digest() == preset.digest()
    assert preset.with_fidelity(steps=21).digest() != preset.digest()


MISTAKES = {
    "fidelity: {stpes: 3}": "fidelity.stpes",
    "fidelity: {steps: 0}": "fidelity.steps",
    "fidelity: {steps: many}": "fidelity.steps",
    "fidelity: {momentum: 1.5}": "fidelity.momentum",
    "fidelity: {readout: test}": "fidelity.readout",
    "fidelity: {readout: train, steps: 3, average: 5}": "average",
    "fidelity: {learning_rate: .nan}": "fidelity.learning_rate",
    "extra: 1": "extra",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_name_file_and_key(line):
    with pytest.raises(SpecError) as error:
        parse_preset(GOOD + line + "\n", "mine.yaml")
    assert "mine.yaml" in str(error.value) and MISTAKES[line] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "signal, key",
    [
        ("{kind: dott}", "signals"),
        ("{kind: dot, fraction: 1.5}", "fraction"),
        ("{kind: sin1d}", "frequencies"),
        ("{kind: sin2d, frequencies: [0.7]}", "frequencies"),
        ("{kind: resize, scope: global}", "scope"),
        ("{kind: zero, level: -1}", "level"),
    ],
)
def test_mistakes_in_signals(signal, key):
    text = f"name: mine\ntask:\n  stages: [{{}}, {{}}, {{signals: [{signal}]}}]\n"
    with pytest.raises(SpecError, match=key):
        parse_preset(text, "mine.yaml")


@pytest.mark.parametrize("text", ["", "- a\n- b", "name: [", "name: x"])
def test_not_a_preset(text):
    with pytest.raises(SpecError, match="mine.yaml"):
        parse_preset(text, "mine.yaml")


def test_names_and_files(tmp_path):
    with pytest.raises(UnknownNameError, match="paper-combo"):
        load_preset("paper-cmbo")
    with pytest.raises(SpecError, match="nowhere.yaml"):
        load_preset(tmp_path / "nowhere.yaml")
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert load_preset(tmp_path / "mine.yaml").name == "mine"
