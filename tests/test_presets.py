"""Presets: what ships is the paper's, files round-trip, and every fault names its file and key."""

from __future__ import annotations

import json
import math

import pytest
import torch

from naslib_gennas import Scorer, load_space
from naslib_gennas.errors import SpecError, UnknownNameError
from naslib_gennas.proxy.fidelity import NETWORK_OPTIONS, Fidelity
from naslib_gennas.proxy.presets import Preset, load_preset, parse_preset, preset_names
from naslib_gennas.proxy.tasks import InputNoise, ProxyTask, Resize, Signal

NAMES = ["fast", "best", "paper-single", "paper-combo", "paper-search-n", "paper-search-d", "paper-search-r"]
TABLE_1 = ["sin1d-l", "sin1d-m", "sin1d-h", "sin2d-l", "sin2d-m", "sin2d-h", "dot50", "dot100", "gdot50"]
TABLE_1 += ["gdot100", "resize", "zero"]

GOOD = """
name: mine
task:
  stages:
    - signals: []
    - signals: [{kind: dot}]
    - channels: 8
      signals: [{kind: sin1d, frequencies: high}]
fidelity: {steps: 5}
"""


def test_the_named_presets_ship():
    names = preset_names()
    assert len(set(names)) == len(names)
    assert set(NAMES) <= set(names)
    assert {f"paper-stage{s}-{signal}" for s in (1, 2, 3) for signal in TABLE_1} <= set(names)


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_loads_round_trips_and_materialises(name, tmp_path):
    preset = load_preset(name)
    assert preset.name == name
    assert preset.description and preset.source
    path = tmp_path / "again.yaml"
    path.write_text(preset.to_yaml(), encoding="utf-8")
    again = load_preset(path)
    assert again == preset
    assert again.digest() == preset.digest()
    batch = preset.materialise(None, torch.Generator().manual_seed(0))
    if preset.kind == "rnn":
        assert batch.inputs.shape == batch.targets.shape
        return
    assert any(target is not None for target in batch.targets)
    for stage, target in zip(preset.task.stages, batch.targets):
        assert (target is None) == (not stage.signals)
        if target is not None:
            size = preset.fidelity.signal_size
            assert target.shape == (preset.fidelity.batch_size, stage.channels, size, size)
            assert torch.isfinite(target).all()


def plain(stage):
    """(kind, band or fraction) of the signals of a stage."""
    return [(s.kind, getattr(s, "frequencies", None) or getattr(s, "fraction", None)) for s in stage.signals]


def test_combo_is_the_papers():
    preset = load_preset("paper-combo")
    first, second, third = preset.task.stages
    assert plain(first) == [("sin1d", "high"), ("sin2d", "high"), ("dot", 1.0)]
    assert plain(second) == [("sin1d", "high"), ("sin2d", "medium"), ("resize", None)]
    assert plain(third) == [("sin1d", "high"), ("dot", 1.0), ("resize", None)]
    for stage in preset.task.stages:
        assert stage.channels == 64
        assert all(s.level == 1 and s.scope == "local" for s in stage.signals)
    assert preset.task.weights == (1, 1, 1) and preset.task.score_weights == (0.25, 0.5, 1.0)
    assert preset.task.noise.level == 0
    f = preset.fidelity
    assert (f.cells, f.channels, f.input_size, f.signal_size, f.batch_size) == (None, None, 32, 8, 16)
    assert (f.steps, f.learning_rate, f.momentum, f.weight_decay) == (100, 0.1, 0.9, 4e-5)
    assert (f.readout, f.repeats, f.weight_init, f.bias_init) == ("eval", 1, "default", "default")
    assert (f.cell_norm, f.network_init, f.stem) == ("paper",) * 3


@pytest.mark.parametrize("name", ["single", "combo", "search-n", "search-d", "search-r"])
def test_the_last_version_of_the_authors_code_differs_in_weights_and_networks_only(name):
    text, code = load_preset(f"paper-{name}"), load_preset(f"paper-code-{name}")
    assert code.task.weights == (0.25, 0.5, 1.0) and code.task.score_weights is None
    changes = {"weights": code.task.weights, "score_weights": None}
    assert text.task.model_copy(update=changes) == code.task
    words = dict.fromkeys(NETWORK_OPTIONS, "paper-code")
    assert text.fidelity.model_copy(update=words) == code.fidelity
    assert text.digest() != code.digest()


