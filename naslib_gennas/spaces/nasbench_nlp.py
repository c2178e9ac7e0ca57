"""NAS-Bench-NLP: recurrent cells, given as recipes: directed acyclic graphs of seven operations.

Klyuchnikov et al., "NAS-Bench-NLP", 2020, https://arxiv.org/abs/2006.07116. A recipe names, for every node,
its operation and its inputs. ``x`` is the input of the cell, ``h_prev_i`` are its hidden states, ``h_new_i``
the states that it hands on to the next time step; ``h_new_0`` is also its output.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Union

import numpy as np

from ..errors import ArchitectureError, InputError, MissingPackageError
from ..registry import unknown
from .base import SPACES, SearchSpace

INPUT, OUTPUT = "x", "h_new_0"
FEWEST_AND_MOST_INPUTS = {
    "linear": (1, 16),
    "blend": (3, 3),
    "elementwise_prod": (2, 2),
    "elementwise_sum": (2, 2),
    "activation_tanh": (1, 1),
    "activation_sigm": (1, 1),
    "activation_leaky_relu": (1, 1),
}
"""Of every operation."""
MAX_PARSED = 64  # nodes
ORDERED = ("blend",)  # operations whose inputs must not be exchanged

MAIN_OPERATIONS = {"linear": 1 / 2, "blend": 1 / 6, "elementwise_prod": 1 / 6, "elementwise_sum": 1 / 6}
ACTIVATIONS = ("activation_tanh", "activation_sigm", "activation_leaky_relu")
MAX_STATES, MAX_NODES = 3, 24
THREE_INPUTS = 1 / 5
"""The benchmark's rules for random recipes: probability of each operation, hidden states, nodes before those
without effect are removed, and how often a linear node has three inputs instead of two."""

WL_ITERATIONS = 2
CANDIDATES = 50  # random recipes among which a mutation looks for the nearest, where there is no recipe set
PERTURBATION = 0.05  # standard deviation of the noise on every coordinate of an embedding, whose length is 1

EXAMPLE = (
    '{"node_0": {"op": "linear", "input": ["x", "h_prev_0"]}, '
    '"h_new_0": {"op": "activation_tanh", "input": ["node_0"]}}'
)

Node = tuple[str, str, tuple[str, ...]]  # name, operation, names of the inputs
_STATE = re.compile(r"(h_prev|h_new)_([0-9]{1,4})")


@dataclass(frozen=True)
class NASBenchNLPArchitecture:
    """``nodes`` in the order of the text form, which is the recipe's JSON."""

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return json.dumps({name: {"op": op, "input": list(inputs)} for name, op, inputs in self.nodes})

    @cached_property
    def states(self) -> int:
        """Number of hidden states."""
        return sum(_is_state(name, "h_new") for name, _, _ in self.nodes)

    @cached_property
    def ordered(self) -> tuple[Node, ...]:
        """The nodes, every one after its inputs."""
        done, pending = [], {node[0]: node for node in self.nodes}
        while pending:
            ready = [node for node in pending.values() if not any(i in pending for i in node[2])]
            if not ready:
                raise ArchitectureError(f"there is a cycle among {', '.join(pending)}")
            done += ready
            for name, _, _ in ready:
                del pending[name]
        return tuple(done)


def live(arch: NASBenchNLPArchitecture) -> NASBenchNLPArchitecture:
    """Without the nodes and states on which no output, at any time step, depends."""
    inputs = {name: sources for name, _, sources in arch.nodes}
    needed, stack = set(), [OUTPUT]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack += [_partner(name)] if _is_state(name, "h_prev") else inputs.get(name, ())
    kept = [OUTPUT] + [
        name for name, _, _ in arch.nodes if _is_state(name, "h_new") and name != OUTPUT and _partner(name) in needed
    ]
    names = {name: f"{name}'" for name in needed if _is_state(name, "h_new")}  # states that nothing reads
    for number, name in enumerate(kept):
        names[name], names[_partner(name)] = f"h_new_{number}", f"h_prev_{number}"
    return _renamed([node for node in arch.nodes if node[0] in needed], names)


def canonical_form(arch: NASBenchNLPArchitecture) -> NASBenchNLPArchitecture:
    """The same for recipes that differ in names, order, numbering of the states after the first, or the
    order of the inputs of sums, products and linear nodes."""
    place = _Graph(arch).numbering()
    names = {name: f"node_{place[name]}" for name, _, _ in arch.nodes}
    states = [name for name in names if _is_state(name, "h_new")]
    for number, name in enumerate(sorted(states, key=lambda n: (n != OUTPUT, place[n]))):
        names[name], names[_partner(name)] = f"h_new_{number}", f"h_prev_{number}"
    nodes = [
        (name, op, inputs if op in ORDERED else tuple(sorted(inputs, key=place.__getitem__)))
        for name, op, inputs in sorted(arch.nodes, key=lambda node: place[node[0]])
    ]
    return NASBenchNLPArchitecture(_renamed(nodes, names).ordered)


