"""NASLib's own search algorithms with any fitness, on individuals that are specifications and nothing else.

NASLib's individuals are whole networks: a step costs a tenth of a second and ten megabytes. Here an
individual holds the compact form of its architecture; networks are built where they are scored, if at all.
NASLib's optimizers run unchanged.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable

from ..errors import InputError
from ..search.architectures import ALGORITHMS, ENGINES
from ..spaces import SearchSpace
from ..spaces.pasted import from_naslib
from .generators import PrivateGenerators
from .loading import NASLib, load
from .locate import layout_of, locate, require

OPTIMIZERS = {"evolution": "RegularizedEvolution", "random": "RandomSearch", "local": "LocalSearch"}
"""Our name of an algorithm -> NASLib's optimizer."""

KINDS = {
    "nasbench101": "NasBench101SearchSpace",
    "nasbench201": "NasBench201SearchSpace",
    "nasbench301": "NasBench301SearchSpace",
}
"""Our name of a space -> NASLib's class; the spaces whose individuals can be specifications."""

LOCAL_STARTS = 10  # NASLib's default num_init

Evaluate = Callable[[Any], float]


def choose_engine(engine: str | None, space: str, algorithm: str, path: str | None = None) -> tuple[str, str]:
    """The engine to search with, and why: ``naslib`` where it can be had unless ``own`` is asked for.

    NASLib is imported if chosen. ``path``: a checkout of it, see :func:`.locate.locate`. Raises InputError if
    ``naslib`` is asked for and cannot be had, or ``algorithm`` is not one of the chosen engine.
    """
    if engine not in (None, *ENGINES):
        raise InputError(f"no search engine is called {engine!r}; there are: {', '.join(ENGINES)}")
    root = None if engine == "own" else require(path) if engine == "naslib" else locate(path)
    reason = "NASLib was not found" if root is None else _obstacle(root, space, algorithm)
    if engine == "naslib" and reason:
        raise InputError(reason)
    if engine != "own" and reason is None:
        load(path)
        return "naslib", f"NASLib is in {root}"
    why = "asked for" if engine == "own" else reason
    if algorithm not in ALGORITHMS:
        raise InputError(f"only NASLib has the algorithm {algorithm!r}, and the engine is our own ({why})")
    return "own", why


def _obstacle(root: Path, space: str, algorithm: str) -> str | None:
    """Why the NASLib in ``root`` cannot search ``space`` by ``algorithm``, or None if it can."""
    layout = layout_of(root)
    if algorithm not in OPTIMIZERS:
        return f"NASLib has no algorithm {algorithm!r}; there are: {', '.join(OPTIMIZERS)}"
    if OPTIMIZERS[algorithm] not in layout.parts:
        return f"branch {layout.name} of NASLib has no {OPTIMIZERS[algorithm]}"
    if space not in KINDS:
        return f"the NASLib engine searches {', '.join(KINDS)}, not {space}"
    lacking = [package for package in layout.packages if find_spec(package) is None]
    if lacking:
        return f"NASLib needs {', '.join(lacking)}; pip install 'naslib-gennas[naslib]'"
    return None


def naslib_search(
    space: SearchSpace,
    evaluate: Evaluate,
    seed: int,
    algorithm: str = "evolution",
    population: int = 50,
    tournament: int = 10,
    naslib: NASLib | None = None,
) -> Iterator[tuple[Any, float]]:
    """Yield (architecture, fitness) for ever, one for each step of NASLib's optimizer.

    Fitness is higher-is-better; NaN ranks below everything. The sequence depends on ``seed`` and the fitness
    values only, so that replaying it resumes a search. NASLib draws from the global generators of Python and
    numpy: it gets its own states of them, and yours are left alone. Raises InputError if NASLib has no such
    algorithm or cannot search ``space``.
    """
    naslib = naslib or load()
    reason = _obstacle(naslib.root, space.name, algorithm)
    if reason:
        raise InputError(reason)
    latest: list[tuple[Any, float]] = []

    def fitness(spec: Any) -> float:
        arch = from_naslib(space.name, spec)
        value = evaluate(arch)
        latest.append((arch, value))
        return -math.inf if math.isnan(value) else float(value)

    generators = PrivateGenerators(seed)
    with generators:  # a graph draws a random name for itself
        individuals = specification(naslib, naslib[KINDS[space.name]], fitness)
        optimizer = naslib[OPTIMIZERS[algorithm]](_config(naslib, seed, population, tournament))
        optimizer.adapt_search_space(individuals(), dataset_api=validity_api(naslib, space.name))
    for epoch in itertools.count():
        with generators:
            optimizer.new_epoch(epoch)
        yield latest[-1]
        latest.clear()


def specification(
    naslib: NASLib, kind: type, fitness: Callable[[Any], float] | None = None, truth: bool = False
) -> type:
    """NASLib's space ``kind`` with individuals that hold nothing but their specification.

    ``fitness`` gets NASLib's compact form, is asked once an individual, and stands for the validation
    accuracy. Other quantities are looked up in the dataset API if ``truth``, else they are -1.
    """
    validation = naslib["Metric"].VAL_ACCURACY

    class Specification(kind):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.instantiate_model = False

        def clone(self):
            other = copy.copy(self)  # NASLib replaces specifications, it does not change them
            other.__dict__ = {**self.__dict__, "_fitness": None}
            return other

        def parse(self):
            pass

        def query(self, metric, *args, **kwargs):
            if metric is validation and fitness is not None:
                if self.__dict__.get("_fitness") is None:
                    self._fitness = fitness(self.get_hash())
                return self._fitness
            if not truth:
                return -1.0
            with _replaced(kind, "convert_naslib_to_str", _text):  # branch zerocost reads it off the network
                return super().query(metric, *args, **kwargs)

        def get_nbhd(self, dataset_api=None):
            with _replaced(kind, kind.__name__, self.clone):  # else the neighbours are whole networks
                return super().get_nbhd(dataset_api=dataset_api)

    Specification.__name__ = kind.__name__
    return Specification


def validity_api(naslib: NASLib, space: str) -> dict[str, Any] | None:
    """The dataset API without data that NASLib needs to tell valid cells of NAS-Bench-101; None elsewhere."""
    if space != "nasbench101":
        return None
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
def _replaced(kind: type, name: str, value: Any) -> Iterator[None]:
    """While open, ``name`` means ``value`` in the module of ``kind``, if it means something there."""
    names = vars(sys.modules[kind.__module__])
    before = {name: names[name]} if name in names else {}
    names.update(dict.fromkeys(before, value))
    try:
        yield
    finally:
        names.update(before)


def _config(naslib: NASLib, seed: int, population: int, tournament: int) -> Any:
    group = naslib["AttrDict"]
    search = {
        "epochs": 0,  # counted here
        "seed": seed,
        "population_size": population,
        "sample_size": tournament,
        "num_init": LOCAL_STARTS,
        "fidelity": -1,
    }
    return group({"dataset": "cifar10", "search": group(search)})
