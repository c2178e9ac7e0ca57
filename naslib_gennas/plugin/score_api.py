"""NASLib's score API, ``{str(compact form): {"val_accuracy": number, measure: {"score": number, "time": seconds}}}``.

Its scripts index it and nothing else. Here what it lacks is computed when it is asked for, so that every runner of
every branch finds every measure, and the times that a script takes are true.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from ..errors import UnknownNameError
from ..registry import unknown
from ..spaces.base import load_space
from ..spaces.pasted import from_naslib, to_naslib
from .loading import NASLib
from .measure import measure_names
from .runner_config import Job
from .settings import is_ours
from .specifications import KINDS, specification

if TYPE_CHECKING:
    from .predictor import GenNASPredictor

ACCURACY = "val_accuracy"
OUTSIDE = ("params", "flops")  # measures that NASLib has beside its registry
POOL = 1000  # architectures drawn where nobody lists any

Compute = Callable[[str], Any]
Predictors = Callable[[str], "GenNASPredictor"]


class Entry(dict[str, Any]):
    """What is known of one architecture; what is not is computed once.

    >>> entry = Entry({"val_accuracy": 90.0}, lambda name: {"score": float(len(name)), "time": 0.0})
    >>> entry["val_accuracy"], "nwot" in entry, entry["nwot"]["score"]
    (90.0, True, 4.0)
    """

    def __init__(self, known: Mapping[str, Any], compute: Compute):
        super().__init__(known)
        self._compute = compute

    def __missing__(self, name: str) -> Any:
        self[name] = value = self._compute(name)
        return value

    def __contains__(self, name: object) -> bool:
        return True


class ScoreAPI(dict[str, Entry]):
    """Entries by the text of NASLib's compact form.

    listed: what is known of whom. known: gives that of an architecture which is not listed, when it is asked for.
    compute: (key, measure) -> what an entry lacks.
    """

    def __init__(
        self,
        listed: Iterable[tuple[str, Mapping[str, Any]]],
        known: Callable[[str], Mapping[str, Any]],
        compute: Callable[[str, str], Any],
    ):
        super().__init__()
        self._known, self._compute = known, compute
        for key, entry in listed:
            self[key] = self._entry(key, entry)

    def __missing__(self, key: str) -> Entry:
        self[key] = entry = self._entry(key, self._known(key))
        return entry

    def __contains__(self, key: object) -> bool:
        return True

    def _entry(self, key: str, known: Mapping[str, Any]) -> Entry:
        return Entry(known, partial(self._compute, key))


def pool(space: str, seed: int) -> list[str]:
    """The keys of architectures, drawn from ``space``; each is there once.

    >>> len(pool("nasbench201", 0)) > 900
    True
    """
    ours, rng = load_space(space), np.random.default_rng(seed)
    drawn = [to_naslib(space, ours.sample(rng)) for _ in range(POOL)]
    return list(dict.fromkeys(map(str, drawn)))


class LiveScores:
    """Scores of any measure, ours or NASLib's, of architectures by their keys.

    Made before anything of NASLib's is replaced. ``predictors`` gives ours by name.
    """

    def __init__(self, job: Job, naslib: NASLib, predictors: Predictors):
        self._job, self._naslib, self._predictors = job, naslib, predictors
        self._zero_cost = naslib["ZeroCost"]
        self._space = naslib["get_search_space"](job.space, job.dataset)
        builds = getattr(self._space, "create_graph", False)  # a network that only NASLib has
        self._light = (
            None if builds or job.own_space not in KINDS else specification(naslib, naslib[KINDS[job.own_space]])()
        )
        self._loader: Any = None
        self._predictor = cache(self._made)

    def __call__(self, key: str, name: str) -> dict[str, float]:
        """A score and the seconds that it took, as NASLib's files have them; UnknownNameError for no measure."""
        predictor = self._predictor(name)
        graph = (self._light if is_ours(name) and self._light is not None else self._space).clone()
        graph.set_spec(to_naslib(self._job.own_space, from_naslib(self._job.own_space, key)))
        graph.parse()
        loader = self._images()
        started = time.perf_counter()
        score = predictor.query(graph, loader)
        return {"score": float(score), "time": time.perf_counter() - started}

    def _made(self, name: str) -> Any:
        """What NASLib asks for the score, ours or its own."""
        if is_ours(name):
            return self._predictors(name)
        known = {*measure_names(), *OUTSIDE, *self._naslib["measures"].available_measures}
        if name not in known:
            raise UnknownNameError(unknown("zero-cost measure of NASLib", name, known))
        return self._zero_cost(name)

    def _images(self) -> Any:
        if self._loader is None:
            self._loader = self._naslib["get_train_val_loaders"](self._job.loaded[-1])[0]
        return self._loader