class _Graph:
    """Canonical numbering by colour refinement; where colours repeat, every choice is tried."""

    def __init__(self, arch: NASBenchNLPArchitecture):
        self.recipe = {name: (op, sources) for name, op, sources in arch.nodes}
        terminals = {source for _, _, sources in arch.nodes for source in sources} - set(self.recipe)
        terminals |= {_partner(name) for name in self.recipe if _is_state(name, "h_new")}
        self.readers: dict[str, list] = {name: [] for name in (*self.recipe, *terminals)}
        for name, op, sources in arch.nodes:
            for position, source in enumerate(sources):
                self.readers[source].append((name, position if op in ORDERED else 0))

    def numbering(self) -> dict[str, int]:
        """Name -> place; isomorphic recipes agree on it up to automorphism."""
        return self._best(_ranked({name: self._kind(name) for name in self.readers}))[1]

    def _best(self, colours: dict[str, float]) -> tuple[tuple, dict[str, int]]:
        """The smallest certificate that refines ``colours``, and its numbering."""
        colours, choices = self._choices(colours)
        if not choices:
            return self._certificate(colours), colours
        apart = {self._certificate(self._any(choice)): choice for choice in choices}  # equal: an automorphism
        return min((self._best(choice) for choice in apart.values()), key=lambda found: found[0])

    def _any(self, colours: dict[str, float]) -> dict[str, int]:
        """A numbering that refines ``colours``."""
        while True:
            colours, choices = self._choices(colours)
            if not choices:
                return colours
            colours = choices[0]

    def _choices(self, colours: dict[str, float]) -> tuple[dict[str, int], list[dict[str, float]]]:
        """``colours`` refined, and the ways to single out a node of the first colour that repeats."""
        colours = self._refined(colours)
        classes = defaultdict(list)
        for name, colour in colours.items():
            classes[colour].append(name)
        tie = min((colour for colour, members in classes.items() if len(members) > 1), default=None)
        return colours, [{**colours, name: colours[name] - 0.5} for name in classes.get(tie, ())]

    def _certificate(self, colours: dict[str, int]) -> tuple:
        names = sorted(colours, key=colours.__getitem__)
        return tuple((self._kind(name), self._signature(name, colours)) for name in names)

    def _refined(self, colours: dict[str, float]) -> dict[str, int]:
        while True:
            finer = _ranked({name: self._signature(name, colours) for name in colours})
            if len(set(finer.values())) == len(set(colours.values())):
                return finer
            colours = finer

    def _kind(self, name: str) -> str:
        return _kind(name, *self.recipe.get(name, ())[:1])

    def _signature(self, name: str, colours: dict[str, float]) -> tuple:
        op, sources = self.recipe.get(name, ("", ()))
        inputs = [colours[source] for source in sources]
        readers = sorted((colours[reader], position) for reader, position in self.readers[name])
        partner = colours[_partner(name)] if _STATE.fullmatch(name) else -1
        return colours[name], tuple(inputs if op in ORDERED else sorted(inputs)), tuple(readers), partner


def _ranked(keys: dict[str, tuple]) -> dict[str, int]:
    places = {key: place for place, key in enumerate(sorted(set(keys.values())))}
    return {name: places[key] for name, key in keys.items()}


def _kind(name: str, op: str = "") -> str:
    """What tells nodes apart whatever they are called: operation, input, output, state."""
    state = _STATE.fullmatch(name)
    if state is None:
        return op or name
    return f"{op} {name if state[2] == '0' else state[1]}"


def _is_state(name: str, kind: str) -> bool:
    match = _STATE.fullmatch(name)
    return match is not None and match[1] == kind


def _partner(state: str) -> str:
    """``h_prev_2`` of ``h_new_2`` and the other way round."""
    kind, _, number = state.rpartition("_")
    return f"{'h_new' if kind == 'h_prev' else 'h_prev'}_{number}"


def _renamed(nodes: Iterable[Node], names: dict[str, str]) -> NASBenchNLPArchitecture:
    return NASBenchNLPArchitecture(
        tuple((names.get(n, n), op, tuple(names.get(i, i) for i in inputs)) for n, op, inputs in nodes)
    )


def parse_recipe(text: str) -> NASBenchNLPArchitecture:
    """A recipe's JSON; ArchitectureError says which node is wrong, and why."""
    try:
        recipe = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise _broken(text, f"it is not JSON: {error}") from None
    if not isinstance(recipe, dict) or not recipe:
        raise _broken(text, "it is not a JSON object of nodes")
    if len(recipe) > MAX_PARSED:
        raise _broken(text, f"it has {len(recipe)} nodes, at most {MAX_PARSED} are taken")
    arch = NASBenchNLPArchitecture(tuple(_node(text, name, node, recipe) for name, node in recipe.items()))
    for number in range(arch.states):
        if f"h_new_{number}" not in recipe:
            raise _broken(text, f"it has {arch.states} states, but no node 'h_new_{number}'")
    if not arch.states:
        raise _broken(text, f"the output {OUTPUT!r} is missing")
    try:
        arch.ordered  # noqa: B018 - finds cycles
    except ArchitectureError as error:
        raise _broken(text, str(error)) from None
    return arch


