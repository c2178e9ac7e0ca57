"""Predictors from labels: against scikit-learn's Gaussian process, plain formulas, real tables, and wrong input."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import kendalltau, norm, spearmanr

from naslib_gennas import load_space
from naslib_gennas.cli import main
from naslib_gennas.errors import ArchitectureError, InputError, SpecError, UnknownNameError
from naslib_gennas.predictors import FittedScorer, SpectrumPredictor
from naslib_gennas.predictors.features import FEATURES, Reading, extracted
from naslib_gennas.predictors.gaussian_process import GaussianProcess, Group
from naslib_gennas.predictors.scaling import RankScale
from naslib_gennas.predictors.suggest import first_batch, next_batch
from naslib_gennas.predictors.validation import coverage, importance, learning_curve
from naslib_gennas.testing import ScorerCase, check_scorer

SPACE = "nasbench201"
CHEAP = ("closed_form", "size", "encoding")
PLACES = list(range(0, 15625, 311))  # 51


def labels_of(archs):
    """A made truth: convolutions are good."""
    space = load_space(SPACE)
    return [float(str(space.parse(str(arch))).count("conv_3x3") + 0.01 * int(arch) / 15625) for arch in archs]


@pytest.fixture(scope="module")
def fitted():
    predictor = SpectrumPredictor(SPACE, CHEAP)
    return predictor.fit(PLACES[:20], labels_of(PLACES[:20]), reference=PLACES)


def data(n=25, columns=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    return x, np.sin(x[:, 0]) + 0.3 * x[:, 1] + 0.1 * rng.normal(size=n)


class TestGaussianProcess:
    def test_one_smooth_function_is_scikit_learns(self):
        process = pytest.importorskip("sklearn.gaussian_process")
        kernels = process.kernels
        x, y = data()
        deviation, length, noise = 0.8, 1.3, 0.2
        kernel = kernels.ConstantKernel(deviation**2) * kernels.RBF(length * math.sqrt(3))
        theirs = process.GaussianProcessRegressor(kernel, alpha=noise**2 + 1e-6, optimizer=None).fit(x, y)
        ours = GaussianProcess([Group((0, 1, 2), "rbf")], np.log([deviation, length, noise])).fit(x, y)
        new = data(seed=1)[0]
        for got, wanted in zip(ours.predict(new), theirs.predict(new, return_std=True)):
            assert got == pytest.approx(wanted, abs=1e-8)
        likelihood = ours.log_likelihood(torch.tensor(ours.hyperparameters)).item()
        assert likelihood == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-8)

    def test_a_straight_line_is_bayesian_linear_regression(self):
        x, y = data()
        slope, deviation, noise = 0.5, 0.7, 0.3
        ours = GaussianProcess([Group((0, 1), "linear", slope)], np.log([deviation, noise])).fit(x, y)
        a, variance = x[:, :2], noise**2 + 1e-6
        covariance = np.linalg.inv(a.T @ a / variance + np.eye(2) / deviation**2)
        weights = slope + covariance @ (a.T @ (y - a.sum(1) * slope)) / variance
        new = data(seed=1)[0]
        mean, spread = ours.predict(new)
        assert mean == pytest.approx(new[:, :2] @ weights, abs=1e-8)
        assert spread == pytest.approx(np.sqrt(np.einsum("ij,jk,ik->i", new[:, :2], covariance, new[:, :2])), abs=1e-8)

    def test_hyperparameters_are_at_the_top_of_likelihood_and_prior(self):
        x, y = data(60)
        y = y + 0.4 * np.random.default_rng(1).normal(size=60)  # without noise that is found at its bound
        process = GaussianProcess([Group((0,), "linear"), Group((0, 1, 2), "rbf")]).fit(x, y)
        best = process.hyperparameters.copy()

        def total(values):
            from naslib_gennas.predictors.gaussian_process import PRIORS

            priors = (PRIORS[name] for name in process.names())
            log_prior = sum(norm.logpdf(v, p.mean, p.deviation) for v, p in zip(values, priors))
            return process.log_likelihood(torch.tensor(values)).item() + log_prior

        for place in range(len(best)):
            for step in (-0.05, 0.05):
                other = best.copy()
                other[place] += step
                assert total(other) < total(best) + 1e-6

    def test_a_label_twice_and_a_constant_column_do_no_harm(self):
        x, y = data()
        x[:, 2] = 0.0
        process = GaussianProcess([Group((0, 1, 2), "rbf")]).fit(np.vstack([x, x[:1]]), np.append(y, y[0]))
        assert np.isfinite(process.predict(x)[0]).all()

    def test_too_many_labels_are_refused(self):
        with pytest.raises(InputError, match="at most 2000"):
            GaussianProcess([Group((0,), "rbf")]).fit(np.zeros((2001, 1)), np.zeros(2001))


class TestScale:
    def test_scores_are_normal_and_monotone(self):
        values = np.random.default_rng(0).exponential(size=5000)
        scale = RankScale.of(values)
        scores = scale.to_score(values)
        assert scores.mean() == pytest.approx(0, abs=0.02) and scores.std() == pytest.approx(1, abs=0.03)
        assert spearmanr(scores, values)[0] == pytest.approx(1.0)
        assert scale.to_value(scale.to_score(np.array([0.1, 2.0, 50.0]))) == pytest.approx([0.1, 2.0, 50.0])
        assert (np.diff(scale.to_score(np.linspace(-5, 50, 300))) > 0).all()

    def test_two_values_and_none(self):
        scale = RankScale.of([0.0, 0.0, 0.0, 1.0])
        low, high = scale.to_score(np.array([0.0, 1.0]))
        assert 3 * low + high == pytest.approx(0) and (3 * low**2 + high**2) / 4 == pytest.approx(1)
        assert RankScale.of([2.0] * 9) is None and RankScale.of([math.nan]) is None
        assert RankScale.of([0.0] * 9999 + [1.0]) is None


def again_tau(predictor, archs, truth):
    return kendalltau(predictor.latent(archs)[0], truth)[0]


class TestPredictor:
    def test_it_learns_and_says_how_sure_it_is(self, fitted):
        others = PLACES[20:]
        truth = labels_of(others)
        assert fitted.score(others, truth) > 0.7
        mean, deviation = fitted.predict(others, return_std=True)
        assert spearmanr(mean, truth)[0] == pytest.approx(fitted.score(others, truth), abs=0.02)
        _, known = fitted.latent(PLACES[:20])
        _, unknown = fitted.latent(others)
        assert known.mean() < unknown.mean()

    def test_importance_is_what_shuffling_costs(self, fitted):
        assert set(importance(fitted, PLACES, labels_of(PLACES))) == set(CHEAP)
        alone = SpectrumPredictor(SPACE, ["size"]).fit(PLACES[:20], labels_of(PLACES[:20]), reference=PLACES)
        truth = labels_of(PLACES)
        lost = importance(alone, PLACES, truth, shuffles=50)["size"]
        assert lost == pytest.approx(alone.score(PLACES, truth), abs=0.1)  # nothing is left

    def test_coverage_is_counted_in_normal_intervals(self, fitted):
        others, truth = PLACES[20:], labels_of(PLACES[20:])
        mean, deviation = fitted.latent(others)
        whole = np.sqrt(deviation**2 + fitted.noise**2)
        inside = [
            np.mean([abs(t - m) <= z * d for t, m, d in zip(fitted.to_score(np.array(truth)), mean, whole)])
            for z in (0.67449, 1.95996)
        ]  # quantiles of a normal distribution
        assert list(coverage(fitted, others, truth).values()) == pytest.approx(inside, abs=1e-9)
        assert 0 < inside[0] < inside[1] <= 1

    def test_a_learning_curve_is_of_fits_to_fewer_labels(self, fitted):
        others, truth = PLACES[20:], labels_of(PLACES[20:])
        curve = learning_curve(fitted, others, truth, draws=3)
        assert list(curve) == [5, 10, 20] and [len(taus) for taus in curve.values()] == [3, 3, 1]
        assert curve[20] == [pytest.approx(kendalltau(fitted.latent(others)[0], truth)[0])]
        rng = np.random.default_rng(fitted.seed)
        subset = rng.permutation(20)[:10]
        texts, labels = [PLACES[i] for i in subset], [labels_of(PLACES)[i] for i in subset]
        again = SpectrumPredictor(SPACE, CHEAP).fit(texts, labels, reference=[*PLACES, *PLACES[:20]])
        assert curve[10][0] == pytest.approx(again_tau(again, others, truth), abs=0.02)

    def test_labels_are_what_it_learns_from(self, fitted):
        others = PLACES[20:]
        turned = SpectrumPredictor(SPACE, CHEAP).fit(PLACES[:20], [-x for x in labels_of(PLACES[:20])], PLACES)
        assert turned.score(others, labels_of(others)) < 0 < fitted.score(others, labels_of(others))

    def test_it_is_saved_and_read_as_it_was(self, fitted, tmp_path):
        fitted.save(tmp_path / "predictor.json")
        again = SpectrumPredictor.load(tmp_path / "predictor.json")
        assert again.predict(PLACES[20:]) == pytest.approx(fitted.predict(PLACES[20:]), abs=1e-4)
        content = json.loads((tmp_path / "predictor.json").read_text())
        content["labels"][0] += 1.0
        (tmp_path / "edited.json").write_text(json.dumps(content))
        for path, why in ((tmp_path / "edited.json", "digest"), (tmp_path / "none.json", "No such file")):
            with pytest.raises(SpecError, match=why):
                SpectrumPredictor.load(path)
        (tmp_path / "other.json").write_text("[1, 2]")
        with pytest.raises(SpecError, match="cannot read the predictor"):
            SpectrumPredictor.load(tmp_path / "other.json")

    def test_equal_seeds_give_equal_predictions(self, fitted):
        again = SpectrumPredictor(SPACE, CHEAP).fit(PLACES[:20], labels_of(PLACES[:20]), reference=PLACES)
        assert (again.predict(PLACES) == fitted.predict(PLACES)).all()
        other = SpectrumPredictor(SPACE, CHEAP, seed=1).fit(PLACES[:20], labels_of(PLACES[:20]), reference=PLACES)
        assert (other.predict(PLACES) != fitted.predict(PLACES)).any()

    @pytest.mark.parametrize(
        ("archs", "labels", "sentence"),
        [
            (["5", "7"], [1.0, 2.0], "at least 3 labels"),
            (["5", "7", "9"], [1.0, 2.0], "3 architectures and 2 labels"),
            (["5", "7", "9"], [1.0, 2.0, math.nan], "not a finite number"),
            (["5", "7", "9"], [1.0, 1.0, 1.0], "all 3 labels are 1"),
        ],
    )
    def test_labels_that_teach_nothing(self, archs, labels, sentence):
        with pytest.raises(InputError, match=sentence):
            SpectrumPredictor(SPACE, CHEAP).fit(archs, labels, reference=PLACES)

    def test_other_mistakes(self, fitted):
        with pytest.raises(ArchitectureError):
            fitted.predict(["a network"])
        with pytest.raises(InputError, match="fit first"):
            SpectrumPredictor(SPACE).predict(["5"])
        with pytest.raises(UnknownNameError, match="spectrum"):
            SpectrumPredictor(SPACE, ["spectrun"])
        with pytest.raises(UnknownNameError, match="synflow"):
            SpectrumPredictor(SPACE, ["score:synflo"])
        with pytest.raises(InputError, match="at least one feature"):
            SpectrumPredictor(SPACE, [])
        with pytest.raises(InputError, match="closed form"):
            SpectrumPredictor(SPACE, preset="fast")
        with pytest.raises(InputError, match="rank or raw"):
            SpectrumPredictor(SPACE, targets="order")

    def test_values_can_be_learnt_instead_of_the_order(self):
        predictor = SpectrumPredictor(SPACE, CHEAP, targets="raw")
        predictor.fit(PLACES[:20], labels_of(PLACES[:20]), reference=PLACES)
        assert np.abs(predictor.predict(PLACES[:20]) - labels_of(PLACES[:20])).mean() < 0.5

    def test_twenty_labels_are_better_than_none(self, shared):
        """On the table's real accuracies; label-free tau .757 of the whole space."""
        from naslib_gennas.tables import load_table

        table = load_table(shared / "nasbench201.csv.gz", SPACE)
        rows = table.sample(700, "cifar10_test", np.random.default_rng(0))
        archs, truth = rows["arch"].tolist(), rows["cifar10_test"].to_numpy()
        predictor = SpectrumPredictor(SPACE).fit(archs[:60], truth[:60], reference=archs)
        free = predictor.label_free(archs[60:])
        assert predictor.score(archs[60:], truth[60:]) > spearmanr(free, truth[60:])[0] + 0.01

    def test_it_is_a_scorer(self, fitted):
        @cache
        def made(seed):
            return SpectrumPredictor(SPACE, CHEAP, seed=seed).fit(PLACES[:20], labels_of(PLACES[:20]), PLACES)

        archs = [str(place) for place in PLACES[20:24]]
        values = fitted.latent(archs)[0]
        order = (archs[int(np.argmin(values))], archs[int(np.argmax(values))])
        unchecked = check_scorer(
            ScorerCase(
                lambda seed: FittedScorer(made(seed)),
                archs,
                order,
                unchecked=dict.fromkeys(("check_failures", "check_models"), "nothing is built"),
            )
        )
        assert set(unchecked) == {"check_failures", "check_models"}


