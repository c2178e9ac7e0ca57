"""Large runs: records written a second, seconds to go on from them, memory.

    python examples/benchmark_scale.py --records 1000000

What is measured is all but the scoring: an executor that answers at once, the ledger, the file.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from naslib_gennas.executors.scores import ScoreWork, score_all
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring.protocol import BaseScorer
from naslib_gennas.scoring.score import Score
from naslib_gennas.spaces.base import SearchSpace


class Numbers:
    """Stands for a space without end: architectures are their texts."""

    name = source = "numbers"

    def parse(self, text: str) -> str:
        return text

    read = parse

    def score_key(self, arch: str) -> str:
        return arch


class Instant(BaseScorer):
    """A scorer that takes no time."""

    def __init__(self, space: SearchSpace):
        self.space = space

    def identity(self):
        return {"space": "numbers"}

    def compute(self, arch: str, key: str) -> Score:
        return Score(arch, key, len(arch) / 7, "ok", 0.3, "gennas", details={"steps": 22, "parameters": 64992})


class AtOnce:
    """An executor without a cost of its own."""

    def map(self, work: ScoreWork, jobs) -> Iterator[list[Score]]:
        (scorer,) = work.scorers
        return ([scorer.compute(text, text)] for text, _ in jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    count = parser.parse_args().records
    texts = [f"|nor_conv_3x3~0|+|{number}~0|none~1|" for number in range(count)]
    scorer = Instant(Numbers())
    config = {"command": "score", **scorer.identity()}
    with tempfile.TemporaryDirectory() as folder:
        before = memory()
        seconds = timed(lambda: written(folder, config, scorer, texts, resume=False))
        size = (Path(folder) / "results.jsonl").stat().st_size
        more = memory() - before
        print(f"written: {count / seconds:,.0f} records/s, {size / 2**20:.0f} MB, {more:.0f} MB of memory more")
        seconds = timed(lambda: written(folder, config, scorer, texts, resume=True))
        print(f"resumed: {seconds:.1f} s for {count:,} records, {memory() - before:.0f} MB of memory more at most")
        assert (Path(folder) / "results.jsonl").stat().st_size == size, "a record was repeated"


def written(folder: str, config: dict, scorer: Instant, texts: list[str], resume: bool) -> None:
    with Run(folder, config, resume=resume) as run:
        score_all([scorer], texts, run, AtOnce())


def timed(action) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def memory() -> float:
    """MB at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
