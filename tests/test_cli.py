"""The command as a user runs it: output, exit codes, interruption and resume, bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from naslib_gennas import Scorer, load_preset
from naslib_gennas.cli import main
from naslib_gennas.progress import heeding_interrupts, progress
from naslib_gennas.spaces import SPACES

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
TINY = """
name: tiny
task:
  stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]
fidelity: {cells: 1, channels: 4, input_size: 8, batch_size: 4, steps: 3, readout: train}
"""


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def table(tmp_path):
    from naslib_gennas.spaces import load_space

    path = tmp_path / "table.csv"
    cells = list(load_space("nasbench201"))[:60]
    rows = [f"{cell},{sum(op in (2, 3) for op in cell.ops) + i / 1000}" for i, cell in enumerate(cells)]
    path.write_text("arch,accuracy\n" + "\n".join(rows) + "\n")
    return str(path)


def gennas(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_score_prints_one_json_object(preset):
    result = gennas("score", "--space", "nasbench201", "--preset", preset, "--json", CELL, "5")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [record["status"] for record in data["scores"]] == ["ok", "ok"]
    assert data["scores"][0]["arch"] == CELL and data["scores"][0]["score"] < 0
    again = json.loads(gennas("score", "--space", "nasbench201", "--preset", preset, "--json", CELL).stdout)
    assert again["scores"][0]["score"] == data["scores"][0]["score"]


def test_score_nasbench101(preset):
    result = gennas("score", "--space", "nasbench101", "--preset", preset, "5:397:000")
    assert result.exit_code == 0 and "5:397:000" in result.stdout


def test_correlate_writes_a_run_and_resumes_without_repeating(preset, table, tmp_path):
    common = ("correlate", "--space", "nasbench201", "--preset", preset, "--table", table, "--sample", 20, "--json")
    first = gennas(*common, "--out", tmp_path / "run")
    assert first.exit_code == 0, first.output
    data = json.loads(first.stdout)
    assert {"spearman", "kendall", "n", "failures", "seconds_per_architecture", "preset"} <= set(data)
    assert data["n"] == 20 and data["preset"] == "tiny" and -1 <= data["spearman"] <= 1
    results = tmp_path / "run" / "results.jsonl"
    before = results.read_bytes()
    lines = before.splitlines(keepends=True)
    results.write_bytes(b"".join(lines[:12]) + lines[12][:20])
    again = gennas(*common, "--out", tmp_path / "run", "--resume")
    assert again.exit_code == 0, again.output
    assert results.read_bytes().startswith(b"".join(lines[:12]))
    scores = [(r["arch"], r["score"]) for r in map(json.loads, before.splitlines())]
    assert [(r["arch"], r["score"]) for r in map(json.loads, results.read_bytes().splitlines())] == scores
    assert json.loads(again.stdout)["spearman"] == data["spearman"]


def test_two_workers_give_the_scores_of_one(preset, tmp_path):
    common = ("score", "--space", "nasbench201", "--preset", preset, "--sample", 6, "--json")
    alone = json.loads(gennas(*common).stdout)["scores"]
    pair = json.loads(gennas(*common, "--workers", 2).stdout)["scores"]
    assert [(r["arch"], r["score"]) for r in alone] == [(r["arch"], r["score"]) for r in pair]


def test_search_reports_accuracy_and_rank(preset, table, tmp_path):
    result = gennas(
        *("search", "--space", "nasbench201", "--preset", preset, "--steps", 15, "--population", 5),
        *("--tournament", 2, "--table", table, "--out", tmp_path / "run", "--json"),
    )
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["steps"] == 15 and data["best"][0]["final_score"] >= data["best"][-1]["final_score"]
    assert {"accuracy", "rank"} <= set(data["best"][0])
    assert len((tmp_path / "run" / "results.jsonl").read_text().splitlines()) == 15
    assert (tmp_path / "run" / "curve.json").exists()


def test_the_best_are_scored_again_at_the_end_and_ordered_by_that(preset, tmp_path):
    again = tmp_path / "again.yaml"
    again.write_text(load_preset(preset).with_fidelity(steps=3, repeats=2).to_yaml())
    common = ("search", "--space", "nasbench201", "--preset", preset, "--steps", 15, "--engine", "own")
    result = gennas(*common, "--final-preset", again, "--json")
    assert result.exit_code == 0, result.output
    best = json.loads(result.stdout)["best"]
    scorer = Scorer("nasbench201", str(again), seed=1_000_000)
    assert [found["final_score"] for found in best] == [scorer.score(found["arch"]).score for found in best]
    assert best == sorted(best, key=lambda found: -found["final_score"])
    plain = json.loads(gennas(*common, "--finalists", 0, "--json").stdout)
    assert {found["arch"] for found in plain["best"]} == {found["arch"] for found in best}
    assert plain["best"] == sorted(plain["best"], key=lambda found: -found["score"])
    assert "final_score" not in plain["best"][0]
    own = json.loads(gennas(*common, "--finalists", 3, "--json").stdout)
    scorer = Scorer("nasbench201", load_preset(preset).with_fidelity(repeats=16), seed=own["final_seed"])
    assert own["final_repeats"] == 16 and len(own["best"]) == len(best)
    assert [found.get("final_score") for found in own["best"]] == [
        scorer.score(found["arch"]).score if place < 3 else None for place, found in enumerate(own["best"])
    ]
    assert {found["arch"] for found in own["best"][:3]} == {found["arch"] for found in plain["best"][:3]}
    refused = gennas(*common, "--final-preset", "bezt")
    assert refused.exit_code == 2 and "best" in refused.stderr
    refused = gennas(*common, "--finalists", -1)
    assert refused.exit_code == 2 and "finalists must be at least 0" in refused.stderr


def test_final_scores_are_not_computed_twice(preset, tmp_path):
    command = ("search", "--space", "nasbench201", "--preset", preset, "--steps", 8, "--population", 4)
    command += ("--tournament", 2, "--engine", "own", "--out", tmp_path / "run", "--json")
    first = json.loads(gennas(*command).stdout)
    [kept] = (tmp_path / "run").glob("final-*/results.jsonl")
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:3]) + lines[3][:20])  # killed in the fourth
    resumed = json.loads(gennas(*command, "--resume").stdout)
    assert resumed["best"] == first["best"]
    assert [json.loads(line)["arch"] for line in kept.read_text().splitlines()] == [
        json.loads(line)["arch"] for line in lines
    ]


def test_runs_of_the_first_version_go_on(preset, tmp_path):
    """Their lines had no measure, but seed and preset; a failure had its message only."""
    command = (
        "score",
        "--space",
        "nasbench201",
        "--preset",
        preset,
        "--out",
        tmp_path / "run",
        "--json",
        CELL,
        "5",
        "7",
    )
    first = json.loads(gennas(*command).stdout)["scores"]
    results = tmp_path / "run" / "results.jsonl"
    old = [{**json.loads(line), "seed": 0, "preset": "tiny", "preset_digest": "0" * 12} for line in results.open()]
    for record in old:
        del record["measure"], record["crc32"]
    old[2].update(score=None, status="failed", message="ValueError: it was odd")
    results.write_text("".join(json.dumps(record) + "\n" for record in old))
    again = json.loads(gennas(*command, "--resume").stdout)["scores"]
    assert len(results.read_text().splitlines()) == 3
    assert [record["score"] for record in again[:2]] == [record["score"] for record in first[:2]]
    assert (again[2]["status"], again[2]["message"]) == ("failed", "ValueError: it was odd")


def test_killed_run_loses_at_most_one_record(preset, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "naslib_gennas.cli", "score", "--space", "nasbench201", "--preset", preset]
    command += ["--sample", "3000", "--out", str(out), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    results = out / "results.jsonl"
    deadline = time.monotonic() + 60
    while not (results.exists() and results.stat().st_size > 3000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    lines = results.read_bytes().splitlines(keepends=True)
    complete = [json.loads(line) for line in lines if line.endswith(b"\n")]
    assert len(lines) - len(complete) <= 1 and len(complete) >= 5


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc to see the processes")
def test_workers_end_with_a_killed_parent(preset, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "naslib_gennas.cli", "score", "--space", "nasbench201", "--preset", preset]
    command += ["--sample", "5000", "--workers", "2", "--out", str(out), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out / "results.jsonl").exists() or not (out / "results.jsonl").stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = _children(process.pid)
    process.kill()
    process.wait()
    while any(map(_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) >= 2 and not any(map(_alive, children))


def _children(parent):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if _status(pid)[1:2] == [str(parent)]]


def _status(pid):
    """State and parent of a process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _alive(pid):
    return _status(pid)[:1] not in ([], ["Z"])


