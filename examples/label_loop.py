"""Labels that find the best architecture: suggestions of a predictor against evolution and random search, on a table.

    python examples/label_loop.py --space nasbench201 --table nasbench201.csv.gz --metric cifar10_test --seeds 20

    NASLIB_HOME=... python examples/label_loop.py ... --ways bananas,npenas,bananas:gennas   # NASLib's, theirs and ours

Every way asks the table for one label after another. Regret is the best label of the table minus the best asked for.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from naslib_gennas import load_table
from naslib_gennas.predictors import SpectrumPredictor
from naslib_gennas.predictors.suggest import first_batch, next_batch
from naslib_gennas.search.evolution import regularized_evolution
from naslib_gennas.tables import Table

POPULATION, TOURNAMENT = 20, 5


def suggested(table: Table, metric: str, seed: int, budget: int, first: int, batch: int) -> Iterator[Any]:
    predictor = SpectrumPredictor(table.space, seed=seed)
    known = {table.space.score_key(table.space.parse(text)): text for text in table.frame["arch"]}
    candidates = [table.space.parse(text) for text in known.values()]
    asked = first_batch(predictor, candidates, first)
    yield from asked
    while len(asked) < budget:
        labels = [table.value(arch, metric) for arch in asked]
        predictor.fit(asked, labels, reference=candidates)
        more = next_batch(predictor, candidates, min(batch, budget - len(asked)))
        yield from more
        asked += more


def evolved(table: Table, metric: str, seed: int, budget: int) -> Iterator[Any]:
    """An architecture whose label is known is not asked for again."""
    rng, seen = np.random.default_rng(seed), set()

    def evaluate(arch: Any) -> float:
        return float(table.value(arch, metric))

    space = table.space
    steps = regularized_evolution(space.sample, space.mutate, evaluate, rng, POPULATION, TOURNAMENT)
    for arch, _ in steps:
        if space.score_key(arch) not in seen:
            seen.add(space.score_key(arch))
            yield arch


def drawn(table: Table, metric: str, seed: int, budget: int) -> Iterator[Any]:
    rng = np.random.default_rng(seed)
    while True:
        yield table.space.sample(rng)


def naslib(way: str, table: Table, metric: str, seed: int) -> Iterator[Any]:
    """``bananas`` or ``npenas`` of NASLib, ``:gennas`` with our predictor; known labels are not asked for again."""
    from naslib_gennas.plugin.search import PREDICTOR, naslib_search

    algorithm, _, predictor = way.partition(":")
    seen = set()

    def evaluate(arch: Any) -> float:
        return float(table.value(arch, metric))

    for arch, _ in naslib_search(table.space, evaluate, seed, algorithm, predictor=predictor or PREDICTOR):
        if table.space.score_key(arch) not in seen:
            seen.add(table.space.score_key(arch))
            yield arch


def regrets(archs: Iterator[Any], table: Table, metric: str, budget: int) -> list[float]:
    best = float(table.column(metric).max())
    labels = [float(table.value(arch, metric)) for arch, _ in zip(archs, range(budget))]
    return (best - np.maximum.accumulate(labels)).tolist()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--space", default="nasbench201")
    options.add_argument("--table", required=True)
    options.add_argument("--metric", default=None)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--budget", type=int, default=150)
    options.add_argument("--first", type=int, default=10, help="labels before the first fit")
    options.add_argument("--batch", type=int, default=5, help="labels between fits")
    options.add_argument("--ways", default="suggested,evolution,random", help="of them, or NASLib's")
    options.add_argument("--within", type=float, default=0.1, help="regret that is to be reached")
    given = options.parse_args()
    torch.set_num_threads(1)
    table = load_table(given.table, given.space)
    metric = given.metric or table.default_metric
    ways = {
        "suggested": lambda seed: suggested(table, metric, seed, given.budget, given.first, given.batch),
        "evolution": lambda seed: evolved(table, metric, seed, given.budget),
        "random": lambda seed: drawn(table, metric, seed, given.budget),
    }
    for name in given.ways.split(","):
        way = ways.get(name, lambda seed, name=name: naslib(name, table, metric, seed))
        started = time.perf_counter()
        found = np.array([regrets(way(seed), table, metric, given.budget) for seed in range(given.seeds)])
        reached = [int(np.argmax(row <= given.within)) + 1 if row[-1] <= given.within else None for row in found]
        at = {
            str(n): [round(float(found[:, n - 1].mean()), 3), round(float(np.std(found[:, n - 1])), 3)]
            for n in (20, 50, 100, given.budget)
            if n <= given.budget
        }
        known = sorted(given.budget + 1 if count is None else count for count in reached)
        median = known[len(known) // 2]
        print(
            json.dumps(
                {
                    "way": name,
                    "metric": metric,
                    "regret (mean, sd) at labels": at,
                    f"labels to a regret of {given.within}": "more" if median > given.budget else median,
                    "reached by": f"{sum(count is not None for count in reached)} of {given.seeds}",
                    "seconds a seed": round((time.perf_counter() - started) / given.seeds, 1),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
