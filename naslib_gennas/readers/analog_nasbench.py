"""The data file of the package ``analog-nasbench``: accuracies of NAS-Bench-201's cells on CIFAR-10.

Trained as usual (``baseline``), after quantisation, and on simulated analog hardware. The file is a pickle of records
of two classes; it is read without importing the package, and nothing else that a pickle can name is made.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import pandas as pd

from ..errors import TableError
from ..spaces.pasted import from_naslib
from .pickles import BoundedUnpickler
from .registry import READERS, Progress

NAME, MODULE, FILE = "analog-nasbench", "analognasbench.data", "analognasbench/data.anb"
CLASSES = ("Architecture", "DriftMeasurement")
LARGEST = 64 * 2**20  # bytes


class Record:
    """Attributes and nothing else."""


class _Records(BoundedUnpickler):
    def find_class(self, module: str, name: str) -> type[Record]:
        if module == MODULE and name in CLASSES:
            return Record
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of such a table")


@READERS.register(".anb")
def read(path: Path, part: Optional[str], progress: Progress) -> pd.DataFrame:
    """``arch`` and every accuracy and drift, in per cent; TableError for a file that is not like the package's."""
    if path.stat().st_size > LARGEST:
        raise TableError(f"the table {path} has {path.stat().st_size >> 20} MB; those of {NAME} have less than 64")
    try:
        with path.open("rb") as file:
            content = _Records(file).load()
        if not isinstance(content, Mapping):
            raise TypeError(f"it holds a {type(content).__name__}, not a dictionary")
        return pd.DataFrame([_row(key, record) for key, record in content.items()])
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise TableError(f"cannot read {path} as a table of {NAME}: {type(error).__name__}: {error}") from None


def _row(key: Any, record: Any) -> dict[str, object]:
    """Keys are NASLib's compact forms."""
    values = {name: value for name, value in vars(record).items() if name != "architecture"}
    numbers = {name: float(getattr(value, "value", value)) for name, value in values.items()}
    return {"arch": str(from_naslib("nasbench201", key)), **numbers}
