"""Ground truth out of a ``nasbench.api.NASBench`` object (https://github.com/google-research/nasbench)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from .nasbench101 import TrainingRuns


class NASBenchAPI(Protocol):
    """What is used of such an object."""

    def hash_iterator(self) -> Iterable[str]: ...

    def get_metrics_from_hash(
        self, module_hash: str, /
    ) -> tuple[Mapping[str, Any], Mapping[int, Sequence[Mapping[str, Any]]]]:
        """(module_adjacency, module_operations and trainable_parameters; epochs -> results of the runs)."""
        ...


def nasbench_frame(api: NASBenchAPI) -> pd.DataFrame:
    """Mean accuracies of every cell that ``api`` knows, the frame that its .tfrecord gives: see
    :meth:`.nasbench101.TrainingRuns.frame`."""
    runs = TrainingRuns()
    for module_hash in api.hash_iterator():
        fixed, computed = api.get_metrics_from_hash(module_hash)
        adjacency = "".join(str(int(entry)) for line in fixed["module_adjacency"] for entry in line)
        row = runs.cell(module_hash, adjacency, fixed["module_operations"], fixed["trainable_parameters"])
        for epochs, repeats in computed.items():
            for run in repeats:
                runs.add(row, epochs, run["final_validation_accuracy"], run["final_test_accuracy"])
    return runs.frame()
