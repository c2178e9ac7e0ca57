"""NASLib's search spaces with individuals that are specifications and nothing else.

NASLib's individuals are whole networks: a step of a search costs a tenth of a second and ten megabytes. Here an
individual holds the compact form of its architecture; networks are built where they are scored, if at all.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, ClassVar

import numpy as np

from ..spaces.base import load_space
from ..spaces.pasted import OUR_NAMES, from_naslib, to_naslib
from .loading import NASLib

MACRO, MODULES = "transnas101_macro", 6  # at most
KINDS = {
    "nasbench101": "NasBench101SearchSpace",
    "nasbench201": "NasBench201SearchSpace",
    "nasbench301": "NasBench301SearchSpace",
    "transnas101_micro": "TransBench101SearchSpaceMicro",
    MACRO: "TransBench101SearchSpaceMacro",
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
        def set_op_indices(self, op_indices: Any) -> None: ...
        def set_spec(self, spec: Any) -> None: ...
        def sample_random_architecture(self, *args: Any, **kwargs: Any) -> None: ...
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


class _MacroSpace(_Space):
    """Goes between NASLib's space of skeletons and individuals of it: its own mutations fail on every parent."""

    def set_op_indices(self, op_indices: Any) -> None:
        codes = [*op_indices, *[0] * (MODULES - len(op_indices))]  # as it fills its own, and encodes them
        super().set_op_indices(np.array(codes))  # its neighbourhoods compare them with 0

    def mutate(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        self.set_spec(mutated(MACRO, parent.get_hash()))


def mutated(space: str, spec: Any) -> Any:
    """One of our mutations of NASLib's compact form, drawn with the generator that NASLib draws from."""
    rng = np.random.default_rng(np.random.randint(2**31))
    return to_naslib(space, load_space(space).mutate(from_naslib(space, spec), rng))


def with_networks(kind: type, dataset: str) -> type[Any]:
    """NASLib's space ``kind``, where individuals need their networks. Of TransNAS-Bench-101's skeletons: for this data
    set, which a script does not say, and with mutations."""
    if kind.__name__ != KINDS[MACRO]:
        return kind

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super(made, self).__init__(*args, **({} if args else {"dataset": dataset}), **kwargs)

    made: type[Any] = type(kind.__name__, (_MacroSpace, kind), {"__init__": __init__})
    return made


class _Specification(_Space):
    """Goes in front of one of NASLib's spaces."""

    _answers: ClassVar[_Answers]
    _starts: ClassVar[Iterator[Any]] = iter(())
    _fitness: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instantiate_model = False

    def clone(self) -> _Specification:
        other = copy.copy(self)  # NASLib replaces specifications, it does not change them
        other.__dict__ = {**self.__dict__, "_fitness": None}
        return other

    def sample_random_architecture(self, *args: Any, **kwargs: Any) -> None:
        """One of the starts, as long as there are any."""
        for spec in self._starts:
            self.set_spec(spec)
            return
        super().sample_random_architecture(*args, **kwargs)

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
        with contextlib.ExitStack() as stack:
            for name, conversion in _CONVERSIONS.items():  # branch zerocost reads them off the network
                stack.enter_context(_replaced(answers.kind, name, conversion))
            return super().query(metric, *args, **kwargs)

    def get_nbhd(self, dataset_api: Any = None) -> Any:
        kind = self._answers.kind
        with _replaced(kind, kind.__name__, self.clone):  # else the neighbours are whole networks
            return super().get_nbhd(dataset_api=dataset_api)


def specification(
    naslib: NASLib, kind: type, fitness: Fitness | None = None, truth: bool = False, starts: Iterable[Any] = ()
) -> type[Any]:
    """NASLib's space ``kind`` with individuals that hold nothing but their specification.

    ``starts``: compact forms that are sampled first. ``fitness`` gets NASLib's compact form, is asked once an
    individual, and stands for the validation accuracy. Other quantities are looked up in the dataset API if ``truth``,
    else they are -1.
    """
    answers = _Answers(kind, naslib["Metric"].VAL_ACCURACY, fitness, truth)
    bases = (_Specification, _MacroSpace, kind) if kind.__name__ == KINDS[MACRO] else (_Specification, kind)
    return type(kind.__name__, bases, {"_answers": answers, "_starts": iter(tuple(starts))})


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
    kind = individual.get_type()
    return str(from_naslib(OUR_NAMES.get(kind, kind), individual.get_hash()))


def _genotype(individual: Any) -> Any:
    package = individual._answers.kind.__module__.rpartition(".")[0]
    return sys.modules[f"{package}.conversions"].convert_compact_to_genotype(individual.get_hash())


_CONVERSIONS = {"convert_naslib_to_str": _text, "convert_naslib_to_genotype": _genotype}


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
