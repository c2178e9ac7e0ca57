"""Task search in closed form: against the scorer, its speed, resume and wrong settings."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from naslib_gennas import Scorer
from naslib_gennas.cli import main
from naslib_gennas.errors import SpecError
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.runs.run import Run
from naslib_gennas.task_search import read_out
from naslib_gennas.task_search.fitness import TaskFitness
from naslib_gennas.task_search.read_out import ReadOutScores, reading
from naslib_gennas.task_search.search import Rules, search_tasks
from naslib_gennas.task_search.space import base_preset, task_space

BASE = base_preset(None, "cnn", "ridge").with_fidelity(channels=8, cells=1, input_size=16, repeats=2)


def texts(count, space="nasbench201"):
    rng, space = np.random.default_rng(0), Scorer(space, "instant").space
    return list(dict.fromkeys(str(space.sample(rng)) for _ in range(count)))


@pytest.mark.parametrize("space", ["nasbench201", "nds_resnet"])
def test_products_give_the_scores_of_the_scorer(space):
    archs = texts(4, space)
    scores = ReadOutScores(Scorer(space, reading(BASE)), archs)
    tasks, rng = task_space(BASE, weights=True), np.random.default_rng(1)
    for _ in range(12):
        task = tasks.sample(rng)
        scorer = Scorer(space, task)
        expected = [scorer.score(arch).value for arch in archs]
        assert [score.value for score in scores(task, archs)] == pytest.approx(expected, rel=1e-5)
    assert [score.arch for score in scores(task, archs[::-1])] == archs[::-1]


def test_a_search_of_450_tasks_takes_seconds():
    archs = texts(20)
    scores = ReadOutScores(Scorer("nasbench201", reading(BASE)), archs)
    fitness = TaskFitness(archs, np.random.default_rng(2).permutation(len(archs)).tolist(), scores, race=False)
    started = time.perf_counter()
    records = search_tasks(task_space(BASE), fitness, Run(None, {}), Rules(steps=400))
    assert len(records) == 450
    assert time.perf_counter() - started < 30


def test_noise_and_channels_are_not_searched():
    tasks, rng = task_space(BASE), np.random.default_rng(0)
    task = tasks.sample(rng)
    for _ in range(20):
        task = tasks.mutate(task, rng)
        assert task.task.noise == BASE.task.noise
        assert [stage.channels for stage in task.task.stages] == [64] * 3
    adopted = tasks.adopt(load_preset("paper-search-n"))
    assert adopted.task.noise == BASE.task.noise
    assert adopted.fidelity.solver == "ridge"


def command(*options):
    table = str(Path(__file__).parent / "data" / "digits.csv.gz")
    words = ["task-search", "--solver", "ridge", "--space", "nasbench201", "--table", table]
    return CliRunner().invoke(main, [*words, *options])


def test_the_preset_that_is_written_gives_the_same_scores_and_a_resumed_search_reads_nothing_again(
    tmp_path, monkeypatch
):
    options = [
        "--steps",
        "5",
        "--population",
        "4",
        "--tournament",
        "2",
        "--labelled",
        "8",
        "--out",
        str(tmp_path / "o"),
    ]
    first = command(*options)
    assert first.exit_code == 0, first.stderr
    preset = load_preset(str(tmp_path / "o" / "task.yaml"))
    assert preset.fidelity.solver == "ridge"
    assert Scorer("nasbench201", preset).score("5").status == "ok"
    monkeypatch.setattr(ReadOutScores, "__call__", lambda *a: pytest.fail("scored again"))
    again = command(*options, "--resume")
    assert again.exit_code == 0, again.stderr
    assert again.stdout.splitlines()[2:] == first.stdout.splitlines()[2:]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--fidelity", "fast"], "has the solver sgd, not ridge"),
        (["--search-fidelity"], "is not searched"),
    ],
)
def test_wrong_options_are_one_sentence(options, sentence):
    result = command(*options)
    assert result.exit_code not in (0, 1)
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_presets_of_several_tasks_or_of_recurrent_networks_are_not_read():
    recurrent = load_preset("instant").suited("nasbench_nlp")
    for preset in (load_preset("fast"), recurrent):
        with pytest.raises(SpecError, match="closed form"):
            reading(preset)
    assert read_out.reading(BASE).fidelity == BASE.fidelity
