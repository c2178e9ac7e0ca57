"""Everything that is put in the place of something of NASLib's while one of its scripts runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..runs.score_files import FAILURE
from ..spaces.pasted import from_naslib
from .graphs import value_of
from .ground_truth import substitute_ground_truth
from .image_batch import substitute_loaders
from .loading import NASLib
from .measure import register
from .runner_config import Job
from .score_api import LiveScores, Predictors
from .settings import is_ours
from .specifications import KINDS, Fitness, mutated, specification, validity_api, with_networks
from .swaps import Swaps

STAND_IN = "jacov"  # a predictor that NASLib's comparison of predictors knows

if TYPE_CHECKING:
    from .predictor import GenNASPredictor


def substitute(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """All that this job needs and NASLib lacks."""
    register(naslib=naslib)
    predictors = functools.cache(functools.partial(make_predictor, job))
    fitness = _fitness(job, job.fitness) if job.fitness else None
    live = LiveScores(job, naslib, predictors)
    _redirect_results(job, naslib, swaps)
    substitute_loaders(job, naslib, swaps)
    substitute_ground_truth(job, naslib, swaps, live, None if job.of_develop() else fitness)
    _substitute_scores(job, naslib, swaps, predictors)
    _substitute_spaces(job, naslib, swaps, fitness)
    _offer_predictor(job, naslib, swaps, predictors)
    _name_encodings(job, naslib, swaps)
    _repair_mutations(job, naslib, swaps)
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
        job.loaded.append(config)
        if "search" in config and "seed" not in config.search:
            config.search.seed = config.seed  # as one branch does
        if job.command == "predictors" and is_ours(job.predictor):
            config.predictor = STAND_IN
        if job.command == "zc-benchmarks":
            config.data = str(config.save)
        return config

    where = "results go below out_dir"
    if job.command == "zc-benchmarks":
        where = "zc_benchmarks/ goes below out_dir, not into NASLib's data folder"
    swaps.swap(original, get_config_from_args, where)


def _substitute_scores(job: Job, naslib: NASLib, swaps: Swaps, ours: Predictors) -> None:
    """``ZeroCost("gennas")`` with the settings of the section ``gennas``; NASLib's own with the images of the job."""
    stock = naslib["ZeroCost"]

    def zero_cost(method_type: str = "jacov") -> Any:
        if is_ours(method_type):
            return ours(method_type)
        measure = stock(method_type)
        if job.command == "predictors":  # hands over no loader
            measure.train_loader = naslib["get_train_val_loaders"](job.loaded[-1])[0]
        return measure

    swaps.swap(stock, zero_cost, "ZeroCost: gennas and gennas_<preset> with the settings of the section 'gennas'")


def _offer_predictor(job: Job, naslib: NASLib, swaps: Swaps, ours: Predictors) -> None:
    """NASLib's comparison of predictors picks one of a list of its own: it gets another one's name, and then ours."""
    if job.command != "predictors":
        return
    evaluator, name = naslib["PredictorEvaluator"], job.predictor
    adapt = evaluator.adapt_search_space

    def adapt_search_space(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            adapt(self, *args, **kwargs)
        except NotImplementedError:  # of TransNAS-Bench-101, under the names that its spaces have
            self.full_lc = self.hyperparameters = False

    swaps.attribute(evaluator, "adapt_search_space", adapt_search_space)
    if not is_ours(name):
        return

    def predictor_evaluator(predictor: Any, *args: Any, config: Any = None, **kwargs: Any) -> Any:
        config.predictor = name
        found = ours(name)
        if job.images is not None:
            found.dataloader = naslib["get_train_val_loaders"](config)[0]
        return evaluator(found, *args, config=config, **kwargs)

    swaps.swap(evaluator, predictor_evaluator, f"PredictorEvaluator: gets the predictor {name}")


def _substitute_spaces(job: Job, naslib: NASLib, swaps: Swaps, fitness: Fitness | None) -> None:
    """Individuals without networks where nothing needs the networks, and with our fitness where wanted."""
    if job.own_space not in KINDS:
        return
    kind, stock = naslib[KINDS[job.own_space]], naslib["get_search_space"]
    if not job.builds_no_networks():
        swaps.swap(kind, with_networks(kind, job.dataset))
        return
    truth = job.table is not None or fitness is None
    light = specification(naslib, kind, fitness, truth)

    def get_search_space(name: str, dataset: str) -> Any:
        return light() if name == job.space else stock(name, dataset)

    swaps.swap(kind, light, f"{kind.__name__}: individuals are specifications, no networks are kept")
    swaps.swap(stock, get_search_space)
    if fitness:
        job.say(f"fitness: the score of {job.fitness}, never an accuracy")


def _fitness(job: Job, measure: str) -> Fitness:
    scorer = make_predictor(job, measure).scorer(job.own_space, job.images)

    def fitness(spec: Any) -> float:
        value = value_of(scorer.score(from_naslib(job.own_space, spec)))
        return FAILURE if value is None else value

    return fitness


class Encoding(list[float]):
    """Numbers that NASLib's predictors learn from, and the architecture that they stand for, which ours reads.

    >>> encoding = Encoding([0, 1], "nasbench201", (4, 0, 3, 1, 4, 3))
    >>> encoding, encoding.get_hash()
    ([0, 1], (4, 0, 3, 1, 4, 3))
    """

    def __init__(self, numbers: Iterable[float], kind: str, spec: Any):
        super().__init__(numbers)
        self._kind, self._spec = kind, spec

    def get_type(self) -> str:
        return self._kind

    def get_hash(self) -> Any:
        return self._spec


def _name_encodings(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Branch zerocost hands its predictors encodings only."""
    if job.command != "bbo" or job.of_develop() or not is_ours(str(job.search.get("predictor_type"))):
        return
    stock = naslib["encode_spec"]

    def encode_spec(spec: Any, *args: Any, **kwargs: Any) -> Encoding:
        return Encoding(stock(spec, *args, **kwargs), job.space, spec)

    swaps.swap(stock, encode_spec, "encode_spec: encodings know their architectures")


def _repair_mutations(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Zerocost's Npenas has no rules that tell valid mutations of some spaces, and none of NAS-Bench-301."""
    if job.command != "bbo" or job.of_develop():
        return
    kind = naslib["Npenas"]
    adapt, mutate = kind.adapt_search_space, kind.mutate_arch

    def adapt_search_space(self: Any, search_space: Any, scope: Any = None, dataset_api: Any = None) -> None:
        adapt(self, search_space, scope, dataset_api or validity_api(naslib, job.space))

    def mutate_arch(self: Any, arch_hash: Any, dataset_api: Any) -> Any:
        try:
            return mutate(self, arch_hash, dataset_api)
        except NotImplementedError:
            return mutated(job.own_space, arch_hash)

    swaps.attribute(kind, "adapt_search_space", adapt_search_space)
    swaps.attribute(kind, "mutate_arch", mutate_arch)


def _repair_npenas(job: Job, naslib: NASLib, swaps: Swaps) -> None:
    """Develop's hands ``query_zc_scores`` arguments that it does not take, and a hash for the architecture."""
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
