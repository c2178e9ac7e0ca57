"""Scores of architectures by one task after another, without building anything twice."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from ..executors.protocol import Executor
from ..proxy.presets import Preset
from ..proxy.regression import RegressionResult
from ..scoring.failures import failure
from ..scoring.gennas import GenNASScorer
from ..scoring.score import Score
from ..spaces.base import SearchSpace
from ..tables import open_space

if TYPE_CHECKING:
    from torch import nn

    Regressions = tuple[list[RegressionResult], float]

KEPT_NETWORKS = 200
TRAINING_ONLY = ("steps", "learning_rate", "momentum", "weight_decay", "batch_size", "average", "repeats")
"""Fields of a fidelity that do not change the network."""

TaskJob = tuple[int, Preset, str]  # place of the result, task, text of the architecture


class TaskScorer(GenNASScorer):
    """Takes the regressions of further tasks, which a search does not vary, from those ``known``."""

    known: dict[tuple[str, int, str], Regressions]

    def _repeats(self, arch: Any, key: str, member: int) -> Regressions:
        if member == 0:
            return super()._repeats(arch, key, member)
        place = key, member, self._members[member][1].digest()
        if place not in self.known:
            self.known[place] = super()._repeats(arch, key, member)
        return self.known[place]


class TaskWork:
    """The score of an architecture of one space by any task; bit for bit that of a new scorer.

    ``score(task, text)`` is for this process, the rest for executors.
    """

    def __init__(self, space: str | SearchSpace, seed: int = 0, device: str = "cpu", images: Optional[str] = None):
        self.space = open_space(space)
        self._settings = seed, device, images
        self._scorer: Optional[TaskScorer] = None
        self._start()

    def scorer(self, task: Preset) -> GenNASScorer:
        """The scorer of a task, kept until another task is asked for."""
        if self._scorer is None or self._scorer.preset != task:
            seed, device, images = self._settings
            self._scorer = TaskScorer(self._reusing, task, seed, device, images)
            self._scorer.known = self._known
        return self._scorer

    def __call__(self, job: TaskJob) -> tuple[int, Score]:
        place, task, text = job
        return place, self.scorer(task).score(text)

    def lost(self, job: TaskJob, error: Exception) -> tuple[int, Score]:
        place, _, text = job
        return place, failure(text, self.space.score_key(self.space.parse(text)), "gennas", error)

    def parts(self, job: TaskJob) -> Sequence[TaskJob]:
        return ()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.space, self._settings

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.space, self._settings = state
        self._start()

    def _start(self) -> None:
        self._reusing = reusing_networks(self.space)
        self._scorer = None
        self._known: dict[tuple[str, int, str], Regressions] = {}


class TaskScores:
    """Scores of several architectures by a task, wherever the executor works."""

    def __init__(self, work: TaskWork, executor: Executor):
        self._work, self._executor = work, executor

    def __call__(self, task: Preset, texts: Sequence[str]) -> list[Score]:
        """In the order of ``texts``."""
        self._work.scorer(task)  # a task that cannot be for this space shows here
        jobs = [(place, task, text) for place, text in enumerate(texts)]
        found = dict(self._executor.map(self._work, jobs))
        return [found[place] for place in range(len(texts))]


def reusing_networks(space: SearchSpace) -> SearchSpace:
    """The same space, but ``build`` gives the same module again for the same architecture and network size.

    Only for callers that give every parameter and buffer a new value, as scoring does.
    """
    if space.own_weights:
        return space
    build, reusing = space.build, copy.copy(space)
    remembered = lru_cache(maxsize=KEPT_NETWORKS)(build)

    def build_once(arch: Any, fidelity: Any) -> nn.Module:
        unset = {name: type(fidelity).model_fields[name].default for name in TRAINING_ONLY if hasattr(fidelity, name)}
        return remembered(arch, fidelity.model_copy(update=unset))

    reusing.build = build_once  # type: ignore[method-assign]
    return reusing