def test_single_is_dot_at_the_last_stage():
    task = load_preset("paper-single").task
    assert [plain(stage) for stage in task.stages] == [[], [], [("dot", 1.0)]]


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize(
    "name, expected",
    [
        ("sin1d-l", ("sin1d", "low")),
        ("sin2d-m", ("sin2d", "medium")),
        ("sin2d-h", ("sin2d", "high")),
        ("dot50", ("dot", 0.5)),
        ("gdot100", ("gdot", 1.0)),
        ("resize", ("resize", None)),
        ("zero", ("zero", None)),
    ],
)
def test_table_1_presets_use_one_signal_at_one_stage(stage, name, expected):
    preset = load_preset(f"paper-stage{stage}-{name}")
    stages = [plain(s) for s in preset.task.stages]
    assert stages.pop(stage - 1) == [expected]
    assert stages == [[], []]
    assert preset.fidelity == load_preset("paper-combo").fidelity
    assert preset.task.weights == (1, 1, 1) and preset.task.score_weights == (0.25, 0.5, 1.0)


@pytest.mark.parametrize("name", ["paper-search-n", "paper-search-d", "paper-search-r"])
def test_searched_tasks_draw_channels_and_levels_from_the_published_grid(name):
    task = load_preset(name).task
    for stage in task.stages:
        assert stage.channels in (16, 32, 48, 64, 80, 96)
        for signal in stage.signals:
            assert round(signal.level * 10, 6) in range(5, 30)
    assert round(task.noise.level * 10, 6) in range(10)


def described(signal):
    """A signal in the notation of the published task files."""
    entry = {"level": pytest.approx(signal.level)}
    if signal.kind != "resize":
        entry["local"] = signal.scope == "local"
    if hasattr(signal, "fraction"):
        entry["partial"] = pytest.approx(signal.fraction)
    if hasattr(signal, "frequencies"):
        entry["range"] = pytest.approx(signal.values())
    return entry


DISTRIBUTIONS = {"gaussian": "gaussian", "uniform": "symmetric"}  # published word -> ours


def test_the_papers_presets_draw_symmetric_noise_and_ours_what_they_were_chosen_with():
    def uniform(name):
        tasks = [member.task for _, member in load_preset(name).members()]
        return {task.noise.distribution for task in tasks if task.noise.level} - {"gaussian"}

    drawn = {name: kinds for name in preset_names() if (kinds := uniform(name))}
    assert {name for name, kinds in drawn.items() if kinds == {"uniform"}} == {"fast", "best", "search-n", "rnn-fast"}
    assert all(name.startswith(("paper-", "rnn-search")) for name, kinds in drawn.items() if kinds == {"symmetric"})
    assert {"paper-search-n", "rnn-search"} <= set(drawn)


@pytest.mark.parametrize("name", ["combo", "search-n", "search-d", "search-r"])
def test_tasks_equal_the_published_files(name, shared):
    path = shared.parent / "paper" / "tasks.json"
    if not path.is_file():
        pytest.skip(f"no published tasks at {path}")
    published = json.loads(path.read_text())["cnn_" + name.replace("-", "_")]
    preset = load_preset("paper-" + name)
    task = preset.task
    assert preset.fidelity.batch_size == published["batchsize"]
    assert task.noise.level == pytest.approx(published["noise"]["noise_level"])
    assert task.noise.level == 0 or task.noise.distribution == DISTRIBUTIONS[published["noise"]["type"]]
    for number, stage in enumerate(task.stages):
        assert stage.channels == 64 * published[f"last_channel_l{number}"]
        feature = published["feature"][str(number)]
        expected = {k.replace("dot_gaussian", "gdot"): v for k, v in feature.items() if v}
        assert {s.kind: described(s) for s in stage.signals} == expected


@pytest.mark.parametrize("name", ["fast", "best"])
def test_our_presets_are_cheaper_than_the_papers(name):
    ours, paper = load_preset(name).fidelity, load_preset("paper-combo").fidelity
    assert ours.steps < paper.steps and ours.input_size <= paper.input_size


