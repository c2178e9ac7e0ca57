"""Evolution against its published rules; searches that resume by replay."""

import itertools
import json

import numpy as np
import pytest

from naslib_gennas.errors import InputError
from naslib_gennas.runs.run import Run
from naslib_gennas.search import best_records, best_so_far, random_search, regularized_evolution, search_architectures
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


class CountingScorer:
    """Fitness: how many convolutions a cell has; counts what is really computed."""

    seed = 3

    def __init__(self):
        self.space = load_space("nasbench201")
        self.calls = 0

    def score(self, arch):
        self.calls += 1
        record = {
            "arch": str(arch),
            "key": self.space.score_key(arch),
            "score": float(sum(op in (2, 3) for op in arch.ops)),
            "seconds": 1.0,
        }
        return type("Result", (), {"as_record": lambda self: record})()


def test_isomorphic_architectures_are_scored_once():
    scorer = CountingScorer()
    records = search_architectures(scorer, Run(None, {}), steps=120, population=20, tournament=5)
    assert len(records) == 120
    assert scorer.calls == len({record["key"] for record in records}) < 120


def test_a_torn_search_resumes_to_the_same_result_without_repeating_work(tmp_path):
    with Run(tmp_path / "whole", {"a": 1}) as run:
        whole = search_architectures(CountingScorer(), run, steps=80, population=20, tournament=5)
    with Run(tmp_path / "torn", {"a": 1}) as run:
        search_architectures(CountingScorer(), run, steps=50, population=20, tournament=5)
    results = tmp_path / "torn" / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-7])  # as a kill leaves it
    scorer = CountingScorer()
    with Run(tmp_path / "torn", {"a": 1}, resume=True) as run:
        assert len(run.records) == 49
        resumed = search_architectures(scorer, run, steps=80, population=20, tournament=5)
    assert [r["arch"] for r in resumed] == [r["arch"] for r in whole]
    assert [json.loads(line)["arch"] for line in results.read_text().splitlines()] == [r["arch"] for r in whole]
    first = {record["key"] for record in whole[:49]}
    assert scorer.calls == len({record["key"] for record in whole} - first)


def test_best_records_and_curve():
    records = [
        {"key": "a", "score": 1.0},
        {"key": "b", "score": None},
        {"key": "a", "score": 1.0},
        {"key": "c", "score": 2.0},
    ]
    assert [r["key"] for r in best_records(records)] == ["c", "a"]
    assert [r["score"] for r in best_so_far(records)] == [1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("bad", [{"steps": 0}, {"population": 3, "tournament": 4}, {"algorithm": "hill"}])
def test_bad_settings(bad):
    with pytest.raises(InputError):
        search_architectures(CountingScorer(), Run(None, {}), **{"steps": 5, **bad})
