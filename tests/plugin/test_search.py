"""NASLib's optimizers as an engine of ``gennas search``."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.errors import InputError, MissingPackageError
from naslib_gennas.plugin import locate
from naslib_gennas.plugin import search as engine
from naslib_gennas.plugin.generators import PrivateGenerators
from naslib_gennas.plugin.locate import layout_of
from naslib_gennas.plugin.search import choose_engine

TINY = """
name: tiny
task:
  stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]
fidelity: {cells: 1, channels: 4, input_size: 8, batch_size: 4, steps: 3, readout: train}
"""

# --- without NASLib


@pytest.fixture
def nowhere(monkeypatch):
    monkeypatch.setattr(locate, "_importable_root", lambda: None)
    monkeypatch.delenv(locate.HOME, raising=False)


@pytest.fixture
def somewhere(nowhere, monkeypatch, tmp_path):
    """A checkout of branch ``zerocost`` without code; loading it is only noted."""
    for folder in ("search_spaces", "predictors/pruners/measures", "optimizers", "utils"):
        (tmp_path / "naslib" / folder).mkdir(parents=True)
    (tmp_path / "naslib" / "__init__.py").touch()
    monkeypatch.setenv(locate.HOME, str(tmp_path))
    loaded = []
    monkeypatch.setattr(engine, "load", loaded.append)
    return tmp_path, loaded


def test_without_naslib_our_own_engine_searches(nowhere):
    assert choose_engine(None, "nasbench201", "evolution") == ("own", "NASLib was not found")
    with pytest.raises(MissingPackageError, match="NASLib was not found"):
        choose_engine("naslib", "nasbench201", "evolution")
    with pytest.raises(InputError, match="only NASLib has the algorithm 'local'"):
        choose_engine(None, "nasbench201", "local")
    with pytest.raises(InputError, match="no search engine is called 'NASLIB'"):
        choose_engine("NASLIB", "nasbench201", "evolution")


def test_the_branch_decides(somewhere):
    root, loaded = somewhere
    chosen, why = choose_engine(None, "nasbench201", "evolution")
    assert chosen == "own" and why == "branch zerocost of NASLib has no RegularizedEvolution"
    with pytest.raises(InputError, match="branch zerocost of NASLib has no LocalSearch"):
        choose_engine("naslib", "nasbench201", "local")
    with pytest.raises(InputError, match="looks accuracies up in its tables; use `gennas naslib bbo`"):
        choose_engine("naslib", "nasbench201", "bananas")
    (root / locate.DEVELOP.marker).mkdir(parents=True)
    chosen, why = choose_engine(None, "nds_darts", "evolution")
    assert chosen == "own" and "not nds_darts" in why
    assert choose_engine("own", "nasbench201", "random") == ("own", "asked for")
    assert not loaded


def test_missing_packages_are_named(somewhere, monkeypatch):
    root, loaded = somewhere
    (root / locate.DEVELOP.marker).mkdir(parents=True)
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == "fvcore" else object())
    chosen, why = choose_engine(None, "nasbench201", "evolution")
    assert chosen == "own" and "fvcore" in why and "pip install" in why
    monkeypatch.setattr(engine, "find_spec", lambda name: object())
    assert choose_engine(None, "nasbench201", "local")[0] == "naslib"
    assert loaded == [None]


def test_private_generators_leave_the_global_ones_alone():
    generators = PrivateGenerators(3)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with generators:
        first = random.random(), np.random.random()
    random.random()
    np.random.random()
    with generators:
        second = random.random(), np.random.random()
    random.setstate(before[0])
    expected, legacy = random.Random(3), np.random.RandomState(3)
    assert [first[0], second[0]] == [expected.random() for _ in range(2)]
    assert [first[1], second[1]] == [legacy.random_sample() for _ in range(2)]
    with generators:
        np.random.random()
    assert random.getstate() == before[0]


def test_search_command_says_which_engine(nowhere, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    arguments = ["search", "--space", "nasbench201", "--preset", str(tmp_path / "tiny.yaml"), "--steps", "2"]
    arguments += ["--population", "2", "--tournament", "1"]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["engine"] == "own"
    assert "engine: own (NASLib was not found)" in done.stderr
    done = CliRunner().invoke(main, [*arguments, "--engine", "naslib"])
    assert done.exit_code == 2 and "NASLIB_HOME" in done.stderr


# --- with it


@pytest.fixture
def naslib_python(naslib_home, fresh_python):
    """A Python that finds a NASLib with search algorithms."""
    if "RegularizedEvolution" not in layout_of(naslib_home).parts:
        pytest.skip(f"branch {layout_of(naslib_home).name} has no evolution")
    return fresh_python


@pytest.mark.naslib
def test_naslibs_optimizers_search_the_spaces_that_both_know(naslib_python):
    """Valid architectures, repeatable, improving, memory flat, global generators untouched."""
    report = json.loads(
        naslib_python("""
        import itertools, json, math, random, resource
        import numpy as np
        from naslib_gennas.plugin.search import naslib_search
        from naslib_gennas.spaces import load_space

        def memory():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        def fitness(arch):
            return float(sum(op in (2, 3) for op in arch.ops) if hasattr(arch, "live_edges") else hash(arch) % 7)

        report = {}
        for name in ("nasbench201", "nasbench101", "nasbench301"):
            space = load_space(name)
            for algorithm in ("evolution", "random", "local")[: 1 if name == "nasbench301" else 3]:
                def run(seed, steps, fitness=fitness):
                    stream = naslib_search(space, fitness, seed, algorithm, 20, 5)
                    return list(itertools.islice(stream, steps))
                state = random.getstate(), np.random.get_state()[1].tolist()
                steps = run(0, 40)
                assert (random.getstate(), np.random.get_state()[1].tolist()) == state
                assert all(space.parse(str(arch)) == arch for arch, _ in steps)
                assert all(value == fitness(arch) for arch, value in steps)
                assert run(0, 40) == steps and run(1, 40) != steps
                broken = run(0, 40, lambda arch: math.nan if hash(arch) % 3 == 0 else fitness(arch))
                assert any(math.isnan(value) for _, value in broken)
                before = memory()
                run(2, 120)
                report[f"{name} {algorithm}"] = {
                    "memory": memory() - before,
                    "first": np.mean([value for _, value in steps[:20]]),
                    "last": np.mean([value for _, value in steps[-20:]]),
                }
        print(json.dumps(report))
        """)
    )
    assert all(row["memory"] < 40 for row in report.values()), report
    evolution = report["nasbench201 evolution"]
    assert evolution["last"] > evolution["first"] + 1


@pytest.mark.naslib
def test_predictors_guide_naslibs_search(naslib_python):
    """BANANAS and NPENAS with our predictor: repeatable, and better than what they drew at first."""
    naslib_python("""
        import itertools
        from naslib_gennas.plugin.search import STARTS, naslib_search
        from naslib_gennas.spaces import load_space

        space = load_space("nasbench201")

        def fitness(arch):
            return float(sum(op == 2 for op in arch.ops)) + 0.1 * arch.ops[0]

        for algorithm in ("bananas", "npenas"):
            def run(seed):
                stream = naslib_search(space, fitness, seed, algorithm, predictor="gennas")
                return list(itertools.islice(stream, 30))
            steps = run(0)
            assert [value for _, value in steps] == [fitness(arch) for arch, _ in steps]
            first, last = (max(value for _, value in part) for part in (steps[:STARTS], steps[STARTS:]))
            assert last > first, (algorithm, first, last)
            assert run(0) == steps
    """)


@pytest.mark.naslib
def test_command_searches_with_naslib_and_resumes(naslib_python, tmp_path):
    """NASLib is the default where it is; a torn run ends like a whole one, and other settings are refused."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    out = naslib_python(
        """
        import json, sys
        from pathlib import Path
        from click.testing import CliRunner
        from naslib_gennas.cli import main

        folder = Path(sys.argv[1])

        def gennas(*more):
            base = ["search", "--space", "nasbench201", "--preset", str(folder / "tiny.yaml"), "--population", "8"]
            return CliRunner().invoke(main, [*base, "--tournament", "3", "--json", *map(str, more)])

        def archs(name):
            return [json.loads(line)["arch"] for line in (folder / name / "results.jsonl").open()]

        whole = gennas("--steps", 25, "--out", folder / "whole")
        assert whole.exit_code == 0, whole.output
        assert gennas("--steps", 12, "--out", folder / "torn").exit_code == 0
        assert gennas("--steps", 25, "--out", folder / "torn", "--resume").exit_code == 0
        assert archs("torn") == archs("whole") and len(archs("whole")) == 25
        other = gennas("--steps", 25, "--out", folder / "torn", "--resume", "--engine", "own")
        assert other.exit_code == 2 and "engine: 'naslib' then, 'own' now" in other.stderr, other.output
        print(whole.stdout)
        """,
        tmp_path,
    )
    data = json.loads(out)
    assert data["engine"] == "naslib" and data["steps"] == 25
    files = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {"config.json", "environment.json", "results.jsonl", "summary.json", "curve.json"} <= files


