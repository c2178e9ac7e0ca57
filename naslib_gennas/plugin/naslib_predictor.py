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
from ..predictors import SpectrumPredictor
from ..predictors.features import DEFAULT
from ..progress import progress
from ..proxy.presets import Preset, load_preset, preset_names
from ..runs.score_files import FAILURE
from ..scoring.gennas import GenNASScorer
from ..search.cascade import Keep
from ..task_search.adapt import adapted_preset
from ..task_search.labels import check_labels
from .graphs import GraphScorer, Images, Loader, labelled_texts
from .loading import load
from .settings import SECTION, Section, checked_settings, settings_of

REFERENCE = 300  # architectures drawn to scale features that cost little

if TYPE_CHECKING:

    class Predictor:
        """What is used of NASLib's."""

        def __init__(self) -> None: ...
else:
    Predictor = load()["Predictor"]


class GenNASPredictor(Predictor):
    """The GenNAS score as a predictor, higher is better: without labels the score itself, with labels what it is worth.

    Args:
        preset, seed, device, repeats: see :class:`.graphs.GraphScorer`.
        learn: whether :meth:`fit` learns from labels (:class:`naslib_gennas.predictors.SpectrumPredictor`); a shipped
            preset that trains is a feature then, beside those in closed form.
        task_search: whether :meth:`fit` searches for a better proxy task instead, 8 + ``task_steps`` of them.
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
        self._learnt: SpectrumPredictor | None = None
        self._read: SpectrumPredictor | None = None
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
        """Learn from the labels (n,), higher is better; with ``task_search`` score by the task that suits them best.

        Without labels, nothing. Labels that are too few or give no ranking, and graphs of a space that only NASLib
        builds, leave the score of the configured preset, with a warning. Every call starts anew.
        """
        graphs, labels = ([] if given is None else list(given) for given in (xtrain, ytrain))
        self._learnt = None
        if self.settings.task_search:
            self.scores = self._adapted(graphs, labels)
        elif self.settings.learn and graphs:
            self._learnt = self._fitted(graphs, labels)

    def _fitted(self, graphs: Sequence[Any], labels: Sequence[float]) -> SpectrumPredictor | None:
        preset, seed = self.configured.preset, self.settings.seed
        trained = preset.fidelity.solver == "sgd" and _shipped(preset)
        try:
            space, texts = labelled_texts(graphs)
            features = [*DEFAULT, f"score:gennas@{preset.name}"] if trained else DEFAULT
            predictor = self._reader(space, features)
            rng = np.random.default_rng(seed)
            drawn = [] if trained else [predictor.space.sample(rng) for _ in range(REFERENCE)]
            return predictor.fit(texts, labels, reference=[*texts, *drawn])
        except GenNASError as error:
            warnings.warn(f"{SECTION}: {error}; the labels are not used", stacklevel=3)
            return None

    def _reader(self, space: str, features: Sequence[str]) -> SpectrumPredictor:
        """The same as long as the space is, so that networks are read once."""
        if self._read is None or self._read.space.name != space:
            self._read = SpectrumPredictor(space, features, seed=self.settings.seed)
        return self._read

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
        alone = not isinstance(xtest, (list, tuple, np.ndarray))
        if self._learnt is not None:
            expected, _ = self._expected(self._learnt, [xtest] if alone else list(xtest))
            return expected[0] if alone else expected
        if alone:
            return self._score(xtest, info if dataloader is None else dataloader)
        graphs: Sequence[Any] = list(xtest)
        if self._screen is not None and graphs:
            return self._screened(self._screen, graphs, dataloader)
        return np.array([self._score(g, dataloader) for g in progress(graphs, len(graphs), self.method_type)])

    def expected(self, graphs: Sequence[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(n,) what :meth:`query` gives, and standard deviations of it; 0 without labels."""
        if self._learnt is not None:
            return self._expected(self._learnt, graphs)
        return self.query(list(graphs)), np.zeros(len(graphs))

    def _expected(
        self, learnt: SpectrumPredictor, graphs: Sequence[Any]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(n,) labels and their standard deviations, in the unit of the labels."""
        space, texts = labelled_texts(graphs)
        if space != learnt.space.name:
            raise InputError(f"{SECTION} has learnt from labels of {learnt.space.name}; it cannot tell of {space}")
        mean, deviation = learnt.predict(texts, return_std=True)
        return np.nan_to_num(mean, nan=FAILURE), np.nan_to_num(deviation)

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


def _shipped(preset: Preset) -> bool:
    """Whether it is what its name stands for."""
    return preset.name in preset_names() and load_preset(preset.name).digest() == preset.digest()
