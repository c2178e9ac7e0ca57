"""The score as one of NASLib's predictors. Importing this loads NASLib, whose class it is a subclass of.

:mod:`.predictor` is the place from where to import the class: it can be imported without NASLib.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import GenNASError, InputError
from ..progress import progress
from ..runs.score_files import FAILURE
from ..scoring.gennas import GenNASScorer
from ..search.cascade import Keep
from ..task_search.adapt import adapted_preset
from ..task_search.labels import check_labels
from .graphs import GraphScorer, Images, Loader, labelled_texts
from .loading import load
from .settings import SECTION, Section, checked_settings, settings_of

if TYPE_CHECKING:

    class Predictor:
        """What is used of NASLib's."""

        def __init__(self) -> None: ...
else:
    Predictor = load()["Predictor"]


class GenNASPredictor(Predictor):
    """The GenNAS score as a predictor: nothing has to be fitted, higher is better.

    Args:
        preset, seed, device, repeats: see :class:`.graphs.GraphScorer`.
        task_search: whether :meth:`fit` searches for a better proxy task, 8 + ``task_steps`` of them.
        screen, keep: a cheap preset, such as ``instant``, and the share of the architectures of one query, ``5%``, or
            their number, that is scored by ``preset``; the others rank below them, in the order of the screen.

    A regression without a result scores -1e8, as NASLib has it. Architectures that share a network share a score,
    computed once. Can be copied and pickled at any time; copies compute their scores anew. Raises SpecError for
    other keywords, and as GraphScorer does.

    >>> GenNASPredictor(preset="fast", seed=3).query(graph)  # doctest: +SKIP
    -0.0123
    """

    def __init__(self, **settings: Any):
        super().__init__()
        self.settings = section = checked_settings(settings)
        self.scores = self.configured = GraphScorer(section.preset, section.seed, section.device, section.repeats)
        self._keep = Keep.parse(section.keep)
        self._screen = None if section.screen is None else GraphScorer(section.screen, section.seed, section.device)
        self.dataloader: Loader = None
        """The images of queries that bring none; None stands for the embedded photographs."""
        self.method_type = SECTION
        self.hyperparams = section.model_dump()

    @classmethod
    def of_section(cls, section: Section) -> GenNASPredictor:
        """With these settings."""
        return cls(**section.model_dump())

    @classmethod
    def from_config(cls, config: Any) -> GenNASPredictor:
        """With the settings of the section ``gennas`` of a configuration."""
        return cls.of_section(settings_of(config))

    def fit(self, xtrain: Any = None, ytrain: Any = None, train_info: Any = None) -> None:
        """Nothing, as the score needs no labels; with ``task_search`` it scores by the task that suits them best.

        Labels that are too few (below 5) or give no ranking leave the configured preset, with a warning. Every
        call starts from that preset again.
        """
        if self.settings.task_search:
            graphs, labels = ([] if given is None else list(given) for given in (xtrain, ytrain))
            self.scores = self._adapted(graphs, labels)

    def _adapted(self, graphs: Sequence[Any], labels: Sequence[float]) -> GraphScorer:
        preset, seed, device = self.configured.preset, self.settings.seed, self.settings.device
        try:
            check_labels(labels)
            space, texts = labelled_texts(graphs)
            found = adapted_preset(preset, space, texts, labels, seed, device, self.settings.task_steps)
        except GenNASError as error:
            warnings.warn(f"{SECTION}: {error}; the preset {preset.name} stays", stacklevel=3)
            return self.configured
        return GraphScorer(found, seed, device)

    def query(self, xtest: Any, info: Any = None, dataloader: Loader = None) -> Any:
        """The score of one graph, or an array (n,) of those of a list of graphs.

        ``query(graph, loader)`` and ``query(graph, dataloader=loader)`` score on the loader's images, see
        :meth:`.graphs.GraphScorer.score`; ``query(graphs, info)`` is PredictorEvaluator's call, whose ``info``
        says nothing that is of use here.
        """
        if not isinstance(xtest, (list, tuple, np.ndarray)):
            return self._score(xtest, info if dataloader is None else dataloader)
        graphs: Sequence[Any] = list(xtest)
        if self._screen is not None and graphs:
            return self._screened(self._screen, graphs, dataloader)
        return np.array([self._score(g, dataloader) for g in progress(graphs, len(graphs), self.method_type)])

    def _screened(self, screen: GraphScorer, graphs: Sequence[Any], loader: Loader) -> npt.NDArray[np.float64]:
        """(n,): scores of what the screen keeps; below the lowest, at the distances of the screen, the others."""
        loader = self.dataloader if loader is None else loader
        found = [screen.score(graph, loader) for graph in progress(graphs, len(graphs), "screening")]
        cheap = np.array([FAILURE if value is None else value for value in found])
        order = np.argsort(-cheap, kind="stable")
        kept, others = np.split(order, [self._keep.of(len(graphs))])
        values = np.empty(len(graphs))
        for place in progress(kept.tolist(), len(kept), self.method_type):
            values[place] = self._score(graphs[place], loader)
        known = values[kept][values[kept] != FAILURE]
        floor = min(known, default=0.0) - 1
        values[others] = np.maximum(floor + cheap[others] - cheap[order[0]], FAILURE)
        return values

    def scorer(self, space: str, images: Images = None) -> GenNASScorer:
        """What scores architectures of ``space``."""
        return self.scores.scorer(space, images)

    def reset_hyperparams(self) -> None:
        """NASLib resets them before it fits; ours are settings and stay."""

    def set_hyperparams(self, hyperparams: Any) -> None:
        raise InputError(f"{SECTION} has no hyper-parameters to optimise; set its settings in the section {SECTION}")

    def get_hyperparams(self) -> dict[str, object]:
        """The settings that have a value; PredictorEvaluator rounds every one that is no text."""
        return {key: value for key, value in self.settings.model_dump().items() if value is not None}

    def get_hpo_wrapper(self) -> bool:
        return False

    def _score(self, graph: Any, loader: Loader) -> float:
        score = self.scores.score(graph, self.dataloader if loader is None else loader)
        return FAILURE if score is None else score
