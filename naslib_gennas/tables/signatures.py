"""A cheap invariant of NAS-Bench-101's cells, to find isomorphic rows of a table without hashing all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

COMPACT = re.compile(r"([2-7]):([0-9a-f]+):([0-2]*)")

Integers = npt.NDArray[np.int64]


def buckets(texts: Iterable[str]) -> dict[int, Integers]:
    """Signature -> rows of ``texts`` that have it, in order."""
    keys = signatures(texts)
    order = np.argsort(keys, kind="stable")
    unique, starts = np.unique(keys[order], return_index=True)
    return dict(zip(unique.tolist(), np.split(order, starts[1:])))


def signatures(texts: Iterable[str]) -> Integers:
    """(n,) int64, equal for isomorphic cells without unused vertices; -1 for text of another form.

    Made of the number of vertices, the degrees of input and output, and the sorted (operation, in-degree,
    out-degree) of the inner vertices.

    >>> first, second, other = signatures(["4:33:02", "4:33:20", "2:1:"])
    >>> bool(first == second), bool(first == other)
    (True, False)
    """
    matches = [COMPACT.fullmatch(text) for text in texts]
    keys = np.full(len(matches), -1, dtype=np.int64)
    by_size: dict[int, list[tuple[int, str, str]]] = {}  # row, adjacency, operations
    for row, match in enumerate(matches):
        if match and len(match[3]) == int(match[1]) - 2:
            by_size.setdefault(int(match[1]), []).append((row, match[2], match[3]))
    for vertices, cells in by_size.items():
        adjacency = np.array([int(matrix, 16) % 2**21 for _, matrix, _ in cells])
        digits = "".join(ops for _, _, ops in cells).encode()
        ops = np.frombuffer(digits, np.uint8).reshape(len(cells), vertices - 2) - ord("0")
        keys[[row for row, _, _ in cells]] = _signatures(vertices, adjacency, ops.astype(np.int64))
    return keys


def _signatures(v: int, adjacency: Integers, ops: Integers) -> Integers:
    source, target = np.triu_indices(v, 1)
    places = np.arange(len(source))[::-1]
    bits = adjacency[:, None] >> places & 1  # (n, v(v-1)/2)
    out_degree = bits @ (source[:, None] == np.arange(v))  # (n, v)
    in_degree = bits @ (target[:, None] == np.arange(v))  # (n, v)
    inner = np.sort(ops * 49 + in_degree[:, 1:-1] * 7 + out_degree[:, 1:-1], axis=1)  # each below 147
    key: Integers = (v * 7 + out_degree[:, 0]) * 7 + in_degree[:, -1]
    for column in inner.T:
        key = key * 147 + column
    return key
