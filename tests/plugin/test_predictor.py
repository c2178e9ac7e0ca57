"""The NASLib predictor, and measures that are there as soon as NASLib is."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from naslib_gennas import Scorer, load_preset, load_table
from naslib_gennas.errors import MissingPackageError, SpecError
from naslib_gennas.evaluation import spearman
from naslib_gennas.plugin import loading as compat
from naslib_gennas.plugin import locate, predictor
from naslib_gennas.plugin.predictor import checked_settings, settings_of
from naslib_gennas.spaces.pasted import from_naslib, to_naslib

TINY = """
name: tiny
task:
  stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]
fidelity: {cells: 1, channels: 4, input_size: 8, batch_size: 4, steps: 3, readout: train}
"""
SPEC = (4, 0, 3, 1, 4, 3)
ARCH = from_naslib("nasbench201", SPEC)


@pytest.fixture
def nowhere(monkeypatch):
    monkeypatch.setattr(locate, "_importable_root", lambda: None)
    monkeypatch.delenv(locate.HOME, raising=False)


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


# --- without NASLib


@pytest.mark.parametrize("settings, sentence", [
    ({"prset": "fast"}, "no setting is called 'prset'; did you mean preset"),
    ({"seed": -1}, "seed"),
    ({"seed": "three"}, "seed"),
    ({"repeats": 0}, "repeats"),
    ({"seed": True}, "seed"),
    ({"task_search": "perhaps"}, "task_search"),
    ({"task_steps": -1}, "task_steps"),
])  # fmt: skip
def test_wrong_settings_are_named(settings, sentence):
    with pytest.raises(SpecError, match=f"gennas: .*{sentence}"):
        checked_settings(settings)
    with pytest.raises(SpecError, match=sentence):
        settings_of({"seed": 5, "gennas": settings})


def test_settings_of_a_configuration():
    default = checked_settings({})
    assert settings_of({}) == settings_of(SimpleNamespace(seed=9)) == default
    assert settings_of({"gennas": None}) == default
    assert settings_of(SimpleNamespace(gennas={"seed": 3})) == {**default, "seed": 3}
    assert default["task_search"] is False and settings_of({"gennas": {"task_search": True}})["task_search"] is True
    with pytest.raises(SpecError, match="expected a mapping of preset, seed"):
        settings_of({"gennas": "fast"})


def test_predictor_without_naslib_says_so(nowhere):
    with pytest.raises(MissingPackageError, match="NASLIB_HOME"):
        predictor.predictor_class.__wrapped__()


def test_plugin_imports_without_naslib():
    """Nothing fails and nothing is slow before NASLib is asked for; then it is one sentence."""
    code = """
    import sys
    import naslib_gennas, naslib_gennas.plugin.loading
    from naslib_gennas.plugin import locate
    assert "torch" not in sys.modules
    if locate.locate() is None:
        for call in (naslib_gennas.register, naslib_gennas.plugin.register):
            try:
                call()
            except ImportError as error:
                assert "NASLib was not found; git clone" in str(error) and "\\n" not in str(error)
            else:
                raise AssertionError("registered with nothing")
        try:
            import naslib
        except ModuleNotFoundError as error:
            assert str(error) == "No module named 'naslib'"
    """
    environment = {key: value for key, value in os.environ.items() if key != locate.HOME}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# --- with it


@pytest.fixture(scope="module")
def naslib(naslib_home):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compat.load(naslib_home)


def graph_of(naslib, spec=SPEC):
    """A specification: it has no network, and needs none."""
    graph = naslib["NasBench201SearchSpace"]()
    graph.instantiate_model = False
    graph.set_spec(spec)
    return graph


@pytest.mark.naslib
def test_both_kinds_of_query(naslib, tiny):
    ours = predictor.GenNASPredictor(preset=tiny, seed=3)
    assert isinstance(ours, naslib["Predictor"])
    graph = graph_of(naslib)
    expected = Scorer("nasbench201", tiny, 3).score(ARCH).score
    assert ours.query(graph) == expected
    assert ours.fit([graph], [90.0], None) is None
    scores = ours.query([graph, graph_of(naslib, (2,) * 6), graph], [{}, {}, {}])
    assert scores.shape == (3,) and scores[0] == scores[2] == expected != scores[1]
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    loader = [(images, torch.zeros(4))]
    expected = Scorer("nasbench201", tiny, 3, images=images).score(ARCH).score
    assert ours.query(graph, loader) == ours.query(graph, dataloader=loader) == expected
    explosive = load_preset(tiny).with_fidelity(learning_rate=1e30, steps=20)
    assert predictor.predictor_class()(seed=3).scores.preset.name == "fast"
    ours.scores.preset = explosive
    ours.scores._scorers.clear()
    assert ours.query(graph) == -1e8


@pytest.mark.naslib
def test_fit_searches_for_a_task_where_asked(naslib, tiny):
    """From then on the scores are those of the task found, which ranks the labels at least as well."""
    specs = [SPEC, (2,) * 6, (0, 3, 3, 1, 2, 4), (1, 0, 4, 2, 3, 0), (3, 3, 2, 0, 1, 3), (2, 0, 1, 4, 4, 2)]
    graphs, labels = [graph_of(naslib, spec) for spec in specs], np.array([91.0, 88.0, 93.5, 70.0, 92.0, 60.0])
    plain = predictor.GenNASPredictor(preset=tiny, seed=3, repeats=2)
    config = {"gennas": {"preset": tiny, "seed": 3, "repeats": 2, "task_search": True, "task_steps": 3}}
    ours = predictor.GenNASPredictor.from_config(config)
    before = plain.query(graphs)
    ours.fit(graphs, labels)
    found, after = ours.scores.preset, ours.query(graphs)
    texts = [str(from_naslib("nasbench201", spec)) for spec in specs]
    scorer = Scorer("nasbench201", found, 3)
    assert list(after) == [scorer.score(text).score for text in texts]
    assert spearman(after, labels) >= spearman(before, labels)
    assert found.fidelity == plain.scores.preset.fidelity and "11 tasks, seed 3, 6 labels" in found.source
    ours.fit(graphs, -labels)
    assert spearman(ours.query(graphs), -labels) >= spearman(before, -labels)  # starts from the configured preset again
    for few, sentence in ((labels[:4], "at least 5 labelled"), (np.ones(6), "all 6 labels are equal")):
        with pytest.warns(UserWarning, match=f"gennas: .*{sentence}.*; the preset tiny stays"):
            ours.fit(graphs[: len(few)], few)
        assert list(ours.query(graphs)) == list(before)
    with pytest.warns(UserWarning, match="got 0"):
        ours.fit()
    plain.fit(graphs, labels)
    assert list(plain.query(graphs)) == list(before)


@pytest.mark.naslib
def test_shuffling_loader_gives_every_graph_the_same_images(naslib, tiny):
    images = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    loader = DataLoader(TensorDataset(images, torch.zeros(40)), batch_size=8, shuffle=True)
    graph = graph_of(naslib)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    scores = {predictor.GenNASPredictor(preset=tiny).query(graph, loader) for _ in range(2)}
    assert len(scores) == 1
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])
    torch.rand(1)
    assert predictor.GenNASPredictor(preset=tiny).query(graph, loader) in scores


@pytest.mark.naslib
def test_zero_cost_without_loader_keeps_graph_and_flags(naslib):
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    try:
        cudnn.deterministic, cudnn.benchmark = False, True
        measure = naslib["ZeroCost"]("gennas")
        assert (cudnn.deterministic, cudnn.benchmark) == (False, True)
    finally:
        cudnn.deterministic, cudnn.benchmark = flags
    graph = naslib["NasBench201SearchSpace"]()
    graph.set_spec(SPEC)
    graph.parse()
    graph.eval()
    kept = set(vars(graph))
    assert measure.query(graph) == Scorer("nasbench201").score(ARCH).score
    assert not graph.training and set(vars(graph)) == kept
    measure.method_type = "gennas_fats"
    with pytest.raises(KeyError, match="did you mean gennas_fast"):
        measure.query(graph)


@pytest.mark.naslib
def test_predictor_evaluator(naslib, tiny):
    """NASLib's evaluator of predictors on our embedded table; the scores are the scorer's."""
    if "PredictorEvaluator" not in naslib:
        pytest.skip("branch zerocost has no PredictorEvaluator")
    from naslib_gennas.plugin.dataset_api import from_table
    from naslib_gennas.plugin.search import specification

    table = load_table("digits", "nasbench201")
    known = [table.space.parse(text) for text in table.frame["arch"][:6]]

    specs = iter([to_naslib("nasbench201", arch) for arch in known] * 3)

    class Listed(specification(naslib, naslib["NasBench201SearchSpace"], truth=True)):
        def sample_random_architecture(self, dataset_api=None, load_labeled=False):
            self.set_spec(next(specs))

    config = SimpleNamespace(
        experiment_type="single", test_size=6, train_size_single=2, train_size_list=[2], fidelity_single=1,
        fidelity_list=[1], max_hpo_time=0, dataset="cifar10", uniform_random=True, save=None,
    )  # fmt: skip
    ours = predictor.GenNASPredictor.from_config({"gennas": {"preset": tiny}})
    evaluator = naslib["PredictorEvaluator"](ours, config=config)
    evaluator._log_to_json = lambda: None
    evaluator.adapt_search_space(Listed(), load_labeled=False, dataset_api=from_table(table, "cifar10"))
    evaluator.evaluate()
    scorer = Scorer("nasbench201", tiny)
    result = evaluator.results[-1]
    assert list(result["full_testpred"]) == [scorer.score(arch).score for arch in known]
    assert list(result["full_ytest"]) == [table.value(arch) for arch in known]
    assert -1 <= result["spearman"] <= 1


@pytest.mark.naslib
def test_import_of_naslib_after_the_plugin(fresh_python):
    """Stock imports work, with measures and repairs, wherever NASLib is."""
    out = fresh_python("""
    import sys, warnings
    warnings.simplefilter("ignore")
    import naslib_gennas.plugin
    assert "naslib" not in sys.modules and "torch" not in sys.modules
    from naslib.predictors.zerocost import ZeroCost
    import naslib, naslib.utils
    from naslib_gennas.plugin import compat, first_import
    assert naslib.utils is sys.modules["naslib.utils"] and naslib.__spec__.origin == naslib.__file__
    assert not any(isinstance(finder, first_import.FirstImport) for finder in sys.meta_path)
    assert compat.load()["ZeroCost"] is ZeroCost
    assert [row for row in compat.describe() if row.applied]
    names = naslib_gennas.register()
    assert names == naslib_gennas.plugin.register() and names[0] == "gennas"
    measures = compat.load()["measures"].available_measures
    assert [measures.count(name) for name in names] == [1] * len(names)
    print("done")
    """)
    assert out.endswith("done\n")
