"""``gennas top`` and the progress it reads; who takes which GPU."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from naslib_gennas import progress
from naslib_gennas.cli import main
from naslib_gennas.executors import gpus, processes
from naslib_gennas.runs.run import Run


def top(*words):
    found = CliRunner().invoke(main, ["top", *map(str, words)])
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(progress, "TOLD_EVERY", 0.0)


def test_a_run_says_how_far_it_is_while_it_is_written(tmp_path, always):
    with Run(tmp_path / "a", {"command": "score"}) as run:
        for number in run.progress(range(9), 9, "scoring", lambda: 3):
            run.append({"arch": str(number)})
            if number == 5:
                time.sleep(0.01)
                _, text, _ = top(tmp_path / "a", "--json")
    (found,) = json.loads(text)["runs"]
    assert (found["what"], found["done"], found["total"], found["workers"]) == ("scoring", 5, 9, 3)
    assert found["records"] == 6 and found["rate"] > 0 and found["left"] == pytest.approx(4 / found["rate"])
    assert f"process {os.getpid()} on " in found["writer"] and found["state"].startswith("written by process")
    code, text, _ = top(tmp_path)  # runs inside a folder
    assert code == 0 and "scoring: 9/9" in text and "finished" in text


def test_a_run_that_was_killed_is_stopped(tmp_path):
    script = (
        "import os, naslib_gennas.progress as p; p.TOLD_EVERY = 0.0\n"
        "from naslib_gennas.runs.run import Run\n"
        f"run = Run({str(tmp_path / 'run')!r}, {{'command': 'score'}})\n"
        "for n in run.progress(range(9), 9, 'scoring'):\n"
        "    run.append({'arch': str(n)}); n == 4 and os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    code, text, _ = top(tmp_path / "run")
    assert code == 0 and "scoring: 4/9" in text and "stopped; --resume continues it" in text


def test_an_interrupted_run_says_how_far_it_came(tmp_path, monkeypatch):
    with Run(tmp_path / "run", {"command": "score"}) as run, pytest.raises(KeyboardInterrupt):
        for number in run.progress(range(9), 9, "scoring"):
            monkeypatch.setattr(progress, "TOLD_EVERY", 0.0 if number == 1 else 99.0)
            if number == 6:
                raise KeyboardInterrupt
    assert "scoring: 6/9" in top(tmp_path / "run")[1]


def test_short_runs_write_no_progress_and_have_their_records(tmp_path):
    with Run(tmp_path / "run", {"command": "score"}) as run:
        for number in run.progress(range(3), 3, "scoring"):
            run.append({"arch": str(number)})
    assert not (tmp_path / "run" / "progress.json").exists()
    code, text, _ = top(tmp_path / "run")
    assert code == 0 and "3 records" in text and "nobody writes it" in text


@pytest.mark.parametrize("content", ['{"label": 1}', '{"at": "x", "label": "a", "done": 1, "total": 2, "seconds": 1}'])
def test_a_wrong_folder_and_a_wrong_file_are_sentences(tmp_path, content):
    code, _, said = top(tmp_path / "nothing")
    assert code == 2 and "holds no run" in said
    with Run(tmp_path / "run", {"command": "score"}):
        pass
    (tmp_path / "run" / "progress.json").write_text(content)
    code, out, said = top(tmp_path / "run")
    assert code == 2 and "is not what this version writes" in said and "Traceback" not in out + said


def test_plain_progress_names_rate_workers_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY", 0.0)
    assert list(progress.progress("abc", 3, "scoring", lambda: 2)) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[-1].startswith("scoring: 3/3, ") and lines[-1].endswith(", 2 workers, 0 s left")


CLAIM = (
    "import pathlib, time; from naslib_gennas.executors.gpus import take_gpu\n"
    "pipe.send(take_gpu(named.split(','), pathlib.Path(folder))); time.sleep(60)"
)


def claiming(folder, named):
    """A process that holds a GPU, and the name of that."""
    here, there = multiprocessing.Pipe()
    values = {"folder": str(folder), "named": named, "pipe": there}
    process = processes._context().Process(target=exec, args=(CLAIM, values), daemon=True)
    process.start()
    assert here.poll(60)
    return process, here.recv()


def test_every_worker_takes_a_gpu_of_its_own_and_a_killed_one_gives_it_back(tmp_path):
    workers, taken = zip(*(claiming(tmp_path, "0,1,MIG-a/b") for _ in range(4)))
    assert taken == ("0", "1", "MIG-a/b", "0"), "more workers than GPUs share them"
    workers[1].kill()
    workers[1].join()
    last, given = claiming(tmp_path, "0,1,MIG-a/b")
    assert given == "1"
    for worker in (*workers, last):
        worker.kill()
        worker.join()


def test_only_the_gpu_that_was_taken_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "_held", None)
    monkeypatch.setenv(gpus.VISIBLE, "4, 7")
    assert gpus.take_gpu(folder=tmp_path) == "4" and os.environ[gpus.VISIBLE] == "4"
    assert gpus.take_gpu(["0", "1"], tmp_path) is None and os.environ[gpus.VISIBLE] == "4"  # it has one
    gpus._held.release()


@pytest.mark.parametrize("named", ["", "3"])
def test_a_single_gpu_or_none_is_left_as_it_is(tmp_path, monkeypatch, named):
    monkeypatch.setattr(gpus, "_held", None)
    monkeypatch.setenv(gpus.VISIBLE, named)
    assert gpus.take_gpu(folder=tmp_path) is None and os.environ[gpus.VISIBLE] == named
