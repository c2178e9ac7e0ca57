"""Run directories: written at once, repaired after a kill, refused when they belong to something else."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.errors import InputError, RunError, UnscorableError
from naslib_gennas.runs.lines import record_of
from naslib_gennas.runs.run import Run


def records_in(folder):
    return [record_of(line) for line in (folder / "results.jsonl").read_bytes().splitlines()]


def test_records_are_on_disk_before_the_run_ends(tmp_path):
    run = Run(tmp_path / "run", {"seed": 1})
    run.append({"arch": "a"})
    assert records_in(tmp_path / "run") == [{"arch": "a"}]
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
    assert records_in(tmp_path) == [{"arch": "a"}, {"arch": "c"}]


def test_an_existing_run_needs_resume(tmp_path):
    Run(tmp_path, {}).close()
    with pytest.raises(RunError, match="--resume"):
        Run(tmp_path, {})


@pytest.mark.parametrize("there", [True, False])
def test_a_run_that_is_refused_before_its_first_record_leaves_nothing(tmp_path, there):
    folder = tmp_path / "run"
    if there:
        folder.mkdir()
    with pytest.raises(InputError), Run(folder, {"seed": 1}) as run, run.inside("part", {}):
        raise InputError("the table ranks nothing")
    assert folder.exists() == there and not list(folder.glob("*"))
    with Run(folder, {"seed": 2}) as run:
        run.append({"arch": "a"})


@pytest.mark.parametrize("error", [InputError, UnscorableError, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("how", ["a record", "a file of its own", "continued", "nothing"])
def test_whatever_was_computed_stays(tmp_path, error, how):
    if how == "continued":
        Run(tmp_path, {}).close()
    with pytest.raises(error), Run(tmp_path, {}, resume=True) as run:
        if how == "a record":
            run.append({"arch": "a"})
        if how == "a file of its own":
            run.write("summary.json", {})
        raise error("stop")
    assert (tmp_path / "config.json").exists() == (error is not InputError or how != "nothing")
    Run(tmp_path, {}, resume=True).close()


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


EDITED = b'{"arch": "b", "score": 9.0, "crc32": "4be859d8"}'


@pytest.mark.parametrize("broken", [b"{broken", b"7", b"[]", b"[" * 5000, EDITED])
def test_a_line_that_is_not_as_it_was_written_is_put_aside(tmp_path, capsys, broken):
    with Run(tmp_path, {}) as run:
        for arch in "abc":
            run.append({"arch": arch, "score": 0.5})
    first, _, last = (tmp_path / "results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_bytes(first + broken + b"\n" + last)
    with Run(tmp_path, {}, resume=True) as run:
        assert [record["arch"] for record in run.records] == ["a", "c"]
        assert "line 2 is not as it was written" in capsys.readouterr().err
        run.append({"arch": "b", "score": 0.5})
    assert [record["arch"] for record in records_in(tmp_path)] == ["a", "c", "b"]
    assert (tmp_path / "results.rejected").read_bytes() == broken + b"\n"


def test_of_steps_that_follow_on_each_other_those_after_a_bad_one_are_done_again(tmp_path):
    with Run(tmp_path, {}) as run:
        for step in range(4):
            run.append({"step": step, "score": 0.5})
    lines = (tmp_path / "results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_bytes(lines[0] + lines[1].replace(b"0.5", b"0.7") + lines[2] + lines[3])
    with Run(tmp_path, {}, resume=True) as run:
        assert [record["step"] for record in run.records] == [0]


def test_lines_of_earlier_versions_have_no_checksum_and_are_believed(tmp_path):
    Run(tmp_path, {}).close()
    (tmp_path / "results.jsonl").write_text('{"arch": "a"}\n')
    with Run(tmp_path, {}, resume=True) as run:
        assert run.records == [{"arch": "a"}]


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


def test_a_run_whose_directory_vanishes_says_so(tmp_path):
    import shutil

    with Run(tmp_path / "run", {}) as run:
        run.append({"arch": "a"})
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(RunError, match="deleted while the run was being written"):
            run.append({"arch": "b"})
        with pytest.raises(RunError, match="cannot write .*summary.json: No such file"):
            run.write("summary.json", {})
        assert run.records == [{"arch": "a"}]


def test_a_full_disk_is_one_sentence_and_what_was_kept_is_whole(tmp_path):
    """A limit on the size of files stands for the disk."""
    code = f"""
