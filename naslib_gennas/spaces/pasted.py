"""Architectures in NASLib's compact form and in ours. Nothing here imports NASLib.

NASLib's ``graph.get_hash()`` is a tuple of integers; written with ``str`` it is the key of NAS-Bench-Suite-Zero's
``zc_<space>.json``.

>>> from_naslib("nasbench201", (4, 0, 3, 1, 4, 3))
NASBench201Architecture(ops=(4, 1, 0, 2, 4, 2))
>>> to_naslib("nasbench201", "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|")
(4, 0, 3, 1, 4, 3)
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import ArchitectureError
from ..registry import Registry
from . import load_space
from .cells.encoding import CompactArchitecture, compact
from .cells.space import NASBench301
from .nasbench101.encoding import MAX_VERTICES, NASBench101Architecture
from .nasbench201.encoding import EDGES, OPERATIONS, NASBench201Architecture
from .nasbench_nlp.encoding import NASBenchNLPArchitecture, Node
from .transnas.encoding import TransNASMacroArchitecture, TransNASMicroArchitecture

Codes = tuple[Any, ...]  # NASLib's compact form: nested tuples of ints


@dataclass(frozen=True)
class Converter:
    """``decode``: NASLib's compact form -> architecture, ValueError saying what is wrong; ``encode``: back, into
    that of an equal or isomorphic architecture."""

    decode: Callable[[Codes], Any]
    encode: Callable[[Any], Codes]


CONVERTERS: Registry[Converter] = Registry("NASLib space with a compact form that is understood")
"""Our name of a search space -> converter."""

OUR_NAMES = {
    "nlp": "nasbench_nlp",
    "transbench101_micro": "transnas101_micro",
    "transbench101_macro": "transnas101_macro",
}
"""NASLib's name of a search space -> ours, where they differ."""


def from_naslib(space: str, spec: Any) -> Any:
    """The architecture of ``space`` that ``spec`` describes.

    spec: what ``get_hash()`` gives (tuple or list; of int, np.int64 or other integers), or that as text.
    Raises UnknownNameError for a space without converter, ArchitectureError if ``spec`` is none of its forms.

    >>> str(from_naslib("transnas101_micro", "(1, 0, 2, 3, 3, 3)"))
    '64-41414-1_02_333'
    """
    converter = CONVERTERS[space]
    try:
        codes = _plain(_evaluated(spec) if isinstance(spec, str) else spec)
        if not isinstance(codes, tuple):
            raise ValueError("it is one number")
        arch = converter.decode(codes)
        return load_space(space).parse(str(arch))
    except (ValueError, RecursionError) as error:
        raise ArchitectureError(
            f"not NASLib's compact form of a {space} architecture: {_short(spec)}: {error}"
        ) from None


def to_naslib(space: str, arch: Any) -> Codes:
    """NASLib's compact form, plain ints, of an architecture or its text.

    Cells of NAS-Bench-101 get seven vertices, as NASLib's own have; unconnected ones go before the output.

    >>> to_naslib("transnas101_macro", "64-1234-basic")
    (1, 2, 3, 4)
    """
    converter = CONVERTERS[space]
    return converter.encode(load_space(space).parse(arch) if isinstance(arch, str) else arch)


