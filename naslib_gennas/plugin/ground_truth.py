"""What stands for the files of accuracies and architectures that NASLib wants and nobody can get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from ..errors import InputError
from ..spaces.pasted import to_naslib
from ..tables import Table
from .dataset_api import from_table, metric_of
from .loading import NASLib
from .runner_config import Job
from .specifications import DatasetAPI, validity_api
from .swaps import Swaps

Content = dict[str, Any]  # of one of NASLib's files

FUNCTIONS = ("get_dataset_api", "get_zc_benchmark_api", "load_sampled_architectures")


def substitute_ground_truth(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """NASLib's three kinds of files: from the table, else its own, else a clear error."""
    truth = GroundTruth(job, naslib)
    source = f"made of the table {job.table.name}" if job.table else "NASLib's own file if it is there"
    for name in FUNCTIONS:
        swaps.swap(naslib[name], getattr(truth, name), f"{name}: {source}")


class GroundTruth:
    """Functions in the place of NASLib's of the same names."""

    def __init__(self, job: Job, naslib: NASLib):
        self.job = job
        self.naslib = naslib
        self._original: dict[str, Callable[..., Content]] = {name: naslib[name] for name in FUNCTIONS}

    def get_dataset_api(self, search_space: str | None = None, dataset: str | None = None) -> DatasetAPI | None:
        """From the table; a search by our score needs none."""
        if self.job.table is not None:
            return from_table(self.job.table, dataset or self.job.dataset, self.job.metric)
        if not self.job.fitness:
            return self._stock("get_dataset_api", search_space, dataset)
        try:
            return self._original["get_dataset_api"](search_space, dataset)
        except (AssertionError, OSError, ImportError):
            self.job.say("ground truth: none; name a --table to have accuracies in the report")
            return validity_api(self.naslib, search_space or self.job.space)

    def get_zc_benchmark_api(self, search_space: str, dataset: str) -> Content:
        """``{str(compact form): {"val_accuracy": accuracy}}``."""
        if self.job.command == "bbo" and (self.job.fitness or not self.job.search.get("use_zc_api")):
            return {}  # NASLib would take its accuracies for the fitness
        if self.job.table is not None:
            return {str(spec): {"val_accuracy": value} for spec, value in self._rows(self.job.table)}
        return self._stock("get_zc_benchmark_api", search_space, dataset)

    def load_sampled_architectures(self, search_space: str, postfix: str = "") -> dict[str, str]:
        """``{number: str(compact form)}``."""
        if self.job.table is not None:
            return {str(number): str(spec) for number, (spec, _) in enumerate(self._rows(self.job.table))}
        return self._stock("load_sampled_architectures", search_space, postfix)

    def _rows(self, table: Table) -> Iterator[tuple[Any, float]]:
        """(NASLib's compact form, accuracy) of the architectures whose accuracy is known."""
        values = table.column(self.job.metric or metric_of(table, self.job.dataset))
        for text, value in zip(table.frame["arch"][values.notna()], values[values.notna()]):
            yield to_naslib(table.space.name, table.space.parse(text)), float(value)

    def _stock(self, name: str, *arguments: str | None) -> Content:
        try:
            return self._original[name](*arguments)
        except (AssertionError, OSError, ImportError, KeyError) as error:
            raise InputError(
                f"NASLib's {name} finds no data of {self.job.space} on {self.job.dataset} "
                f"({str(error).splitlines()[0]}); name a table with --table"
            ) from error
