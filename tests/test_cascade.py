"""A screen and what it keeps: against plain sorting, after a kill, and with wrong options."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from naslib_gennas import Scorer, load_space
from naslib_gennas.cli import main
from naslib_gennas.commands.search import Screening, search
from naslib_gennas.errors import InputError
from naslib_gennas.executors import Resources
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring.gennas import GenNASScorer
from naslib_gennas.search.architectures import SearchSettings
from naslib_gennas.search.cascade import Keep, Screen

SPACE = "nasbench201"
TRAINED = load_preset("tiny").with_fidelity(steps=1, average=1, channels=4, input_size=8, batch_size=2)


def run_of(folder, resume=False):
    return Run(folder, {"command": "search"}, resume)


def found(folder, everything=False, algorithm="random", steps=40, keep="10%", resume=False, seed=0, workers=1):
    screening = Screening(Scorer(SPACE, "instant", seed=seed), Keep.parse(keep), everything)
    settings = SearchSettings(steps=steps, algorithm=algorithm, population=4, tournament=2, seed=seed)
    with run_of(folder, resume) as run:
        scorer, resources = Scorer(SPACE, TRAINED, seed=seed), Resources(workers)
        return search(scorer, run, settings, resources=resources, finalists=2, screening=screening)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_trained_is_the_head_of_the_screen(tmp_path):
    result = found(tmp_path / "run")
    screen, space = Scorer(SPACE, "instant"), Scorer(SPACE, "instant").space
    rng = np.random.default_rng(0)
    drawn = {screen.key(arch): arch for arch in (space.sample(rng) for _ in range(40))}
    values = {key: screen.score(arch).value for key, arch in drawn.items()}
    expected = sorted(values, key=values.get, reverse=True)[: -(-len(values) // 10)]
    steps = lines(tmp_path / "run" / "results.jsonl")
    assert [step["key"] for step in steps] == expected
    assert (result.screen, result.screened, result.steps) == ("instant", len(values), len(expected))
    assert result.screen_seconds > 0
    alone = Scorer(SPACE, TRAINED)
    assert all(step["score"] == alone.score(step["arch"]).value for step in steps)


def test_the_whole_space_can_be_screened(tmp_path, monkeypatch):
    kind = type(load_space(SPACE))
    every_twelfth = list(load_space(SPACE))[::12]
    monkeypatch.setattr(kind, "__iter__", lambda self: iter(every_twelfth))
    result = found(tmp_path / "run", everything=True, keep="3")
    kept = [step["arch"] for step in lines(tmp_path / "run" / "results.jsonl")]
    screen = Scorer(SPACE, "instant")
    scores = {score.key: score.value for score in screen.score_many(screen.space)}
    assert (result.screened, result.steps) == (len(scores), 3) and len(scores) < len(every_twelfth), "twins count once"
    threshold = sorted(scores.values(), reverse=True)[2]
    assert all(scores[screen.key(load(arch))] >= threshold - 1e-6 for arch in kept)


def test_processes_screen_and_train_the_same(tmp_path):
    here, apart = (found(tmp_path / str(workers), workers=workers) for workers in (1, 2))
    assert [f.arch for f in apart.best] == [f.arch for f in here.best]
    assert apart.screened == here.screened


def load(text):
    return Scorer(SPACE, "instant").space.parse(text)


def test_in_an_evolution_only_the_best_of_the_children_is_trained(tmp_path):
    result = found(tmp_path / "run", algorithm="evolution", steps=8, keep="20%")
    assert result.steps == 8
    assert 8 < result.screened <= 8 * 5
    keys = [step["key"] for step in lines(tmp_path / "run" / "results.jsonl")]
    assert len(set(keys)) == 8  # nothing is trained twice
    again = found(tmp_path / "other", algorithm="evolution", steps=8, keep="20%")
    assert [f.arch for f in again.best] == [f.arch for f in result.best]
    assert found(tmp_path / "third", algorithm="evolution", steps=8, keep="20%", seed=1).best != result.best


@pytest.mark.parametrize("algorithm", ["random", "evolution"])
@pytest.mark.parametrize("level", ["screen", "train"])
def test_a_killed_search_goes_on_where_it_stopped(tmp_path, monkeypatch, algorithm, level):
    steps = {"random": 40, "evolution": 8}[algorithm]
    whole = found(tmp_path / "whole", algorithm=algorithm, steps=steps)
    computed = []
    original = GenNASScorer.compute
    stop_at = {"screen": 7, "train": 2}[level]

    def compute(self, arch, key):
        trained = self.preset.fidelity.solver == "sgd"
        if trained == (level == "train"):
            if len(computed) == stop_at:
                raise KeyboardInterrupt
            computed.append((trained, self.seed, key))
        return original(self, arch, key)

    monkeypatch.setattr(GenNASScorer, "compute", compute)
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "cut", algorithm=algorithm, steps=steps)
    before, stop_at = list(computed), 10**9
    computed.clear()
    resumed = found(tmp_path / "cut", algorithm=algorithm, steps=steps, resume=True)
    assert len(before) > 1
    assert not set(before) & set(computed)
    assert [f.arch for f in resumed.best] == [f.arch for f in whole.best]
    assert [f.score for f in resumed.best] == pytest.approx([f.score for f in whole.best])


def test_a_screen_without_a_score_ranks_last():
    screen = Screen(Scorer(SPACE, "instant"), Run(None, {}))
    archs = [load("5"), load("77")]
    assert screen.values(archs)[0] > -np.inf
    key = screen.scorer.key(archs[0])
    screen.known[key] = Scorer(SPACE, "instant").score("5").of("5").__class__("5", key, None, "failed", 0.0)
    assert screen.values(archs)[0] == -np.inf
    assert screen.best_of(archs) == archs[1]


def test_keep_is_a_share_or_a_number():
    assert Keep.parse("2.5%").of(1000) == 25
    assert Keep.parse("7").of(5) == 5
    assert Keep.parse("0.001%").of(100) == 1
    for text in ("0", "0%", "-3", "101%", "x", "", "nan%", "1e999%"):
        with pytest.raises(InputError, match="--keep"):
            Keep.parse(text)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--screen", "instant", "--keep", "0"], "--keep must be at least 1"),
        (["--screen", "instant", "--keep", "120%"], "at most 100 %"),
        (["--screen", "instant", "--keep", "some"], "--keep is a share"),
        (["--screen", "instant", "--keep", "5"], "the share of the children"),
        (["--keep", "5%"], "--keep needs --screen"),
        (["--all"], "--all needs --screen"),
        (["--screen", "nothing"], "preset"),
        (["--screen", "instant", "--engine", "naslib"], "cannot be screened"),
        (["--screen", "instant", "--algorithm", "local"], "cannot be screened"),
        (["--screen", "rnn-fast"], "is for RNNs"),
        (["--screen", "instant", "--all", "--memory", "0"], "at least 1 MB"),
        (["--screen", "instant", "--all", "--memory", "1"], "MB of feature maps"),
    ],
)
def test_wrong_options_are_one_sentence(options, sentence):
    result = CliRunner().invoke(main, ["search", "--space", SPACE, "--preset", "tiny", *options])
    assert result.exit_code not in (0, 1)
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_space_that_cannot_be_listed_is_refused():
    options = ["search", "--space", "nds_darts", "--preset", "tiny", "--screen", "instant", "--all"]
    result = CliRunner().invoke(main, options)
    assert result.exit_code not in (0, 1)
    assert "cannot be listed" in result.stderr
