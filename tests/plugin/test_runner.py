"""NASLib's runner scripts with the plug-in active, and the configurations that they take."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.errors import InputError, MissingPackageError
from naslib_gennas.plugin import locate, runner
from naslib_gennas.plugin.runner_config import DATASETS, DEFAULTS, Job, read_config
from naslib_gennas.plugin.settings import is_ours

DIGITS = str(Path(__file__).parents[1] / "data" / "digits.csv.gz")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TINY = """
name: tiny
task:
  stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]
fidelity: {cells: 1, channels: 4, input_size: 32, batch_size: 4, steps: 3, readout: train}
"""
ZC = {
    "predictor": "gennas",
    "search_space": "nasbench201",
    "dataset": "cifar10",
    "test_size": 5,
    "out_dir": "out",
    "seed": 0,
}


def write(folder: Path, **changes) -> Path:
    """A configuration of the zc runner; None takes a key out."""
    config = {key: value for key, value in {**ZC, **changes}.items() if value is not None}
    path = folder / "cfg.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


# --- configurations, without NASLib


def test_defaults_and_overrides(tmp_path):
    file = write(tmp_path)
    config = read_config("zc", file, ["seed", "3", "gennas.preset", "best", "batch_size", "8"])
    assert config["seed"] == 3 and config["batch_size"] == 8 and config["train_portion"] == 0.7
    assert config["gennas"] == {"preset": "best"}
    search = write(tmp_path, optimizer="re", predictor=None, search={"epochs": 5})
    config = read_config("bbo", search, ["search.sample_size", "2", "fitness", "gennas_best"])
    assert config["search"] == {**DEFAULTS["bbo"]["search"], "epochs": 5, "sample_size": 2}
    assert Job("bbo", config).fitness == "gennas_best"
    assert DEFAULTS["bbo"]["search"]["epochs"] != 5


def test_the_section_describes_the_score(tmp_path):
    file = write(tmp_path, gennas={"preset": "fast", "seed": 4, "repeats": 3})
    section = Job("zc", read_config("zc", file)).section
    score = {"preset": "fast", "seed": 4, "device": "cpu", "repeats": 3}
    rest = {"screen": None, "keep": "5%", "learn": True, "task_search": False, "task_steps": 16}
    assert section.model_dump() == {**score, **rest}


@pytest.mark.parametrize(
    ("changes", "overrides", "message"),
    [
        ({"predictor": None, "predicter": "gennas"}, [], "key 'predicter'; did you mean predictor"),
        ({"seed": None}, [], "no key 'seed', which NASLib's runner zc needs"),
        ({"dataset": "cifar1000"}, [], "nasbench201 has no data set 'cifar1000'; it has: cifar10, "),
        ({"search_space": "nasbench101", "dataset": "cifar100"}, [], "nasbench101 has no data set 'cifar100'"),
        ({"search_space": "transnas101_micro", "dataset": "cifar10"}, [], "transbench101_micro has no data set"),
        ({"search_space": "darts"}, [], "no search space for zc is called 'darts'; there are: nasbench101, "),
        ({"search_space": "nasbench302"}, [], "no search space for zc is called 'nasbench302'; did you mean nasben"),
        ({"gennas": {"presett": "fast"}}, [], "gennas: presett: there is no such key"),
        ({"gennas": {"seed": -1}}, [], "gennas: seed: .* got -1"),
        ({"fitness": "gennas"}, [], "fitness is for the runner bbo"),
        ({"fitness": "accuracy"}, [], "fitness must be gennas or gennas_<preset>, got 'accuracy'"),
        ({}, ["seed"], "pairs of a key and a value; 'seed' has no value"),
        ({}, ["test_sise", "4"], "override 'test_sise' is no key of .*; did you mean test_size"),
        ({}, ["search.epochs", "4"], "override 'search.epochs' is no key"),
        ({}, ["test_size", "[4"], "override test_size '\\[4' is not YAML: .* in line 1"),
    ],
)
def test_bad_configurations(tmp_path, changes, overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        read_config("zc", write(tmp_path, **changes), overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "layout", "changes", "message"),
    [
        ("bbo", locate.ZEROCOST, {"optimizer": "re"}, "no optimizer of bbo in branch zerocost is called 're'"),
        ("bbo", locate.DEVELOP, {"optimizer": "banana"}, "did you mean bananas"),
        ("bbo", locate.DEVELOP, {"optimizer": "re", "search_space": "asr"}, "gennas cannot score asr"),
        ("bbo", locate.DEVELOP, {"optimizer": "re", "search": {"zc_names": "gennas"}}, "zc_names must be a list"),
        (
            "bbo",
            locate.ZEROCOST,
            {"optimizer": "bananas", "search": {"acq_fn_optimization": "mutation"}},
            "its bananas cannot mutate",
        ),
        ("predictors", locate.ZEROCOST, {}, "branch zerocost of NASLib has no runner predictors that runs; it has: zc"),
        ("xgb", locate.DEVELOP, {"train_size": 4}, "no key 'zc_names', which NASLib's runner xgb needs"),
        ("xgb", locate.DEVELOP, {"train_size": 4, "zc_names": []}, "zc_names is empty"),
    ],
)
def test_configurations_that_a_script_does_not_have(tmp_path, command, layout, changes, message):
    fitness = {"fitness": "gennas"} if changes.get("search_space") == "asr" else {}
    with pytest.raises(InputError, match=message) as caught:
        read_config(command, write(tmp_path, **changes, **fitness), (), layout)
    assert "\n" not in str(caught.value)


def test_defaults_of_the_branch(tmp_path):
    file = write(tmp_path, optimizer="bananas", search={"epochs": 5, "zc_names": ["gennas"]})
    zerocost, develop = (read_config("bbo", file, (), layout) for layout in (locate.ZEROCOST, locate.DEVELOP))
    assert zerocost["config_type"] == "bbo" and zerocost["batch_size"] == 64
    assert zerocost["search"]["predictor_type"] == "xgb" and develop["search"]["predictor_type"] == "rf"
    assert zerocost["search"]["zc_ensemble"] and develop["search"]["zc"]
    plain = write(tmp_path, optimizer="bananas")
    assert read_config("bbo", plain, (), locate.ZEROCOST)["search"]["zc_ensemble"] is False
    assert "zc" not in read_config("bbo", plain, (), locate.DEVELOP)["search"]
    assert read_config("zc", write(tmp_path, search_space="transnas101_micro", dataset="jigsaw"))["search_space"] == (
        "transbench101_micro"
    )


def test_unreadable_configurations(tmp_path):
    with pytest.raises(InputError, match="cannot read the configuration"):
        read_config("zc", tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(InputError, match="is not YAML"):
        read_config("zc", tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(InputError, match="must hold a mapping"):
        read_config("zc", tmp_path / "list.yaml")
    with pytest.raises(InputError, match="did you mean zc"):
        read_config("zcs", write(tmp_path))


def test_names():
    assert is_ours("gennas") and is_ours("gennas_best") and not is_ours("gennasty") and not is_ours("synflow")


@pytest.mark.parametrize(
    ("command", "example", "layout"),
    [
        *[(name, name, locate.DEVELOP) for name in ("zc", "zc-benchmarks", "predictors", "bbo", "xgb")],
        *[(name, name, locate.ZEROCOST) for name in ("zc", "zc-benchmarks", "xgb")],
        ("bbo", "bbo-zerocost", locate.ZEROCOST),
    ],
)
def test_examples_are_valid(command, example, layout):
    config = read_config(command, EXAMPLES / "naslib" / f"{example}.yaml", (), layout)
    assert config["gennas"] == {"preset": "fast", "seed": 0}


def test_without_naslib(tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "_importable_root", lambda: None)
    monkeypatch.delenv(locate.HOME, raising=False)
    with pytest.raises(MissingPackageError, match="NASLib was not found"):
        runner.run_stock("zc", write(tmp_path))
    done = CliRunner().invoke(main, ["naslib", "zc", "--config-file", str(write(tmp_path))])
    assert done.exit_code == 2 and "NASLIB_HOME" in done.stderr
    done = CliRunner().invoke(main, ["naslib", "zc", "--config-file", str(write(tmp_path)), "seed"])
    assert done.exit_code == 2 and "has no value" in done.stderr


def test_failures_that_the_script_passes_over_are_noted():
    script = """
