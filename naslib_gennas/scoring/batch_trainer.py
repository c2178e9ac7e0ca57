"""Trains many architectures of a space as one program (:mod:`naslib_gennas.proxy.batched`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import GenNASError
from ..proxy.batched import Network, layout_of, regress_together
from ..proxy.expressions import Graph
from ..proxy.fidelity import Fidelity
from ..proxy.regression import RegressionResult
from ..proxy.tasks import Batch
from ..spaces.base import SearchSpace


def can_train_together(space: SearchSpace, fidelity: Any) -> bool:
    """Whether networks of ``space`` can be one program at all."""
    return (
        isinstance(fidelity, Fidelity)
        and fidelity.solver == "sgd"
        and fidelity.precision == "float32"
        and space.expressed
        and space.option(fidelity, "network_init") != "fan_out"
    )


def pays_together(device: torch.device) -> bool:
    """Whether that is faster there than one network after another (docs/scale.md has the measurements)."""
    return device.type == "cuda"


@dataclass
class BatchTrainer:
    """batch, seed: as of :func:`~naslib_gennas.proxy.batched.regress_together`. memory: MB, on the CPU."""

    space: SearchSpace
    fidelity: Fidelity
    batch: Batch
    seed: int
    memory: int

    def read(self, archs: Sequence[Any]) -> Iterator[tuple[Any, RegressionResult]]:
        """Reduced architectures with their results, in any order; one that cannot be built is left out of several."""
        networks: dict[Any, Network] = {}
        for arch in archs:
            try:
                networks[arch] = self._network(arch)
            except GenNASError:
                if len(archs) == 1:
                    raise
        there = list(networks)
        for places, results in regress_together(
            list(networks.values()), self.batch, self.fidelity, self.seed, self.memory
        ):
            yield from zip((there[place] for place in places), results)

    def _network(self, arch: Any) -> Network:
        graph = Graph(self.batch.inputs.shape[-1])
        outputs = self.space.expressions(arch, self.fidelity, graph, self.batch.stages)
        widths = [graph.nodes[node].shape[0] for node in outputs]
        layers = self.space.layers(arch, self.fidelity, self.batch.stages)
        return Network(graph, outputs, layout_of(layers, widths, self.batch, self.fidelity))
