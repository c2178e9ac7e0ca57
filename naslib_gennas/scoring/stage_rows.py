"""What a read-out in closed form sees of architectures: the feature maps of their untrained networks, as rows.

Where a space writes its networks as expressions, all architectures share their random weights and what is equal is
computed once (:mod:`naslib_gennas.proxy.expressions`); elsewhere the networks are built one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import torch

from ..errors import GenNASError
from ..proxy.closed_form import new_stage_rows, stage_rows
from ..proxy.expressions import Graph, evaluate
from ..proxy.layers import own_randomness, uninitialised
from ..proxy.presets import Preset
from ..proxy.rnn import RNNExpected
from ..proxy.rnn_regression import output_rows
from ..proxy.tasks import STAGES, Dot, Expected, ProxyTask, Stage
from ..spaces.base import SearchSpace


def white_at_every_stage(preset: Preset) -> Preset:
    """``preset`` of images with a target at every stage, so that all stages are read; without its size term."""
    task = ProxyTask(noise=preset.task.noise, weights=(1.0, 1.0, 1.0), stages=[Stage(signals=[Dot()])] * STAGES)
    return preset.model_copy(update={"task": task, "size_weight": 0.0})


Rows = list[torch.Tensor]
"""Of every stage that the task uses, (a, N, c)."""


@dataclass
class StageReader:
    """Reads the stages of architectures of ``space`` for the task of ``preset``, one draw of it.

    batch: the task on average (``preset.expected``). seed: of the random weights. memory: MB that feature maps of
    shared networks may take at a time.
    """

    space: SearchSpace
    preset: Preset
    batch: Union[Expected, RNNExpected]
    seed: int
    memory: int

    def read(self, archs: Sequence[Any]) -> Iterator[tuple[Sequence[int], Rows]]:
        """Places in ``archs`` (reduced architectures), and their rows, in any order."""
        if isinstance(self.batch, Expected) and self.space.shares_parts:
            yield from self._together(archs, self.batch)
            return
        for place, arch in enumerate(archs):
            yield [place], self._alone(arch)

    def _together(self, archs: Sequence[Any], batch: Expected) -> Iterator[tuple[Sequence[int], Rows]]:
        graph = Graph(batch.inputs.shape[-1])
        outputs: dict[int, tuple[int, ...]] = {}
        for place, arch in enumerate(archs):
            try:
                stages = self.space.expressions(arch, self.preset.fidelity, graph, batch.stages)
            except GenNASError:
                if len(archs) == 1:
                    raise
                continue  # fails by itself, when its turn comes
            outputs[place] = tuple(graph.shrink(stages[stage], batch.size) for stage in batch.used)
        places = list(outputs)
        for found, rows in evaluate(graph, list(outputs.values()), batch.inputs, self.seed, self.memory):
            yield [places[i] for i in found], rows

    def _alone(self, arch: Any) -> Rows:
        fidelity: Any = self.preset.fidelity
        generator = torch.Generator().manual_seed(self.seed)
        if self.space.own_weights and isinstance(self.batch, Expected):
            with own_randomness(self.seed, self.batch.inputs.device):
                return stage_rows(self.space.build(arch, fidelity).to(self.batch.inputs.device), self.batch)
        with uninitialised():
            backbone = self.space.build(arch, fidelity)
        if isinstance(self.batch, RNNExpected):
            return output_rows(backbone, self.batch, fidelity, generator)
        return new_stage_rows(backbone, self.batch, fidelity, generator)
