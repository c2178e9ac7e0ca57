"""Random recipes by the rules of NAS-Bench-NLP.

Klyuchnikov et al., "NAS-Bench-NLP", 2020, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encoding import FEWEST_AND_MOST_INPUTS, INPUT, NASBenchNLPArchitecture, is_state, renamed

if TYPE_CHECKING:
    import numpy as np

MAIN_OPERATIONS = {"linear": 1 / 2, "blend": 1 / 6, "elementwise_prod": 1 / 6, "elementwise_sum": 1 / 6}
ACTIVATIONS = ("activation_tanh", "activation_sigm", "activation_leaky_relu")
MAX_STATES, MAX_NODES = 3, 24
THREE_INPUTS = 1 / 5
"""The benchmark's rules for random recipes: probability of each operation, hidden states, nodes before those
without effect are removed, and how often a linear node has three inputs instead of two."""


def random_recipe(rng: np.random.Generator) -> NASBenchNLPArchitecture:
    """A recipe by the benchmark's rules: nodes are attached at random until the budget is spent, some become
    the states, those without effect are removed; kept if it reads x and all states, and if no new state
    reads an old one directly.

    >>> import numpy as np
    >>> recipe = random_recipe(np.random.default_rng(0))
    >>> recipe.states, len(recipe.nodes)
    (3, 12)
    """
    states = int(rng.integers(1, MAX_STATES + 1))
    previous = [f"h_prev_{number}" for number in range(states)]
    while True:
        recipe = _grown(previous, int(rng.integers(states + 1, MAX_NODES + 1)), rng)
        chosen = [list(recipe)[i] for i in rng.permutation(len(recipe))[:states]]
        names = {name: f"h_new_{number}" for number, name in enumerate(chosen)}
        arch = renamed([(name, op, inputs) for name, (op, inputs) in recipe.items()], names)
        reached = _reached(arch)
        arch = NASBenchNLPArchitecture(tuple(node for node in arch.nodes if node[0] in reached))
        read = {source for _, _, inputs in arch.nodes for source in inputs}
        direct = any(is_state(n, "h_new") and set(inputs) & set(previous) for n, _, inputs in arch.nodes)
        if read >= {INPUT, *previous} and not direct:
            return arch


def _grown(previous: list[str], budget: int, rng: np.random.Generator) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> operation and inputs of at least ``budget`` nodes."""
    recipe: dict[str, tuple[str, tuple[str, ...]]] = {}
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
    reached: set[str] = set()
    stack = [name for name in inputs if is_state(name, "h_new")]
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            stack += inputs.get(name, ())
    return reached
