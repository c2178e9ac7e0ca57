"""Recipes that resemble a given one: nearest neighbours of perturbed graph embeddings (paper of GenNAS, A.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError, MissingPackageError
from .encoding import ORDERED, NASBenchNLPArchitecture, canonical_form, node_kind

if TYPE_CHECKING:
    from scipy import sparse

WL_ITERATIONS = 2
PERTURBATION = 0.05  # standard deviation of the noise on every coordinate of an embedding, whose length is 1


class RecipeSet:
    """Recipes and their embeddings: normalised counts of Weisfeiler-Lehman subtree patterns.

    >>> from naslib_gennas.spaces.nasbench_nlp.sampling import random_recipe
    >>> rng = np.random.default_rng(0)
    >>> recipes = RecipeSet(random_recipe(rng) for _ in range(5))
    >>> recipes.nearest(recipes.recipes[0], rng) in recipes.recipes[1:]
    True
    """

    def __init__(self, recipes: Iterable[NASBenchNLPArchitecture]):
        self.recipes = tuple(recipes)

    def nearest(self, arch: NASBenchNLPArchitecture, rng: np.random.Generator) -> NASBenchNLPArchitecture:
        """The recipe, another than ``arch``, whose embedding is nearest to that of ``arch`` plus noise.

        InputError if there is no other, MissingPackageError without networkx.
        """
        matrix, vocabulary = self._embedded
        target = rng.normal(0, PERTURBATION, len(vocabulary))
        for pattern, weight in _embedding(arch).items():
            if pattern in vocabulary:
                target[vocabulary[pattern]] += weight
        own = canonical_form(arch)
        for place in map(int, np.argsort(-(matrix @ target), kind="stable")):
            if canonical_form(self.recipes[place]) != own:
                return self.recipes[place]
        raise InputError("the recipe set holds no other recipe to mutate to; give a larger one")

    @cached_property
    def _embedded(self) -> tuple[sparse.csr_matrix, dict[str, int]]:
        """The embeddings, (recipes, patterns), and the column of every pattern."""
        from scipy import sparse

        embeddings = [_embedding(recipe) for recipe in self.recipes]
        vocabulary = {pattern: place for place, pattern in enumerate(dict.fromkeys(p for e in embeddings for p in e))}
        starts = np.cumsum([0, *map(len, embeddings)])
        columns = [vocabulary[pattern] for embedding in embeddings for pattern in embedding]
        weights = [weight for embedding in embeddings for weight in embedding.values()]
        return sparse.csr_matrix((weights, columns, starts), (len(embeddings), len(vocabulary))), vocabulary


def _embedding(arch: NASBenchNLPArchitecture) -> dict[str, float]:
    """Pattern -> weight; the weights' squares sum to 1."""
    try:
        import networkx
    except ImportError:
        raise MissingPackageError(
            "mutating NAS-Bench-NLP recipes needs networkx: pip install 'naslib_gennas[nlp]'"
        ) from None
    graph = networkx.Graph()
    for name, op, inputs in arch.nodes:
        graph.add_node(name, label=node_kind(name, op))
        for position, source in enumerate(inputs):  # the label tells inputs from readers
            graph.add_edge(source, name, label=f"{op} {position if op in ORDERED else 0}")
    for name, data in graph.nodes(data=True):
        data.setdefault("label", node_kind(name))
    hashes = networkx.weisfeiler_lehman_subgraph_hashes(
        graph, node_attr="label", edge_attr="label", iterations=WL_ITERATIONS
    )
    counts = Counter(pattern for patterns in hashes.values() for pattern in patterns)
    counts.update(data["label"] for _, data in graph.nodes(data=True))
    length = sum(count * count for count in counts.values()) ** 0.5
    return {pattern: count / length for pattern, count in counts.items()}
