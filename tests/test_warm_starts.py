"""What a score found as the beginning of other searches: ours, Optuna's, Syne Tune's; bad input, resume."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from naslib_gennas import load_space
from naslib_gennas.cli import main
from naslib_gennas.errors import ArchitectureError, InputError, RunError
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring.protocol import BaseScorer
from naslib_gennas.scoring.score import Score
from naslib_gennas.search.architectures import SearchSettings, own_engine, search_architectures
from naslib_gennas.search.limits import Gate, Limit, within
from naslib_gennas.search.warm_starts import WarmStarts

SPACE = load_space("nasbench201")
SHORT = ["--preset", "instant", "--population", "5", "--tournament", "2", "--engine", "own", "--finalists", "0"]


def gennas(*words):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of twenty scored architectures."""
    folder = tmp_path_factory.mktemp("scores") / "run"
    words = ["score", "--space", "nasbench201", "--preset", "instant", "--sample", 20, "--out", folder, "--json"]
    scores = json.loads(gennas(*words).stdout)["scores"]
    return folder, [found["arch"] for found in sorted(scores, key=lambda found: -found["score"])]


def test_the_best_of_scores(run, tmp_path):
    folder, best = run
    found = json.loads(gennas("warm-start", folder, "--count", 4).stdout)
    assert found["architectures"] == best[:4] and found["space"] == "nasbench201"
    assert [str(SPACE.from_configuration(each)) for each in found["configurations"]] == best[:4]
    assert all(value in found["categories"][name] for each in found["configurations"] for name, value in each.items())
    written = gennas("warm-start", folder, "--count", 4, "--out", tmp_path / "starts.json")
    assert written.exit_code == 0 and json.loads((tmp_path / "starts.json").read_text()) == found
    again = gennas("warm-start", folder, "--out", tmp_path / "starts.json")
    assert again.exit_code == 2 and "would be overwritten" in again.stderr
    (tmp_path / "lines.txt").write_text("\n".join(best[:4]) + "\n\n")
    for source in (tmp_path / "starts.json", tmp_path / "lines.txt"):
        assert list(map(str, WarmStarts.of_file(source, SPACE).archs)) == best[:4]


def test_a_network_is_there_once_and_missing_lines_are_a_sentence(tmp_path):
    skip = "+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    same = [f"|nor_conv_3x3~0|{skip}", f"|none~0|{skip}"]
    words = ["score", "--space", "nasbench201", "--preset", "instant", *same, "15000", "--out", tmp_path / "run"]
    assert gennas(*words).exit_code == 0
    assert len(json.loads(gennas("warm-start", tmp_path / "run").stdout)["architectures"]) == 2
    (tmp_path / "run" / "results.jsonl").unlink()
    done = gennas("warm-start", tmp_path / "run")
    assert done.exit_code == 2 and "cannot read" in done.stderr and "Traceback" not in done.stderr


def test_finalists_and_fronts_come_first(tmp_path):
    words = [
        "search",
        "--space",
        "nasbench201",
        *SHORT[:-2],
        "--steps",
        12,
        "--finalists",
        3,
        "--out",
        tmp_path / "run",
    ]
    result = json.loads(gennas(*words, "--json").stdout)
    found = list(map(str, WarmStarts.of_run(tmp_path / "run", 50).archs))
    assert found[:3] == [best["arch"] for best in result["best"][:3]]
    assert len(set(found)) == len(found) >= result["evaluated"]
    result["front"] = [result["best"][-1]]
    (tmp_path / "run" / "summary.json").write_text(json.dumps(result))
    assert str(WarmStarts.of_run(tmp_path / "run", 1).archs[0]) == result["best"][-1]["arch"]


def test_a_search_begins_with_them_and_resumes(run, tmp_path):
    folder, best = run
    words = ["search", "--space", "nasbench201", *SHORT, "--start", folder, "--json", "--out", tmp_path / "run"]
    first = json.loads(gennas(*words, "--steps", 8).stdout)
    again = gennas(*words, "--steps", 30, "--resume")
    assert again.exit_code == 0, again.stderr
    whole = json.loads(gennas(*words[:-1], tmp_path / "other", "--steps", 30).stdout)
    assert json.loads(again.stdout)["best"] == whole["best"] and first["steps"] == 8
    with open(tmp_path / "run" / "results.jsonl") as lines:
        looked_at = [json.loads(line)["arch"] for line in lines]
    assert looked_at[:5] == best[:5]  # the population
    cold = gennas(*words[:-3], "--json", "--steps", 30, "--out", tmp_path / "run", "--resume", "--start", "none")
    assert cold.exit_code == 2


