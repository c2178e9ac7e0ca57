"""The search on NAS-Bench-NLP: regret over evaluations, as the paper's Section 4.4 defines it.

python examples/regret_nlp.py --table nlp.jsonl.gz --fitness rnn-fast,instant,table:minus_test_loss_e3 --seeds 10

Regret after n evaluations: the test loss (logarithm of the perplexity) of the architecture that the fitness has liked
best so far, minus the lowest test loss of the table. Evolution (children are the nearest recipes of the table to a
perturbed embedding of the parent) and random search, the same numbers of evaluations, with 95 % intervals over seeds.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
from scipy import stats

from naslib_gennas import Scorer, load_space
from naslib_gennas.progress import progress
from naslib_gennas.search.architectures import own_engine
from naslib_gennas.tables import Table, load_table

METRIC = "minus_best_test_loss"
POPULATION, TOURNAMENT = 50, 10
AT = (10, 20, 50, 100, 150, 200, 300, 450)  # evaluations


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True)
    parser.add_argument("--fitness", default="rnn-fast", help="presets, or table:COLUMN")
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    space, table = load_space(f"nasbench_nlp:{options.table}"), load_table(options.table, "nasbench_nlp")
    best = float(table.column(METRIC).max())
    report: dict[str, Any] = {"lowest test loss": -best, "architectures": len(table)}
    for name in options.fitness.split(","):
        fitness = fitness_of(name, space, table)
        for algorithm in ("evolution", "random"):
            label = f"{name}, {algorithm}"
            curves = [
                regrets(space, fitness, table, best, algorithm, seed, options.steps)
                for seed in progress(range(options.seeds), options.seeds, label)
            ]
            report[label] = {str(at): summary([curve[at - 1] for curve in curves]) for at in AT if at <= options.steps}
    print(json.dumps(report, indent=2))
    return report


def fitness_of(name: str, space: Any, table: Table) -> Callable[[Any], float]:
    """A score of the preset, computed once for every architecture, or a column of the table."""
    if name.startswith("table:"):
        column = name.partition(":")[2]
        table.column(column)
        return lambda arch: number(table.value(str(arch), column))
    scorer, known = Scorer(space, name), dict[str, float]()

    def fitness(arch: Any) -> float:
        key = scorer.key(arch)
        if key not in known:
            known[key] = number(scorer.score(arch).value)
        return known[key]

    return fitness


def number(value: float | None) -> float:
    return math.nan if value is None else value


def regrets(
    space: Any, fitness: Callable[[Any], float], table: Table, best: float, algorithm: str, seed: int, steps: int
) -> list[float]:
    """After 1, 2, ... evaluations."""
    stream = own_engine(space, fitness, seed, algorithm, POPULATION, TOURNAMENT)
    found, liked, curve = math.nan, -math.inf, []
    for arch, value in islice(stream, steps):
        if value > liked:
            liked, found = value, best - number(table.value(str(arch), METRIC))
        curve.append(found)
    return curve


def summary(values: list[float]) -> dict[str, float]:
    """Mean, and half the width of Student's 95 % interval."""
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {"mean": float(np.mean(values)), "half": half}


if __name__ == "__main__":
    main()