@pytest.mark.parametrize("name", ["nasbench101", "nds_darts_in", "nds_resnet", "transnas101_macro", "nasbench_nlp"])
def test_every_kind_of_space_has_features(name):
    space = load_space(name)
    rng = np.random.default_rng(0)
    archs = list({space.score_key(arch): arch for arch in (space.sample(rng) for _ in range(6))}.values())
    found = extracted(Reading(space, archs, ranks=True), [*FEATURES.names()])
    for feature, columns in found.items():
        assert all(np.isfinite(column.values).all() for column in columns), feature
        assert len({column.name for column in columns}) == len(columns)
    assert all(found[feature] for feature in ("closed_form", "size", "residual", "effective_rank"))
    assert bool(found["spectrum"]) == (space.kind == "cnn")


def test_features_do_not_depend_on_what_else_is_read():
    space = load_space(SPACE)
    archs = [space.parse(str(place)) for place in PLACES[:6]]
    together = extracted(Reading(space, archs), ["spectrum"])["spectrum"]
    alone = extracted(Reading(space, archs[2:3]), ["spectrum"])["spectrum"]
    assert [column.values[2] for column in together] == pytest.approx([c.values[0] for c in alone], abs=1e-4)


def test_a_measure_can_be_a_feature():
    space = load_space(SPACE)
    archs = [space.parse("5"), space.parse("77")]
    (column,) = extracted(Reading(space, archs), ["score:params"])["score:params"]
    expected = [space.parameters(space.reduced(arch)) / 1e6 for arch in archs]
    assert column.values == pytest.approx(expected)