def test_digest_follows_the_definition_only():
    preset = load_preset("fast")
    assert preset.model_copy(update={"name": "x", "description": "y", "source": "z"}).digest() == preset.digest()
    assert preset.with_fidelity(steps=21).digest() != preset.digest()
    # the same task under two names is the same score
    assert load_preset("paper-single").digest() == load_preset("paper-stage3-dot100").digest()
    assert load_preset("paper-stage1-dot100").digest() != load_preset("paper-stage3-dot100").digest()


OURS = {  # of version 0.1, in the runs of users
    "best": "196813f42761",
    "fast": "5834e0809595",
    "fast-three": "ac835701c869",
    "hybrid": "9a7953a41ba1",
    "instant": "91ec7aea4657",
    "rnn-combo": "624a4ecb21af",
    "rnn-fast": "05720173ea46",
    "rnn-single": "40963ca972be",
    "search-201": "12d1f2833f03",
    "search-n": "5948c1f133b7",
    "search-r": "14094759d122",
    "tiny": "7f231f56d51a",
}


LATER = {  # families of spaces that came after: their scores are new, those of the others stay
    "nasbench_macro": {"hybrid": "2a753192b046", "instant": "35915cb02bf7"},
}


@pytest.mark.parametrize("name", OURS)
def test_digests_of_released_presets_stay(name):
    preset = load_preset(name)
    before = {family: suited for family, suited in preset.families.items() if family not in LATER}
    assert preset.model_copy(update={"families": before}).digest() == OURS[name]


def test_digests_of_later_families_stay():
    for family, digests in LATER.items():
        found = {
            name: load_preset(name).suited(family).digest() for name in OURS if family in load_preset(name).families
        }
        assert found == digests


def test_every_preset_outside_the_papers_is_pinned():
    published = {name for name in preset_names() if name.startswith("paper-")} | {"rnn-search"}
    assert set(preset_names()) == published | set(OURS)


def test_an_option_of_the_networks_is_in_the_digest_once_it_is_asked_for():
    preset = load_preset("tiny")
    others = {preset.with_fidelity(**{name: "paper"}).digest() for name in NETWORK_OPTIONS}
    assert len(others | {preset.digest()}) == 1 + len(NETWORK_OPTIONS)
    assert preset.with_fidelity(cell_norm="own").digest() == preset.digest()


def test_defaults_spelt_out_keep_the_digest():
    short = parse_preset(GOOD, "a.yaml")
    assert parse_preset(short.to_yaml(), "b.yaml").digest() == short.digest()
    assert json.loads(json.dumps(short.model_dump(mode="json")))["fidelity"]["steps"] == 5


def test_with_fidelity_changes_only_what_is_named():
    preset = load_preset("paper-combo")
    changed = preset.with_fidelity(steps=7, cells=1)
    assert (changed.fidelity.steps, changed.fidelity.cells) == (7, 1)
    assert changed.fidelity.learning_rate == preset.fidelity.learning_rate
    assert changed.task == preset.task
    assert preset.fidelity.steps == 100
    with pytest.raises(SpecError, match="stepz"):
        preset.with_fidelity(stepz=7)


