"""Regularized (aging) evolution and random search over anything that can be sampled and mutated.

Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019; settings of the
GenNAS paper, A.2.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Callable

import numpy as np

POPULATION, TOURNAMENT = 50, 10

Evaluate = Callable[[Any], float]


def regularized_evolution(
    sample: Callable[[np.random.Generator], Any],
    mutate: Callable[[Any, np.random.Generator], Any],
    evaluate: Evaluate,
    rng: np.random.Generator,
    population: int = POPULATION,
    tournament: int = TOURNAMENT,
) -> Iterator[tuple[Any, float]]:
    """Yield (individual, fitness) for ever: first ``population`` random ones, then children.

    A child mutates the fittest of ``tournament`` distinct members drawn from the population and replaces
    the oldest. Fitness is higher-is-better; NaN ranks below everything. The sequence depends on ``rng``
    and the fitness values only, so that replaying it with remembered values resumes a search exactly.
    """
    alive: deque[tuple[Any, float]] = deque(maxlen=population)
    while True:
        if len(alive) < population:
            individual = sample(rng)
        else:
            chosen = rng.choice(population, size=min(tournament, population), replace=False)
            parent, _ = max((alive[i] for i in chosen), key=_fitness)
            individual = mutate(parent, rng)
        alive.append((individual, evaluate(individual)))
        yield alive[-1]


def random_search(
    sample: Callable[[np.random.Generator], Any], evaluate: Evaluate, rng: np.random.Generator
) -> Iterator[tuple[Any, float]]:
    """Yield (individual, fitness) for independent samples: the baseline of every search."""
    while True:
        individual = sample(rng)
        yield individual, evaluate(individual)


def _fitness(member: tuple[Any, float]) -> float:
    return -np.inf if np.isnan(member[1]) else member[1]
