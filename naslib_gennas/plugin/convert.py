"""Architectures from NASLib's compact forms to ours and back. NASLib is not needed for it.

A compact form is what NASLib's ``get_hash()`` returns and ``set_spec`` takes, and, written as text, the key of
``zc_<space>.json``. A space adds its own by registering a :class:`Converter` under its name in ``CONVERTERS``.
"""

from __future__ import annotations

import ast
import json
import operator
import re
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from ..errors import ArchitectureError
from ..registry import Registry
from ..spaces import cells, nasbench101, nasbench201
from ..spaces.base import load_space

_NUMPY_NUMBER = re.compile(r"(?:np|numpy)\.u?int\d*\((-?\d+)\)")  # in texts that numpy >= 2 wrote


@dataclass(frozen=True)
class Converter:
    """``decode``: compact form, nested tuples of integers -> architecture; ``encode``: the other way."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


CONVERTERS: Registry[Converter] = Registry("search space whose architectures NASLib and we both know")


def from_naslib(space_name: str, compact: Any) -> Any:
    """The architecture that NASLib's compact form describes: a tuple, list or array, or text that shows one.

    Raises UnknownNameError if the space has no converter, ArchitectureError if ``compact`` is not of it.
    """
    return CONVERTERS[space_name].decode(plain(compact))


def to_naslib(space_name: str, arch: Any) -> Any:
    """NASLib's compact form of an architecture (or of its text): nested tuples of plain integers.

    Raises UnknownNameError if the space has no converter, ArchitectureError if ``arch`` is text that does not
    parse or has no compact form.
    """
    converter = CONVERTERS[space_name]
    return converter.encode(load_space(space_name).parse(arch) if isinstance(arch, str) else arch)


def plain(compact: Any) -> Any:
    """``compact`` as nested tuples of Python's integers, so that ``str`` of it is NASLib's key.

    ArchitectureError if something else is in it.
    """
    if isinstance(compact, str):
        try:
            compact = ast.literal_eval(_NUMPY_NUMBER.sub(r"\1", compact.strip()))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ArchitectureError(f"not NASLib's compact form: {_shown(compact)}; expected integers") from None
    if isinstance(compact, np.ndarray):
        compact = compact.tolist()
    if isinstance(compact, (tuple, list)):
        return tuple(map(plain, compact))
    try:
        return operator.index(compact)
    except TypeError:
        raise ArchitectureError(f"not NASLib's compact form: {_shown(compact)} is no integer") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else text[:117] + "..."


def _broken(space: str, compact: Any, why: str) -> ArchitectureError:
    return ArchitectureError(f"not NASLib's compact form of a {space} architecture: {_shown(compact)}: {why}")


# --- NAS-Bench-201: one operation for each edge, in another order of both

_OPERATIONS_201 = tuple(
    nasbench201.OPERATIONS.index(name)
    for name in ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
)  # NASLib's number -> ours
_EDGES_201 = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))  # NASLib's order; its nodes count from 1


def _decode_201(compact: Any) -> nasbench201.NASBench201Architecture:
    if not isinstance(compact, tuple) or len(compact) != len(_EDGES_201):
        raise _broken("nasbench201", compact, f"expected {len(_EDGES_201)} integers")
    for number in compact:
        if number not in range(len(_OPERATIONS_201)):
            raise _broken("nasbench201", compact, f"operations are 0 to {len(_OPERATIONS_201) - 1}, got {number}")
    ops = dict(zip(_EDGES_201, compact))
    return nasbench201.NASBench201Architecture(tuple(_OPERATIONS_201[ops[edge]] for edge in nasbench201.EDGES))


def _encode_201(arch: nasbench201.NASBench201Architecture) -> tuple[int, ...]:
    ops = dict(zip(nasbench201.EDGES, arch.ops))
    return tuple(_OPERATIONS_201.index(ops[edge]) for edge in _EDGES_201)


CONVERTERS.register("nasbench201")(Converter(_decode_201, _encode_201))


# --- NAS-Bench-101: the matrix row by row, then the operation of every vertex

_VERTICES_101 = ("input", "output", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")  # NASLib's numbers
_PADDING_101 = "conv3x3-bn-relu"  # NASLib's operation of vertices without edges


def _decode_101(compact: Any) -> nasbench101.NASBench101Architecture:
    length = len(compact) if isinstance(compact, tuple) else 0
    size = next((n for n in range(2, nasbench101.MAX_VERTICES + 1) if n * n + n == length), None)
    if size is None:
        raise _broken("nasbench101", compact, f"expected {nasbench101.MAX_VERTICES} x 7 + 7 integers")
    for number in compact[-size:]:
        if number not in range(len(_VERTICES_101)):
            raise _broken("nasbench101", compact, f"operations are 0 to {len(_VERTICES_101) - 1}, got {number}")
    matrix = [list(compact[row * size : (row + 1) * size]) for row in range(size)]
    names = [_VERTICES_101[number] for number in compact[-size:]]
    return nasbench101.NASBench101().parse(json.dumps({"matrix": matrix, "ops": names}))


def _encode_101(arch: nasbench101.NASBench101Architecture) -> tuple[int, ...]:
    """Always seven vertices; the ones that ``arch`` lacks go before the output."""
    size, full = len(arch.matrix), nasbench101.MAX_VERTICES
    padding = full - size
    names = [
        "input",
        *(nasbench101.OPERATIONS[op] for op in arch.ops),
        *[_PADDING_101] * padding,
        "output",
    ]
    rows = [(*row[:-1], *[0] * padding, row[-1]) for row in arch.matrix]
    rows[-1:-1] = [(0,) * full] * padding
    return (*(int(bit) for row in rows for bit in row), *(_VERTICES_101.index(name) for name in names))


CONVERTERS.register("nasbench101")(Converter(_decode_101, _encode_101))


# --- NAS-Bench-301: the space's own text is NASLib's form


def _decode_301(compact: Any) -> cells.CompactArchitecture:
    return cells.NASBench301().from_compact(compact)


CONVERTERS.register("nasbench301")(Converter(_decode_301, cells.compact))
