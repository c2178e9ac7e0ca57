"""Presets of several tasks: the score is minus the weighted sum of their losses."""

import numpy as np
import pytest
import torch

from naslib_gennas import Scorer, load_preset, load_space
from naslib_gennas.errors import SpecError
from naslib_gennas.executors.here import Here
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.presets import Part, parse_preset
from naslib_gennas.report.gallery import gallery
from naslib_gennas.task_search.scorer import TaskScores, TaskWork
from naslib_gennas.task_search.space import task_space

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
SMALL = {"cells": 1, "channels": 4, "input_size": 8, "batch_size": 4, "steps": 4}


@pytest.fixture
def first():
    return load_preset("paper-combo").with_fidelity(**SMALL)


def combined(first, weight, **fidelity):
    part = Part(weight=weight, task=load_preset("paper-search-n").task, fidelity=Fidelity(**{**SMALL, **fidelity}))
    return first.model_copy(update={"also": (part,)})


def score(preset):
    torch.set_num_threads(1)
    return Scorer("nasbench201", preset, seed=3).score(CELL)


def test_the_score_is_linear_in_the_weight_and_holds_that_of_the_first_task(first):
    alone, one, three = (score(preset) for preset in (first, combined(first, 1.0), combined(first, 3.0)))
    second = one.score - alone.score
    assert second < -0.1, "the loss of targets of variance 1 and more after four steps is far from 0"
    assert three.score == pytest.approx(alone.score + 3 * second, rel=1e-12)
    assert (
        one.details["steps"] == 2 * alone.details["steps"]
        and one.details["parameters"] == alone.details["parameters"]
        and one.curve == alone.curve
    )


def test_repeats_of_a_part_are_averaged_before_they_are_weighed(first):
    alone, one, two = (score(preset) for preset in (first, combined(first, 1.0), combined(first, 1.0, repeats=2)))
    assert two.details["steps"] == alone.details["steps"] + 2 * (one.details["steps"] - alone.details["steps"])
    assert two.score != one.score
    assert abs(two.score - one.score) < abs(one.score - alone.score), "a mean, not a sum"


def test_the_parts_draw_numbers_of_their_own(first):
    same = first.model_copy(update={"also": (Part(weight=1.0, task=first.task, fidelity=first.fidelity),)})
    alone, both = score(first), score(same)
    assert both.score != pytest.approx(2 * alone.score, rel=1e-6)
    assert both.score == score(same).score


def test_a_diverged_part_makes_the_score_diverged(first):
    found = score(combined(first, 1.0, learning_rate=1e30))
    assert found.status == "diverged" and found.score is None


def test_the_digest_knows_the_parts_and_stays_what_it_was_without(first):
    assert load_preset("tiny").digest() == "7f231f56d51a"  # of version 0.1, in the runs of users
    digests = {preset.digest() for preset in (first, combined(first, 1.0), combined(first, 2.0))}
    digests.add(combined(first, 1.0, steps=5).digest())
    assert len(digests) == 4


def test_yaml_and_back(first):
    preset = combined(first, 0.5)
    assert parse_preset(preset.to_yaml(), "here") == preset
    assert "also" not in first.to_yaml()


def test_a_change_of_fidelity_is_one_of_all_tasks(first):
    changed = combined(first, 1.0).with_fidelity(steps=7)
    assert [member.fidelity.steps for _, member in changed.members()] == [7, 7]
    larger = combined(first, 1.0, input_size=16).with_fidelities(lambda f: {"input_size": 2 * f.input_size})
    assert [member.fidelity.input_size for _, member in larger.members()] == [16, 32]


@pytest.mark.parametrize(
    "also, key",
    [
        ("[{weight: 0, task: {stages: [{}, {}, {signals: [{kind: dot}]}]}}]", "also.0.weight"),
        ("[{weight: -1, task: {stages: [{}, {}, {signals: [{kind: dot}]}]}}]", "also.0.weight"),
        ("[{task: {stages: [{}, {}, {signals: [{kind: dot}]}]}}]", "also.0.weight"),
        ("[{weight: 1, task: {stages: [{}, {}, {}]}}]", "also.0.task"),
        ("[{weight: 1, tusk: 3, task: {stages: [{}, {}, {signals: [{kind: dot}]}]}}]", "also.0.tusk"),
        ("3", "also"),
    ],
)
def test_a_faulty_part_is_named(also, key):
    text = f"name: mine\ntask: {{stages: [{{}}, {{}}, {{signals: [{{kind: dot}}]}}]}}\nalso: {also}\n"
    with pytest.raises(SpecError, match=key.replace(".", r"\.")):
        parse_preset(text, "mine.yaml")


def test_recurrent_presets_have_one_task():
    with pytest.raises(SpecError, match="also"):
        parse_preset(load_preset("rnn-combo").to_yaml() + "also: [{weight: 1}]\n", "mine.yaml")


def test_a_task_search_varies_the_first_task_and_keeps_the_others(first):
    preset = combined(first, 1.0)
    space, rng = task_space(preset), np.random.default_rng(0)
    for task in (space.sample(rng), space.mutate(preset, rng), space.adopt(preset), space.adopt(first)):
        assert task.also == preset.also
        assert space.parse(space.text(task)) == task
    with pytest.raises(SpecError, match="2 tasks.*no further one"):
        task_space(first).adopt(preset)


def test_the_gallery_shows_the_signals_of_all_tasks(first):
    picture = gallery(combined(first, 1.0), 0, "two tasks")
    assert "task 1, stage 1" in picture and "task 2, stage 3" in picture
    assert "task 1" not in gallery(first, 0, "one task")


def test_a_search_regresses_the_further_tasks_once(first, monkeypatch):
    """The scores are those of new scorers, bit for bit."""
    torch.set_num_threads(1)
    preset, calls = combined(first, 1.0), []
    plain = Scorer._regress
    monkeypatch.setattr(Scorer, "_regress", lambda *a: (calls.append(a[2]), plain(*a))[1])
    tasks = [preset, preset.with_fidelities(lambda f: {})]
    tasks.append(preset.model_copy(update={"fidelity": Fidelity(**{**SMALL, "steps": 3})}))
    tasks.append(preset.model_copy(update={"also": (preset.also[0].model_copy(update={"weight": 2.0}),)}))
    scores = TaskScores(TaskWork("nasbench201", seed=3), Here())
    found = [scores(task, [CELL])[0] for task in tasks]
    assert calls.count(1) == 1, "another weight is the same regression"
    assert [one.value for one in found] == [score(task).value for task in tasks]
    assert all(one.seconds > 0 for one in found)


@pytest.mark.parametrize("space", ["nds_darts_in", "nds_amoeba_in", "nds_resnext_a_in", "transnas101_micro"])
def test_fast_trains_in_deep_and_wide_spaces_too(space):
    """A learning rate that suits the small cells of NAS-Bench made the loss of deep ones explode."""
    torch.set_num_threads(1)
    space, rng = load_space(space), np.random.default_rng(4)
    scorer = Scorer(space, "fast")
    found = [scorer.score(space.sample(rng)) for _ in range(2)]
    assert all(score.status == "ok" and score.score > -6 for score in found)
