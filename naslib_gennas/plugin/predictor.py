"""A NASLib predictor: for ``PredictorEvaluator``, the zero-cost evaluator, BANANAS and NPENAS."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import GenNASError, InputError, SpecError
from ..progress import progress
from ..proxy.presets import validate
from ..registry import unknown
from ..runs.score_files import FAILURE
from .runner_config import SECTION, Section

SETTINGS = tuple(Section.model_fields)


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the score, complete; SpecError for a key that is none (near matches named) or its value."""
    for key in settings:
        if key not in SETTINGS:
            raise SpecError(f"{SECTION}: {unknown('setting', str(key), SETTINGS)}")
    return validate(Section, dict(settings), SECTION).model_dump()


def settings_of(config: Any) -> dict[str, Any]:
    """Those of the section ``gennas`` of a NASLib configuration: a mapping, CfgNode or AttrDict."""
    section = config.get(SECTION) if isinstance(config, Mapping) else getattr(config, SECTION, None)
    if not isinstance(section, (Mapping, type(None))):
        raise SpecError(f"{SECTION}: expected a mapping of {', '.join(SETTINGS)}; got {section!r}")
    return checked_settings(section or {})


@functools.lru_cache(maxsize=1)
def predictor_class() -> type:
    """:class:`GenNASPredictor`; made when first asked for, since its base class is NASLib's."""
    from .graphs import GraphScorer, labelled_texts
    from .loading import load

    class GenNASPredictor(load()["Predictor"]):
        """The GenNAS score as a predictor: nothing has to be fitted, higher is better.

        Args:
            preset, seed, device, repeats: see :class:`.graphs.GraphScorer`.
            task_search: whether :meth:`fit` searches for a better proxy task, 8 + ``task_steps`` of them.

        A diverged regression scores -1e8, as NASLib has it. Architectures that share a network share a score,
        computed once. Raises SpecError for other keywords, and as GraphScorer does.
        """

        def __init__(self, **settings: Any):
            super().__init__()
            self.settings = checked_settings(settings)
            names = ("preset", "seed", "device", "repeats")
            self.scores = self.configured = GraphScorer(**{name: self.settings[name] for name in names})
            self.method_type = SECTION
            self.hyperparams = self.settings

        @classmethod
        def from_config(cls, config: Any) -> GenNASPredictor:
            """With the settings of the section ``gennas`` of a configuration."""
            return cls(**settings_of(config))

        def fit(self, xtrain: Any = None, ytrain: Any = None, train_info: Any = None) -> None:
            """Nothing, as the score needs no labels; with ``task_search`` it scores by the task that suits them best.

            Labels that are too few (below 5) or give no ranking leave the configured preset, with a warning. Every
            call starts from that preset again.
            """
            if self.settings["task_search"]:
                self.scores = self._adapted(xtrain, ytrain)

        def _adapted(self, graphs: Any, labels: Any) -> GraphScorer:
            from ..task_search.adapt import adapted_preset
            from ..task_search.search import check_labels

            graphs, labels = ([] if given is None else list(given) for given in (graphs, labels))
            seed, device, preset = self.settings["seed"], self.settings["device"], self.configured.preset
            try:
                check_labels(labels)
                space, texts = labelled_texts(graphs)
                found = adapted_preset(preset, space, texts, labels, seed, device, self.settings["task_steps"])
            except GenNASError as error:
                warnings.warn(f"{SECTION}: {error}; the preset {preset.name} stays", stacklevel=3)
                return self.configured
            return GraphScorer(found, seed, device)

        def query(self, xtest: Any, info: Any = None, dataloader: Iterable | None = None) -> Any:
            """The score of one graph, or an array (n,) of those of a list of graphs.

            ``query(graph, loader)`` and ``query(graph, dataloader=loader)`` score on the loader's images, see
            :meth:`.graphs.GraphScorer.score`; ``query(graphs, info)`` is PredictorEvaluator's call, whose ``info``
            says nothing that is of use here.
            """
            if isinstance(xtest, (list, tuple, np.ndarray)):
                graphs: Sequence[Any] = xtest
                return np.array([self._score(g, dataloader) for g in progress(graphs, len(graphs), self.method_type)])
            return self._score(xtest, info if dataloader is None else dataloader)

        def scorer(self, space: str, images: Any = None) -> Any:
            """The :class:`naslib_gennas.Scorer` that scores architectures of ``space``."""
            return self.scores.scorer(space, images)

        def reset_hyperparams(self) -> None:
            """NASLib resets them before it fits; ours are settings and stay."""

        def set_hyperparams(self, hyperparams: Any) -> None:
            raise InputError(
                f"{SECTION} has no hyper-parameters to optimise; set its settings in the section {SECTION}"
            )

        def get_hyperparams(self) -> dict[str, Any]:
            """The settings that have a value; PredictorEvaluator rounds every one that is no text."""
            return {key: value for key, value in self.settings.items() if value is not None}

        def get_hpo_wrapper(self) -> bool:
            return False

        def _score(self, graph: Any, loader: Iterable | None) -> float:
            score = self.scores.score(graph, loader)
            return FAILURE if score is None else score

    return GenNASPredictor


def __getattr__(name: str) -> Any:
    if name == "GenNASPredictor":
        return predictor_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
