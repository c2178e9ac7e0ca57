"""What the sources of NAS-Bench-101 share: the compact text, and averages over training runs."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import pandas as pd

CODES = {"conv3x3-bn-relu": "0", "conv1x1-bn-relu": "1", "maxpool3x3": "2"}
FULL_EPOCHS = 108  # the benchmark's full training; its columns carry no suffix


def compact_text(adjacency: str, ops: Sequence[str]) -> str:
    """'V:hex:digits' from the matrix as V*V characters 0/1, row by row, and the names of its V operations.

    KeyError for an operation that the benchmark does not have.

    >>> compact_text("0110" "0001" "0001" "0000", ["input", "conv3x3-bn-relu", "maxpool3x3", "output"])
    '4:33:02'
    """
    v = len(ops)
    bits = "".join(adjacency[i * v + i + 1 : (i + 1) * v] for i in range(v - 1))
    return f"{v}:{int(bits, 2):x}:{''.join(CODES[op] for op in ops[1:-1])}"


class TrainingRuns:
    """Collects training runs and averages them per cell and number of epochs.

    Holds 20 bytes a run, so that all 5 million runs of the benchmark fit in little memory.
    """

    def __init__(self) -> None:
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
