"""What stands for the files of accuracies and architectures that NASLib wants and nobody can get."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Optional

import numpy as np
import pandas as pd

from ..errors import InputError, TableError
from ..runs.score_files import FAILURE
from ..spaces.pasted import from_naslib, to_naslib
from ..tables import Table
from .dataset_api import from_table, metric_of
from .loading import NASLib
from .runner_config import Job
from .score_api import ACCURACY, ScoreAPI, pool
from .specifications import DatasetAPI, Fitness, validity_api
from .swaps import Swaps

Content = dict[str, Any]  # of one of NASLib's files

FUNCTIONS = ("get_dataset_api", "get_zc_benchmark_api", "load_sampled_architectures")


def substitute_ground_truth(
    job: Job, naslib: NASLib, swaps: Swaps, live: Callable[[str, str], Any], fitness: Optional[Fitness]
) -> None:
    """NASLib's three kinds of files: from the table, else its own, else a clear error.

    ``live`` computes scores that no file holds, ``fitness`` stands for the accuracies of a search by our score.
    """
    truth = GroundTruth(job, naslib, live, fitness)
    source = f"made of the table {job.table.name}" if job.table else "NASLib's own file if it is there"
    for name in FUNCTIONS:
        swaps.swap(naslib[name], getattr(truth, name), f"{name}: {source}")


class GroundTruth:
    """Functions in the place of NASLib's of the same names."""

    def __init__(self, job: Job, naslib: NASLib, live: Callable[[str, str], Any], fitness: Optional[Fitness] = None):
        self.job = job
        self.naslib = naslib
        self._live, self._fitness = live, fitness
        self._original: dict[str, Callable[..., Content]] = {name: naslib[name] for name in FUNCTIONS}

    def get_dataset_api(self, search_space: str | None = None, dataset: str | None = None) -> DatasetAPI | None:
        """From the table; a search by our score needs none."""
        if self.job.table is not None:
            partial = bool(self.job.fitness)  # accuracies are for the report only
            return from_table(self.job.table, dataset or self.job.dataset, self.job.metric, partial)
        if not self.job.fitness:
            return self._stock("get_dataset_api", search_space, dataset)
        try:
            return self._original["get_dataset_api"](search_space, dataset)
        except (AssertionError, OSError, ImportError, NotImplementedError):
            self.job.say("ground truth: none; name a --table to have accuracies in the report")
            return validity_api(self.naslib, search_space or self.job.space)

    def get_zc_benchmark_api(self, search_space: str, dataset: str) -> ScoreAPI | Content:
        """Of the table, else NASLib's own, else of architectures that are drawn, for a search by our score."""
        job = self.job
        if job.command == "bbo" and job.of_develop() and (job.fitness or not job.search.get("use_zc_api")):
            return {}  # that branch would take its accuracies for the fitness
        api = self._score_api(search_space, dataset)
        api.compute = self._computed
        drawn = int(job.config["train_size"]) + int(job.config["test_size"]) if job.command == "xgb" else 0
        if len(api) < drawn:
            raise InputError(
                f"xgb draws {drawn} different architectures (train_size and test_size), and {len(api)} are known; "
                "lower them, or name a larger table"
            )
        return api

    def load_sampled_architectures(self, search_space: str, postfix: str = "") -> dict[str, str]:
        """``{number: str(compact form)}``."""
        if self.job.table is not None:
            return {str(number): str(spec) for number, (spec, _) in enumerate(self._rows(self.job.table))}
        return self._stock("load_sampled_architectures", search_space, postfix)

    def _score_api(self, search_space: str, dataset: str) -> ScoreAPI:
        table = self.job.table
        if self._fitness is not None:
            listed = [str(spec) for spec, _ in self._rows(table)] if table else pool(self.job.own_space, self.job.seed)
            return ScoreAPI(((key, {}) for key in listed), lambda key: {})
        if table is not None:
            return ScoreAPI(((str(spec), self._entry(row)) for spec, row in self._rows(table)), self._looked_up)
        content = self._stock("get_zc_benchmark_api", search_space, dataset)
        return ScoreAPI(content.items(), self._unknown)

    def _computed(self, key: str, name: str) -> Any:
        if name == ACCURACY and self._fitness is not None:
            return self._fitness(key)
        return self._live(key, name)

    def _looked_up(self, key: str) -> Mapping[str, Any]:
        """The entry of an architecture that the table may list in another form."""
        table = self.job.table
        assert table is not None
        arch = from_naslib(table.space.name, key)
        value = table.value(arch, self._metric(table))
        if value is None:
            raise TableError(
                f"the table {table.name} lacks {arch}, which NASLib asks for; name a table of the whole space"
            )
        row = table.find(arch)
        return {ACCURACY: value} if row is None else self._entry(row)

    def _entry(self, row: int) -> Mapping[str, Any]:
        """What the table says of the architecture in a row: its accuracy, and every other column as a proxy."""
        assert self.job.table is not None
        numbers = self._numbers.iloc[row]
        scores = numbers.fillna(FAILURE)  # as NASLib's files have it
        proxies = {str(name): {"score": float(value), "time": 0.0} for name, value in scores.items()}
        return {**proxies, ACCURACY: float(numbers[self._metric(self.job.table)])}

    @functools.cached_property
    def _numbers(self) -> pd.DataFrame:
        assert self.job.table is not None
        return self.job.table.frame.select_dtypes("number").astype(np.float64)

    def _unknown(self, key: str) -> Mapping[str, Any]:
        raise InputError(f"NASLib's own score file lacks {key}, which its search asks for; name a --table of the space")

    def _rows(self, table: Table) -> Iterator[tuple[Any, int]]:
        """(NASLib's compact form, row) of the architectures whose accuracy is known."""
        known = table.column(self._metric(table)).notna().to_numpy()
        for row, text in enumerate(table.frame["arch"]):
            if known[row]:
                yield to_naslib(table.space.name, table.space.parse(text)), row

    def _metric(self, table: Table) -> str:
        return self.job.metric or metric_of(table, self.job.dataset)

    def _stock(self, name: str, *arguments: str | None) -> Content:
        try:
            return self._original[name](*arguments)
        except (AssertionError, OSError, ImportError, KeyError, NotImplementedError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"NASLib's {name} finds no data of {self.job.space} on {self.job.dataset} "
                f"({reason}); name a table with --table"
            ) from error
