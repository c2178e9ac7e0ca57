"""What an architecture can do to the process that scores it costs one record, and says so."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.executors import Resources, processes
from naslib_gennas.executors.last_words import LastWords
from naslib_gennas.executors.processes import Processes
from naslib_gennas.scoring import Score
from naslib_gennas.scoring.failures import ProcessDied, failure
from naslib_gennas.testing.executors import Addition, Job, SharedAddition

NETS = """
import os, signal, sys, time
from torch import nn

def good():
    return nn.Sequential(*(nn.Sequential(nn.Conv2d(w, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()) for w in (3, 8, 8)))

def segfault():
    os.kill(os.getpid(), signal.SIGSEGV)

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def leaves():
    sys.exit(3)

def leaves_at_once():
    os._exit(4)

def hangs():
    time.sleep(600)
"""
SMALL = """
name: small
task: {stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]}
fidelity: {input_size: 32, batch_size: 2, steps: 2, readout: train}
"""
posix = pytest.mark.skipif(os.name == "nt", reason="signals are sent differently on Windows")


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return tmp_path


def command(*functions, more=()):
    models = [word for function in functions for word in ("--model", f"nets:{function}")]
    return ["score", *models, "--preset", "small.yaml", *map(str, more)]


def score(*functions, more=()):
    result = CliRunner().invoke(main, command(*functions, more=("--json", *more)))
    assert result.exit_code == 0, result.output
    return {record["arch"].partition(":")[2]: record for record in json.loads(result.stdout)["scores"]}


@posix
def test_a_crash_costs_one_record_and_the_rest_goes_on(nets):
    """The user's own networks are apart without being asked for."""
    found = score("good", "segfault", "killed", "leaves", "leaves_at_once", more=("--out", "run"))
    assert found["good"]["status"] == "ok" and found["good"]["score"] is not None
    expected = {
        "segfault": ("SIGSEGV", "ended by SIGSEGV"),
        "killed": ("SIGKILL", "memory runs out"),
        "leaves": ("SystemExit", "sys.exit(3)"),
        "leaves_at_once": ("ProcessExit", "exit code 4"),
    }
    for name, (kind, sentence) in expected.items():
        assert found[name]["status"] == "crashed" and found[name]["score"] is None
        assert found[name]["error"] == kind and sentence in found[name]["message"]
    lines = (nets / "run" / "results.jsonl").read_text().splitlines()
    assert {json.loads(line)["arch"] for line in lines} == {f"nets:{name}" for name in found}
    again = score("good", "segfault", "killed", "leaves", "leaves_at_once", more=("--out", "run", "--resume"))
    assert again == found and (nets / "run" / "results.jsonl").read_text().splitlines() == lines


@posix
def test_a_crash_among_jobs_that_share_work_costs_one_record():
    jobs = [Job((number,), "kill" if number == 5 else "answer") for number in range(40)]
    with Processes(Resources(workers=2)) as executor:
        found = {result.job.numbers[0]: result for result in executor.map(SharedAddition(1, together=16), jobs)}
    assert len(found) == len(jobs)
    assert {number for number, result in found.items() if result.lost} == {5}
    assert all(found[number].answers == (number + 1,) for number in range(40) if number != 5)


def test_a_time_limit_costs_one_record(nets):
    started = time.monotonic()
    found = score("good", "hangs", more=("--timeout", 5))
    assert found["good"]["status"] == "ok" and time.monotonic() - started < 60
    assert found["hangs"]["status"] == "timeout" and "5 s (--timeout)" in found["hangs"]["message"]


@posix
def test_a_network_alone_that_crashes_is_an_error_of_the_command(nets):
    result = CliRunner().invoke(main, command("segfault"))
    assert result.exit_code == 2 and "SIGSEGV" in result.stderr and "Traceback" not in result.stderr


