"""The predictor in NASLib's ensembles, and so in its BANANAS and NPENAS: ``predictor_type: gennas``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .loading import NASLib
from .settings import Section, is_ours, settings_of

if TYPE_CHECKING:
    from .naslib_predictor import GenNASPredictor

KEPT = 4  # predictors that remember what they have read of networks


class Member:
    """One of several that together say the mean and the standard deviation of what ``predictor`` expects.

    place: how many standard deviations this one says above the mean. leads: whether it fits the predictor.
    """

    def __init__(self, predictor: GenNASPredictor, place: float, leads: bool):
        self.predictor, self.place, self.leads = predictor, place, leads

    def fit(self, xtrain: Any, ytrain: Any, train_info: Any = None) -> None:
        if self.leads:
            self.predictor.fit(xtrain, ytrain, train_info)

    def query(self, xtest: Sequence[Any], info: Any = None) -> npt.NDArray[np.float64]:
        mean, deviation = self.predictor.expected(xtest)
        return mean + self.place * deviation

    def set_hyperparams(self, hyperparams: Any) -> None:
        """There are none."""

    def set_pre_computations(self, **computed: Any) -> None:
        """Nothing of it is of use."""


def members(section: Section, count: int) -> list[Member]:
    """``count`` members whose mean and standard deviation are those of one predictor; of one member, the mean."""
    places = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    places = places / (np.std(places) or 1.0)
    predictor = _predictor(section)
    return [Member(predictor, float(place), number == 0) for number, place in enumerate(places)]


@lru_cache(KEPT)
def _predictor(section: Section) -> GenNASPredictor:
    """The same for every fit of a search, so that networks are read once."""
    from .predictor import GenNASPredictor

    return GenNASPredictor.of_section(section)


def add_to_ensembles(naslib: NASLib) -> None:
    """Let NASLib's ensembles know ``gennas`` and ``gennas_<preset>``, by the section ``gennas`` of their config."""
    ensemble = naslib["Ensemble"]
    theirs = ensemble.get_ensemble
    if getattr(theirs, "knows_gennas", False):
        return

    @wraps(theirs)
    def get_ensemble(self: Any) -> Any:
        name = str(self.predictor_type)
        if not is_ours(name):
            return theirs(self)
        return members(settings_of(self.config or {}).of_measure(name), self.num_ensemble)

    vars(get_ensemble)["knows_gennas"] = True
    ensemble.get_ensemble = get_ensemble
