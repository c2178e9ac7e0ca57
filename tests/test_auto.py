"""``--workers auto``: short work stays here, long work gets processes, with the same scores; limits of containers."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.executors import Resources, auto
from naslib_gennas.executors.auto import Auto, usable_processors

ARCHS = ["5", "77", "1500", "9999", "14000", "15000"]


@dataclass(frozen=True)
class Sleeping:
    """Answers with the process that it slept in."""

    seconds: float

    def __call__(self, job):
        time.sleep(self.seconds)
        return job, os.getpid()

    def lost(self, job, error):
        return job, 0

    def parts(self, job):
        return ()


def done(seconds, jobs):
    with Auto(Resources(workers=2)) as executor:
        return dict(executor.map(Sleeping(seconds), range(jobs)))


def test_short_work_stays_here():
    found = done(0.001, 300)
    assert sorted(found) == list(range(300)) and set(found.values()) == {os.getpid()}


def test_long_work_gets_processes(monkeypatch, capsys):
    monkeypatch.setattr(auto, "TRIAL", 0.2)
    monkeypatch.setattr(auto, "START", 0.5)
    found = done(0.05, 40)
    assert sorted(found) == list(range(40)) and len(set(found.values())) == 3
    here = [job for job, process in found.items() if process == os.getpid()]
    assert 3 <= len(here) <= 8 and "2 processes for what is left" in capsys.readouterr().err


def test_scores_are_those_of_one_process(monkeypatch):
    words = ["score", "--space", "nasbench201", "--preset", "tiny", *ARCHS, "--json"]

    def values(*more):
        found = CliRunner().invoke(main, [*words, *more])
        assert found.exit_code == 0, found.stderr
        return [score["score"] for score in json.loads(found.stdout)["scores"]]

    plain = values()
    monkeypatch.setattr(auto, "usable_processors", lambda: 2)
    monkeypatch.setattr(auto, "TRIAL", 0.0001)
    monkeypatch.setattr(auto, "START", 0.0)
    assert values("--workers", "auto") == plain


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_limits_of_containers(files, count, tmp_path, monkeypatch):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    assert usable_processors(tmp_path) == (3 if count is None else count)


@pytest.mark.parametrize("more", [["--executor", "here"], ["--timeout", "5"], ["--isolate"]])
def test_what_contradicts_it(more):
    found = CliRunner().invoke(main, ["score", "--space", "nasbench201", "5", "--workers", "auto", *more])
    assert found.exit_code == 2 and "--workers auto decides by itself" in found.stderr


@pytest.mark.parametrize("workers", ["0", "many", "-1", "1.5"])
def test_workers_that_cannot_be(workers):
    found = CliRunner().invoke(main, ["score", "--space", "nasbench201", "5", "--workers", workers])
    assert found.exit_code == 2 and "Traceback" not in found.stderr
