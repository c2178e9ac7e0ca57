"""Our evolution against NASLib's: regret, time and memory, with an accuracy looked up as fitness or the score.

    NASLIB_HOME=/path/to/NASLib python examples/compare_search_engines.py --table nasbench201.csv.gz [--preset fast]

Every seed searches for the same number of evaluations. Regret: best accuracy of the table minus that of the
architecture with the best fitness. The test is Mann and Whitney's, two-sided. With --preset the fitness is the
GenNAS score, computed anew for every engine and seed; megabytes are what the process has grown by in a search.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from naslib_gennas import Scorer, load_space, load_table
from naslib_gennas.plugin.loading import load
from naslib_gennas.plugin.search import naslib_search
from naslib_gennas.search import regularized_evolution


def own_search(space, evaluate, seed):
    return regularized_evolution(space.sample, space.mutate, evaluate, np.random.default_rng(seed))


def resident_megabytes() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def fitness_of(space, accuracy, options, seed):
    if options.preset is None:
        return lambda arch: accuracy[str(arch)]
    scorer = Scorer(space, options.preset, seed, images=options.images)

    def fitness(arch) -> float:
        score = scorer.score(arch).score
        return float("-inf") if score is None else score

    return fitness


def measure(engine, space, accuracy, options, seed) -> dict:
    """Accuracy of the winner of one search, the seconds (wall-clock and processor) and megabytes that it took."""
    before, started, used = resident_megabytes(), time.perf_counter(), time.process_time()
    stream = engine(space, fitness_of(space, accuracy, options, seed), seed)
    winner, _ = max(itertools.islice(stream, options.steps), key=lambda step: step[1])
    return {
        "accuracy": round(float(accuracy[str(winner)]), 4),
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - used,
        "megabytes": resident_megabytes() - before,
    }


def summary(searches: list[dict], best: float) -> dict:
    """Means over the seeds, of the megabytes the most."""
    found = [search["accuracy"] for search in searches]
    return {
        "accuracy": found,
        "mean_accuracy": float(np.mean(found)),
        "regret": [round(float(best - accuracy), 4) for accuracy in found],
        "mean_regret": float(best - np.mean(found)),
        **{key: float(np.mean([search[key] for search in searches])) for key in ("seconds", "processor_seconds")},
        "megabytes": max(search["megabytes"] for search in searches),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", required=True, help="all of nasbench201")
    parser.add_argument("--metric", default="cifar10_test")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--preset", default=None, help="search by this preset's score instead")
    parser.add_argument("--images", default=None, help="images for the batch: .npz or a folder")
    options = parser.parse_args()

    load()  # so that importing NASLib is not counted as memory of a search
    torch.set_num_threads(1)
    space = load_space("nasbench201")
    if options.preset:  # nor what PyTorch takes for its first network
        Scorer(space, options.preset).score(space.example)
    table = load_table(options.table, space)
    accuracy = dict(zip(table.frame["arch"], table.column(options.metric)))
    searches = {"own": [], "naslib": []}
    for seed in range(options.seeds):  # in turn, so that both see the same load of the machine
        searches["own"].append(measure(own_search, space, accuracy, options, seed))
        searches["naslib"].append(measure(naslib_search, space, accuracy, options, seed))
    data = {name: summary(found, max(accuracy.values())) for name, found in searches.items()}
    test = mannwhitneyu(data["own"]["regret"], data["naslib"]["regret"], alternative="two-sided")
    print(json.dumps({**data, "mann_whitney_p": float(test.pvalue), **vars(options)}, indent=2))


if __name__ == "__main__":
    main()
