"""How a run scales with its workers, with a scorer that sleeps: what saturates first.

    python examples/simulate_cluster.py --workers 1,10,100 --engine dask       # its workers are threads of one process
    python examples/simulate_cluster.py --workers 1,100,1000 --overhead 0.001  # simulated workers

Both have the real pieces, ledger and file. Simulated workers take no time: the clock goes from one end of a piece to
the next, and what this process does in between is measured and added, as are ``overhead`` seconds a piece, which stand
for an engine's scheduler. Efficiency: seconds of all scores / (workers x seconds of the run).
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import json
import tempfile
import time
from collections.abc import Iterator

from benchmark_scale import Instant, Numbers

from naslib_gennas.executors import dask, elsewhere
from naslib_gennas.executors.elsewhere import Pieces
from naslib_gennas.executors.protocol import Resources
from naslib_gennas.executors.scores import ScoreWork, score_all
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring.score import Score

UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "60s",
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.worker.memory.monitor-interval": "60s",
}


class Sleeper(Instant):
    """Sleeps, as another machine would work."""

    def __init__(self, seconds: float):
        super().__init__(Numbers())
        self.seconds = seconds

    def compute(self, arch: str, key: str) -> Score:
        time.sleep(self.seconds)
        return super().compute(arch, key)


class Simulated:
    """Workers that are not there. ``clock``: seconds of the run."""

    def __init__(self, workers: int, seconds: float, overhead: float):
        self.at_work, self.seconds, self.overhead = workers, seconds, overhead
        self.clock = 0.0

    def map(self, work: ScoreWork, jobs) -> Iterator[list[Score]]:
        (scorer,) = work.scorers
        pieces, free, running, numbers = Pieces(work, jobs, self.at_work), self.at_work, [], itertools.count()
        since = time.perf_counter()
        while True:
            for piece in pieces.next(free):
                self.clock += self.overhead
                free -= 1
                heapq.heappush(running, (self.clock + self.seconds * len(piece), next(numbers), piece))
            self.clock += time.perf_counter() - since
            if not running:
                return
            ended, _, piece = heapq.heappop(running)
            self.clock, free = max(self.clock, ended), free + 1
            results = [[scorer.compute(text, text)] for text, _ in piece]
            since = time.perf_counter()
            yield from pieces.done(piece, results, self.seconds * len(piece))


@contextlib.contextmanager
def dask_cluster(workers: int) -> Iterator[dask.Dask]:
    """Threads of this process, which wait for each other nowhere and do not watch themselves."""
    import distributed
    from dask import config

    config.set(UNWATCHED)
    elsewhere._one_at_a_time = contextlib.nullcontext()
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        dask.Dask(Resources(executor=f"dask:{cluster.scheduler_address}")) as executor,
    ):
        yield executor


def seconds_of(workers: int, count: int, seconds: float, overhead: float, engine: str) -> float:
    texts = [f"|nor_conv_3x3~0|+|{number}~0|none~1|" for number in range(count)]
    with tempfile.TemporaryDirectory() as folder, Run(folder, {"command": "score"}) as run:
        if engine == "dask":
            with dask_cluster(workers) as executor:
                started = time.perf_counter()
                score_all([Sleeper(seconds)], texts, run, executor)
                return time.perf_counter() - started
        simulated = Simulated(workers, seconds, overhead)
        score_all([Instant(Numbers())], texts, run, simulated)
        return simulated.clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,10,100,1000")
    parser.add_argument("--each", type=int, default=100, help="scores a worker")
    parser.add_argument("--records", type=int, default=None, help="scores in all, instead")
    parser.add_argument("--seconds", type=float, default=0.3, help="a score")
    parser.add_argument("--overhead", type=float, default=0.001, help="seconds a piece, of simulated workers")
    parser.add_argument("--engine", default="simulated", choices=("simulated", "dask"))
    given = parser.parse_args()
    for workers in map(int, given.workers.split(",")):
        count = given.records or given.each * workers
        took = seconds_of(workers, count, given.seconds, given.overhead, given.engine)
        found = {"engine": given.engine, "workers": workers, "scores": count, "seconds": round(took, 2)}
        found["scores a second"] = round(count / took, 1)
        if given.seconds:
            found["efficiency"] = round(count * given.seconds / workers / took, 3)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
