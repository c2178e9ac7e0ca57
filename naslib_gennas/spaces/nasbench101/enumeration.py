"""All cells of NAS-Bench-101, each isomorphism class once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .encoding import (
    MAX_EDGES,
    MAX_VERTICES,
    OPERATIONS,
    Matrix,
    NASBench101Architecture,
    relabelled_matrix,
    topological_orders,
)


def all_cells() -> Iterator[NASBench101Architecture]:
    """From the smallest to the largest; no vertex is on no path.

    >>> [str(cell) for cell in itertools.islice(all_cells(), 5)]
    ['2:1:', '3:5:0', '3:5:1', '3:5:2', '3:7:0']
    """
    for size in range(2, MAX_VERTICES + 1):
        for matrix, symmetries in _shapes(size):
            for ops in itertools.product(range(len(OPERATIONS)), repeat=size - 2):
                if all(ops <= tuple(ops[vertex - 1] for vertex in order) for order in symmetries):
                    yield NASBench101Architecture(matrix, ops)


def _shapes(size: int) -> Iterator[tuple[Matrix, list[tuple[int, ...]]]]:
    """Adjacency without operations, one of every class; and the orders of inner vertices that leave it as it is."""
    seen: set[Matrix] = set()
    for matrix in _pruned_matrices(size):
        if matrix in seen:
            continue
        alike = [(order, relabelled_matrix(matrix, order)) for order in topological_orders(matrix)]
        seen.update(other for _, other in alike)
        yield matrix, [order for order, other in alike if other == matrix]


def _pruned_matrices(size: int) -> Iterator[Matrix]:
    """Upper-triangular, of at most nine edges, with something into every vertex but the first, and out of the rest."""
    slots = size * (size - 1) // 2
    codes = np.arange(2**slots, dtype=np.uint32)
    bits = np.zeros((len(codes), size, size), dtype=bool)
    above = zip(*np.triu_indices(size, 1))
    for slot, (u, v) in enumerate(above):
        bits[:, u, v] = codes >> (slots - 1 - slot) & 1
    entering, leaving = bits.sum(axis=1, dtype=int), bits.sum(axis=2, dtype=int)
    live = entering[:, 1:].all(axis=1) & leaving[:, :-1].all(axis=1)
    valid = np.flatnonzero(live & (leaving.sum(axis=1) <= MAX_EDGES))
    for rows in bits[valid].astype(int).tolist():
        yield tuple(tuple(row) for row in rows)
