"""NAS-Bench-NLP: the space of recurrent cells, random ones or those of a file; mutation by graph features.

Klyuchnikov et al., "NAS-Bench-NLP", 2020, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Union

import numpy as np

from ...errors import InputError, MissingPackageError
from ..base import SPACES, SearchSpace
from .encoding import (
    EXAMPLE,
    FEWEST_AND_MOST_INPUTS,
    INPUT,
    ORDERED,
    NASBenchNLPArchitecture,
    canonical_form,
    is_state,
    live,
    node_kind,
    parse_recipe,
    renamed,
)

MAIN_OPERATIONS = {"linear": 1 / 2, "blend": 1 / 6, "elementwise_prod": 1 / 6, "elementwise_sum": 1 / 6}
ACTIVATIONS = ("activation_tanh", "activation_sigm", "activation_leaky_relu")
MAX_STATES, MAX_NODES = 3, 24
THREE_INPUTS = 1 / 5
"""The benchmark's rules for random recipes: probability of each operation, hidden states, nodes before those
without effect are removed, and how often a linear node has three inputs instead of two."""

WL_ITERATIONS = 2
CANDIDATES = 50  # random recipes among which a mutation looks for the nearest, where there is no recipe set
PERTURBATION = 0.05  # standard deviation of the noise on every coordinate of an embedding, whose length is 1


def random_recipe(rng: np.random.Generator) -> NASBenchNLPArchitecture:
    """A recipe by the benchmark's rules: nodes are attached at random until the budget is spent, some become
    the states, those without effect are removed; kept if it reads x and all states, and if no new state
    reads an old one directly."""
    states = int(rng.integers(1, MAX_STATES + 1))
    previous = [f"h_prev_{number}" for number in range(states)]
    while True:
        recipe = _grown(previous, int(rng.integers(states + 1, MAX_NODES + 1)), rng)
        chosen = [list(recipe)[i] for i in rng.permutation(len(recipe))[:states]]
        names = {name: f"h_new_{number}" for number, name in enumerate(chosen)}
        arch = renamed([(name, op, inputs) for name, (op, inputs) in recipe.items()], names)
        arch = NASBenchNLPArchitecture(tuple(node for node in arch.nodes if node[0] in _reached(arch)))
        read = {source for _, _, inputs in arch.nodes for source in inputs}
        direct = any(is_state(n, "h_new") and set(inputs) & set(previous) for n, _, inputs in arch.nodes)
        if read >= {INPUT, *previous} and not direct:
            return arch


def _grown(previous: list[str], budget: int, rng: np.random.Generator) -> dict[str, tuple]:
    recipe: dict[str, tuple] = {}
    activated: list[str] = []

    def add(op: str, candidates: list[str], count: int) -> str:
        inputs = tuple(candidates[i] for i in rng.permutation(len(candidates))[:count])
        name = f"node_{len(recipe)}"
        recipe[name] = (op, inputs)
        return name

    while len(recipe) < budget:
        op = str(rng.choice(list(MAIN_OPERATIONS), p=list(MAIN_OPERATIONS.values())))
        if op == "linear":
            name = add(op, [INPUT, *previous, *activated], 3 if rng.random() < THREE_INPUTS else 2)
            activated.append(add(str(rng.choice(ACTIVATIONS)), [name], 1))
        else:
            candidates = [*previous, *recipe]
            count = FEWEST_AND_MOST_INPUTS[op][0]
            if len(candidates) >= count:
                add(op, candidates, count)
    return recipe


def _reached(arch: NASBenchNLPArchitecture) -> set[str]:
    """The nodes that some new state depends on within a time step."""
    inputs = {name: sources for name, _, sources in arch.nodes}
    reached, stack = set(), [name for name in inputs if is_state(name, "h_new")]
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            stack += inputs.get(name, ())
    return reached


class RecipeSet:
    """Recipes and their embeddings: normalised counts of Weisfeiler-Lehman subtree patterns."""

    def __init__(self, recipes: Iterable[NASBenchNLPArchitecture]):
        self.recipes = tuple(recipes)

    def nearest(self, arch: NASBenchNLPArchitecture, rng: np.random.Generator) -> NASBenchNLPArchitecture:
        """The recipe, another than ``arch``, whose embedding is nearest to that of ``arch`` plus noise."""
        matrix, vocabulary = self._embedded
        target = rng.normal(0, PERTURBATION, len(vocabulary))
        for pattern, weight in _embedding(arch).items():
            if pattern in vocabulary:
                target[vocabulary[pattern]] += weight
        own = canonical_form(arch)
        for place in np.argsort(-(matrix @ target), kind="stable"):
            if canonical_form(self.recipes[place]) != own:
                return self.recipes[place]
        raise InputError("the recipe set holds no other recipe to mutate to; give a larger one")

    @cached_property
    def _embedded(self):
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


@SPACES.register("nasbench_nlp")
class NASBenchNLP(SearchSpace):
    """Recurrent cells of linear nodes, activations, sums, products and blends, with one to three states.

    With ``recipes`` (texts or architectures), or a file of them (``nasbench_nlp:FILE``), samples come from them
    and a mutation is the nearest neighbour of a perturbed graph embedding (paper, A.4). Without, samples follow
    the benchmark's rules for random recipes, and a mutation is the nearest of 50 such samples.
    """

    name = "nasbench_nlp"
    description = "NAS-Bench-NLP: recurrent cells (recipes) for language modelling"
    kind = "rnn"
    example = EXAMPLE
    metrics = ("minus_best_test_loss",)

    def __init__(self, recipes: Iterable[Union[str, NASBenchNLPArchitecture]] = ()):
        self.recipes = RecipeSet(self.parse(r) if isinstance(r, str) else r for r in recipes)

    def over(self, architectures, origin):
        """Sampled from these recipes."""
        space = NASBenchNLP(architectures)
        space.origin = origin
        return space

    def sample(self, rng):
        recipes = self.recipes.recipes
        return recipes[rng.integers(len(recipes))] if recipes else random_recipe(rng)

    def mutate(self, arch, rng):
        recipes = self.recipes
        if not recipes.recipes:
            recipes = RecipeSet(random_recipe(rng) for _ in range(CANDIDATES))
        return recipes.nearest(arch, rng)

    def parse(self, text):
        """The recipe's JSON, as in the benchmark's files."""
        return parse_recipe(str(text).strip())

    def canonical(self, arch):
        return str(self.representative(arch))

    def representative(self, arch):
        return canonical_form(arch)

    def reduced(self, arch):
        return canonical_form(live(arch))

    def build(self, arch, fidelity):
        """(t, b, embedding) -> the same and the states; ``fidelity`` is an RNNFidelity."""
        from .networks import EMBEDDING, HIDDEN, LAYERS, RecurrentNet

        network = RecurrentNet(
            arch,
            fidelity.embedding or EMBEDDING,
            fidelity.hidden or HIDDEN,
            fidelity.layers or LAYERS,
            fidelity.dropout,
        )
        for layer in network.layers:
            layer.weights.requires_grad_(fidelity.recurrent == "trained")
        return network

    def build_network(self, arch, classes=10_000):
        """The benchmark's language model; ``classes`` is the number of words."""
        from .networks import LanguageModel

        return LanguageModel(arch, classes)

    def __iter__(self):
        return iter(self.recipes.recipes) if self.recipes.recipes else super().__iter__()