@pytest.mark.naslib
def test_a_run_that_does_not_repeat_is_refused(naslib_python, tmp_path):
    naslib_python(
        """
        import sys
        import pytest
        from naslib_gennas.errors import RunError
        from naslib_gennas.plugin.search import naslib_search
        from naslib_gennas.runs.run import Run
        from naslib_gennas.scoring import BaseScorer, Score
        from naslib_gennas.search import SearchSettings, search_architectures
        from naslib_gennas.spaces import load_space

        class Nought(BaseScorer):
            space = load_space("nasbench201")

            def identity(self):
                return {}

            def compute(self, arch, key):
                return Score(str(arch), key, 0.0, "ok", 0.0)

        def settings(steps):
            return SearchSettings(steps=steps, population=3, tournament=2)

        with Run(sys.argv[1] + "/run", {}) as run:
            search_architectures(Nought(), run, settings(3), engine=naslib_search)
        with Run(sys.argv[1] + "/run", {}, resume=True) as run, pytest.raises(RunError, match="step 0 .* repeats as"):
            search_architectures(Nought(), run, settings(5))
        """,
        tmp_path,
    )


@pytest.mark.naslib
def test_naslibs_optimizers_begin_with_warm_starts(naslib_python):
    first = json.loads(
        naslib_python("""
        import itertools, json
        from naslib_gennas.plugin.search import naslib_search
        from naslib_gennas.search.warm_starts import Started
        from naslib_gennas.spaces import load_space

        found = {}
        for name, texts in {"nasbench201": ["3", "14000"], "nasbench101": ["5:397:000", "3:7:2"]}.items():
            space = load_space(name)
            starts = [space.parse(text) for text in texts]
            stream = naslib_search(Started(space, starts), lambda arch: float(len(str(arch))), 0, "evolution", 5, 2)
            looked_at = [space.canonical(arch) for arch, _ in itertools.islice(stream, 4)]
            found[name] = [looked_at[:2] == [space.canonical(arch) for arch in starts], len(set(looked_at[2:]))]
        print(json.dumps(found))
        """)
    )
    assert first == {"nasbench201": [True, 2], "nasbench101": [True, 2]}
