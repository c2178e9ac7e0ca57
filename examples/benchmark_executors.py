"""Scores a second by each executor, once its workers have started, against `processes`, in turns.

    python examples/benchmark_executors.py --executors processes,dask,ray --workers 2 --sample 60

Each does the same architectures, others than those it was started with; ``ratio`` is the median over rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time

import numpy as np

from naslib_gennas import Scorer
from naslib_gennas.executors import Resources, open_executor
from naslib_gennas.executors.scores import ScoreWork


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--preset", default="search-201")
    parser.add_argument("--executors", default="processes,dask,ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    scorer = Scorer(given.space, given.preset)
    rng = np.random.default_rng(0)
    names = given.executors.split(",")
    rates: dict[str, list[float]] = {name: [] for name in names}
    scores: dict[str, dict[str, float | None]] = {name: {} for name in names}
    with contextlib.ExitStack() as stack:
        executors = {}
        for name in names:
            executors[name] = stack.enter_context(open_executor(Resources(workers=given.workers, executor=name)))
        for number in range(given.rounds + 1):
            jobs = [(str(scorer.space.sample(rng)), (scorer.measure,)) for _ in range(given.sample if number else 6)]
            for name in names:
                started = time.perf_counter()
                for (score,) in executors[name].map(ScoreWork([scorer]), jobs):
                    scores[name][score.arch] = score.value
                if number:  # the first starts the workers
                    rates[name].append(len(jobs) / (time.perf_counter() - started))
    for name in names:
        assert scores[name] == scores[names[0]], f"{name} has other scores than {names[0]}"
        ratio = statistics.median(rate / first for rate, first in zip(rates[name], rates[names[0]]))
        found = {"executor": name, "scores a second": [round(rate, 2) for rate in rates[name]]}
        print(json.dumps({**found, f"ratio to {names[0]}": round(ratio, 3), "scores": "equal bit for bit"}), flush=True)


if __name__ == "__main__":
    main()
