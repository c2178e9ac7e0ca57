"""Our evolution against NASLib's, with an accuracy looked up as fitness; memory and time of NASLib's.

    NASLIB_HOME=/path/to/NASLib python examples/compare_search_engines.py --table nasbench201.csv.gz

Every seed searches for the same number of evaluations. Regret: best accuracy of the table minus the best
accuracy found. The test is Mann and Whitney's, two-sided.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time

import numpy as np
from scipy.stats import mannwhitneyu

from naslib_gennas import load_space, load_table
from naslib_gennas.plugin.compat import load
from naslib_gennas.plugin.search import naslib_search
from naslib_gennas.search import regularized_evolution


def own_search(space, evaluate, seed):
    return regularized_evolution(space.sample, space.mutate, evaluate, np.random.default_rng(seed))


def resident_megabytes() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def measure(engine, space, accuracy, options) -> dict:
    """Regret of every seed, and the means of seconds and megabytes that a search took."""
    best = max(accuracy.values())
    regrets, seconds, megabytes = [], [], []
    for seed in range(options.seeds):
        before, started = resident_megabytes(), time.perf_counter()
        stream = engine(space, lambda arch: accuracy[str(arch)], seed)
        found = max(value for _, value in itertools.islice(stream, options.steps))
        seconds.append(time.perf_counter() - started)
        megabytes.append(resident_megabytes() - before)
        regrets.append(best - found)
    return {
        "regret": [round(float(regret), 4) for regret in regrets],
        "mean_regret": float(np.mean(regrets)),
        "seconds": float(np.mean(seconds)),
        "megabytes": float(max(megabytes)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", required=True, help="all of nasbench201")
    parser.add_argument("--metric", default="cifar10_test")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=450)
    options = parser.parse_args()

    load()  # so that importing NASLib is not counted as memory of a search
    space = load_space("nasbench201")
    table = load_table(options.table, space)
    accuracy = dict(zip(table.frame["arch"], table.column(options.metric)))
    data = {
        name: measure(engine, space, accuracy, options)
        for name, engine in (("own", own_search), ("naslib", naslib_search))
    }
    test = mannwhitneyu(data["own"]["regret"], data["naslib"]["regret"], alternative="two-sided")
    print(json.dumps({**data, "mann_whitney_p": float(test.pvalue), **vars(options)}, indent=2))


if __name__ == "__main__":
    main()
