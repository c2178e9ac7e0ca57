"""Everything that is put in the place of something of NASLib's while one of its scripts runs."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..runs.score_files import FAILURE
from ..spaces.pasted import CONVERTERS, from_naslib
from .graphs import value_of
from .ground_truth import substitute_ground_truth
from .image_batch import substitute_loaders
from .loading import NASLib
from .measure import register
from .runner_config import Job
from .settings import is_ours
from .specifications import KINDS, Fitness, specification
from .swaps import Swaps

if TYPE_CHECKING:
    from .predictor import GenNASPredictor


def substitute(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """All that this job needs and NASLib lacks."""
    register(naslib=naslib)
    _redirect_results(job, naslib, swaps)
    substitute_loaders(job, naslib, swaps)
    substitute_ground_truth(job, naslib, swaps)
    _substitute_scores(job, naslib, swaps)
    _substitute_spaces(job, naslib, swaps)
    _repair_npenas(job, naslib, swaps)


def make_predictor(job: Job, name: str) -> GenNASPredictor:
    """The predictor behind ``gennas`` or ``gennas_<preset>``, with the settings of the section ``gennas``."""
    from .predictor import GenNASPredictor  # loads NASLib

    predictor = GenNASPredictor.of_section(job.section.of_measure(name))
    predictor.method_type = name
    return predictor


def _redirect_results(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Results go below ``out_dir``; one runner would write into the checkout."""
    original = naslib["get_config_from_args"]

    def get_config_from_args(*args: Any, **kwargs: Any) -> Any:
        config = original(*args, **kwargs)
        job.saved.append(str(config.save))
        if job.command == "zc-benchmarks":
            config.data = str(config.save)
        return config

    where = "results go below out_dir"
    if job.command == "zc-benchmarks":
        where = "zc_benchmarks/ goes below out_dir, not into NASLib's data folder"
    swaps.swap(original, get_config_from_args, where)


def _substitute_scores(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """``ZeroCost("gennas")`` with the settings of the section ``gennas``; scores missing in a file, computed."""
    stock = naslib["ZeroCost"]

    @functools.cache
    def ours(name: str) -> GenNASPredictor:
        return make_predictor(job, name)

    def zero_cost(method_type: str = "jacov") -> Any:
        return ours(method_type) if is_ours(method_type) else stock(method_type)

    swaps.swap(stock, zero_cost, "ZeroCost: gennas and gennas_<preset> with the settings of the section 'gennas'")
    if job.command == "zc":
        base = naslib["ZeroCostPredictorEvaluator"]
        live = _Live(naslib, naslib["get_search_space"](job.space, job.dataset))
        evaluator = type("LiveEvaluator", (_LiveEvaluator, base), {"_live": live})
        swaps.swap(base, evaluator, "scores that no file holds are computed")


if TYPE_CHECKING:

    class _Evaluator:
        """What is used of NASLib's zero-cost evaluator."""

        config: Any
        predictor: Any
        search_space: Any

        def single_evaluate(self, test_data: Any, zc_api: Any) -> Any: ...
else:
    _Evaluator = object


@dataclass(frozen=True)
class _Live:
    """What networks are built of, where a measure of NASLib's needs them."""

    naslib: NASLib
    space: Any


class _LiveEvaluator(_Evaluator):
    """Goes in front of NASLib's evaluator, which only looks scores up: the missing ones are computed first."""

    _live: ClassVar[_Live]

    def single_evaluate(self, test_data: Any, zc_api: Mapping[str, dict[str, object]]) -> Any:
        name = self.predictor.method_type
        entries = [(spec, zc_api.get(str(spec))) for spec in test_data[0]]
        missing = [(spec, entry) for spec, entry in entries if entry is not None and name not in entry]
        loader = self._live.naslib["get_train_val_loaders"](self.config)[0] if missing else None
        for spec, entry in missing:
            if name not in entry:  # an architecture can be there twice
                entry[name] = self._scored(spec, loader)
        return super().single_evaluate(test_data, zc_api)

    def _scored(self, spec: Any, loader: Any) -> dict[str, float]:
        """A score and the seconds that it took, as NASLib's files have them."""
        space = self.search_space if is_ours(self.predictor.method_type) else self._live.space
        graph = space.clone()
        graph.set_spec(spec)
        graph.parse()
        started = time.perf_counter()
        score = self.predictor.query(graph, loader)
        return {"score": float(score), "time": time.perf_counter() - started}


def _substitute_spaces(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Individuals without networks where nothing needs the networks, and with our fitness where wanted."""
    if job.space not in KINDS or job.space not in CONVERTERS or not job.builds_no_networks():
        return
    kind, stock = naslib[KINDS[job.space]], naslib["get_search_space"]
    fitness = _fitness(job, job.fitness) if job.fitness else None
    truth = job.table is not None or fitness is None
    light = specification(naslib, kind, fitness, truth)

    def get_search_space(name: str, dataset: str) -> Any:
        return light() if name == job.space else stock(name, dataset)

    swaps.swap(kind, light, f"{kind.__name__}: individuals are specifications, no networks are kept")
    swaps.swap(stock, get_search_space)
    if fitness:
        job.say(f"fitness: the score of {job.fitness}, never an accuracy")


def _fitness(job: Job, measure: str) -> Fitness:
    scorer = make_predictor(job, measure).scorer(job.space, job.images)

    def fitness(spec: Any) -> float:
        value = value_of(scorer.score(from_naslib(job.space, spec)))
        return FAILURE if value is None else value

    return fitness


def _repair_npenas(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Npenas hands ``query_zc_scores`` arguments that it does not take, and a hash for the architecture."""
    kind = naslib["Npenas"]
    original = kind.query_zc_scores
    if job.command != "bbo" or len(inspect.signature(original).parameters) != 2:
        return

    def query_zc_scores(self: Any, arch: Any, *unused: Any) -> Any:
        if isinstance(arch, tuple):
            spec, arch = arch, self.search_space.clone()
            arch.set_spec(spec)
            arch.parse()
        return original(self, arch)

    swaps.attribute(kind, "query_zc_scores", query_zc_scores)