def test_a_measure_without_a_value_is_the_lowest(monkeypatch):
    from naslib_gennas.predictors import features

    def some(reading, name, measure):
        values = [float(place) if place else math.nan for place in range(len(reading.archs))]
        return features.Column(name, values)

    monkeypatch.setattr(features, "_scores", some)
    predictor = SpectrumPredictor(SPACE, ["size", "score:synflow"]).fit(PLACES[:9], labels_of(PLACES[:9]), PLACES[:9])
    column = predictor.read(PLACES[:9])[:, predictor.columns.index("score:synflow")]
    assert column[0] == column[1] == column.min() and len(set(column)) == 8


class TestSuggestions:
    def test_the_next_is_the_largest_expected_improvement(self, fitted):
        space = load_space(SPACE)
        candidates = [space.parse(str(place)) for place in PLACES]
        (first,) = next_batch(fitted, candidates, 1)
        fresh = [arch for arch in candidates if space.score_key(arch) not in fitted.labelled_keys]
        mean, deviation = fitted.latent(fresh)
        best = fitted.to_score(np.array(labels_of(PLACES[:20]))).max()
        gain = [d * (z * norm.cdf(z) + norm.pdf(z)) for m, d in zip(mean, deviation) for z in [(m - best) / d]]
        assert first == fresh[int(np.argmax(gain))]

    def test_a_batch_is_new_and_without_repeats(self, fitted):
        space = load_space(SPACE)
        candidates = [space.parse(str(place)) for place in PLACES]
        chosen = next_batch(fitted, candidates, 8)
        keys = {space.score_key(arch) for arch in chosen}
        assert len(keys) == 8 and not keys & fitted.labelled_keys
        with pytest.raises(InputError, match="only"):
            next_batch(fitted, candidates[:22], 20)

    def test_a_first_batch_is_spread(self):
        space = load_space(SPACE)
        candidates = list({space.score_key(a): a for a in (space.parse(str(place)) for place in PLACES)}.values())
        predictor = SpectrumPredictor(SPACE, CHEAP)
        chosen = first_batch(predictor, candidates, 8)
        assert len(set(chosen)) == 8
        x, promise = predictor.survey(candidates)
        rows = x[[candidates.index(arch) for arch in chosen]]
        distances = ((rows[:, None] - rows) ** 2).sum(-1)[np.triu_indices(8, 1)]
        rng = np.random.default_rng(0)
        by_chance = []
        for _ in range(50):
            drawn = x[rng.permutation(len(x))[:8]]
            by_chance.append(((drawn[:, None] - drawn) ** 2).sum(-1)[np.triu_indices(8, 1)].min())
        assert distances.min() > np.median(by_chance)
        assert chosen[0] == candidates[int(np.argmax(promise))]


