"""The NASLib predictor, and measures that are there as soon as NASLib is."""

from __future__ import annotations

import copy
import os
import pickle
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
from naslib_gennas.plugin import loading, locate, predictor
from naslib_gennas.plugin.settings import Section, checked_settings, settings_of
from naslib_gennas.predictors import SpectrumPredictor
from naslib_gennas.spaces.pasted import from_naslib, to_naslib

DIGITS = str(Path(__file__).parents[1] / "data" / "digits.csv.gz")

TINY = """
name: tiny
task:
  stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]
fidelity: {cells: 1, channels: 4, input_size: 8, batch_size: 4, steps: 3, readout: train}
"""
SPEC = (4, 0, 3, 1, 4, 3)
SPECS = [SPEC, (2,) * 6, (0, 3, 3, 1, 2, 4), (1, 0, 4, 2, 3, 0), (3, 3, 2, 0, 1, 3), (2, 0, 1, 4, 4, 2)]
LABELS = np.array([91.0, 88.0, 93.5, 70.0, 92.0, 60.0])
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
    assert default == Section() and default.model_dump()["preset"] == "hybrid"
    assert settings_of(SimpleNamespace(gennas={"seed": 3})) == Section(seed=3) != default
    assert default.task_search is False and settings_of({"gennas": {"task_search": True}}).task_search is True
    with pytest.raises(SpecError, match="expected a mapping of preset, seed"):
        settings_of({"gennas": "fast"})


def test_predictor_without_naslib_says_so(nowhere, monkeypatch):
    monkeypatch.delitem(sys.modules, "naslib_gennas.plugin.naslib_predictor", raising=False)
    with pytest.raises(MissingPackageError, match="NASLIB_HOME"):
        predictor.GenNASPredictor  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'GenNASPredictors'"):
        predictor.GenNASPredictors  # noqa: B018


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
        return loading.load(naslib_home)


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
    expected = Scorer("nasbench201", tiny, 3).score(ARCH).value
    assert ours.query(graph) == expected
    assert ours.fit([], [], None) is None
    scores = ours.query([graph, graph_of(naslib, (2,) * 6), graph], [{}, {}, {}])
    assert scores.shape == (3,) and scores[0] == scores[2] == expected != scores[1]
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    loader = [(images, torch.zeros(4))]
    expected = Scorer("nasbench201", tiny, 3, images=images).score(ARCH).value
    assert ours.query(graph, loader) == ours.query(graph, dataloader=loader) == expected
    ours.dataloader = loader  # for callers that have none
    assert ours.query(graph) == ours.query([graph], [{}])[0] == expected
    ours.dataloader = None
    explosive = load_preset(tiny).with_fidelity(learning_rate=1e30, steps=20)
    assert predictor.GenNASPredictor(seed=3).scores.preset.name == "hybrid"
    ours.scores.preset = explosive
    ours.scores._scorers.clear()
    assert ours.query(graph) == -1e8


@pytest.mark.naslib
def test_fit_searches_for_a_task_where_asked(naslib, tiny):
    """From then on the scores are those of the task found, which ranks the labels at least as well."""
    graphs, labels = [graph_of(naslib, spec) for spec in SPECS], LABELS
    plain = predictor.GenNASPredictor(preset=tiny, seed=3, repeats=2)
    config = {"gennas": {"preset": tiny, "seed": 3, "repeats": 2, "task_search": True, "task_steps": 3}}
    ours = predictor.GenNASPredictor.from_config(config)
    before = plain.query(graphs)
    ours.fit(graphs, labels)
    found, after = ours.scores.preset, ours.query(graphs)
    texts = [str(from_naslib("nasbench201", spec)) for spec in SPECS]
    scorer = Scorer("nasbench201", found, 3)
    assert list(after) == [scorer.score(text).value for text in texts]
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
    plain.fit()
    assert list(plain.query(graphs)) == list(before)