class Ones(BaseScorer):
    """More convolutions are better."""

    space, measure = SPACE, "ones"

    def identity(self):
        return {}

    def compute(self, arch, key):
        return Score(str(arch), key, float(arch.ops.count(3)), "ok", 0.0, "ones")


def test_every_start_is_used_once_and_limits_hold():
    starts = tuple(SPACE.parse(str(number)) for number in (3, 14_000, 77))
    settings = SearchSettings(steps=6, algorithm="random", starts=starts)
    steps = search_architectures(Ones(), Run(None, {}), settings)
    texts = [step.score.arch for step in steps]
    assert texts[:3] == list(map(str, starts))
    plain = search_architectures(Ones(), Run(None, {}), SearchSettings(steps=3, algorithm="random"))
    assert texts[3:] == [step.score.arch for step in plain]  # then the draws of the seed
    gate = Gate([Limit("params", 1.0)], {"params": lambda arch: float(arch.ops.count(3))})
    kept = search_architectures(Ones(), Run(None, {}), settings, within(own_engine, gate))
    allowed = [str(arch) for arch in starts if arch.ops.count(3) <= 1]
    assert [step.score.arch for step in kept][: len(allowed)] == allowed and len(allowed) < 3


@pytest.mark.parametrize("name", ["nds_resnet", "nasbench_nlp"])
def test_spaces_without_categories_have_one_of_these_architectures(name):
    space, rng = load_space(name), np.random.default_rng(0)
    starts = WarmStarts(space, (space.sample(rng), space.sample(rng)))
    assert starts.categories == {"arch": tuple(map(str, starts.archs))}
    assert [starts.architecture(each) for each in starts.configurations] == list(starts.archs)


def test_cells_that_are_not_valid_together():
    space = load_space("nasbench101")
    nothing = {name: options[0] for name, options in space.categories.items()}
    with pytest.raises(ArchitectureError, match="disconnected"):
        space.from_configuration(nothing)
    with pytest.raises(ArchitectureError, match="different inputs"):
        space = load_space("nasbench301")
        space.from_configuration({**space.configuration(space.parse(space.example)), "normal_0_input": "1"})


def test_optuna():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    starts = WarmStarts(SPACE, tuple(SPACE.parse(str(number)) for number in (3, 14_000, 77)))
    study, seen = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)), []

    def objective(trial):
        seen.append(starts.suggest(trial))
        return -float(seen[-1].ops.count(3))

    starts.enqueue(study)
    study.optimize(objective, n_trials=5)
    assert tuple(seen[:3]) == starts.archs and len(seen) == 5


def test_bad_input(tmp_path, run):
    folder, _ = run
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "other.json").write_text(json.dumps({"space": "nasbench101", "architectures": ["2:1:"]}))
    (tmp_path / "odd.json").write_text(json.dumps({"space": "nasbench201", "architectures": ["5", "nonsense"]}))
    (tmp_path / "twice.json").write_text('{"space": "nasbench201", "architectures": ["5"], "architectures": ["6"]}')
    for words, message in (
        (["search", "--space", "nasbench201", "--start", tmp_path / "twice.json"], "'architectures' is given twice"),
        (["warm-start", tmp_path / "none"], "is no run directory"),
        (["warm-start", folder, "--count", 0], "at least 1 architecture, got 0"),
        (["search", "--space", "nasbench201", "--start", tmp_path / "none.txt"], "cannot read the architectures in"),
        (["search", "--space", "nasbench201", "--start", tmp_path / "empty.txt"], "holds no architecture"),
        (["search", "--space", "nasbench201", "--start", tmp_path / "other.json"], "is of the space nasbench101"),
        (["search", "--space", "nasbench201", "--start", tmp_path / "odd.json"], "not a nasbench201 architecture"),
        (["search", "--space", "nasbench101", "--start", folder], "of the space nasbench201, the search is of"),
        (["search", "--space", "nasbench201", "--start", folder, "--screen", "instant"], "leave one of them out"),
    ):
        done = gennas(*words)
        assert done.exit_code in (1, 2) and message in done.stderr and "Traceback" not in done.stderr, done.stderr
    with pytest.raises(InputError, match="no independent choices"):
        load_space("nds_resnet").from_configuration({})
    with pytest.raises(RunError, match="is no run of `gennas score`"):
        with Run(tmp_path / "run", {"command": "fit", "space": "nasbench201"}):
            WarmStarts.of_run(tmp_path / "run")