def _evaluated(text: str) -> Any:
    """The value that a key stands for; numpy 2 writes np.int64(4) for 4."""
    try:
        return ast.literal_eval(re.sub(r"\b(?:np|numpy)\.\w+\((-?\d+)\)", r"\1", text.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("the text is no tuple of integers") from None


def _plain(value: Any) -> Any:
    """Nested tuples of ints."""
    if isinstance(value, (str, bytes, dict, bool)):
        raise ValueError(f"it holds {value!r}, expected integers")
    if hasattr(value, "__iter__"):
        return tuple(_plain(item) for item in value)
    try:
        return value.__index__()
    except AttributeError:
        raise ValueError(f"it holds {value!r}, expected integers") from None


def _short(spec: Any) -> str:
    text = str(spec)
    return text if len(text) < 120 else text[:117] + "..."


def _check_codes(codes: Codes, count: int | None, highest: int, what: str) -> None:
    if count is not None and len(codes) != count:
        raise ValueError(f"it has {len(codes)} numbers, expected {count}")
    for place, code in enumerate(codes):
        if not isinstance(code, int) or not 0 <= code <= highest:
            raise ValueError(f"{what} {place} is {code}, expected 0 to {highest}")


# --- NAS-Bench-201

OPERATIONS_201 = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")  # NASLib's order
EDGES_201 = tuple(sorted(EDGES))  # NASLib's order: by source, then target


def _decode_201(codes: Codes) -> NASBench201Architecture:
    _check_codes(codes, len(EDGES_201), len(OPERATIONS_201) - 1, "operation")
    on_edge = {edge: OPERATIONS.index(OPERATIONS_201[code]) for edge, code in zip(EDGES_201, codes)}
    return NASBench201Architecture(tuple(on_edge[edge] for edge in EDGES))


def _encode_201(arch: NASBench201Architecture) -> tuple[int, ...]:
    on_edge = {edge: OPERATIONS_201.index(OPERATIONS[op]) for edge, op in zip(EDGES, arch.ops)}
    return tuple(on_edge[edge] for edge in EDGES_201)


CONVERTERS.register("nasbench201")(Converter(_decode_201, _encode_201))


# --- NAS-Bench-101

INPUT_101, OUTPUT_101, CONV3X3_101 = 0, 1, 4  # NASLib's codes; 4, 3, 2 are our operations 0, 1, 2


def _decode_101(codes: Codes) -> NASBench101Architecture:
    """Row by row the whole adjacency matrix, then the operations with input and output."""
    size = next((n for n in range(2, MAX_VERTICES + 1) if n * n + n == len(codes)), None)
    if size is None:
        raise ValueError(f"it has {len(codes)} numbers, expected n * n + n for a cell of 2 to {MAX_VERTICES} vertices")
    bits, ops = codes[: size * size], codes[size * size :]
    _check_codes(bits, None, 1, "matrix entry")
    _check_codes(ops, None, CONV3X3_101, "operation")
    matrix = tuple(bits[row * size : (row + 1) * size] for row in range(size))
    if any(matrix[u][v] for u in range(size) for v in range(u + 1)):
        raise ValueError("its matrix has an edge on or below the diagonal")
    if (ops[0], ops[-1]) != (INPUT_101, OUTPUT_101) or set(ops[1:-1]) & {INPUT_101, OUTPUT_101}:
        raise ValueError("its first operation must be the input (0), its last one the output (1), and no other")
    return NASBench101Architecture(matrix, tuple(CONV3X3_101 - op for op in ops[1:-1]))


def _encode_101(arch: NASBench101Architecture) -> tuple[int, ...]:
    size = len(arch.matrix)
    vertices = [*range(size - 1), *[None] * (MAX_VERTICES - size), size - 1]
    bits = [0 if u is None or v is None else arch.matrix[u][v] for u in vertices for v in vertices]
    spare = [CONV3X3_101] * (MAX_VERTICES - size)  # as NASLib fills up
    return (*bits, INPUT_101, *(CONV3X3_101 - op for op in arch.ops), *spare, OUTPUT_101)


CONVERTERS.register("nasbench101")(Converter(_decode_101, _encode_101))


# --- NAS-Bench-301: NASLib's form is the space's own text


def _decode_301(codes: Codes) -> CompactArchitecture:
    return NASBench301().from_compact(codes)


CONVERTERS.register("nasbench301")(Converter(_decode_301, compact))


# --- NAS-Bench-NLP: (edges, operations, which nodes are new states); nodes after their inputs, states in order

INPUTS_NLP = ("x", "h_prev_0", "h_prev_1", "h_prev_2")  # nodes 0 to 3, always there
OPERATIONS_NLP = (
    "in", "activation_sigm", "activation_tanh", "activation_leaky_relu", "elementwise_sum", "elementwise_prod",
    "linear", "blend",
)  # fmt: skip


def _decode_nlp(spec: Codes) -> NASBenchNLPArchitecture:
    if len(spec) != 3 or not all(isinstance(part, tuple) for part in spec):
        raise ValueError("expected (edges, operations, states)")
    edges, ops, states = spec
    first, count = len(INPUTS_NLP), len(ops)
    _check_codes(ops, None, len(OPERATIONS_NLP) - 1, "operation")
    _check_codes(states, None, count - 1, "state")
    if set(ops[:first]) != {0} or 0 in ops[first:] or any(state < first for state in states):
        raise ValueError(f"its first {first} nodes, and no others, must be inputs (operation 0)")
    for edge in edges:
        if not isinstance(edge, tuple) or len(edge) != 2:
            raise ValueError(f"{edge} is no edge (source, target)")
        _check_codes(edge, None, count - 1, "end of an edge")
    numbers = {"h_new": iter(range(count)), "node": iter(range(count))}
    kinds = ["h_new" if node in states else "node" for node in range(first, count)]
    names = [*INPUTS_NLP, *(f"{kind}_{next(numbers[kind])}" for kind in kinds)]
    inputs = {node: tuple(names[source] for source, target in edges if target == node) for node in range(count)}
    return NASBenchNLPArchitecture(
        tuple((names[node], OPERATIONS_NLP[ops[node]], inputs[node]) for node in range(first, count))
    )


def _encode_nlp(arch: NASBenchNLPArchitecture) -> Codes:
    nodes = _in_order_nlp(arch)
    index = {name: place for place, name in enumerate((*INPUTS_NLP, *(name for name, _, _ in nodes)))}
    edges = tuple((index[source], index[name]) for name, _, sources in nodes for source in sources)
    ops = (*(0 for _ in INPUTS_NLP), *(OPERATIONS_NLP.index(op) for _, op, _ in nodes))
    return edges, ops, tuple(index[name] for name, _, _ in nodes if name.startswith("h_new"))


def _in_order_nlp(arch: NASBenchNLPArchitecture) -> list[Node]:
    """The nodes, each after its inputs, and ``h_new_0`` before ``h_new_1``: their order is all that NASLib keeps."""
    pending, done, known, states = list(arch.nodes), [], set(INPUTS_NLP), 0
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


CONVERTERS.register("nasbench_nlp")(Converter(_decode_nlp, _encode_nlp))


# --- TransNAS-Bench-101: the digits of the benchmark's string


def _decode_transnas_micro(spec: Codes) -> TransNASMicroArchitecture:
    """As NASLib looks architectures up and builds the benchmark's network. Its graph of the same numbers
    (``create_graph=True``) has another order of edges and operations."""
    _check_codes(spec, 6, 3, "operation")
    return TransNASMicroArchitecture(spec)


def _decode_transnas_macro(spec: Codes) -> TransNASMacroArchitecture:
    _check_codes(spec, None, 4, "module")
    return TransNASMacroArchitecture("".join(map(str, spec)).rstrip("0"))  # sampled ones are filled up with 0


CONVERTERS.register("transnas101_micro")(Converter(_decode_transnas_micro, lambda arch: arch.ops))
CONVERTERS.register("transnas101_macro")(Converter(_decode_transnas_macro, lambda arch: tuple(map(int, arch.modules))))
