"""Run directories: written at once, repaired after a kill, refused when they belong to something else."""

import json
import os
import subprocess
import sys

import pytest

from naslib_gennas.errors import RunError
from naslib_gennas.runs.run import Run


def test_records_are_on_disk_before_the_run_ends(tmp_path):
    run = Run(tmp_path / "run", {"seed": 1})
    run.append({"arch": "a"})
    assert (tmp_path / "run" / "results.jsonl").read_text() == '{"arch": "a"}\n'
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == {"seed": 1}
    assert "torch" in json.loads((tmp_path / "run" / "environment.json").read_text())
    run.close()


def test_a_torn_last_line_is_cut_off(tmp_path):
    with Run(tmp_path, {"seed": 1}) as run:
        run.append({"arch": "a"})
    with open(tmp_path / "results.jsonl", "a") as file:
        file.write('{"arch": "b", "sco')
    with Run(tmp_path, {"seed": 1}, resume=True) as run:
        assert run.records == [{"arch": "a"}]
        run.append({"arch": "c"})
    assert (tmp_path / "results.jsonl").read_text() == '{"arch": "a"}\n{"arch": "c"}\n'


def test_an_existing_run_needs_resume(tmp_path):
    Run(tmp_path, {}).close()
    with pytest.raises(RunError, match="--resume"):
        Run(tmp_path, {})


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    Run(tmp_path, {"seed": 1, "preset": "fast"}).close()
    with pytest.raises(RunError, match="seed: 1 then, 2 now"):
        Run(tmp_path, {"seed": 2, "preset": "fast"}, resume=True)


IDENTITY = {
    "space": "nasbench201", "preset": "fast", "preset_digest": "abc", "seed": 0, "device": "cpu", "images": None,
}  # fmt: skip


@pytest.mark.parametrize("unsaid", IDENTITY)
def test_what_an_older_version_did_not_write_down_is_not_compared(tmp_path, unsaid):
    old = {"command": "score", **IDENTITY}
    del old[unsaid]
    Run(tmp_path, old).close()
    now = {"command": "score", **IDENTITY, unsaid: "something"}
    with Run(tmp_path, now, resume=True) as run:
        assert run.config == now
    assert json.loads((tmp_path / "config.json").read_text()) == old
    for known in set(IDENTITY) - {unsaid}:
        with pytest.raises(RunError, match=f"{known}: .* then, 'another' now"):
            Run(tmp_path, {**now, known: "another"}, resume=True)


def test_whatever_else_is_new_is_a_difference(tmp_path):
    Run(tmp_path, {"seed": 1}).close()
    with pytest.raises(RunError, match="steps: None then, 20 now"):
        Run(tmp_path, {"seed": 1, "steps": 20}, resume=True)
    Run(tmp_path, {"seed": 1, "steps": None}, resume=True).close()


def test_what_is_no_longer_asked_for_is_a_difference(tmp_path):
    Run(tmp_path, {"seed": 1, "device": "cpu"}).close()
    with pytest.raises(RunError, match="device: 'cpu' then, None now"):
        Run(tmp_path, {"seed": 1}, resume=True)


def test_a_foreign_directory_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="no run directory"):
        Run(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        Run(tmp_path / "file" / "run", {})


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    Run(tmp_path, {}).close()
    for broken in ("{broken", "7", "[]"):
        (tmp_path / "results.jsonl").write_text(f"{{}}\n{broken}\n{{}}\n")
        with pytest.raises(RunError, match="line 2 is no JSON object"):
            Run(tmp_path, {}, resume=True)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_configuration_is_named(tmp_path, content):
    Run(tmp_path, {}).close()
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match="config.json is no JSON object"):
        Run(tmp_path, {}, resume=True)


def test_a_run_in_memory_touches_no_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Run(None, {"seed": 1}) as run:
        run.append({"arch": "a"})
        run.write("summary.json", {"n": 1})
        with run.inside("final", {"seed": 2}) as inner:
            inner.append({"arch": "b"})
    assert run.records == [{"arch": "a"}] and inner.records == [{"arch": "b"}] and run.path("summary.json") is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_inside_another_is_continued(tmp_path):
    with Run(tmp_path, {}) as run:
        for expected in ([], [{"arch": "b"}]):
            with run.inside("final", {"seed": 2}) as inner:
                assert inner.records == expected
                if not expected:
                    inner.append({"arch": "b"})


class TestOneWriter:
    def test_a_second_writer_is_told_who_the_first_is(self, tmp_path):
        with Run(tmp_path / "run", {"seed": 1}) as first:
            first.append({"arch": "5"})
            with pytest.raises(RunError, match=f"is being written by process {os.getpid()} on .* since"):
                Run(tmp_path / "run", {"seed": 1}, resume=True)
            first.append({"arch": "7"})
        with Run(tmp_path / "run", {"seed": 1}, resume=True) as again:
            assert [record["arch"] for record in again.records] == ["5", "7"]

    def test_another_process_is_refused_until_the_first_is_killed(self, tmp_path):
        code = (
            "import sys, time; from naslib_gennas.runs.run import Run; "
            "run = Run(sys.argv[1], {'seed': 1}); run.append({'arch': '5'}); print('open', flush=True); time.sleep(600)"
        )
        words = [sys.executable, "-c", code, str(tmp_path / "run")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
            try:
                assert other.stdout.readline().strip() == "open"
                with pytest.raises(RunError, match=f"process {other.pid} "):
                    Run(tmp_path / "run", {"seed": 1}, resume=True)
            finally:
                other.kill()
        with Run(tmp_path / "run", {"seed": 1}, resume=True) as run:
            assert run.records == [{"arch": "5"}]

    def test_what_a_kill_left_of_the_configuration_does_not_block(self, tmp_path):
        (tmp_path / "config.json.part").write_text('{"se')
        with Run(tmp_path, {"seed": 1}) as run:
            run.append({"arch": "5"})
        assert json.loads((tmp_path / "config.json").read_text()) == {"seed": 1}

    def test_a_folder_of_somebody_else_stays_as_it_is(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("")
        with pytest.raises(RunError, match="no run directory"):
            Run(tmp_path, {"seed": 1})
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