@pytest.mark.naslib
def test_labels_are_learnt_unless_that_is_off(naslib, tiny):
    """What it expects is what our own predictor expects; without labels it is the score again."""
    graphs = [graph_of(naslib, spec) for spec in SPECS]
    texts = [str(from_naslib("nasbench201", spec)) for spec in SPECS]
    ours = predictor.GenNASPredictor(preset="instant", seed=3)
    before = ours.query(graphs)
    ours.fit(graphs[:5], LABELS[:5])
    after = ours.query(graphs)
    rng = np.random.default_rng(3)
    alone = SpectrumPredictor("nasbench201", seed=3)
    drawn = [alone.space.sample(rng) for _ in range(300)]
    alone.fit(texts[:5], LABELS[:5], reference=[*texts[:5], *drawn])
    assert after == pytest.approx(alone.predict(texts), rel=1e-3)
    assert ours.query(graphs[0]) == after[0]
    twin = pickle.loads(pickle.dumps(ours))
    assert twin.query(graphs) == pytest.approx(after, rel=1e-4)
    with pytest.warns(UserWarning, match="all 6 labels are 1.*the labels are not used"):
        ours.fit(graphs, np.ones(6))
    assert list(ours.query(graphs)) == list(before)
    off = predictor.GenNASPredictor(preset="instant", seed=3, learn=False)
    off.fit(graphs, LABELS)
    assert list(off.query(graphs)) == list(before)


@pytest.mark.naslib
def test_naslibs_ensembles_know_it(naslib):
    """Its members together say the mean and the deviation of one predictor."""
    graphs = [graph_of(naslib, spec) for spec in SPECS]
    alone = predictor.GenNASPredictor(preset="instant", seed=3)
    alone.fit(graphs[:5], LABELS[:5])
    mean, deviation = alone.expected(graphs)
    assert list(mean) == list(alone.query(graphs)) and (deviation > 0).all()
    settings = {"num_ensemble": 3, "predictor_type": "gennas_instant", "config": {"gennas": {"seed": 3}}}
    ensemble = naslib["Ensemble"](**settings)
    ensemble.fit(graphs[:5], LABELS[:5])
    said = ensemble.query(graphs)
    assert said.shape == (3, len(graphs))
    assert said.mean(axis=0) == pytest.approx(mean, rel=1e-3) and said.std(axis=0) == pytest.approx(deviation, rel=1e-2)
    single = naslib["Ensemble"](**{**settings, "num_ensemble": 1})
    single.fit(graphs[:5], LABELS[:5])
    assert single.query(graphs)[0] == pytest.approx(mean, rel=1e-3)


@pytest.mark.naslib
def test_a_trained_score_is_a_feature(naslib):
    graphs = [graph_of(naslib, spec) for spec in SPECS]
    ours = predictor.GenNASPredictor(preset="tiny")
    ours.fit(graphs, LABELS)
    assert "score:gennas@tiny" in ours._learnt.columns


@pytest.mark.naslib
def test_a_regression_that_fails_is_told(naslib, tiny, monkeypatch):
    def fail(self, arch, member, repeat):
        raise RuntimeError("no memory left")

    monkeypatch.setattr(Scorer, "_regress", fail)
    ours = predictor.GenNASPredictor(preset=tiny)
    with pytest.warns(UserWarning, match="gennas of .* failed: RuntimeError: no memory left"):
        assert ours.query(graph_of(naslib)) == -1e8


def like(ours):
    """What copies of a predictor have in common with it."""
    same_task = ours.scores is ours.configured
    return ours.settings, ours.hyperparams, ours.method_type, ours.configured.preset, ours.scores.preset, same_task


@pytest.mark.naslib
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("adapted", [False, True])
def test_copies_and_pickles(naslib, tiny, adapted, asked):
    """In every state they are like the original, share nothing with it, and give the same scores."""
    graphs = [graph_of(naslib, spec) for spec in SPECS]
    loader = [(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(4))]
    ours = predictor.GenNASPredictor(preset=tiny, seed=3, repeats=2, task_search=adapted, task_steps=3)
    ours.set_ss_type("nasbench201")
    ours.fit(graphs, LABELS)
    assert (ours.scores is ours.configured) != adapted
    if asked:
        ours.query(graphs)
        ours.query(graphs[0], loader)
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), pickle.loads(pickle.dumps(copy.copy(ours)))):
        assert type(other) is predictor.GenNASPredictor and isinstance(other, naslib["Predictor"])
        assert like(other) == like(ours) and other.ss_type == "nasbench201"
        assert other.scores is not ours.scores
        assert other.query(graphs).tolist() == ours.query(graphs).tolist()
        assert other.query(graphs[0], loader) == ours.query(graphs[0], loader)
        other.fit(graphs, -LABELS)
        assert (other.scores is other.configured) != adapted and ours.scores is not other.scores