import resource, signal
from naslib_gennas.errors import RunError
from naslib_gennas.runs.run import Run

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Run({str(tmp_path / "run")!r}, {{}}) as run:
    run.write("summary.json", {{"small": True}})
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    try:
        for number in range(1000):
            run.append({{"arch": str(number)}})
    except RunError as error:
        print(len(run.records), error)
    try:
        run.write("summary.json", {{"long": "x" * 4000}})
    except RunError as error:
        print(error)
"""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    kept, again = done.stdout.splitlines()
    assert done.returncode == 0 and "File too large" in kept and "summary.json: File too large" in again, done.stderr
    with Run(tmp_path / "run", {}, resume=True) as run:
        assert [record["arch"] for record in run.records] == [str(n) for n in range(int(kept.split()[0]))]
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {"small": True}
    assert not list((tmp_path / "run").glob("*.part"))


def test_failures_are_tried_again_where_that_is_asked_for(tmp_path):
    table = tmp_path / "nets.py"
    table.write_text(
        "import os\nfrom torch import nn\n"
        "def good():\n    return nn.Sequential(*(nn.Conv2d(w, 8, 3, 2, 1) for w in (3, 8, 8)))\n"
        "def moody():\n    if not os.path.exists('fixed'):\n        raise ValueError('not yet')\n    return good()\n"
    )
    words = [sys.executable, "-m", "naslib_gennas.cli", "score", "--model", "nets:good", "--model", "nets:moody"]
    words += ["--preset", "tiny", "--no-isolate", "--out", "run"]

    def gennas(*more):
        return subprocess.run([*words, *more], cwd=tmp_path, capture_output=True, text=True)

    assert "not yet" in gennas().stderr
    refused = gennas("--retry-failed")
    assert refused.returncode == 2 and "add --resume" in refused.stderr
    (tmp_path / "fixed").touch()
    before = (tmp_path / "run" / "results.jsonl").read_bytes().splitlines(keepends=True)
    assert [record["status"] for record in records_in(tmp_path / "run")] == ["ok", "failed"]
    assert gennas("--resume", "--retry-failed").returncode == 0
    assert [record["status"] for record in records_in(tmp_path / "run")] == ["ok", "ok"]
    after = (tmp_path / "run" / "results.jsonl").read_bytes().splitlines(keepends=True)
    assert after[0] == before[0] and (tmp_path / "run" / "results.rejected").read_bytes() == before[1]


def test_a_table_with_other_content_is_another_run(tmp_path, capsys):
    table, out = tmp_path / "t.csv", tmp_path / "run"
    command = [
        "correlate",
        "--space",
        "nasbench201",
        "--table",
        str(table),
        "--all",
        "--preset",
        "tiny",
        "--out",
        str(out),
    ]
    table.write_text("arch,acc\n1,90\n2,91\n3,92\n")
    assert CliRunner().invoke(main, command).exit_code == 0
    assert CliRunner().invoke(main, [*command, "--resume"]).exit_code == 0
    table.write_text("arch,acc\n1,90\n2,91.5\n3,92\n")
    changed = CliRunner().invoke(main, [*command, "--resume"])
    assert changed.exit_code == 2 and "table_digest" in changed.stderr
    config = json.loads((out / "config.json").read_text())
    del config["table_digest"]  # a run of an earlier version
    (out / "config.json").write_text(json.dumps(config))
    assert CliRunner().invoke(main, [*command, "--resume"]).exit_code == 0


def test_other_versions_and_processors_are_told_and_no_reason_to_stop(tmp_path, capsys):
    with Run(tmp_path / "run", {"command": "score"}):
        pass
    path = tmp_path / "run" / "environment.json"
    before = json.loads(path.read_text())
    for name, value in (("torch", "1.0"), ("vectors", "NO AVX")):
        path.write_text(json.dumps({**before, name: value, "platform": "another"}))
        with Run(tmp_path / "run", {"command": "score"}, resume=True):
            pass
        told = capsys.readouterr().err
        assert f"{name} {value} then" in told and "last digits" in told and told.count("\n") == 1
    with Run(tmp_path / "run", {"command": "score"}, resume=True):
        pass
    assert capsys.readouterr().err == ""