@pytest.mark.skipif(os.name == "nt", reason="signals are sent differently on Windows")
def test_interrupt_ends_with_130(preset, tmp_path):
    command = [sys.executable, "-m", "naslib_gennas.cli", "search", "--space", "nasbench201", "--preset", preset]
    command += ["--steps", "100000", "--out", str(tmp_path / "run")]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests run in the background ignore it
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed)
    results = tmp_path / "run" / "results.jsonl"
    deadline = time.monotonic() + 60
    while not (results.exists() and results.stat().st_size > 3000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in messages and b"Traceback" not in messages


@pytest.mark.skipif(os.name == "nt", reason="signals are sent differently on Windows")
def test_an_interrupt_that_python_swallows_ends_the_loop_all_the_same():
    """As in a finaliser, whose exceptions Python ignores."""
    seen = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), heeding_interrupts():
            for item in progress(range(5), 5, "counting"):
                seen.append(item)
                with suppress(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(1)
        assert seen == [0] and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert list(progress(range(3), 3, "counting")) == [0, 1, 2]
    finally:
        signal.signal(signal.SIGINT, before)


def test_lists():
    assert "nasbench101" in gennas("spaces").stdout
    assert "gdot" in gennas("signals").stdout
    listed = gennas("presets").stdout
    assert "paper-combo" in listed and "fast" in listed
    assert "5:397:000" in gennas("spaces", "show", "nasbench101").stdout
    assert "fraction" in gennas("signals", "show", "dot").stdout
    assert "cells" in gennas("presets", "show", "fast").stdout
    assert "torch" in json.loads(gennas("doctor", "--json").stdout)["required"]


def test_signal_gallery(tmp_path):
    pytest.importorskip("matplotlib")
    result = gennas("signals", "--picture", tmp_path / "signals.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "signals.png").read_bytes().startswith(b"\x89PNG")


BAD = {
    "unknown action of presets": (["presets", "shwo", "fast"], "did you mean show?"),
    "unknown action of spaces": (["spaces", "nasbench201"], "list, show"),
    "unknown action of signals": (["signals", "dot"], "list, show"),
    "unknown space": (["score", "--space", "nasbench202", CELL], "nasbench201"),
    "unknown preset": (["score", "--space", "nasbench201", "--preset", "fsat", CELL], "fast"),
    "malformed architecture": (["score", "--space", "nasbench201", CELL.replace("conv_3x3", "conv_9x9")], "nor_conv"),
    "invalid cell": (["score", "--space", "nasbench101", "5:000:000"], "disconnected"),
    "unknown device": (["score", "--space", "nasbench201", "--device", "gpu", CELL], "cuda"),
    "no such images": (["score", "--space", "nasbench201", "--images", "none.npz", CELL], "none.npz"),
    "workers": (["score", "--space", "nasbench201", "--workers", "0", CELL], "workers"),
    "threads": (["score", "--space", "nasbench201", "--threads", "0", CELL], "threads"),
    "nothing to score": (["score", "--space", "nasbench201"], "--all"),
    "sample beyond the space": (["score", "--space", "nasbench201", "--sample", "20000"], "15625"),
    "all of a space that cannot be listed": (["score", "--space", "nds_darts", "--all"], "cannot be listed"),
    "resume without out": (["score", "--space", "nasbench201", "--resume", CELL], "--out"),
    "missing file of architectures": (["score", "--space", "nasbench201", "@nowhere.txt"], "nowhere.txt"),
    "no ground truth": (["correlate", "--space", "nasbench101"], "--table"),
    "nothing to compare with": (["benchmark", "--space", "nasbench101"], "--table FILE"),
    "missing table": (["correlate", "--space", "nasbench201", "--table", "none.csv"], "none.csv"),
    "unknown option": (["score", "--spcae", "nasbench201"], "spcae"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(case):
    arguments, expected = BAD[case]
    result = gennas(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and expected in result.stderr
    assert "Traceback" not in result.stderr


def test_bad_tables(preset, table):
    common = ("correlate", "--space", "nasbench201", "--preset", preset, "--table", table)
    missing = gennas(*common, "--metric", "acuracy")
    assert missing.exit_code == 2 and "accuracy" in missing.stderr
    too_many = gennas(*common, "--sample", 1000)
    assert too_many.exit_code == 2 and "60" in too_many.stderr
    too_few = gennas(*common, "--sample", 2)
    assert too_few.exit_code == 2 and "3" in too_few.stderr


def test_corrupt_preset_file(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: [unclosed")
    result = gennas("score", "--space", "nasbench201", "--preset", path, CELL)
    assert result.exit_code == 2 and "bad.yaml" in result.stderr and "YAML" in result.stderr


def test_help_does_not_load_torch():
    code = "import sys, naslib_gennas, naslib_gennas.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_curves_are_kept_where_asked(tmp_path):
    """The loss of every step, for isomorphic cells and resumed runs too; measures that do not train have none."""
    out = str(tmp_path / "run")
    options = ["score", "--space", "nasbench201", "--preset", "tiny", "--out", out, "--json", "--curves"]
    result = CliRunner().invoke(main, [*options, "5", "6"])
    assert result.exit_code == 0, result.output
    records = json.loads(result.stdout)["scores"]
    assert all(len(r["curve"]) == r["steps"] and r["curve"][-1] < r["curve"][0] for r in records)
    again = CliRunner().invoke(main, [*options, "5", "6", "--resume"])
    assert json.loads(again.stdout)["scores"] == records
    without = CliRunner().invoke(main, [*options[:-1], "5", "6", "--resume"])
    assert without.exit_code == 2 and "curves: True then, None now" in without.stderr
    measure = CliRunner().invoke(main, ["score", "--space", "nasbench201", "--curves", "--measure", "params", "5"])
    assert measure.exit_code == 2 and "params has none" in measure.stderr


@pytest.mark.parametrize("name", SPACES.names())
def test_spaces_show_facts(name):
    found = gennas("spaces", "show", name).stdout
    assert "<" not in found.replace("<-", "") and "None" not in found
    assert {"architectures", "--all", "family", "example"} <= {line.split()[0] for line in found.splitlines()[1:]}


def test_the_help_names_every_command_once():
    found = gennas("--help").stdout
    assert all(len(re.findall(rf"^  {name} ", found, re.MULTILINE)) == 1 for name in main.commands)
    assert "Other commands" not in found


def test_what_is_not_foreseen_is_one_line_too(monkeypatch):
    from naslib_gennas.scoring.gennas import GenNASScorer

    def fail(self, *args, **options):
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr(GenNASScorer, "identity", fail)
    words = ["score", "--space", "nasbench201", "--preset", "tiny", "5"]
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 1 and found.stderr.count("\n") == 1
    assert "ZeroDivisionError: by nothing" in found.stderr and "--debug" in found.stderr
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(main, ["--debug", *words], catch_exceptions=False)


def test_every_help_has_examples_whose_options_exist():
    from naslib_gennas.cli.examples import EXAMPLES

    assert set(EXAMPLES) == set(main.commands)
    for name, lines in EXAMPLES.items():
        shown = CliRunner().invoke(main, [name, "--help"]).output
        assert all(line in shown for line in lines), name
        known = {option for parameter in main.commands[name].params for option in parameter.opts}
        for line in lines:
            assert line.startswith(f"gennas {name}")
            options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)
            assert not isinstance(main.commands[name], click.Group) or name in line
            assert isinstance(main.commands[name], click.Group) or set(options) <= known, line


@pytest.mark.parametrize(("theirs", "ours"), [({}, "1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")])
def test_waiting_threads_spin_for_a_moment_only(theirs, ours):
    code = "import naslib_gennas.cli, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    settings = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {key: value for key, value in os.environ.items() if key not in settings}
    done = subprocess.run([sys.executable, "-c", code], env={**environment, **theirs}, capture_output=True, text=True)
    assert done.stdout.strip() == ours


def test_a_reader_that_closes_early_is_no_error():
    """As `gennas spaces | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "naslib_gennas.cli", "presets"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait() in (0, 1) and b"not foreseen" not in process.stderr.read()


def test_lists_are_tables_on_a_terminal_and_plain_lines_elsewhere(monkeypatch):
    plain = CliRunner().invoke(main, ["spaces"]).stdout
    assert "\x1b[" not in plain and all(line == line.rstrip() for line in plain.splitlines())
    assert len(plain.splitlines()) == len(SPACES.names())
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    coloured = CliRunner().invoke(main, ["spaces"]).stdout
    assert "\x1b[" in coloured and "search space" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in CliRunner().invoke(main, ["spaces"]).stdout  # cyan


def test_files_of_others_are_replaced_with_force_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("arch,acc\n1,90\n2,91\n3,92\n")
    run = ["correlate", "--space", "nasbench201", "--table", "t.csv", "--all", "--preset", "tiny", "--out", "run"]
    assert CliRunner().invoke(main, run).exit_code == 0
    commands = {
        "page.html": ["report", "run", "--out", "page.html"],
        "out.csv": ["tables", "convert", "t.csv", "out.csv"],
        "scores.csv": ["scores", "convert", "run", "scores.csv"],
        "signals.svg": ["signals", "--picture", "signals.svg"],
    }
    for name, command in commands.items():
        Path(name).write_text("mine")
        refused = CliRunner().invoke(main, command)
        assert refused.exit_code == 2 and f"{name} would be overwritten" in refused.stderr
        assert Path(name).read_text() == "mine"
        assert CliRunner().invoke(main, [*command, "--force"]).exit_code == 0
        assert Path(name).read_text() != "mine"
    assert CliRunner().invoke(main, commands["page.html"]).exit_code == 0  # its own page
    assert CliRunner().invoke(main, ["scores", "convert", "scores.csv", "run", "scores.csv"]).exit_code == 0


def test_poor_surroundings(tmp_path):
    """No locale, a home that cannot be written, no proxy to anywhere, another working directory."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    keep = {
        name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "PYTHONPATH", "OMP_NUM_THREADS") if name in os.environ
    }
    poor = {**keep, "LC_ALL": "C", "LANG": "C", "HOME": str(home), "http_proxy": "http://127.0.0.1:9", "TERM": "dumb"}
    text = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    command = [
        sys.executable,
        "-m",
        "naslib_gennas.cli",
        "score",
        "--space",
        "nasbench201",
        text,
        "--preset",
        "tiny",
        "--json",
    ]
    done = subprocess.run([*command, "--out", "rün"], env=poor, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    expected = Scorer("nasbench201", "tiny").score(text).value
    assert json.loads(done.stdout)["scores"][0]["score"] == expected
    assert (tmp_path / "rün" / "results.jsonl").is_file() and not list(home.iterdir())
