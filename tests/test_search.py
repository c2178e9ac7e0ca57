"""Evolution against its published rules; searches that resume by replay."""

import itertools
import json

import numpy as np
import pytest

from naslib_gennas.errors import InputError, RunError
from naslib_gennas.evaluation import best_so_far
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring import BaseScorer, Score
from naslib_gennas.search import (
    SearchSettings,
    Step,
    best_steps,
    random_search,
    regularized_evolution,
    search_architectures,
)
from naslib_gennas.spaces import load_space


def onemax(bits=20):
    """Individuals are bit tuples, fitness is the number of ones."""

    def sample(rng):
        return tuple(rng.integers(2, size=bits).tolist())

    def mutate(parent, rng):
        place = int(rng.integers(bits))
        return tuple(bit ^ (i == place) for i, bit in enumerate(parent))

    return sample, mutate


def numbered():
    """Individuals are birth numbers; ``parents`` fills with the parent of every child."""
    parents, serial = [], itertools.count()

    def mutate(parent, rng):
        parents.append(parent)
        return next(serial)

    return parents, serial, mutate


def test_children_mutate_a_tournament_winner_and_the_oldest_dies():
    population, tournament = 5, 3
    parents, serial, mutate = numbered()

    fitness = {}

    def evaluate(individual):
        fitness[individual] = float((individual * 7919) % 13)
        return fitness[individual]

    steps = regularized_evolution(
        lambda rng: next(serial), mutate, evaluate, np.random.default_rng(0), population, tournament
    )
    history = [individual for individual, _ in itertools.islice(steps, 40)]
    assert len(parents) == 40 - population
    for birth, parent in enumerate(parents):
        alive = history[birth : birth + population]
        assert parent in alive  # older ones are dead
        assert sum(fitness[other] <= fitness[parent] for other in alive) >= tournament  # it beat two others


def test_tournament_of_the_whole_population_picks_the_fittest():
    parents, serial, mutate = numbered()

    steps = regularized_evolution(
        lambda rng: next(serial), mutate, lambda i: -abs(i - 3), np.random.default_rng(0), 6, 6
    )
    list(itertools.islice(steps, 9))
    assert parents == [3, 3, 3]


def test_evolution_beats_random_search_on_onemax():
    sample, mutate = onemax()
    evolved, drawn = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        evolved.append(max(f for _, f in itertools.islice(regularized_evolution(sample, mutate, sum, rng, 20, 5), 300)))
        rng = np.random.default_rng(seed)
        drawn.append(max(f for _, f in itertools.islice(random_search(sample, sum, rng), 300)))
    assert np.mean(evolved) > np.mean(drawn) + 1


def test_nan_never_wins_a_tournament():
    parents, serial, mutate = numbered()

    steps = regularized_evolution(
        lambda rng: next(serial), mutate, lambda i: np.nan if i % 2 else -float(i), np.random.default_rng(0), 4, 4
    )
    list(itertools.islice(steps, 6))
    assert parents[0] == 0


class CountingScorer(BaseScorer):
    """Fitness: how many convolutions a cell has; counts what is really computed. Cells without any fail."""

    measure = "convolutions"

    def __init__(self):
        self.space = load_space("nasbench201")
        self.calls = 0

    def identity(self):
        return {"measure": self.measure}

    def compute(self, arch, key):
        self.calls += 1
        value = float(sum(op in (2, 3) for op in arch.ops))
        if not value:
            raise ValueError("there is nothing to count")
        return Score(str(arch), key, value, "ok", 1.0, self.measure)


def settings(steps, **more):
    return SearchSettings(**{"steps": steps, "population": 20, "tournament": 5, "seed": 3, **more})


def test_isomorphic_architectures_are_scored_once():
    scorer = CountingScorer()
    steps = search_architectures(scorer, Run(None, {}), settings(120))
    assert [step.number for step in steps] == list(range(120))
    assert scorer.calls == len({step.score.key for step in steps}) < 120


def test_an_architecture_that_fails_costs_one_record_and_ranks_last():
    with Run(None, {}) as run:
        steps = search_architectures(CountingScorer(), run, settings(300, algorithm="random"))
    failed = [step.score for step in steps if step.score.status == "failed"]
    assert failed and all(score.value is None for score in failed) and len(run.records) == 300
    assert failed[0].error.type == "ValueError" and "nothing to count" in failed[0].message
    assert not {step.score.key for step in best_steps(steps, 300)} & {score.key for score in failed}


def test_a_torn_search_resumes_to_the_same_result_without_repeating_work(tmp_path):
    with Run(tmp_path / "whole", {"a": 1}) as run:
        whole = search_architectures(CountingScorer(), run, settings(80))
    with Run(tmp_path / "torn", {"a": 1}) as run:
        search_architectures(CountingScorer(), run, settings(50))
    results = tmp_path / "torn" / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-7])  # as a kill leaves it
    scorer = CountingScorer()
    with Run(tmp_path / "torn", {"a": 1}, resume=True) as run:
        assert len(run.records) == 49
        resumed = search_architectures(scorer, run, settings(80))
    assert [step.score.again("") for step in resumed] == [step.score.again("") for step in whole]
    assert [json.loads(line)["arch"] for line in results.read_text().splitlines()] == [s.score.arch for s in whole]
    first = {step.score.key for step in whole[:49]}
    assert scorer.calls == len({step.score.key for step in whole} - first)


def test_a_search_of_another_seed_is_not_continued(tmp_path):
    with Run(tmp_path, {}) as run:
        search_architectures(CountingScorer(), run, settings(10))
    with Run(tmp_path, {}, resume=True) as run, pytest.raises(RunError, match="step 0 of the run was"):
        search_architectures(CountingScorer(), run, settings(10, seed=4))


def test_best_steps_and_curve():
    values = {"a": 1.0, "b": None, "c": 2.0}
    scores = [Score(key, key, values[key], "ok" if values[key] else "failed", 0.0) for key in "abac"]
    steps = [Step(number, score) for number, score in enumerate(scores)]
    assert [step.score.key for step in best_steps(steps)] == ["c", "a"]
    assert best_so_far([step.score.value for step in steps]) == [1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("bad", [{"steps": 0}, {"population": 3, "tournament": 4}, {"algorithm": "hill"}])
def test_bad_settings(bad):
    with pytest.raises(InputError):
        search_architectures(CountingScorer(), Run(None, {}), SearchSettings(**{"steps": 5, **bad}))
