"""NASLib's own search algorithms as an engine: with any fitness, and unchanged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..search.architectures import ALGORITHMS
from ..search.evolution import POPULATION, TOURNAMENT, Evaluate
from ..spaces.base import SearchSpace
from ..spaces.pasted import from_naslib, to_naslib
from .generators import PrivateGenerators
from .loading import NASLib, load
from .locate import layout_of, locate, require
from .settings import SECTION
from .specifications import KINDS, specification, validity_api

ENGINES = ("own", "naslib")

OPTIMIZERS = {
    "evolution": "RegularizedEvolution",
    "random": "RandomSearch",
    "local": "LocalSearch",
    "bananas": "Bananas",
    "npenas": "Npenas",
}
"""Our name of an algorithm -> NASLib's optimizer."""

STARTS = 10  # NASLib's default num_init
BATCH, CANDIDATES = 10, 100  # chosen by a predictor at once, of so many children
PREDICTOR = "bananas"  # of BANANAS and NPENAS: NASLib's neural network on paths


def choose_engine(engine: str | None, space: str, algorithm: str, path: str | None = None) -> tuple[str, str]:
    """The engine to search with, and why: ``naslib`` where it can be had unless ``own`` is asked for.

    NASLib is imported if chosen. ``path``: a checkout of it, see :func:`.locate.locate`. Raises InputError if
    ``naslib`` is asked for and cannot be had, or ``algorithm`` is not one of the chosen engine.

    >>> choose_engine("own", "nasbench201", "evolution")
    ('own', 'asked for')
    """
    if engine not in (None, *ENGINES):
        raise InputError(f"no search engine is called {engine!r}; there are: {', '.join(ENGINES)}")
    if engine == "own":
        return _own(algorithm, "asked for")
    root = require(path) if engine == "naslib" else locate(path)
    if root is None:
        return _own(algorithm, "NASLib was not found")
    obstacle = _obstacle(root, space, algorithm)
    if obstacle is None:
        load(path)
        return "naslib", f"NASLib is in {root}"
    if engine == "naslib":
        raise InputError(obstacle)
    return _own(algorithm, obstacle)


def _own(algorithm: str, why: str) -> tuple[str, str]:
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
    if layout.name == "zerocost":
        return f"{OPTIMIZERS[algorithm]} of branch zerocost looks accuracies up in its tables; use `gennas naslib bbo`"
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
    population: int = POPULATION,
    tournament: int = TOURNAMENT,
    naslib: NASLib | None = None,
    predictor: str = PREDICTOR,
) -> Iterator[tuple[Any, float]]:
    """Yield (architecture, fitness) for ever, one for each step of NASLib's optimizer.

    ``predictor``: what BANANAS and NPENAS learn from the fitness with, ``gennas`` for ours in closed form.
    Fitness is higher-is-better; NaN ranks below everything. The sequence depends on ``seed`` and the fitness
    values only, so that replaying it resumes a search. NASLib draws from the global generators of Python and
    numpy: it gets its own states of them, and yours are left alone. A space that is
    :class:`..search.warm_starts.Started` gives NASLib its first samples. Raises InputError if NASLib has no such
    algorithm or cannot search ``space``.

    >>> from naslib_gennas import load_space
    >>> steps = naslib_search(load_space("nasbench201"), lambda arch: float(sum(arch.ops)), 0)  # doctest: +SKIP
    >>> arch, fitness = next(steps)  # doctest: +SKIP
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
        starts = [to_naslib(space.name, arch) for arch in getattr(space, "starts", ())]
        individuals = specification(naslib, naslib[KINDS[space.name]], fitness, starts=starts)
        optimizer = naslib[OPTIMIZERS[algorithm]](_config(naslib, seed, population, tournament, predictor))
        optimizer.adapt_search_space(individuals(), dataset_api=validity_api(naslib, space.name))
    for epoch in itertools.count():
        with generators:
            optimizer.new_epoch(epoch)
        yield latest[-1]
        latest.clear()


def _config(naslib: NASLib, seed: int, population: int, tournament: int, predictor: str) -> Any:
    group = naslib["AttrDict"]
    search = {
        "epochs": 0,  # counted here
        "seed": seed,
        "population_size": population,
        "sample_size": tournament,
        "num_init": STARTS,
        "fidelity": -1,
        "k": BATCH,
        "num_ensemble": 3,
        "predictor_type": predictor,
        "acq_fn_type": "its",
        "acq_fn_optimization": "mutation",
        "encoding_type": "path",
        "num_arches_to_mutate": 5,
        "max_mutations": 1,
        "num_candidates": CANDIDATES,
    }
    section = {"preset": "instant"}
    return group({"dataset": "cifar10", "search": group(search), SECTION: section})
