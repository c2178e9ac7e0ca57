"""What stands for the files of accuracies and architectures that NASLib wants and nobody can get."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Optional

import numpy as np

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


class TableEntries:
    """What a table says of architectures by the text of NASLib's compact form: the accuracy that ``metric`` is, and
    every other column of numbers as a proxy."""

    def __init__(self, table: Table, metric: str):
        self.table, self.metric = table, metric
        self._known = table.column(metric).notna().to_numpy()

    def keys(self) -> Iterator[tuple[str, int]]:
        """(key, row) of the architectures whose accuracy is known."""
        space = self.table.space
        for row, text in enumerate(self.table.frame["arch"]):
            if self._known[row]:
                yield str(to_naslib(space.name, space.parse(text))), row

    def listed(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(key, entry) of these."""
        return ((key, self._entry(row)) for key, row in self.keys())

    def of(self, key: str) -> Mapping[str, Any]:
        """The entry of an architecture that the table may list in another form; TableError if it lacks it."""
        arch = from_naslib(self.table.space.name, key)
        value = self.table.value(arch, self.metric)
        if value is None:
            raise TableError(
                f"the table {self.table.name} lacks {arch}, which NASLib asks for; name a table of the whole space"
            )
        row = self.table.find(arch)
        return {ACCURACY: value} if row is None else self._entry(row)

    def _entry(self, row: int) -> Mapping[str, Any]:
        scores = self._scores[row]
        return {**{name: {"score": scores[name], "time": 0.0} for name in scores}, ACCURACY: scores[self.metric]}

    @functools.cached_property
    def _scores(self) -> list[dict[str, float]]:
        """Row by row; what failed is -1e8, as NASLib's files have it."""
        numbers = self.table.frame.select_dtypes("number").astype(np.float64).fillna(FAILURE)
        return [{str(name): value for name, value in row.items()} for row in numbers.to_dict("records")]


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
            return {str(number): key for number, (key, _) in enumerate(self._entries(self.job.table).keys())}
        return self._stock("load_sampled_architectures", search_space, postfix)

    def _score_api(self, search_space: str, dataset: str) -> ScoreAPI:
        entries = None if self.job.table is None else self._entries(self.job.table)
        if self._fitness is not None:
            drawn = pool(self.job.own_space, self.job.seed) if entries is None else [key for key, _ in entries.keys()]
            return ScoreAPI(((key, {}) for key in drawn), lambda key: {}, self._computed)
        if entries is not None:
            return ScoreAPI(entries.listed(), entries.of, self._computed)
        content = self._stock("get_zc_benchmark_api", search_space, dataset)
        return ScoreAPI(content.items(), self._unknown, self._computed)

    def _entries(self, table: Table) -> TableEntries:
        return TableEntries(table, self.job.metric or metric_of(table, self.job.dataset))

    def _computed(self, key: str, name: str) -> Any:
        if name == ACCURACY and self._fitness is not None:
            return self._fitness(key)
        return self._live(key, name)

    def _unknown(self, key: str) -> Mapping[str, Any]:
        raise InputError(f"NASLib's own score file lacks {key}, which its search asks for; name a --table of the space")

    def _stock(self, name: str, *arguments: str | None) -> Content:
        try:
            return self._original[name](*arguments)
        except (AssertionError, OSError, ImportError, KeyError, NotImplementedError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"NASLib's {name} finds no data of {self.job.space} on {self.job.dataset} "
                f"({reason}); name a table with --table"
            ) from error
