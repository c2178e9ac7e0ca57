"""NAS-Bench-NLP: the space of recurrent cells, random ones or those of a list.

Klyuchnikov et al., "NAS-Bench-NLP", 2020, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Union

from ..base import SPACES, SearchSpace, or_pasted
from .encoding import (
    EXAMPLE,
    FEWEST_AND_MOST_INPUTS,
    NASBenchNLPArchitecture,
    canonical_form,
    live,
    parse_recipe,
)
from .forms import FORMS
from .neighbours import RecipeSet
from .sampling import random_recipe

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.rnn import RNNFidelity

CANDIDATES = 50  # random recipes among which a mutation looks for the nearest, where there is no recipe set
WORDS = 10_000  # of the benchmark's vocabulary


@SPACES.register("nasbench_nlp")
class NASBenchNLP(SearchSpace[NASBenchNLPArchitecture]):
    """Recurrent cells of linear nodes, activations, sums, products and blends, with one to three states.

    With ``recipes`` (texts or architectures) samples come from them and a mutation is the nearest neighbour of a
    perturbed graph embedding (paper, A.4). Without, samples follow the benchmark's rules for random recipes, and a
    mutation is the nearest of 50 such samples.

    >>> space = NASBenchNLP()
    >>> other = space.example.replace("node_0", "gate")
    >>> space.canonical(space.parse(other)) == space.canonical(space.parse(space.example))
    True
    """

    name = "nasbench_nlp"
    description = "NAS-Bench-NLP: recurrent cells (recipes) for language modelling"
    kind = "rnn"
    example = EXAMPLE
    forms = FORMS
    metrics = ("minus_best_test_loss",)

    def __init__(self, recipes: Iterable[Union[str, NASBenchNLPArchitecture]] = ()):
        self.recipes = RecipeSet(self.parse(r) if isinstance(r, str) else r for r in recipes)

    def over(self, architectures: Iterable[Union[str, NASBenchNLPArchitecture]], origin: str) -> NASBenchNLP:
        """Sampled from these recipes."""
        space = type(self)(architectures)
        space.origin = origin
        return space

    def sample(self, rng: np.random.Generator) -> NASBenchNLPArchitecture:
        recipes = self.recipes.recipes
        return recipes[rng.integers(len(recipes))] if recipes else random_recipe(rng)

    def mutate(self, arch: NASBenchNLPArchitecture, rng: np.random.Generator) -> NASBenchNLPArchitecture:
        recipes = self.recipes
        if not recipes.recipes:
            recipes = RecipeSet(random_recipe(rng) for _ in range(CANDIDATES))
        return recipes.nearest(arch, rng)

    @or_pasted
    def parse(self, text: str) -> NASBenchNLPArchitecture:
        """The recipe's JSON, as in the benchmark's files, or one of ``forms``."""
        return parse_recipe(text)

    def canonical(self, arch: NASBenchNLPArchitecture) -> str:
        return str(self.representative(arch))

    def representative(self, arch: NASBenchNLPArchitecture) -> NASBenchNLPArchitecture:
        return canonical_form(arch)

    def reduced(self, arch: NASBenchNLPArchitecture) -> NASBenchNLPArchitecture:
        return canonical_form(live(arch))

    def encoding(self, arch: NASBenchNLPArchitecture) -> dict[str, float]:
        """How often each operation is there, edges, hidden states, and the longest path."""
        depths: dict[str, int] = {}
        for name, _, inputs in arch.ordered:
            depths[name] = 1 + max((depths.get(source, 0) for source in inputs), default=0)
        counts = {op: sum(node[1] == op for node in arch.nodes) for op in FEWEST_AND_MOST_INPUTS}
        edges = sum(len(inputs) for _, _, inputs in arch.nodes)
        numbers = {**counts, "edges": edges, "states": arch.states, "longest path": max(depths.values(), default=0)}
        return {name: float(value) for name, value in numbers.items()}

    def build(self, arch: NASBenchNLPArchitecture, fidelity: RNNFidelity) -> nn.Module:
        """(t, b, embedding) -> the same and the states."""
        from .networks import EMBEDDING, HIDDEN, LAYERS, RecurrentNet

        network = RecurrentNet(
            arch,
            fidelity.embedding or EMBEDDING,
            fidelity.hidden or HIDDEN,
            fidelity.layers or LAYERS,
            fidelity.dropout,
        )
        network.train_recurrent(fidelity.recurrent == "trained")
        return network

    def build_network(self, arch: NASBenchNLPArchitecture, classes: int = WORDS) -> nn.Module:
        """The benchmark's language model; ``classes`` is the number of words."""
        from .networks import LanguageModel

        return LanguageModel(arch, classes)

    def __iter__(self) -> Iterator[NASBenchNLPArchitecture]:
        return iter(self.recipes.recipes) if self.recipes.recipes else super().__iter__()
