"""Presets side by side on the same architectures in one run: seconds an architecture, peak memory, rho.

    python examples/benchmark_speed.py --space nasbench201 --table TABLE --metric cifar10_test --sample 100

Prints a table and writes JSON. Every repetition scores every architecture with every preset in turn, with a new
scorer and another seed; seconds include building the network. One PyTorch thread unless --threads says otherwise.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys

import numpy as np
import torch

from naslib_gennas import Scorer, evaluate, load_table
from naslib_gennas.runs.run import environment

MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10  # unit of ru_maxrss


def measure(space: str, presets: list[str], texts: list[str], truth: list[float], options) -> list[dict]:
    """One row a preset: rho of the first repetition, median seconds over repetitions."""
    seconds = {name: [] for name in presets}
    scores = {}
    for repetition in range(options.repetitions):
        for name in presets:
            scorer = Scorer(space, name, seed=options.seed + repetition, images=options.images)
            scorer.score(texts[0])  # warm-up: images, targets, kernels
            scorer = Scorer(space, name, seed=options.seed + repetition, images=options.images)
            results = [scorer.score(text) for text in texts]
            seconds[name].append(float(np.mean([result.seconds for result in results])))
            scores.setdefault(name, [result.score for result in results])
    rows = []
    for name in presets:
        found = evaluate(scores[name], truth)
        rows.append(
            {
                "preset": name,
                "seconds": statistics.median(seconds[name]),
                "seconds_all": seconds[name],
                "spearman": found.spearman,
                "spearman_interval": found.spearman_interval,
                "kendall": found.kendall,
                "failures": found.failures,
            }
        )
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--table", required=True)
    parser.add_argument("--metric")
    parser.add_argument("--images")
    parser.add_argument("--presets", nargs="+", default=["paper-combo", "fast", "best"])
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", default="benchmark_speed.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    table = load_table(options.table, options.space)
    metric = options.metric or table.default_metric
    sample = table.sample(options.sample, metric, np.random.default_rng(options.seed))
    rows = measure(options.space, options.presets, sample["arch"].tolist(), sample[metric].tolist(), options)
    slowest = rows[0]["seconds"]
    print(f"{options.space}, {metric}, {options.sample} architectures, seed {options.seed}")
    for row in rows:
        low, high = row["spearman_interval"]
        print(
            f"{row['preset']:16} {row['seconds']:8.3f} s/arch  {slowest / row['seconds']:6.1f}x  "
            f"rho {row['spearman']:.3f} ({low:.3f} to {high:.3f})  tau {row['kendall']:.3f}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    print(f"peak memory {peak:.0f} MB")
    result = {"settings": vars(options), "rows": rows, "peak_memory_mb": peak, "environment": environment()}
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