def run(*words):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    rows = [f"{arch},{label},{-label}" for arch, label in zip(PLACES, labels_of(PLACES))]
    path.write_text("\n".join(["arch,accuracy,cost", *rows]))
    return path


FIT = ("fit", "--space", SPACE, "--features", "size,encoding")  # no network is read


class TestCommand:
    def test_fit_then_score_and_benchmark(self, table, tmp_path):
        out = tmp_path / "fit"
        made = run(*FIT, "--table", table, "--labelled", 20, "--validate", "all", "--out", out, "--json")
        assert made.exit_code == 0, made.stderr
        record = json.loads(made.stdout)
        assert record["labelled"] == 20 and record["check"]["n"] == len(PLACES) - 20
        assert record["check"]["rho"] > 0.7
        rows = (out / "predictions.csv").read_text().splitlines()
        assert rows[0] == "arch,expected,deviation,accuracy" and len(rows) == len(PLACES) - 20 + 1
        assert set(record["check"]["importance"]) == {"size", "encoding"}
        scored = run("score", "--space", SPACE, "--measure", f"fit:{out}", *PLACES[:3], "--json")
        assert scored.exit_code == 0, scored.stderr
        values = [score["score"] for score in json.loads(scored.stdout)["scores"]]
        expected = SpectrumPredictor.load(out / "predictor.json").latent(PLACES[:3])[0]
        assert values == pytest.approx(expected, abs=1e-6)
        words = ("benchmark", "--space", SPACE, "--table", table, "--metric", "accuracy", "--sample", 10, "--json")
        compared = run(*words, "--measures", f"fit:{out},params")
        assert compared.exit_code == 0, compared.stderr
        assert f"fit:{out}" in compared.stdout
        ranked = run(
            "correlate", "--space", SPACE, "--table", table, "--sample", 10, "--measure", f"fit:{out}", "--json"
        )
        assert json.loads(ranked.stdout)["measure"] == f"fit:{out}" and json.loads(ranked.stdout)["n"] == 10
        refused = run("correlate", "--space", SPACE, "--table", table, "--measure", f"fit:{out}", "--curves")
        assert refused.exit_code == 2 and "--curves are of the regressions" in refused.stderr
        wrong = run("score", "--space", "nasbench101", "--measure", f"fit:{out}", "5:397:000")
        assert wrong.exit_code == 2 and "is of nasbench201" in wrong.stderr

    def test_several_metrics_read_networks_once(self, table, tmp_path, monkeypatch):
        from naslib_gennas.predictors import spectrum_predictor

        read = []
        whole = spectrum_predictor.extracted
        monkeypatch.setattr(
            spectrum_predictor,
            "extracted",
            lambda reading, names: (read.extend(reading.archs), whole(reading, names))[1],
        )
        out = tmp_path / "fit"
        words = (*FIT, "--table", table, "--labelled", 20, "--validate", 30, "--metric", "accuracy,cost")
        made = run(*words, "--out", out, "--json")
        assert made.exit_code == 0, made.stderr
        both = json.loads(made.stdout)["metrics"]
        assert [one["metric"] for one in both] == ["accuracy", "cost"] and len(read) == len(set(read))
        alone = run(*words[:-1], "cost", "--json")
        assert json.loads(alone.stdout)["check"]["tau"] == both[1]["check"]["tau"]
        assert run("score", "--space", SPACE, "--measure", f"fit:{out}/cost", PLACES[0]).exit_code == 0
        assert run(*words, "--out", out, "--resume").exit_code == 0
        unknown = run(*words[:-1], "accuracy,acuracy")
        assert unknown.exit_code == 2 and "acuracy" in unknown.stderr

    def test_a_report_shows_what_was_learnt(self, table, tmp_path):
        out, page = tmp_path / "fit", tmp_path / "page.html"
        assert run(*FIT, "--table", table, "--labelled", 20, "--validate", "all", "--out", out).exit_code == 0
        assert run("report", out, "--out", page).exit_code == 0
        text, summary = page.read_text(), json.loads((out / "summary.json").read_text())
        assert f"its rho is {summary['check']['rho']:.3f}" in text and "accuracy of nasbench201 from 20 labels" in text
        assert f"what do 20 labels tell of accuracy of {SPACE}? Rho on {len(PLACES) - 20} others" in text
        assert "expected against accuracy" in text and "tau by labels" in text and "importance of features" in text
        shown = json.loads(text.split('id="points">')[1].split("</script>")[0])["fit"]
        assert len(shown["arch"]) == len(PLACES) - 20 and set(shown["values"]) == {"expected", "deviation", "accuracy"}
        del summary["check"]["tau"]
        (out / "summary.json").write_text(json.dumps(summary))
        refused = run("report", out, "--out", page)
        assert refused.exit_code == 2 and "lacks check.tau" in refused.stderr

    def test_a_search_screens_by_what_was_learnt(self, table, tmp_path):
        out = tmp_path / "fit"
        assert run(*FIT, "--table", table, "--labelled", 30, "--out", out).exit_code == 0
        words = ("search", "--space", SPACE, "--preset", "tiny", "--algorithm", "random", "--steps", 40, "--keep", 3)
        found = run(*words, "--screen", f"fit:{out}", "--finalists", 0, "--out", tmp_path / "search", "--json")
        assert found.exit_code == 0, found.stderr
        record = json.loads(found.stdout)
        assert record["screen"] == f"fit:{out}" and record["steps"] == 3
        space, rng = load_space(SPACE), np.random.default_rng(0)
        drawn = list({space.score_key(a): a for a in (space.sample(rng) for _ in range(40))}.values())
        expected = SpectrumPredictor.load(out / "predictor.json").latent(drawn)[0]
        best = {str(drawn[place]) for place in np.argsort(-expected, kind="stable")[:3]}
        assert {one["arch"] for one in record["best"]} == best
        missing = run(*words, "--screen", "fit:nowhere")
        assert missing.exit_code == 2 and "cannot read the predictor nowhere" in missing.stderr

    def test_lower_is_better(self, table):
        words = (*FIT, "--table", table, "--labelled", 20, "--validate", 20, "--json")
        higher = json.loads(run(*words, "--metric", "accuracy").stdout)
        lower = json.loads(run(*words, "--metric", "cost", "--lower-is-better").stdout)
        assert lower["check"]["rho"] == pytest.approx(higher["check"]["rho"])
        assert [one["arch"] for one in lower["best"]] == [one["arch"] for one in higher["best"]]
        assert lower["best"][0]["expected"] == pytest.approx(-higher["best"][0]["expected"])

    def test_the_loop_of_suggestions(self, tmp_path):
        out = tmp_path / "loop"
        begun = run(*FIT, "--suggest", 6, "--metric", "accuracy", "--out", out)
        assert begun.exit_code == 0, begun.stderr
        lines = (out / "suggestions.csv").read_text().splitlines()
        assert lines[0] == "arch,accuracy" and len(lines) == 7
        space = load_space(SPACE)
        archs = [line.rpartition(",")[0].strip('"') for line in lines[1:]]
        filled = [f"{arch},{str(space.parse(arch)).count('3x3')}" for arch in archs[:5]] + [f"{archs[5]},"]
        mine = tmp_path / "mine.csv"
        mine.write_text("\n".join([lines[0], *filled]))
        following = run(*FIT, "--labels", mine, "--suggest", 3, "--json")
        assert following.exit_code == 0, following.stderr
        assert "1 of 6 architectures" in following.stderr
        suggested = json.loads(following.stdout)["suggested"]
        assert len(set(suggested)) == 3 and not set(suggested) & set(archs[:5])

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ((), "name labels"),
            (("--labelled", "200"), "more than the 51"),
            (("--labelled", "2"), "at least 3 labels"),
            (("--validate", "some"), "--validate is a number"),
            (("--features", "depth"), "no feature is called 'depth'"),
            (("--features", ","), "at least one feature"),
            (("--metric", "accurcy"), "accuracy"),
            (("--preset", "fast"), "closed form"),
            (("--suggest", "-1"), "at least 1"),
        ],
    )
    def test_wrong_options_are_one_sentence(self, table, words, sentence):
        given = ("--table", table) if words else ()
        found = run(*FIT, *given, *words)
        assert found.exit_code == 2, found.output
        assert sentence in found.stderr and "Traceback" not in found.output

    def test_labels_of_another_space_are_refused(self, tmp_path):
        path = tmp_path / "other.csv"
        path.write_text("arch,accuracy\n5:397:000,90\n5:397:001,91\n")
        found = run(*FIT, "--labels", path)
        assert found.exit_code == 2 and "no usable row" in found.stderr


def test_scikit_learn_clones_and_validates():
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import cross_val_score

    numbers = range(0, 15625, 500)
    predictor = SpectrumPredictor("nasbench201", ["encoding"], seed=3, targets="raw")
    same = base.clone(predictor)
    assert base.is_regressor(same) and type(same) is SpectrumPredictor
    assert same.get_params()["seed"] == 3 and same.features == ("encoding",) and same.space.name == "nasbench201"
    found = cross_val_score(predictor, [str(number) for number in numbers], list(numbers), cv=2)
    assert found.shape == (2,) and np.isfinite(found).all()
    assert predictor.set_params(targets="rank", features=["size"]).features == ("size",)
    with pytest.raises(InputError, match="did you mean targets"):
        predictor.set_params(target="rank")
    with pytest.raises(InputError, match="call fit first"):
        predictor.predict(["5"])
