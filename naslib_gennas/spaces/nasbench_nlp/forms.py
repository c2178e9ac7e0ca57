"""Other ways to write recipes of NAS-Bench-NLP."""

from __future__ import annotations

from typing import Any, Optional

from ...errors import ArchitectureError
from ..forms import Form, as_json, check_range, is_list
from .encoding import NASBenchNLPArchitecture, Node, parse_recipe

INPUTS = ("x", "h_prev_0", "h_prev_1", "h_prev_2")  # NASLib's nodes 0 to 3, always there
OPERATIONS = (
    "in", "activation_sigm", "activation_tanh", "activation_leaky_relu", "elementwise_sum", "elementwise_prod",
    "linear", "blend",
)  # fmt: skip


def of_codes(spec: Any) -> Optional[NASBenchNLPArchitecture]:
    """NASLib's (edges, operations, which nodes are new states); nodes after their inputs, states in order."""
    if not is_list(spec) or not spec:
        return None
    if len(spec) != 3 or not all(map(is_list, spec)):
        raise ValueError("expected (edges, operations, states)")
    edges, ops, states = spec
    first, count = len(INPUTS), len(ops)
    check_range(ops, len(OPERATIONS) - 1, "operation")
    check_range(states, count - 1, "state")
    if set(ops[:first]) != {0} or 0 in ops[first:] or any(state < first for state in states):
        raise ValueError(f"its first {first} nodes, and no others, must be inputs (operation 0)")
    for edge in edges:
        if not is_list(edge) or len(edge) != 2:
            raise ValueError(f"{edge} is no edge (source, target)")
        check_range(edge, count - 1, "end of an edge")
    numbers = {"h_new": iter(range(count)), "node": iter(range(count))}
    kinds = ["h_new" if node in states else "node" for node in range(first, count)]
    names = [*INPUTS, *(f"{kind}_{next(numbers[kind])}" for kind in kinds)]
    inputs = {node: tuple(names[source] for source, target in edges if target == node) for node in range(count)}
    return NASBenchNLPArchitecture(
        tuple((names[node], OPERATIONS[ops[node]], inputs[node]) for node in range(first, count))
    )


def to_codes(arch: NASBenchNLPArchitecture) -> tuple[Any, ...]:
    """NASLib's compact form of a recipe; ArchitectureError for one that has none."""
    nodes = _in_order(arch)
    index = {name: place for place, name in enumerate((*INPUTS, *(name for name, _, _ in nodes)))}
    edges = tuple((index[source], index[name]) for name, _, sources in nodes for source in sources)
    ops = (*(0 for _ in INPUTS), *(OPERATIONS.index(op) for _, op, _ in nodes))
    return edges, ops, tuple(index[name] for name, _, _ in nodes if name.startswith("h_new"))


def of_recipe(value: Any) -> Optional[NASBenchNLPArchitecture]:
    """A recipe as a Python dictionary."""
    if not isinstance(value, dict):
        return None
    return parse_recipe(as_json(value.get("recipe", value)))


def _in_order(arch: NASBenchNLPArchitecture) -> list[Node]:
    """The nodes, each after its inputs, and ``h_new_0`` before ``h_new_1``: their order is all that NASLib keeps."""
    pending, done, known, states = list(arch.nodes), [], set(INPUTS), 0
    while pending:
        for node in pending:
            is_state = node[0].startswith("h_new")
            if known.issuperset(node[2]) and (not is_state or node[0] == f"h_new_{states}"):
                break
        else:
            raise ArchitectureError(
                f"NASLib's compact form has no way to write {arch}: more than three states, or an earlier state "
                "that needs a later one"
            )
        pending.remove(node)
        done.append(node)
        known.add(node[0])
        states += is_state
    return done


FORMS = (
    Form("NASLib's tuple", "(((0, 4), (1, 4), (4, 5)), (0, 0, 0, 0, 6, 2), (5,))", of_codes),
    Form(
        "the recipe as a dictionary",
        "{'node_0': {'op': 'linear', 'input': ['x', 'h_prev_0']}, "
        "'h_new_0': {'op': 'activation_tanh', 'input': ['node_0']}}",
        of_recipe,
    ),
)
