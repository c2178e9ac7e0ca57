"""Recipes of NAS-Bench-NLP: recurrent cells as directed acyclic graphs of seven operations.

Klyuchnikov et al., "NAS-Bench-NLP", 2020, https://arxiv.org/abs/2006.07116. A recipe names, for every node,
its operation and its inputs. ``x`` is the input of the cell, ``h_prev_i`` are its hidden states, ``h_new_i``
the states that it hands on to the next time step; ``h_new_0`` is also its output.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ...errors import ArchitectureError
from ...registry import unknown
from ...texts import parse_json

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

EXAMPLE = (
    '{"node_0": {"op": "linear", "input": ["x", "h_prev_0"]}, '
    '"h_new_0": {"op": "activation_tanh", "input": ["node_0"]}}'
)

Node = tuple[str, str, tuple[str, ...]]  # name, operation, names of the inputs
Signature = tuple[float, tuple[float, ...], tuple[tuple[float, int], ...], float]
"""Of a node among coloured ones: the colours of itself, its inputs, its readers (with positions) and its partner."""
Certificate = tuple[tuple[str, Signature], ...]
Key = TypeVar("Key", str, Signature)

_STATE = re.compile(r"(h_prev|h_new)_([0-9]{1,4})")


@dataclass(frozen=True)
class NASBenchNLPArchitecture:
    """``nodes`` in the order of the text form, which is the recipe's JSON.

    >>> parse_recipe(EXAMPLE).nodes[1]
    ('h_new_0', 'activation_tanh', ('node_0',))
    """

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return json.dumps({name: {"op": op, "input": list(inputs)} for name, op, inputs in self.nodes})

    @cached_property
    def states(self) -> int:
        """Number of hidden states."""
        return sum(is_state(name, "h_new") for name, _, _ in self.nodes)

    @cached_property
    def ordered(self) -> tuple[Node, ...]:
        """The nodes, every one after its inputs."""
        done: list[Node] = []
        pending = {node[0]: node for node in self.nodes}
        while pending:
            ready = [node for node in pending.values() if not any(i in pending for i in node[2])]
            if not ready:
                raise ArchitectureError(f"there is a cycle among {', '.join(pending)}")
            done += ready
            for name, _, _ in ready:
                del pending[name]
        return tuple(done)


def live(arch: NASBenchNLPArchitecture) -> NASBenchNLPArchitecture:
    """Without the nodes and states on which no output, at any time step, depends.

    >>> dead = '"lost": {"op": "linear", "input": ["x"]}, '
    >>> live(parse_recipe(EXAMPLE.replace("{", "{" + dead, 1))) == parse_recipe(EXAMPLE)
    True
    """
    inputs = {name: sources for name, _, sources in arch.nodes}
    needed: set[str] = set()
    stack = [OUTPUT]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack += [_partner(name)] if is_state(name, "h_prev") else inputs.get(name, ())
    kept = [OUTPUT] + [
        name for name, _, _ in arch.nodes if is_state(name, "h_new") and name != OUTPUT and _partner(name) in needed
    ]
    names = {name: f"{name}'" for name in needed if is_state(name, "h_new")}  # states that nothing reads
    for number, name in enumerate(kept):
        names[name], names[_partner(name)] = f"h_new_{number}", f"h_prev_{number}"
    return renamed([node for node in arch.nodes if node[0] in needed], names)


def canonical_form(arch: NASBenchNLPArchitecture) -> NASBenchNLPArchitecture:
    """The same for recipes that differ in names, order, numbering of the states after the first, or the
    order of the inputs of sums, products and linear nodes.

    >>> canonical_form(parse_recipe(EXAMPLE.replace("node_0", "gate"))) == canonical_form(parse_recipe(EXAMPLE))
    True
    """
    place = _Graph(arch).numbering()
    names = {name: f"node_{place[name]}" for name, _, _ in arch.nodes}
    states = [name for name in names if is_state(name, "h_new")]
    for number, name in enumerate(sorted(states, key=lambda n: (n != OUTPUT, place[n]))):
        names[name], names[_partner(name)] = f"h_new_{number}", f"h_prev_{number}"
    nodes = [
        (name, op, inputs if op in ORDERED else tuple(sorted(inputs, key=place.__getitem__)))
        for name, op, inputs in sorted(arch.nodes, key=lambda node: place[node[0]])
    ]
    return NASBenchNLPArchitecture(renamed(nodes, names).ordered)


class _Graph:
    """Canonical numbering by colour refinement; where colours repeat, every choice is tried."""

    def __init__(self, arch: NASBenchNLPArchitecture):
        self.recipe = {name: (op, sources) for name, op, sources in arch.nodes}
        terminals = {source for _, _, sources in arch.nodes for source in sources} - set(self.recipe)
        terminals |= {_partner(name) for name in self.recipe if is_state(name, "h_new")}
        self.readers: dict[str, list[tuple[str, int]]] = {name: [] for name in (*self.recipe, *terminals)}
        for name, op, sources in arch.nodes:
            for position, source in enumerate(sources):
                self.readers[source].append((name, position if op in ORDERED else 0))

    def numbering(self) -> dict[str, int]:
        """Name -> place; isomorphic recipes agree on it up to automorphism."""
        return self._best(_ranked({name: self._kind(name) for name in self.readers}))[1]

    def _best(self, colours: Mapping[str, float]) -> tuple[Certificate, dict[str, int]]:
        """The smallest certificate that refines ``colours``, and its numbering."""
        refined, choices = self._choices(colours)
        if not choices:
            return self._certificate(refined), refined
        apart = {self._certificate(self._any(choice)): choice for choice in choices}  # equal: an automorphism
        return min((self._best(choice) for choice in apart.values()), key=lambda found: found[0])

    def _any(self, colours: Mapping[str, float]) -> dict[str, int]:
        """A numbering that refines ``colours``."""
        while True:
            refined, choices = self._choices(colours)
            if not choices:
                return refined
            colours = choices[0]

    def _choices(self, colours: Mapping[str, float]) -> tuple[dict[str, int], Sequence[Mapping[str, float]]]:
        """``colours`` refined, and the ways to single out a node of the first colour that repeats."""
        refined = self._refined(colours)
        classes: dict[int, list[str]] = defaultdict(list)
        for name, colour in refined.items():
            classes[colour].append(name)
        ties = [colour for colour, members in classes.items() if len(members) > 1]
        repeated = classes[min(ties)] if ties else []
        return refined, [{**refined, name: refined[name] - 0.5} for name in repeated]

    def _certificate(self, colours: Mapping[str, int]) -> Certificate:
        names = sorted(colours, key=colours.__getitem__)
        return tuple((self._kind(name), self._signature(name, colours)) for name in names)

    def _refined(self, colours: Mapping[str, float]) -> dict[str, int]:
        while True:
            finer = _ranked({name: self._signature(name, colours) for name in colours})
            if len(set(finer.values())) == len(set(colours.values())):
                return finer
            colours = finer

    def _kind(self, name: str) -> str:
        return node_kind(name, self.recipe[name][0] if name in self.recipe else "")

    def _signature(self, name: str, colours: Mapping[str, float]) -> Signature:
        op, sources = self.recipe.get(name, ("", ()))
        inputs = [colours[source] for source in sources]
        readers = sorted((colours[reader], position) for reader, position in self.readers[name])
        partner = colours[_partner(name)] if _STATE.fullmatch(name) else -1
        return colours[name], tuple(inputs if op in ORDERED else sorted(inputs)), tuple(readers), partner


def _ranked(keys: Mapping[str, Key]) -> dict[str, int]:
    places = {key: place for place, key in enumerate(sorted(set(keys.values())))}
    return {name: places[key] for name, key in keys.items()}


def node_kind(name: str, op: str = "") -> str:
    """What tells nodes apart whatever they are called: operation, input, output, state.

    >>> node_kind("gate", "linear"), node_kind("h_new_0", "blend"), node_kind("h_new_1", "blend")
    ('linear', 'blend h_new_0', 'blend h_new')
    """
    state = _STATE.fullmatch(name)
    if state is None:
        return op or name
    return f"{op} {name if state[2] == '0' else state[1]}"


def is_state(name: str, kind: str) -> bool:
    """Whether a node's name is that of a hidden state; ``kind``: ``h_prev`` or ``h_new``.

    >>> is_state("h_new_0", "h_new"), is_state("h_new_0", "h_prev")
    (True, False)
    """
    match = _STATE.fullmatch(name)
    return match is not None and match[1] == kind


def _partner(state: str) -> str:
    """``h_prev_2`` of ``h_new_2`` and the other way round."""
    kind, _, number = state.rpartition("_")
    return f"{'h_new' if kind == 'h_prev' else 'h_prev'}_{number}"


def renamed(nodes: Iterable[Node], names: dict[str, str]) -> NASBenchNLPArchitecture:
    """The recipe of ``nodes`` with the names that ``names`` maps exchanged everywhere.

    >>> renamed(parse_recipe(EXAMPLE).nodes, {"node_0": "gate"}).nodes[1]
    ('h_new_0', 'activation_tanh', ('gate',))
    """
    return NASBenchNLPArchitecture(
        tuple((names.get(n, n), op, tuple(names.get(i, i) for i in inputs)) for n, op, inputs in nodes)
    )


def parse_recipe(text: str) -> NASBenchNLPArchitecture:
    """The cell of a recipe's JSON; ArchitectureError says which node is wrong, and why.

    >>> parse_recipe('{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}').states
    1
    """
    try:
        recipe = parse_json(text)
    except ValueError as error:
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


def _node(text: str, name: str, node: object, recipe: Mapping[str, object]) -> Node:
    where = f"node {name!r}"
    if not re.fullmatch(r"[A-Za-z0-9_]+", name) or name == INPUT or is_state(name, "h_prev"):
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
        if is_state(source, "h_prev") and _partner(source) not in recipe:
            raise _broken(text, f"{where} reads {source!r}, but there is no node {_partner(source)!r}")
        if source != INPUT and not is_state(source, "h_prev") and source not in recipe:
            raise _broken(text, f"{where} reads {source!r}, which is no node of the recipe")
    return name, op, tuple(inputs)


def _broken(text: str, why: str) -> ArchitectureError:
    shown = text if len(text) <= 200 else text[:200] + " ..."
    return ArchitectureError(f"not a nasbench_nlp recipe: {shown}: {why}; an example is {EXAMPLE}")
