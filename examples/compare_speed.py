"""Seconds and memory of two checkouts of this package, side by side.

    python examples/compare_speed.py BEFORE AFTER --pairs 7

Every workload runs in a process of its own, at one thread, first from one checkout and then from the other, so that
both see the same load of the machine; the ratio is taken pair by pair. ``help`` is the whole process of
``gennas --help``; the others are the scores themselves, without the start.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

SCORE = """
import json, resource, time
import numpy as np, torch
from naslib_gennas import Scorer
torch.set_num_threads(1)
scorer, rng = Scorer({space!r}, {preset!r}), np.random.default_rng(1)
archs = [scorer.space.sample(rng) for _ in range({count})]
scorer.score(scorer.space.sample(rng))
started = time.perf_counter()
for arch in archs:
    scorer.score(arch)
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
COMMAND = """
import json, resource, sys, time
from click.testing import CliRunner
from naslib_gennas.cli import main
import torch, naslib_gennas.spaces
started = time.perf_counter()
result = CliRunner().invoke(main, {words!r})
assert result.exit_code == 0, result.output
print(json.dumps([time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
HELP = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run([sys.executable, "-m", "naslib_gennas.cli", "--help"], check=True, stdout=subprocess.DEVNULL)
print(json.dumps([time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))
"""
SPACE = ["--space", "nasbench201"]
WORKLOADS = {
    "help": HELP,
    "fast, 12 of nasbench201": SCORE.format(space="nasbench201", preset="fast", count=12),
    "fast, 6 of nasbench101": SCORE.format(space="nasbench101", preset="fast", count=6),
    "tiny, 4 of nds_darts_in": SCORE.format(space="nds_darts_in", preset="tiny", count=4),
    "rnn-fast, 12 of nasbench_nlp": SCORE.format(space="nasbench_nlp", preset="rnn-fast", count=12),
    "gennas score --sample 40, tiny": COMMAND.format(words=["score", *SPACE, "--sample", "40", "--preset", "tiny"]),
    "gennas benchmark, 4 measures": COMMAND.format(
        words=["benchmark", *SPACE, "--sample", "6", "--measures", "synflow,naswot,snip,jacob_cov"]
    ),
}


def measured(code: str, checkout: str) -> tuple[float, float]:
    """Seconds, and the most megabytes that the process held."""
    environment = {**os.environ, "PYTHONPATH": checkout, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    print(f"{'':34} {'before':>8} {'after':>8} {'ratio':>7} {'least':>7} {'most':>7}   MB before, after")
    for name, code in WORKLOADS.items():
        pairs = [(measured(code, options.before), measured(code, options.after)) for _ in range(options.pairs)]
        ratios = [after[0] / before[0] for before, after in pairs]
        seconds = [statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
        megabytes = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
        print(
            f"{name:34} {seconds[0]:8.3f} {seconds[1]:8.3f} {statistics.median(ratios):7.3f} {min(ratios):7.3f} "
            f"{max(ratios):7.3f}   {megabytes[0]:.0f}, {megabytes[1]:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
