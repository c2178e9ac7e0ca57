"""Ground truth out of a ``nasbench.api.NASBench`` object (https://github.com/google-research/nasbench)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypedDict

import pandas as pd

from .nasbench101 import TrainingRuns


class FixedMetrics(TypedDict):
    """What is used of the metrics that do not depend on training."""

    module_adjacency: Sequence[Sequence[int]]
    module_operations: Sequence[str]
    trainable_parameters: int


class RunMetrics(TypedDict):
    """What is used of the results of one training run; accuracies in [0, 1]."""

    final_validation_accuracy: float
    final_test_accuracy: float


class NASBenchAPI(Protocol):
    """What is used of such an object."""

    def hash_iterator(self) -> Iterable[str]: ...

    def get_metrics_from_hash(self, module_hash: str, /) -> tuple[FixedMetrics, Mapping[int, Sequence[RunMetrics]]]:
        """(what is fixed; epochs -> results of the runs)."""
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