@posix
def test_a_single_process_says_how_to_isolate_before_it_is_gone(nets):
    words = [sys.executable, "-m", "naslib_gennas.cli", *command("good", "segfault", more=("--no-isolate",))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGSEGV
    last = done.stderr.strip().splitlines()[-1]
    assert "died" in last and "nets:segfault" in last and "--isolate" in last


def test_sys_exit_costs_one_record_in_a_single_process_too(nets):
    found = score("leaves", "good", more=("--no-isolate",))
    assert found["leaves"]["status"] == "crashed" and found["good"]["status"] == "ok"


@posix
def test_isolation_and_searches(nets):
    """A search in a process of its own finds what it finds in this one."""
    words = ["search", "--space", "nasbench201", "--preset", "tiny", "--steps", "4", "--population", "2"]
    words += ["--tournament", "1", "--engine", "own", "--finalists", "0", "--json"]
    here, apart = (CliRunner().invoke(main, [*words, *more]) for more in ([], ["--isolate"]))
    assert here.exit_code == apart.exit_code == 0, apart.output
    assert json.loads(here.stdout)["best"] == json.loads(apart.stdout)["best"]


@pytest.mark.parametrize(("option", "value"), [("--timeout", "0"), ("--timeout", "-1"), ("--workers", "0")])
def test_impossible_resources_are_refused(option, value):
    result = CliRunner().invoke(main, ["score", "--space", "nasbench201", option, value, "5"])
    assert result.exit_code == 2 and "not in the range" in result.stderr and "Traceback" not in result.stderr


def test_a_failed_record_is_read_back_as_it_was():
    score = failure("5", "key", "gennas", ProcessDied(-signal.SIGTERM), 1.5)
    assert score.status == "crashed" and score.error.type == "SIGTERM"
    assert Score.from_record(json.loads(json.dumps(score.as_record()))) == score


@posix
def test_no_last_words_after_a_good_end(capfd):
    with LastWords() as words:
        words.now("this is never said")
    with pytest.raises(ValueError, match="an error"), LastWords() as words:
        words.now("nor is this")
        raise ValueError("an error")
    assert capfd.readouterr().err == ""


@posix
def test_killed_workers_cost_what_they_were_at_and_nothing_else():
    """Working or idle: while what they found is not asked for, they soon have nothing to do."""
    jobs, found, killed = [Job((number,), "wait") for number in range(30)], [], 0
    with Processes(Resources(workers=2)) as executor:
        for number, result in enumerate(executor.map(Addition(1), jobs)):
            found.append(result)
            if number in (3, 8, 14):
                if number == 8:
                    time.sleep(2)
                for child in multiprocessing.active_children()[: 1 if number == 3 else 2]:
                    os.kill(child.pid, signal.SIGKILL)
                    killed += 1
    assert sorted(result.job.numbers[0] for result in found) == list(range(30))
    assert killed == 5 and sum(bool(result.lost) for result in found) <= killed
    assert all(result.answers == (result.job.numbers[0] + 1,) for result in found if not result.lost)


def test_workers_have_the_environment_of_their_pool(monkeypatch):
    """Not that of the first pool, whose server starts all others."""
    for value in ("first", "second"):
        monkeypatch.setenv("GENNAS_OF_THIS_TEST", value)
        with Processes(Resources(workers=1)) as executor:
            assert executor._started(Addition(1)).schedule(os.getenv, args=("GENNAS_OF_THIS_TEST",)).result() == value
    monkeypatch.delenv("GENNAS_OF_THIS_TEST")
    with Processes(Resources(workers=1)) as executor:
        assert executor._started(Addition(1)).schedule(os.getenv, args=("GENNAS_OF_THIS_TEST",)).result() is None


def test_workers_start_where_no_socket_can_be_made(monkeypatch):
    def refused():
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(multiprocessing.forkserver, "ensure_running", refused)
    assert processes._context().get_start_method() == "spawn"
    with Processes(Resources(workers=1)) as executor:
        (result,) = executor.map(Addition(1), [Job((1,), "answer")])
    assert result.answers == (2,)