for x in (1, 0):
    try:
        1 / x
    except Exception as e:
        x = 2
"""
    tree, noted = ast.parse(script), []
    runner._note_failures(tree)
    scope = {runner.NOTE: noted.append}
    exec(compile(tree, "script", "exec"), scope)
    assert [str(error) for error in noted] == ["division by zero"] and scope["x"] == 2


def test_swaps_are_undone(monkeypatch):
    from naslib_gennas.plugin.swaps import Swaps

    thing, other = object(), object()
    modules = {name: types.ModuleType(name) for name in ("naslib", "naslib.a", "elsewhere")}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
        module.thing = thing
    said = []
    with Swaps(said.append) as swaps:
        swaps.swap(thing, other, "a thing")
        assert modules["naslib"].thing is other and modules["naslib.a"].thing is other
        assert modules["elsewhere"].thing is thing
    assert all(module.thing is thing for module in modules.values()) and said == ["a thing"]


def test_image_batch(tmp_path):
    from naslib_gennas.plugin.image_batch import image_batch

    x, y = image_batch(None, 256, 32)
    assert x.shape == (64, 3, 32, 32) and x.dtype == torch.float32 and y[:11].tolist() == [*range(10), 0]
    pixels = np.zeros((6, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=np.array([5, 4, 3, 2, 1, 0]))
    x, y = image_batch(str(tmp_path / "a.npz"), 4, 16)
    assert x.shape == (4, 3, 16, 16) and y.tolist() == [5, 4, 3, 2] and y.dtype == torch.int64
    with pytest.raises(InputError, match="6 images"):
        image_batch(str(tmp_path / "a.npz"), 8, 16)


# --- with it

SETUP = """
    import json, sys
    from pathlib import Path
    from naslib_gennas.plugin.loading import load
    from naslib_gennas.plugin.runner import run_stock
    from naslib_gennas.plugin.locate import layout_of, require
    from naslib_gennas.tables import load_table

    examples, folder = Path(sys.argv[1]), Path(sys.argv[2])
    digits = load_table(sys.argv[3], "nasbench201")
    said = []

    def run(command, *overrides, example=None, **supplies):
        pairs = ["out_dir", str(folder / "out"), "gennas.preset", str(folder / "tiny.yaml"), *map(str, overrides)]
        [saved] = run_stock(command, examples / f"{example or command}.yaml", pairs, say=said.append, **supplies)
        return saved

    def files():
        return {str(path) for path in (require() / "naslib").rglob("*") if path.suffix not in (".pyc", "")}

    before = files()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    cells = range(5**6)
    from naslib_gennas.spaces import load_space

    rows = zip(load_space("nasbench201"), cells)
    lines = [f"{arch},{50 + sum(op in (2, 3) for op in arch.ops) + number / 1e5:.5f}" for arch, number in rows]
    (tmp_path / "all.csv").write_text("arch,cifar10_valid\n" + "\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.naslib
def test_zero_cost_runners(fresh_python, folder):
    """Ours and one of NASLib's own, on a table; the score is our scorer's; the checkout stays as it is."""
    fresh_python(
        SETUP
        + """
    from naslib_gennas import Scorer

    scorer = Scorer("nasbench201", str(folder / "tiny.yaml"))
    for predictor in ("gennas", "synflow"):
        saved = run("zc", "test_size", 6, "predictor", predictor, "batch_size", 8, table=digits)
        config, scores = json.loads((saved / "scores.json").read_text())
        assert config["predictor"] == predictor and -1 <= scores["kendalltau"] <= 1

    saved = run("zc-benchmarks", "start_idx", 3, "n_models", 4, table=digits)
    [file] = saved.glob("zc_benchmarks/gennas/*.json")
    rows = json.loads(file.read_text())
    assert [row["idx"] for row in rows] == ["3", "4", "5", "6"]
    from naslib_gennas.spaces.pasted import from_naslib
    for row in rows:
        arch = from_naslib("nasbench201", row["arch"])
        assert row["gennas"]["score"] == scorer.score(arch).value
        assert row["val_accuracy"] == digits.value(arch)

    for part in ("instead of cifar10", "made of the table ", "no networks are kept"):
        assert any(part in line for line in said)
    assert files() == before
    naslib = load()
    import naslib.utils as utils
    assert naslib["get_dataset_api"].__module__.startswith("naslib.")  # put back
    """,
        EXAMPLES / "naslib",
        folder,
        DIGITS,
    )


@pytest.mark.naslib
def test_search_runner(fresh_python, naslib_home, folder):
    """NASLib's evolution on our score without any data, BANANAS and NPENAS with our score as a feature."""
    if locate.layout_of(naslib_home) is not locate.DEVELOP:
        pytest.skip("branch zerocost has no evolution")
    fresh_python(
        SETUP
        + """
    import pytest, yaml
    from naslib_gennas.errors import InputError

    small = ["search.epochs", 10, "search.population_size", 4, "search.sample_size", 2, "search.num_init", 4]
    saved = run("bbo", *small)
    config, result = json.loads((saved / "errors.json").read_text())
    assert len(result["valid_acc"]) == 10 and max(result["valid_acc"]) < 0 and set(result["test_acc"]) == {-1}
    assert any("never an accuracy" in line for line in said)
    run("bbo", *small, "optimizer", "ls")

    table = load_table(folder / "all.csv", "nasbench201")
    reported = json.loads((run("bbo", *small, "seed", 1, table=table) / "errors.json").read_text())[1]
    assert max(reported["valid_acc"]) < 0 < min(reported["test_acc"])  # accuracies in the report only

    config = yaml.safe_load((examples / "bbo.yaml").read_text())
    del config["fitness"]
    config["search"].update(zc=True, zc_ensemble=True, zc_names=["gennas"], num_candidates=6, k=3, epochs=7, num_init=4)
    config["gennas"]["preset"] = str(folder / "tiny.yaml")
    (folder / "bananas.yaml").write_text(yaml.safe_dump(config))
    for optimizer in ("bananas", "npenas"):
        pairs = ["optimizer", optimizer, "out_dir", str(folder / "out")]
        [saved] = run_stock("bbo", folder / "bananas.yaml", pairs, table=table, say=said.append)
        accuracies = json.loads((saved / "errors.json").read_text())[1]["valid_acc"]
        assert len(accuracies) == 7 and min(accuracies) >= 50
    with pytest.raises(InputError, match="name a table with --table"):
        run_stock("bbo", folder / "bananas.yaml", ["out_dir", str(folder / "out")], say=said.append)
    assert files() == before
    """,
        EXAMPLES / "naslib",
        folder,
        DIGITS,
    )


@pytest.mark.naslib
def test_predictors_runner(fresh_python, naslib_home, folder):
    if locate.layout_of(naslib_home) is not locate.DEVELOP:
        pytest.skip("the predictors runner is Develop's")
    fresh_python(
        SETUP
        + """
    table = load_table(folder / "all.csv", "nasbench201")
    saved = run("predictors", "test_size", 6, "train_size_single", 3, table=table)
    [file] = saved.glob("*.json")
    config, scores = json.loads(file.read_text())
    assert -1 <= scores["kendalltau"] <= 1 and len(scores["full_testpred"]) == 6
    assert min(scores["full_testpred"]) > 0
    assert "PredictorEvaluator: gets the predictor gennas" in said
    for name in ("params", "jacov"):  # NASLib's own get the list of graphs that its evaluator hands over
        saved = run("predictors", "test_size", 4, "train_size_single", 3, "predictor", name, table=table)
        [file] = saved.glob("*.json")
        assert len(json.loads(file.read_text())[1]["full_testpred"]) == 4
    """,
        EXAMPLES / "naslib",
        folder,
        DIGITS,
    )


@pytest.mark.naslib
@pytest.mark.parametrize("space", sorted(DATASETS))
def test_every_runner_on_every_space(fresh_python, space):
    """What this needs of NASLib's optional packages is missing (xgboost), or it works."""
    out = fresh_python(
        """
        import sys
        from naslib_gennas.plugin.self_test import check_runners
        for check in check_runners([sys.argv[1]]):
            print(f"{check.runner} {check.what}: {check.problem or 'works'}")
        """,
        space,
    )
    rows = out.splitlines()
    assert len(rows) >= 11
    lacking = [] if importlib.util.find_spec("xgboost") else ["xgboost is missing"]
    assert [row for row in rows if not any(text in row for text in ("works", *lacking))] == []


@pytest.mark.naslib
def test_search_of_zerocost(fresh_python, naslib_home, folder):
    """Accuracies are the table's, scores of features ours, and both are there under NASLib's names."""
    pytest.importorskip("xgboost")
    if locate.layout_of(naslib_home) is not locate.ZEROCOST:
        pytest.skip("this is branch zerocost's runner")
    fresh_python(
        SETUP
        + """
    table = load_table(folder / "all.csv", "nasbench201")
    small = ["search.epochs", 14, "search.num_init", 5, "search.zc_names", "[gennas]", "batch_size", 8]
    for optimizer in ("bananas", "npenas"):
        saved = run("bbo", *small, "optimizer", optimizer, example="bbo-zerocost", table=table)
        result = json.loads((saved / "errors.json").read_text())
        found = result[1]["valid_acc"]
        assert len(found) == 14 and found == sorted(found)  # the best so far
        assert all(table.frame["cifar10_valid"].sub(value).abs().min() < 1e-9 for value in found)
    assert files() == before
    """,
        EXAMPLES / "naslib",
        folder,
        DIGITS,
    )


@pytest.mark.naslib
def test_failures_of_scripts_are_sentences(fresh_python, naslib_home, folder):
    fresh_python(
        SETUP
        + """
    import pytest
    from naslib_gennas.errors import GenNASError

    for pairs, words in (
        (["predictor", "nwott"], ["nwott", "did you mean nwot"]),
        (["predictor", "gennas_fest"], ["fest", "did you mean fast"]),
    ):
        with pytest.raises(GenNASError) as caught:
            run("zc", "test_size", 4, *pairs, table=digits)
        assert all(word in str(caught.value) for word in words) and chr(10) not in str(caught.value)
    with pytest.raises(GenNASError, match="xgb draws 99998 different architectures"):
        run("xgb", "train_size", 49999, "test_size", 49999, table=digits)
    """,
        EXAMPLES / "naslib",
        folder,
        DIGITS,
    )


@pytest.mark.naslib
def test_search_examples(fresh_python, naslib_home, folder):
    if locate.layout_of(naslib_home) is not locate.DEVELOP:
        pytest.skip("branch zerocost has no evolution")
    out = fresh_python(
        """
        import json, runpy, sys
        from pathlib import Path

        examples, folder = Path(sys.argv[1]), Path(sys.argv[2])

        def run(name, *arguments):
            sys.argv = [name, *map(str, arguments)]
            runpy.run_path(str(examples / name), run_name="__main__")

        run("naslib_search.py", "--preset", folder / "tiny.yaml", "--steps", 24, "--out", folder / "winner.py")
        run("compare_search_engines.py", "--table", folder / "all.csv", "--metric", "cifar10_valid",
            "--seeds", 3, "--steps", 80)
        """,
        EXAMPLES,
        folder,
    )
    assert "parameters, written to" in out and (folder / "winner.json").exists()
    data = json.loads(out[out.index("{") :])
    assert 0 <= data["mann_whitney_p"] <= 1 and len(data["naslib"]["regret"]) == 3
