"""What the sources of NAS-Bench-101 share: the compact text, run averages, and a cheap invariant of cells."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

SPACE = "nasbench101"
CODES = {"conv3x3-bn-relu": "0", "conv1x1-bn-relu": "1", "maxpool3x3": "2"}
FULL_EPOCHS = 108  # the benchmark's full training; its columns carry no suffix

COMPACT = re.compile(r"([2-7]):([0-9a-f]+):([0-2]*)")


def compact_text(adjacency: str, ops: Sequence[str]) -> str:
    """'V:hex:digits' from the matrix as V*V characters 0/1, row by row, and the names of its V operations.

    KeyError for an operation that the benchmark does not have.
    """
    v = len(ops)
    bits = "".join(adjacency[i * v + i + 1 : (i + 1) * v] for i in range(v - 1))
    return f"{v}:{int(bits, 2):x}:{''.join(CODES[op] for op in ops[1:-1])}"


class Runs:
    """Collects training runs and averages them per cell and number of epochs.

    Holds 20 bytes a run, so that all 5 million runs of the benchmark fit in little memory.
    """

    def __init__(self):
        self._row: dict[str, int] = {}
        self._archs: list[str] = []
        self._params: list[int] = []
        self._rows, self._epochs = array("i"), array("i")
        self._valid, self._test = array("d"), array("d")

    def cell(self, module_hash: str, adjacency: str, ops: Sequence[str], params: int) -> int:
        """Number of a cell, the same for the same hash."""
        row = self._row.setdefault(module_hash, len(self._archs))
        if row == len(self._archs):
            self._archs.append(compact_text(adjacency, ops))
            self._params.append(params)
        return row

    def add(self, row: int, epochs: int, valid: float, test: float) -> None:
        """One run of the cell ``row``; accuracies in [0, 1]."""
        self._rows.append(row)
        self._epochs.append(epochs)
        self._valid.append(valid)
        self._test.append(test)

    def frame(self) -> pd.DataFrame:
        """A row a cell: arch, mean cifar10_test and cifar10_valid in percent (``_e4``, ...), params_m."""
        columns: dict[str, object] = {"arch": self._archs}
        rows, epochs = np.asarray(self._rows), np.asarray(self._epochs)
        for length in sorted(set(epochs.tolist()), reverse=True):
            suffix = "" if length == FULL_EPOCHS else f"_e{length}"
            of_length = epochs == length
            runs = np.bincount(rows[of_length], minlength=len(self._archs)).astype(float)
            runs[runs == 0] = np.nan
            for name, values in (("cifar10_test", self._test), ("cifar10_valid", self._valid)):
                total = np.bincount(rows[of_length], np.asarray(values)[of_length], len(self._archs))
                columns[name + suffix] = 100 * total / runs
        columns["params_m"] = np.array(self._params) / 1e6
        return pd.DataFrame(columns)


def buckets(texts: Iterable[str]) -> dict[int, np.ndarray]:
    """Signature -> rows of ``texts`` that have it, in order."""
    keys = signatures(texts)
    order = np.argsort(keys, kind="stable")
    unique, starts = np.unique(keys[order], return_index=True)
    return dict(zip(unique.tolist(), np.split(order, starts[1:])))


def signatures(texts: Iterable[str]) -> np.ndarray:
    """(n,) int64, equal for isomorphic cells without unused vertices; -1 for text of another form.

    Made of the number of vertices, the degrees of input and output, and the sorted (operation, in-degree,
    out-degree) of the inner vertices.
    """
    matches = [COMPACT.fullmatch(text) for text in texts]
    keys = np.full(len(matches), -1, dtype=np.int64)
    by_size: dict[int, list[int]] = {}
    for row, match in enumerate(matches):
        if match and len(match[3]) == int(match[1]) - 2:
            by_size.setdefault(int(match[1]), []).append(row)
    for vertices, rows in by_size.items():
        adjacency = np.array([int(matches[row][2], 16) % 2**21 for row in rows])
        digits = "".join(matches[row][3] for row in rows).encode()
        ops = np.frombuffer(digits, np.uint8).reshape(len(rows), vertices - 2) - ord("0")
        keys[rows] = _signatures(vertices, adjacency, ops.astype(np.int64))
    return keys


def _signatures(v: int, adjacency: np.ndarray, ops: np.ndarray) -> np.ndarray:
    source, target = np.triu_indices(v, 1)
    places = np.arange(len(source))[::-1]
    bits = adjacency[:, None] >> places & 1  # (n, v(v-1)/2)
    out_degree = bits @ (source[:, None] == np.arange(v))  # (n, v)
    in_degree = bits @ (target[:, None] == np.arange(v))  # (n, v)
    inner = np.sort(ops * 49 + in_degree[:, 1:-1] * 7 + out_degree[:, 1:-1], axis=1)  # each below 147
    key = (v * 7 + out_degree[:, 0]) * 7 + in_degree[:, -1]
    for column in inner.T:
        key = key * 147 + column
    return key
