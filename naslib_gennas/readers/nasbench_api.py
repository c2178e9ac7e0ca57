"""Ground truth out of a ``nasbench.api.NASBench`` object (https://github.com/google-research/nasbench)."""

from __future__ import annotations

from typing import Any

from ..spaces.base import load_space
from ..tables.table import Table
from .nb101 import SPACE, Runs


def table_from_nasbench(api: Any) -> Table:
    """Mean accuracies of every cell that the object knows, as :func:`load_table` gives for its .tfrecord."""
    runs = Runs()
    for module_hash in api.hash_iterator():
        fixed, computed = api.get_metrics_from_hash(module_hash)
        adjacency = "".join(str(int(entry)) for line in fixed["module_adjacency"] for entry in line)
        row = runs.cell(module_hash, adjacency, fixed["module_operations"], fixed["trainable_parameters"])
        for epochs, repeats in computed.items():
            for run in repeats:
                runs.add(row, epochs, run["final_validation_accuracy"], run["final_test_accuracy"])
    return Table(runs.frame(), load_space(SPACE), name="nasbench.api")
