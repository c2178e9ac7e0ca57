"""Scores by tasks in closed form: every architecture is read once, then a task costs a few products of matrices."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from ..errors import SpecError
from ..proxy.closed_form import Leftover
from ..proxy.moments import Moments
from ..proxy.presets import Preset
from ..proxy.signal_base import Signal
from ..proxy.tasks import Expected, ProxyTask, Stage
from ..scoring.gennas import GenNASScorer
from ..scoring.score import Score
from ..scoring.stage_rows import white_at_every_stage


def reading(base: Preset) -> Preset:
    """``base`` with a target at every stage, so that all stages are read; SpecError for recurrent networks."""
    if not isinstance(base.task, ProxyTask) or base.also or base.fidelity.solver != "ridge":
        raise SpecError(
            f"tasks are scored in closed form from one {'' if base.kind == 'cnn' else 'convolutional '}task of the "
            f"solver ridge, which {base.name} is not; name such a preset"
        )
    return white_at_every_stage(base)


class ReadOutScores:
    """Scores of ``texts`` by any task that has the network and the noise of ``scorer``'s.

    Those of :class:`~naslib_gennas.scoring.gennas.GenNASScorer` with the task's preset, to rounding.
    """

    def __init__(self, scorer: GenNASScorer, texts: Sequence[str]):
        self._space, self._measure = scorer.space, scorer.measure
        self._texts = {text: place for place, text in enumerate(texts)}
        self._archs = [scorer.space.reduced(scorer.space.parse(text)) for text in texts]
        repeats = range(scorer.preset.fidelity.repeats)
        self._batches = [self._batch(scorer, repeat) for repeat in repeats]
        self._left = [self._read(scorer, repeat) for repeat in repeats]
        self._known: dict[tuple[str, int, int], Moments] = {}

    def __call__(self, task: Preset, texts: Sequence[str]) -> list[Score]:
        """In the order of ``texts``, all of which must be among those read."""
        losses = torch.stack([self._losses(task, repeat) for repeat in range(len(self._left))]).mean(dim=0).tolist()
        return [self._score(text, -losses[self._texts[text]]) for text in texts]

    def _score(self, text: str, value: float) -> Score:
        arch = self._archs[self._texts[text]]
        if value != value:
            return Score(text, self._space.canonical(arch), None, "diverged", 0.0, self._measure)
        return Score(text, self._space.canonical(arch), value, "ok", 0.0, self._measure)

    def _losses(self, task: Preset, repeat: int) -> torch.Tensor:
        """(n,): the weighted sum over the stages."""
        weights = task.task.score_weights or task.task.weights
        total = torch.zeros(len(self._archs))
        for stage, (weight, target) in enumerate(zip(weights, task.task.stages)):
            if weight and target.signals:
                total = total + weight * self._left[repeat][stage].loss(self._moments(target, stage, repeat))
        return total

    def _moments(self, target: Stage, stage: int, repeat: int) -> Moments:
        pixels = self._left[repeat][stage].local.shape[1]
        return sum((signal.level * self._of(signal, pixels, repeat) for signal in target.signals), Moments())

    def _of(self, signal: Signal, pixels: int, repeat: int) -> Moments:
        fields = signal.model_dump(mode="json", exclude={"level"})
        if "fraction" in fields:
            fields["fraction"] = round(fields["fraction"] * pixels)  # of the pixels: all that a draw knows of it
        key = (json.dumps(fields, sort_keys=True), pixels, repeat)
        if key not in self._known:
            self._known[key] = signal.moments(round(pixels**0.5), self._batches[repeat].pictures)
        return self._known[key]

    def _batch(self, scorer: GenNASScorer, repeat: int) -> Expected:
        batch = scorer.reader(0, repeat).batch
        if not isinstance(batch, Expected):
            raise SpecError(f"the preset {scorer.preset.name} is not for convolutional networks in closed form")
        return batch

    def _read(self, scorer: GenNASScorer, repeat: int) -> list[Leftover]:
        """Of every stage, for all architectures."""
        reader, ridge = scorer.reader(0, repeat), scorer.preset.fidelity.ridge
        unique = list(dict.fromkeys(self._archs))
        found: dict[object, list[Leftover]] = {}
        for places, rows in reader.read(unique):
            stages = [Leftover.of(stage.cpu(), reader.batch.images, ridge) for stage in rows]
            found.update((unique[place], [left.one(i) for left in stages]) for i, place in enumerate(places))
        return [Leftover.stacked(lefts) for lefts in zip(*(found[arch] for arch in self._archs))]
