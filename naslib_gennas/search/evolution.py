"""Regularized (aging) evolution and random search over anything that can be sampled and mutated.

Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019; settings of the
GenNAS paper, A.2.1.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any, Callable

import numpy as np

POPULATION, TOURNAMENT = 50, 10

Evaluate = Callable[[Any], float]


class Evolution:
    """Regularized evolution that is asked for individuals and told their fitness, one or several at a time.

    The first ``population`` individuals are random ones; then a child mutates the fittest of ``tournament`` distinct
    members drawn from the population, of which the oldest make room. An infinite population is random search.
    Fitness is higher-is-better; NaN ranks below everything.
    """

    def __init__(
        self,
        sample: Callable[[np.random.Generator], Any],
        mutate: Callable[[Any, np.random.Generator], Any],
        rng: np.random.Generator,
        population: float = POPULATION,
        tournament: int = TOURNAMENT,
    ):
        self.sample, self.mutate, self.rng = sample, mutate, rng
        self.population, self.tournament, self.asked = population, tournament, 0
        self.alive: deque[tuple[Any, float]] = deque(maxlen=int(population) if math.isfinite(population) else 1)

    def ask(self) -> Any:
        """The next individual."""
        self.asked += 1
        if self.asked <= self.population or not self.alive:
            return self.sample(self.rng)
        members = len(self.alive)
        chosen = self.rng.choice(members, size=min(self.tournament, members), replace=False)
        parent, _ = max((self.alive[i] for i in chosen), key=_fitness)
        return self.mutate(parent, self.rng)

    def tell(self, individual: Any, fitness: float) -> None:
        """That it is a member from now on."""
        self.alive.append((individual, fitness))


def regularized_evolution(
    sample: Callable[[np.random.Generator], Any],
    mutate: Callable[[Any, np.random.Generator], Any],
    evaluate: Evaluate,
    rng: np.random.Generator,
    population: int = POPULATION,
    tournament: int = TOURNAMENT,
) -> Iterator[tuple[Any, float]]:
    """Yield (individual, fitness) of an :class:`Evolution` for ever, one after another.

    The sequence depends on ``rng`` and the fitness values only, so that replaying it with remembered values resumes a
    search exactly.
    """
    evolution = Evolution(sample, mutate, rng, population, tournament)
    while True:
        individual = evolution.ask()
        evolution.tell(individual, evaluate(individual))
        yield evolution.alive[-1]


def random_search(
    sample: Callable[[np.random.Generator], Any], evaluate: Evaluate, rng: np.random.Generator
) -> Iterator[tuple[Any, float]]:
    """Yield (individual, fitness) for independent samples: the baseline of every search."""
    while True:
        individual = sample(rng)
        yield individual, evaluate(individual)


def _fitness(member: tuple[Any, float]) -> float:
    return -np.inf if np.isnan(member[1]) else member[1]
