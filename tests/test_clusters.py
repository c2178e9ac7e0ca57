"""Executors on Dask and Ray: pieces of jobs, equal scores, what is said when something is wrong."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.errors import GenNASError, InputError, MissingPackageError, UnknownNameError
from naslib_gennas.executors import Resources, dask, open_executor, ray
from naslib_gennas.executors.elsewhere import Parcel, Pieces, do, opened
from naslib_gennas.scoring.failures import ProcessDied
from naslib_gennas.testing.executors import DIVISIBLE, ORDINARY, SAME, Addition, Job, SharedAddition

JOBS = [Job((number,)) for number in range(1000)]


def finish(pieces, piece, seconds):
    return list(pieces.done(piece, [SAME(job) for job in piece], seconds))


def test_pieces_grow_until_they_take_a_second_and_no_faster_than_tenfold():
    pieces, sizes = Pieces(SAME, iter(JOBS)), []
    while found := list(pieces.next(1)):
        sizes.append(len(found[0]))
        finish(pieces, found[0], 0.005 * len(found[0]))
    assert sizes == [1, 10, 100, 200, 200, 200, 200, 89]


def test_more_workers_get_larger_pieces_so_that_all_of_them_are_fifty_a_second_at_most():
    pieces = Pieces(SAME, iter(JOBS), workers=200)
    for _ in range(3):
        finish(pieces, next(pieces.next(1)), 0.01)
    finish(pieces, tuple(JOBS[:100]), 1.0)
    assert len(next(pieces.next(1))) == 400


def test_pieces_are_smaller_towards_an_end_that_is_known():
    pieces, sizes = Pieces(SAME, JOBS, workers=2), []
    while found := list(pieces.next(1)):
        sizes.append(len(found[0]))
        finish(pieces, found[0], 0.005 * len(found[0]))
    assert sum(sizes) == len(JOBS) and sizes[:4] == [1, 10, 100, 200] and sizes[-1] == 1
    assert sizes[3:] == sorted(sizes[3:], reverse=True)
    shared = Pieces(SharedAddition(1, together=7), JOBS[:20], workers=2)
    finish(shared, next(shared.next(1)), 1e-9)
    assert [len(piece) for piece in shared.next(9)] == [7, 7, 5]


def test_slow_jobs_stay_alone_and_shared_ones_have_their_own_limit():
    pieces = Pieces(SAME, iter(JOBS))
    finish(pieces, next(pieces.next(1)), 30.0)
    assert len(next(pieces.next(1))) == 1
    shared = Pieces(SharedAddition(1, together=7), iter(JOBS))
    finish(shared, next(shared.next(1)), 1e-9)
    assert len(next(shared.next(1))) == 7


def test_lost_pieces_come_again_in_halves_then_one_by_one_and_a_single_job_is_lost_with_its_second_worker():
    pieces = Pieces(SAME, iter(()))
    assert list(pieces.lost(tuple(JOBS[:40]), ProcessDied())) == []
    assert [len(piece) for piece in pieces.next(9)] == [20, 20]
    assert list(pieces.lost(tuple(JOBS[:3]), ProcessDied())) == []
    assert [piece for piece in pieces.next(9)] == [(job,) for job in JOBS[:3]]
    assert list(pieces.lost((JOBS[0],), ProcessDied(), deaths=2)) == []
    assert list(pieces.next(9)) == [(JOBS[0],)]
    (lost,) = pieces.lost((JOBS[0],), ProcessDied(), deaths=2)
    assert (lost.job, lost.lost) == (JOBS[0], "ProcessDied")
    assert list(pieces.next(9)) == []


def test_a_job_of_parts_is_tried_in_parts():
    pieces = Pieces(SAME, iter(()))
    assert list(pieces.lost((DIVISIBLE,), ProcessDied())) == []
    assert [piece[0].numbers for piece in pieces.next(9)] == [(400,), (401,), (402,)]


def test_work_travels_with_its_versions():
    results, seconds = do(Parcel.of(Addition(7)), tuple(ORDINARY[:3]))
    assert [result.answers for result in results] == [(7,), (8,), (9,)] and seconds >= 0
    parcel = Parcel.of(SAME)
    old = Parcel(parcel.content, parcel.digest, ("0.0.1", "1.13"))
    with pytest.raises(GenNASError, match="a worker has .* comes from naslib_gennas 0.0.1 and torch 1.13"):
        opened(old)


def test_names_and_limits_are_checked():
    with pytest.raises(UnknownNameError, match="did you mean dask"):
        open_executor(Resources(executor="dusk:tcp://here:1"))
    for name in ("dask", "ray"):
        with pytest.raises(InputError, match="no --timeout|has no --timeout"):
            open_executor(Resources(executor=name, timeout=3.0))
    found = CliRunner().invoke(main, ["score", "--space", "nasbench201", "5", "--executor", "dusk"])
    assert found.exit_code == 2 and "did you mean dask" in found.stderr and "Traceback" not in found.output


@pytest.mark.parametrize("name, module", [("dask", "distributed"), ("ray", "ray")])
def test_an_engine_that_is_not_there_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with open_executor(Resources(executor=name)) as executor:
        with pytest.raises(MissingPackageError, match=rf"pip install 'naslib_gennas\[{name}\]'"):
            list(executor.map(SAME, ORDINARY))


def test_a_scheduler_that_does_not_answer(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "CONNECT", 1)
    words = ["score", "--space", "nasbench201", "5", "--preset", "tiny", "--executor", "dask:tcp://127.0.0.1:1"]
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 1 and "no Dask scheduler answers at tcp://127.0.0.1:1" in found.stderr
    assert "Traceback" not in found.output


@pytest.mark.parametrize(
    "address, code, sentence",
    [
        ("127.0.0.1:1", 1, "no Ray cluster answers at 127.0.0.1:1"),
        ("ray://127.0.0.1:1", 1, "no Ray cluster answers at ray://127.0.0.1:1"),
        ("here", 2, "'here' is no address of a Ray cluster"),
        ("here:99999", 2, "is no address of a Ray cluster"),
    ],
)
def test_a_ray_cluster_that_does_not_answer(address, code, sentence):
    pytest.importorskip("ray")
    words = ["score", "--space", "nasbench201", "5", "--preset", "tiny", "--executor", f"ray:{address}"]
    found = CliRunner().invoke(main, words)
    assert found.exit_code == code and sentence in found.stderr and "Traceback" not in found.output


def test_a_ray_cluster_that_is_gone_is_a_sentence(monkeypatch):
    refused = []

    def connect(address):
        refused.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(ray, "_connect", connect)
    monkeypatch.setattr(ray.time, "sleep", lambda seconds: None)
    executor = ray.Ray(Resources(executor="ray:there:6379"))
    executor._ray, executor._watched = object(), "there:6379"
    monkeypatch.setattr(executor, "_started", lambda: FakeRay())
    with pytest.raises(GenNASError, match="the Ray cluster there:6379 is gone; .* --resume goes on"):
        list(executor.map(SAME, ORDINARY))
    assert refused == ["there:6379"] * ray.ATTEMPTS and executor._ray is None


class FakeRay:
    def remote(self, **settings):
        return lambda function: function

    def put(self, value):
        return value


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("[1]", "must be a mapping with a kind"),
        ("cores: 4", "must be a mapping with a kind"),
        ("{", "cannot read the cluster"),
    ],
)
def test_a_file_that_is_no_cluster(tmp_path, text, sentence):
    pytest.importorskip("distributed")
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with open_executor(Resources(executor=f"dask:{path}")) as executor, pytest.raises(InputError, match=sentence):
        list(executor.map(SAME, ORDINARY))


def test_no_worker_for_long_ends_with_a_sentence(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "ALONE_FOR", 0.5)
    monkeypatch.setattr(dask, "LOOK", 0.3)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with open_executor(Resources(executor=f"dask:{address}")) as executor:
            with pytest.raises(GenNASError, match=f"no worker has joined the Dask scheduler {address}"):
                list(executor.map(SAME, ORDINARY))


def scores(folder, *words):
    command = ["score", "--space", "nasbench201", "--sample", "6", "--preset", "tiny", "--out", str(folder), *words]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 0, found.stderr
    lines = (folder / "results.jsonl").read_text().splitlines()
    return {record["arch"]: record["score"] for record in map(json.loads, lines)}, len(lines)


def test_dask_gives_the_same_scores_and_goes_on_where_it_stopped(tmp_path):
    pytest.importorskip("distributed")
    here, count = scores(tmp_path / "here")
    there, _ = scores(tmp_path / "there", "--executor", "dask", "--workers", "2")
    assert there == here
    path = tmp_path / "there" / "results.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    again, lines = scores(tmp_path / "there", "--executor", "dask", "--resume")
    assert again == here and lines == count