BAD = {
    "unknown key": ("name: mine", "name: mine\nnmae: x", "nmae"),
    "unknown fidelity key": ("{steps: 5}", "{stepz: 5}", "fidelity.stepz"),
    "unknown signal key": ("{kind: dot}", "{kind: dot, fracton: 1}", "fracton"),
    "unknown kind": ("{kind: dot}", "{kind: dott}", "dott"),
    "no kind": ("{kind: dot}", "{level: 1}", "task.stages.1.signals.0"),
    "wrong type": ("{steps: 5}", "{steps: many}", "fidelity.steps"),
    "fractional steps": ("{steps: 5}", "{steps: 2.5}", "fidelity.steps"),
    "too few steps": ("{steps: 5}", "{steps: 0}", "fidelity.steps"),
    "negative rate": ("{steps: 5}", "{learning_rate: -1}", "fidelity.learning_rate"),
    "infinite rate": ("{steps: 5}", "{learning_rate: .inf}", "fidelity.learning_rate"),
    "nan rate": ("{steps: 5}", "{learning_rate: .nan}", "fidelity.learning_rate"),
    "momentum 1": ("{steps: 5}", "{momentum: 1}", "fidelity.momentum"),
    "one image": ("{steps: 5}", "{batch_size: 1}", "fidelity.batch_size"),
    "read-out": ("{steps: 5}", "{readout: best}", "fidelity.readout"),
    "average above steps": ("{steps: 5}", "{steps: 5, readout: train, average: 6}", "average"),
    "average in eval": ("{steps: 5}", "{steps: 5, average: 2}", "average"),
    "fraction": ("{kind: dot}", "{kind: dot, fraction: 1.5}", "fraction"),
    "level": ("{kind: dot}", "{kind: dot, level: -1}", "level"),
    "frequency": ("frequencies: high", "frequencies: [0.7]", "frequencies"),
    "no frequency": ("frequencies: high", "frequencies: []", "frequencies"),
    "band": ("frequencies: high", "frequencies: higher", "frequencies"),
    "global resize": ("{kind: dot}", "{kind: resize, scope: global}", "scope"),
    "channels": ("channels: 8", "channels: 0", "task.stages.2.channels"),
    "two stages": ("    - signals: []\n", "", "task.stages"),
    "two weights": ("task:\n", "task:\n  weights: [1, 2]\n", "task.weights"),
    "noise": ("task:\n", "task:\n  noise: {distribution: cauchy}\n", "task.noise.distribution"),
    "cell_norm": ("{steps: 5}", "{cell_norm: none}", "fidelity.cell_norm"),
    "network_init": ("{steps: 5}", "{network_init: fan_in}", "fidelity.network_init"),
    "stem": ("{steps: 5}", "{stem: imagenette}", "fidelity.stem"),
    "no name": ("name: mine\n", "", "name"),
}


@pytest.mark.parametrize("old, new, key", BAD.values(), ids=BAD)
def test_a_fault_names_file_and_key(old, new, key, tmp_path):
    assert old in GOOD
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        load_preset(path)
    message = str(error.value)
    assert "mine.yaml" in message and key in message
    assert "\n" not in message and "pydantic" not in message


@pytest.mark.parametrize(
    "content",
    [b"", b"- 1\n- 2\n", b"name: [unclosed", b"just a sentence", b"a: b: c", b"\xff\xfe\x00", b"name: 1\x00"],
)
def test_a_file_that_is_no_preset(content, tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="odd.yaml"):
        load_preset(str(path))


def test_corrupt_yaml_names_the_line():
    with pytest.raises(SpecError, match=r"x\.yaml is not valid YAML: .* in line 4"):
        parse_preset("name: a\ntask:\n  stages: [\nfidelity: {", "x.yaml")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(SpecError, match="none.yaml"):
        load_preset(tmp_path / "none.yaml")
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    with pytest.raises(SpecError, match="folder.yaml"):
        load_preset(folder)


def test_unknown_names_list_near_matches():
    with pytest.raises(UnknownNameError) as error:
        load_preset("paper-comba")
    assert "paper-combo" in str(error.value) and "yaml" in str(error.value)
    with pytest.raises(UnknownNameError, match="fast"):
        load_preset("zzzzzz")


def test_a_preset_is_passed_through_and_frozen():
    preset = load_preset("fast")
    assert load_preset(preset) is preset
    with pytest.raises(ValueError):
        preset.name = "other"


def test_yaml_cannot_run_code():
    with pytest.raises(SpecError, match="x.yaml"):
        parse_preset("name: !!python/object/apply:os.getcwd []", "x.yaml")


def test_signal_size_is_a_quarter_of_the_input_unless_given():
    assert Fidelity().signal_size == 8
    assert Fidelity(input_size=4).signal_size == 1
    assert Fidelity(target_size=5).signal_size == 5


