"""NASLib's search spaces with individuals that are specifications and nothing else.

NASLib's individuals are whole networks: a step of a search costs a tenth of a second and ten megabytes. Here an
individual holds the compact form of its architecture; networks are built where they are scored, if at all.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from ..spaces.pasted import from_naslib
from .loading import NASLib

KINDS = {
    "nasbench101": "NasBench101SearchSpace",
    "nasbench201": "NasBench201SearchSpace",
    "nasbench301": "NasBench301SearchSpace",
}
"""Our name of a space -> NASLib's class; the spaces whose individuals can be specifications."""

DatasetAPI = dict[str, Any]  # what NASLib's get_dataset_api returns, other keys for every space
Fitness = Callable[[Any], float]  # of NASLib's compact form

if TYPE_CHECKING:

    class _Space:
        """What is used of NASLib's spaces."""

        instantiate_model: bool

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def get_hash(self) -> Any: ...
        def get_nbhd(self, dataset_api: Any = None) -> Any: ...
        def get_type(self) -> str: ...
        def query(self, metric: Any, *args: Any, **kwargs: Any) -> Any: ...
else:
    _Space = object


@dataclass(frozen=True)
class _Answers:
    """What individuals answer when NASLib asks how good they are."""

    kind: type  # NASLib's space
    validation: Any  # the metric that the fitness stands for
    fitness: Fitness | None
    truth: bool  # whether other metrics are looked up


class _Specification(_Space):
    """Goes in front of one of NASLib's spaces."""

    _answers: ClassVar[_Answers]
    _fitness: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instantiate_model = False

    def clone(self) -> _Specification:
        other = copy.copy(self)  # NASLib replaces specifications, it does not change them
        other.__dict__ = {**self.__dict__, "_fitness": None}
        return other

    def parse(self) -> None:
        """There is nothing to parse."""

    def query(self, metric: Any, *args: Any, **kwargs: Any) -> Any:
        answers = self._answers
        if metric is answers.validation and answers.fitness is not None:
            if self.__dict__.get("_fitness") is None:
                self._fitness = answers.fitness(self.get_hash())
            return self._fitness
        if not answers.truth:
            return -1.0
        with _replaced(answers.kind, "convert_naslib_to_str", _text):  # branch zerocost reads it off the network
            return super().query(metric, *args, **kwargs)

    def get_nbhd(self, dataset_api: Any = None) -> Any:
        kind = self._answers.kind
        with _replaced(kind, kind.__name__, self.clone):  # else the neighbours are whole networks
            return super().get_nbhd(dataset_api=dataset_api)


def specification(naslib: NASLib, kind: type, fitness: Fitness | None = None, truth: bool = False) -> type[Any]:
    """NASLib's space ``kind`` with individuals that hold nothing but their specification.

    ``fitness`` gets NASLib's compact form, is asked once an individual, and stands for the validation
    accuracy. Other quantities are looked up in the dataset API if ``truth``, else they are -1.
    """
    answers = _Answers(kind, naslib["Metric"].VAL_ACCURACY, fitness, truth)
    return type(kind.__name__, (_Specification, kind), {"_answers": answers})


def validity_api(naslib: NASLib, space: str) -> DatasetAPI | None:
    """The dataset API without data that NASLib needs to tell valid cells of NAS-Bench-101; None elsewhere."""
    return nasbench101_rules(naslib) if space == "nasbench101" else None


def nasbench101_rules(naslib: NASLib) -> DatasetAPI:
    """NASLib's reader of NAS-Bench-101, which has read nothing and can still tell valid cells."""
    api = naslib["nb101_api"]
    rules = api.NASBench.__new__(api.NASBench)
    rules.config = {
        "module_vertices": 7,
        "max_edges": 9,
        "num_repeats": 3,
        "available_ops": ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"],
    }
    return {"api": api, "nb101_data": rules}


def _text(individual: Any) -> str:
    return str(from_naslib(individual.get_type(), individual.get_hash()))


@contextlib.contextmanager
def _replaced(kind: type, name: str, value: object) -> Iterator[None]:
    """While open, ``name`` means ``value`` in the module of ``kind``, if it means something there."""
    names = vars(sys.modules[kind.__module__])
    before = {name: names[name]} if name in names else {}
    names.update(dict.fromkeys(before, value))
    try:
        yield
    finally:
        names.update(before)