@pytest.mark.naslib
@pytest.mark.parametrize("adapted", [False, True])
def test_pickle_in_a_process_that_has_not_loaded_naslib(naslib, tiny, fresh_python, tmp_path, adapted):
    ours = predictor.GenNASPredictor(preset=tiny, seed=3, task_search=adapted, task_steps=3)
    graphs = [graph_of(naslib, spec) for spec in SPECS]
    ours.fit(graphs, LABELS)
    expected = ours.query(graphs[0])
    (tmp_path / "ours.pickle").write_bytes(pickle.dumps(ours))
    out = fresh_python(
        """
        import pickle, sys
        from pathlib import Path
        import naslib_gennas.plugin
        assert "naslib" not in sys.modules
        ours = pickle.loads(Path(sys.argv[1]).read_bytes())
        from naslib.predictors.predictor import Predictor
        from naslib.search_spaces import NasBench201SearchSpace
        assert isinstance(ours, Predictor)
        graph = NasBench201SearchSpace()
        graph.instantiate_model = False
        graph.set_spec((4, 0, 3, 1, 4, 3))
        print(repr(float(ours.query(graph))))
        """,
        tmp_path / "ours.pickle",
    )
    assert float(out.splitlines()[-1]) == expected


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
    assert measure.query(graph) == Scorer("nasbench201").score(ARCH).value
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
    from naslib_gennas.plugin.specifications import specification

    table = load_table(DIGITS, "nasbench201")
    known = [table.space.parse(text) for text in table.frame["arch"][:6]]

    specs = iter([to_naslib("nasbench201", arch) for arch in known] * 3)

    class Listed(specification(naslib, naslib["NasBench201SearchSpace"], truth=True)):
        def sample_random_architecture(self, dataset_api=None, load_labeled=False):
            self.set_spec(next(specs))

    config = SimpleNamespace(
        experiment_type="single", test_size=6, train_size_single=2, train_size_list=[2], fidelity_single=1,
        fidelity_list=[1], max_hpo_time=0, dataset="cifar10", uniform_random=True, save=None,
    )  # fmt: skip
    ours = predictor.GenNASPredictor.from_config({"gennas": {"preset": tiny, "learn": False}})
    evaluator = naslib["PredictorEvaluator"](ours, config=config)
    evaluator._log_to_json = lambda: None
    evaluator.adapt_search_space(Listed(), load_labeled=False, dataset_api=from_table(table, "cifar10"))
    evaluator.evaluate()
    scorer = Scorer("nasbench201", tiny)
    result = evaluator.results[-1]
    assert list(result["full_testpred"]) == [scorer.score(arch).value for arch in known]
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
    from naslib_gennas.plugin import first_import, loading
    assert naslib.utils is sys.modules["naslib.utils"] and naslib.__spec__.origin == naslib.__file__
    assert not any(isinstance(finder, first_import.FirstImport) for finder in sys.meta_path)
    assert loading.load()["ZeroCost"] is ZeroCost
    assert [row for row in loading.describe() if row.applied]
    names = naslib_gennas.register()
    assert names == naslib_gennas.plugin.register() and names[0] == "gennas"
    measures = loading.load()["measures"].available_measures
    assert [measures.count(name) for name in names] == [1] * len(names)
    print("done")
    """)
    assert out.endswith("done\n")


def test_a_screen_chooses_what_is_trained(naslib, tiny):
    screened = predictor.GenNASPredictor(preset=tiny, screen="instant", keep="2")
    graphs = [graph_of(naslib, spec) for spec in SPECS]
    found = screened.query(graphs)
    cheap = predictor.GenNASPredictor(preset="instant").query(graphs)
    trained = predictor.GenNASPredictor(preset=tiny).query(graphs)
    order = np.argsort(-cheap)
    assert found[order[:2]].tolist() == trained[order[:2]].tolist()
    assert found[order[2:]].max() < found[order[:2]].min()
    assert spearman(found[order[2:]].tolist(), cheap[order[2:]].tolist()) == pytest.approx(1.0)
    assert screened.query(graphs[0]) == trained[0]  # a single graph is not screened
    with pytest.raises(Exception, match="--keep"):
        predictor.GenNASPredictor(screen="instant", keep="0%")