@pytest.mark.parametrize("distribution", ["gaussian", "uniform", "symmetric"])
def test_input_noise_is_fresh_and_of_its_distribution(distribution):
    noise = InputNoise(distribution=distribution, level=0.5)
    generator = torch.Generator().manual_seed(0)
    images = torch.ones(4, 3, 32, 32)
    first, second = (noise.add(images, generator) - images for _ in range(2))
    assert not torch.equal(first, second)
    if distribution == "uniform":
        assert first.min() >= 0 and first.max() <= 0.5 and abs(first.mean() - 0.25) < 0.01
    elif distribution == "symmetric":
        assert -0.5 <= first.min() < -0.49 and 0.49 < first.max() <= 0.5
        assert abs(first.mean()) < 0.02 and abs(first.std() - 0.5 / 3**0.5) < 0.02
    else:
        assert abs(first.mean()) < 0.02 and abs(first.std() - 0.5) < 0.02
    assert InputNoise().add(images, generator) is images


def test_materialise_is_a_function_of_the_seed():
    task: ProxyTask = load_preset("paper-combo").task
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(9))
    first, again, other = (task.materialise(images, 8, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.targets, again.targets))
    assert not any(torch.equal(a, b) for a, b in zip(first.targets, other.targets))


def test_presets_are_made_of_public_parts():
    assert issubclass(Resize, Signal)
    assert isinstance(Preset.model_validate(load_preset("fast").model_dump()), Preset)


LAST_STAGE = "name: mine\ntask:\n  stages: [{}, {}, {signals: [{kind: dot}]}]\n"


@pytest.mark.parametrize(
    "text",
    [
        LAST_STAGE.replace("task:", "task:\n  weights: [0.25, 0.5, -1]"),  # would invert the ranking
        LAST_STAGE.replace("{signals: [{kind: dot}]}", "{}"),
        LAST_STAGE.replace("task:", "task:\n  weights: [1, 1, 0]"),
        LAST_STAGE + "fidelity: {steps: yes}\n",
        LAST_STAGE.replace("mine", "2020-13-45"),
    ],
)
def test_specifications_that_would_score_nonsense_are_refused(text):
    with pytest.raises(SpecError, match="mine.yaml"):
        parse_preset(text, "mine.yaml")


def test_a_key_given_twice_is_refused_with_its_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(load_preset("fast").to_yaml() + "name: again\n")
    with pytest.raises(SpecError, match=r"mine.yaml is not valid YAML: the key 'name' is given twice in line \d+"):
        load_preset(file)


def test_the_digest_does_not_depend_on_how_a_default_is_spelt():
    fast = load_preset("fast")
    assert fast.with_fidelity(target_size=4).digest() == fast.digest() != fast.with_fidelity(target_size=5).digest()


@pytest.mark.parametrize("weights", ["[0, 0, 0]", "[1, 0, 0]"])
def test_score_weights_need_a_stage_with_signals(tmp_path, weights):
    single = load_preset("paper-single").to_yaml()
    given = "score_weights:\n  - 0.25\n  - 0.5\n  - 1.0\n"
    assert given in single
    file = tmp_path / "mine.yaml"
    file.write_text(single.replace(given, f"score_weights: {weights}\n"))
    with pytest.raises(SpecError, match="score_weights must be above 0 for a stage that has signals"):
        load_preset(file)


@pytest.mark.parametrize("space", ["nasbench201", "nasbench101", "nds_darts", "nds_resnet", "transnas101_macro"])
def test_hybrid_is_the_sum_of_its_parts(space):
    """Minus the losses of training and of the closed form, weighted, and the size term."""
    hybrid = load_preset("hybrid").suited(load_space(space).family or space)
    hybrid = hybrid.with_fidelities(lambda f: {"channels": 4, **({"steps": 3} if f.solver == "sgd" else {})})
    scorer = Scorer(space, hybrid)
    arch = scorer.space.parse(scorer.space.example)
    total = hybrid.size_weight * math.log(scorer.space.parameters(scorer.space.reduced(arch)))
    for member, (weight, preset) in enumerate(hybrid.members()):
        run = scorer._regress(scorer.space.reduced(arch), member, 0)
        total -= weight * run.loss
        assert (preset.fidelity.solver == "ridge") == (run.steps == 0)
    assert scorer.score(arch).value == pytest.approx(total, rel=1e-9)
    assert {preset.fidelity.solver for _, preset in hybrid.members()} == {"sgd", "ridge"}
