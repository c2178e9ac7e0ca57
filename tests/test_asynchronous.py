"""Evolution that does not wait: as ever with one candidate at a time; nothing lost or repeated with several; resume."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from click.testing import CliRunner

from naslib_gennas import load_space
from naslib_gennas.cli import main
from naslib_gennas.errors import InputError
from naslib_gennas.executors.here import Here
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring.protocol import BaseScorer
from naslib_gennas.scoring.score import Score
from naslib_gennas.search.architectures import SearchSettings, search_architectures
from naslib_gennas.search.asynchronous import search_asynchronously
from naslib_gennas.search.evolution import Evolution
from naslib_gennas.search.limits import Admitted, Gate, Limit

SPACE = load_space("nasbench201")
SETTINGS = SearchSettings(steps=120, population=10, tournament=3)


class Counted(BaseScorer):
    """More convolutions are better; says which architectures were computed."""

    space, measure = SPACE, "ones"

    def __init__(self):
        self.computed = []

    def identity(self):
        return {}

    def compute(self, arch, key):
        self.computed.append(key)
        return Score(str(arch), key, float(arch.ops.count(3)) + arch.ops.count(2) / 10, "ok", 0.0, "ones")


class Shuffled(Here):
    """Has several jobs in flight and answers them in an order of its own."""

    def __init__(self, ahead, seed=0):
        super().__init__()
        self.ahead, self.rng = ahead, np.random.default_rng(seed)

    def map(self, work, jobs: Iterable):
        jobs, flying = iter(jobs), []
        while True:
            while len(flying) < self.ahead:
                job = next(jobs, None)
                if job is None:
                    break
                flying.append(job)
            if not flying:
                return
            yield work(flying.pop(int(self.rng.integers(len(flying)))))


@pytest.mark.parametrize("algorithm", ["evolution", "random"])
def test_one_at_a_time_is_the_search_as_ever(algorithm):
    settings = SearchSettings(steps=120, population=10, tournament=3, algorithm=algorithm, seed=4)
    plain = search_architectures(Counted(), Run(None, {}), settings)
    other = search_asynchronously(Counted(), Run(None, {}), settings, Here())
    assert [step.as_record() for step in other] == [step.as_record() for step in plain]


def test_several_in_flight_lose_and_repeat_nothing_and_improve():
    scorer, run = Counted(), Run(None, {})
    steps = search_asynchronously(scorer, run, SETTINGS, Shuffled(8))
    assert [step.number for step in steps] == list(range(120)) and len(run.records) == 120
    assert max(Counter(scorer.computed).values()) == 1
    assert {step.score.key for step in steps} == set(scorer.computed)
    values = [step.score.value for step in steps]
    assert np.mean(values[-40:]) > np.mean(values[:10]) + 1


def test_a_killed_search_goes_on(tmp_path):
    class Enough(Exception):
        pass

    class Dying(Counted):
        def compute(self, arch, key):
            if len(self.computed) == 30:
                raise KeyboardInterrupt
            return super().compute(arch, key)

    first = Dying()
    with Run(tmp_path / "run", {}) as run, pytest.raises(KeyboardInterrupt):
        search_asynchronously(first, run, SETTINGS, Shuffled(4))
    second = Counted()
    with Run(tmp_path / "run", {}, resume=True) as run:
        kept = len(run.records)
        steps = search_asynchronously(second, run, SETTINGS, Shuffled(4))
    assert 0 < kept < 120 and len(steps) == 120
    done = {step.score.key for step in steps[:kept]}
    assert not done & set(second.computed)  # nothing finished is computed again
    assert steps[kept].score.value >= 2  # it goes on from the population, not from random ones


def test_limits_and_starts_hold():
    gate = Gate([Limit("params", 2.0)], {"params": lambda arch: float(arch.ops.count(3))})
    starts = (SPACE.parse("3"), SPACE.parse("77"))
    settings = SearchSettings(steps=60, population=10, tournament=3, starts=starts)
    steps = search_asynchronously(Counted(), Run(None, {}), settings, Here(), Admitted(SPACE, gate))
    assert all(SPACE.parse(step.score.arch).ops.count(3) <= 2 for step in steps)
    whole = search_asynchronously(Counted(), Run(None, {}), settings, Here())
    assert [step.score.arch for step in whole[:2]] == list(map(str, starts))


def test_evolution_is_asked_for_several_before_it_is_told():
    def child(parent, rng):
        return f"child of {parent}"

    evolution = Evolution(lambda rng: "random", child, np.random.default_rng(0), 3, 2)
    assert [evolution.ask() for _ in range(5)] == ["random"] * 5  # nothing is alive yet
    evolution.tell("good", 1.0)
    evolution.tell("bad", float("nan"))
    assert evolution.ask() == "child of good"


def test_processes_score_at_the_same_time(tmp_path):
    words = ["search", "--space", "nasbench201", "--preset", "instant", "--asynchronous", "--workers", "2", "--json"]
    words += ["--steps", "30", "--population", "6", "--tournament", "2", "--finalists", "0"]
    words += ["--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] == 30 and found["engine"] == "own"
    again = CliRunner().invoke(main, [*words[:10], "40", *words[11:], "--resume"])
    assert again.exit_code == 0 and json.loads(again.stdout)["steps"] == 40


@pytest.mark.parametrize(
    "more",
    [["--screen", "instant"], ["--objective", "score,params"], ["--engine", "naslib"], ["--algorithm", "local"]],
)
def test_what_cannot_go_without_waiting(more):
    done = CliRunner().invoke(main, ["search", "--space", "nasbench201", "--asynchronous", *more])
    assert done.exit_code == 2 and "--asynchronous is evolution or random search" in done.stderr


def test_other_algorithms():
    with pytest.raises(InputError, match="an asynchronous search is by evolution or random, not by local"):
        search_asynchronously(Counted(), Run(None, {}), SearchSettings(algorithm="local"), Here())