def _node(text: str, name: str, node, recipe: dict) -> Node:
    where = f"node {name!r}"
    if not re.fullmatch(r"[A-Za-z0-9_]+", name) or name == INPUT or _is_state(name, "h_prev"):
        raise _broken(text, f"{where} must not be called so: x and h_prev_<i> are inputs, names are letters, digits, _")
    if not isinstance(node, dict) or set(node) != {"op", "input"}:
        raise _broken(text, f"{where} must be an object with the keys op and input")
    op, inputs = node["op"], node["input"]
    if not isinstance(op, str) or op not in FEWEST_AND_MOST_INPUTS:
        raise _broken(text, f"{where}: {unknown('operation', str(op), FEWEST_AND_MOST_INPUTS)}")
    if not isinstance(inputs, list) or not all(isinstance(source, str) for source in inputs):
        raise _broken(text, f"{where}: input must be a list of names")
    fewest, most = FEWEST_AND_MOST_INPUTS[op]
    if not fewest <= len(inputs) <= most:
        expected = str(most) if fewest == most else f"{fewest} to {most}"
        raise _broken(text, f"{where}: {op} takes {expected} inputs, not {len(inputs)}")
    for source in inputs:
        if source == INPUT and op != "linear":
            raise _broken(text, f"{where}: x, whose width differs, can enter linear nodes only, not {op}")
        if _is_state(source, "h_prev") and _partner(source) not in recipe:
            raise _broken(text, f"{where} reads {source!r}, but there is no node {_partner(source)!r}")
        if source != INPUT and not _is_state(source, "h_prev") and source not in recipe:
            raise _broken(text, f"{where} reads {source!r}, which is no node of the recipe")
    return name, op, tuple(inputs)


def _without_repeats(pairs: list[tuple]) -> dict:
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"the key {repeated[0]!r} appears twice")
    return dict(pairs)


def _broken(text: str, why: str) -> ArchitectureError:
    shown = text if len(text) <= 200 else text[:200] + " ..."
    return ArchitectureError(f"not a nasbench_nlp recipe: {shown}: {why}; an example is {EXAMPLE}")


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
        arch = _renamed([(name, op, inputs) for name, (op, inputs) in recipe.items()], names)
        arch = NASBenchNLPArchitecture(tuple(node for node in arch.nodes if node[0] in _reached(arch)))
        read = {source for _, _, inputs in arch.nodes for source in inputs}
        direct = any(_is_state(n, "h_new") and set(inputs) & set(previous) for n, _, inputs in arch.nodes)
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
    reached, stack = set(), [name for name in inputs if _is_state(name, "h_new")]
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
        graph.add_node(name, label=_kind(name, op))
        for position, source in enumerate(inputs):  # the label tells inputs from readers
            graph.add_edge(source, name, label=f"{op} {position if op in ORDERED else 0}")
    for name, data in graph.nodes(data=True):
        data.setdefault("label", _kind(name))
    hashes = networkx.weisfeiler_lehman_subgraph_hashes(
        graph, node_attr="label", edge_attr="label", iterations=WL_ITERATIONS
    )
    counts = Counter(pattern for patterns in hashes.values() for pattern in patterns)
    counts.update(data["label"] for _, data in graph.nodes(data=True))
    length = sum(count * count for count in counts.values()) ** 0.5
    return {pattern: count / length for pattern, count in counts.items()}


@lru_cache(maxsize=4)
def _recipes_of(source: str) -> RecipeSet:
    from ..tables.nlp import finished
    from ..tables.sources import read_frame

    return RecipeSet(parse_recipe(text) for text in finished(read_frame(source))["arch"])


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

    def __init__(self, recipes: Iterable[Union[str, NASBenchNLPArchitecture]] = (), source: str | None = None):
        self._recipes = RecipeSet(self.parse(r) if isinstance(r, str) else r for r in recipes)
        self._source = source

    @property
    def recipes(self) -> RecipeSet:
        """What samples are drawn from; empty if the benchmark's rules are."""
        return self._recipes if self._source is None else _recipes_of(self._source)

    def restricted(self, source):
        """Over the recipes of a table, read when first needed; of training logs, those of finished runs."""
        return NASBenchNLP(source=source)

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
        from .networks_nlp import EMBEDDING, HIDDEN, LAYERS, RecurrentNet

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
        from .networks_nlp import LanguageModel

        return LanguageModel(arch, classes)

    def __iter__(self):
        return iter(self.recipes.recipes) if self.recipes.recipes else super().__iter__()
