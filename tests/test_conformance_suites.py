"""The conformance suites find what is wrong, and nothing is left out silently."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from naslib_gennas.errors import ArchitectureError, TableError
from naslib_gennas.executors.here import Here
from naslib_gennas.measures.base import Measure, Measures
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.readers.registry import READERS
from naslib_gennas.scoring import BaseScorer, GenNASScorer, Score
from naslib_gennas.spaces import load_space
from naslib_gennas.spaces.nasbench201.space import NASBench201
from naslib_gennas.spaces.nasbench_nlp.encoding import NASBenchNLPArchitecture
from naslib_gennas.spaces.nasbench_nlp.space import NASBenchNLP
from naslib_gennas.testing import (
    ExecutorCase,
    Inapplicable,
    MeasureCase,
    ReaderCase,
    ScorerCase,
    SmallNetwork,
    SpaceCase,
    check_executor,
    executors,
    measures,
    readers,
    scorers,
    spaces,
)
from naslib_gennas.testing.suite import Suite


class Thing:
    def __init__(self, unchecked=()):
        self.unchecked = dict(unchecked)


def test_what_cannot_be_checked_has_to_be_declared():
    suite = Suite()
    weigh = suite.check(check_weight)
    with pytest.raises(Inapplicable, match="check_weight cannot be applied: it has no weight.*unchecked"):
        weigh(Thing())
    declared = Thing({"check_weight": "a ghost"})
    assert weigh(declared) == "a ghost" and suite.run(declared) == {"check_weight": "a ghost"}
    with pytest.raises(AssertionError, match="no check called check_size"):
        suite.run(Thing({"check_weight": "a ghost", "check_size": "a ghost"}))


def check_weight(thing):
    raise Inapplicable("it has no weight")


def test_what_is_declared_but_can_be_checked_fails():
    suite = Suite()

    @suite.check
    def check_size(thing):
        assert thing is not None

    @suite.check
    def check_colour(thing):
        raise KeyError("colour")

    with pytest.raises(AssertionError, match=r"declared as unchecked \(a ghost\), but can be checked"):
        check_size(Thing({"check_size": "a ghost"}))
    for thing in (Thing(), Thing({"check_colour": "a ghost"})):  # a failure is no reason
        with pytest.raises(AssertionError, match="check_colour met KeyError: 'colour'"):
            check_colour(thing)


class GlobalSpace(NASBench201):
    def sample(self, rng):
        return super().sample(np.random.default_rng(np.random.randint(2**31)))


class ForgetfulSpace(NASBench201):
    def canonical(self, arch):
        return super().canonical(arch)[:4]


class OtherRepresentative(NASBench201):
    def representative(self, arch):
        return self.parse("5")


class LooseSpace(NASBench201):
    def over(self, architectures, origin):
        space = type(self)()
        space.origin = origin
        return space


class UnsaidOperations(NASBench201):
    cell_operations = ("conv 3x3",)


class Transformers(NASBench201):
    kind = "transformer"


def without_a_third_input(arch):
    nodes = [(name, op, inputs[:2] if op == "linear" else inputs) for name, op, inputs in arch.nodes]
    return NASBenchNLPArchitecture(tuple(nodes))


class LossyRecipes(NASBenchNLP):
    def reduced(self, arch):
        return without_a_third_input(arch)


class CoarseRecipes(NASBenchNLP):
    def canonical(self, arch):
        return "a recipe"


@pytest.mark.parametrize(
    ("check", "space", "words"),
    [
        (spaces.check_process_state, GlobalSpace(), "the generator of numpy.random"),
        (spaces.check_sampling, GlobalSpace(), "gives other samples"),
        (spaces.check_different_networks_have_different_keys, ForgetfulSpace(), "differ but share a key"),
        (spaces.check_relabelling_keeps_the_function, OtherRepresentative(), "is not the same network"),
        (spaces.check_given_architectures, LooseSpace(), "drawn, but not given"),
        (spaces.check_cells, UnsaidOperations(), "are none of cell_operations"),
        (spaces.check_backbone, Transformers(), "kind 'transformer'"),
        (spaces.check_relabelling_keeps_the_function, LossyRecipes(), "is not the same network"),
        (spaces.check_different_networks_have_different_keys, CoarseRecipes(), "differ but share a key"),
    ],
)
def test_broken_spaces(check, space, words):
    with pytest.raises(AssertionError, match=words):
        check(SpaceCase(space))


class Numbers(BaseScorer):
    """A scorer of nasbench201 that is all right: a number that depends on the class and the seed."""

    measure = "number"

    def __init__(self, seed):
        self.space, self.seed = load_space("nasbench201"), seed

    def identity(self):
        return {"seed": self.seed}

    def compute(self, arch, key):
        reduced = self.space.reduced(arch)
        with uninitialised():
            self.space.build_network(reduced)
        value = float(key.count("conv") + self.seed / 8)
        return Score(str(arch), key, value, "ok", 0.0, self.measure)


class Raising(Numbers):
    def score(self, arch):
        arch = self.space.parse(arch) if isinstance(arch, str) else arch
        return self.compute(arch, self.key(arch))


class Seedless(Numbers):
    def identity(self):
        return {}


class Chancy(Numbers):
    def compute(self, arch, key):
        return replace(super().compute(arch, key), value=random.random())


class Coarse(Numbers):
    def key(self, arch):
        return self.space.canonical(arch)[:1]

    def compute(self, arch, key):
        return replace(super().compute(arch, key), value=float(len(self.space.canonical(arch))), key=key)


class ByText(Numbers):
    def compute(self, arch, key):
        return replace(super().compute(arch, key), value=float(str(arch).index("conv")))


class Double(Numbers):
    def score(self, arch):
        torch.set_default_dtype(torch.float64)
        return super().score(arch)


class LowerIsBetter(Numbers):
    def compute(self, arch, key):
        found = super().compute(arch, key)
        return replace(found, value=-found.value)


class Backwards(Numbers):
    def score_many(self, archs):
        return iter(list(map(self.score, list(archs)[::-1])))


class Unpicklable(Numbers):
    def __init__(self, seed):
        super().__init__(seed)
        self.shout = lambda: None


class Unwritable(Numbers):
    def compute(self, arch, key):
        return replace(super().compute(arch, key), details={"made": object()})


TWIN = "|skip_connect~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
CASE = ScorerCase(Numbers, [TWIN, "1462"], order=("0", "1462"), unchecked={"check_models": "the space builds them"})


def test_a_small_scorer_of_ones_own_conforms():
    assert scorers.check_scorer(CASE) == {"check_models": "the space builds them"}


@pytest.mark.parametrize(
    ("check", "make", "words"),
    [
        (scorers.check_failures, Raising, "it cannot be built"),
        (scorers.check_seed, Seedless, "which the identity does not have"),
        (scorers.check_repeatability, Chancy, "by another scorer"),
        (scorers.check_process_state, Chancy, "the generator of random"),
        (scorers.check_equal_keys, ByText, "share a key, but their values"),
        (scorers.check_process_state, Double, "default dtype"),
        (scorers.check_order, LowerIsBetter, "should score higher"),
        (scorers.check_scores, Backwards, "says that it is of"),
        (scorers.check_pickling, Unpicklable, "pickle"),
        (scorers.check_records, Unwritable, "is not JSON"),
    ],
)
def test_broken_scorers(check, make, words):
    try:
        with pytest.raises(AssertionError, match=words):
            check(replace(CASE, make=make))
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_model_that_is_changed():
    model = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 3, 2, 1) for _ in range(3)))

    class Trainer(GenNASScorer):
        def compute(self, arch, key):
            model[0].weight.grad = torch.ones_like(model[0].weight)
            return super().compute(arch, key)

    case = ScorerCase(lambda seed: Trainer.for_modules({"a": model, "b": model}, "tiny", seed=seed), ["a", "b"])
    with pytest.raises(AssertionError, match="changes the module a: gradients"):
        scorers.check_models(case)


def changing(network):
    with torch.no_grad():
        next(network.module().parameters()).mul_(2)
    return 1.0 * len(network.layers())


def by_labels(network):
    return float(network.labels.float().mean() + network.weights()[0].norm())


BROKEN = {
    "global": lambda network: float(torch.rand(()) + network.weights()[0].norm()),
    "changing": changing,
    "by_labels": by_labels,
    "constant": lambda network: 1.0,
    "images_only": lambda network: float(network.jacobian().norm()),
    "smaller_is_better": lambda network: -float(sum(weight.numel() for weight in network.weights())),
}


@pytest.fixture
def broken(monkeypatch):
    """Measures that are not all right, in a registry of their own."""
    registry = Measures("measure")
    for name, function in BROKEN.items():
        registry.register(name)(Measure(name, function, "here", "some", "some", formula="see the test"))
    monkeypatch.setattr("naslib_gennas.testing.measures.MEASURES", registry)
    monkeypatch.setattr("naslib_gennas.scoring.measure.MEASURES", registry)


@pytest.mark.parametrize(
    ("check", "name", "words"),
    [
        (measures.check_repeatability, "global", "and then"),
        (measures.check_process_state, "global", "the generator of torch"),
        (measures.check_network_is_kept, "changing", "values of parameters or buffers"),
        (measures.check_needs, "by_labels", "needs no labels"),
        (measures.check_values, "constant", "all networks have the value"),
        (measures.check_recurrent, "images_only", "floating point"),
        (measures.check_order, "smaller_is_better", "the better network has the value"),
    ],
)
def test_broken_measures(check, name, words, broken):
    order = lambda: SmallNetwork(4), lambda: SmallNetwork(16)
    with pytest.raises(AssertionError, match=words):
        check(MeasureCase(name, order=order))


class Losing(Here):
    unchecked = Here.unchecked

    def map(self, work, jobs):
        return (result for result in super().map(work, jobs) if result.job.numbers != (3,))


class Swallowing(Here):
    def map(self, work, jobs):
        for job in jobs:
            try:
                yield work(job)
            except Exception as error:
                yield work.lost(job, error)


class Hasty(Here):
    """Takes all jobs before it does the first; a list cannot be closed."""

    def map(self, work, jobs):
        return iter([work(job) for _, job in zip(range(60), jobs)])


class Boasting(Here):
    unchecked = {**Here.unchecked, "check_results": "it is the best"}


@pytest.mark.parametrize(
    ("check", "make", "words"),
    [
        (executors.check_results, Losing, "missing: .*numbers=.3,"),
        (executors.check_errors, Swallowing, "raises no Mishap"),
        (executors.check_closing_early, Hasty, "jobs were taken"),
        (executors.check_results, Boasting, "but can be checked"),
    ],
)
def test_broken_executors(check, make, words):
    with pytest.raises(AssertionError, match=words):
        check(ExecutorCase(make))


def test_the_suite_of_executors_says_what_it_did_not_check():
    assert set(check_executor("here")) == {"check_deaths", "check_parts", "check_time_limit"}


@pytest.fixture(scope="module", autouse=True)
def broken_formats():
    """Formats that are not all right; a registry forgets nothing, but nobody else has files that end like this."""

    @READERS.register(".broken-errors")
    def errors(path, part, progress):
        return pd.DataFrame([line.split(":") for line in path.read_text().split()], columns=["arch", "x"])

    @READERS.register(".broken-names")
    def names(path, part, progress):
        try:
            return errors(path, part, progress).astype({"x": float})
        except ValueError:
            raise TableError("that is no table") from None

    @READERS.register(".broken-frame")
    def frame(path, part, progress):
        return pd.DataFrame({"arch": [1, 2], "x": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("check", "ending", "words"),
    [
        (readers.check_frame, "errors", "no column is numeric"),
        (readers.check_garbage, "errors", "not TableError"),
        (readers.check_garbage, "names", "does not say which"),
        (readers.check_frame, "frame", "architectures are texts"),
        (readers.check_empty_file, "frame", "raises no TableError"),
        (readers.check_truncated_file, "frame", "cannot be applied"),
    ],
)
def test_broken_readers(check, ending, words, tmp_path):
    path = tmp_path / f"table.broken-{ending}"
    path.write_text("5:90\n6:91\n")
    with pytest.raises(AssertionError, match=words):
        check(ReaderCase(path))


def test_an_architecture_error_is_expected_for_no_architecture():
    class Lenient(Numbers):
        def score(self, arch):
            try:
                return super().score(arch)
            except ArchitectureError:
                return super().score("5")

    with pytest.raises(AssertionError, match="raises no ArchitectureError"):
        scorers.check_texts(replace(CASE, make=Lenient))
