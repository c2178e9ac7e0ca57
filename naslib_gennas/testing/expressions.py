"""Checks of a space's networks as expressions, and of its count of parameters."""

from __future__ import annotations

from typing import Any

import torch

from ..proxy.expressions import Graph, evaluate, fill
from ..proxy.fidelity import Fidelity
from ..proxy.layers import own_randomness, uninitialised
from ..spaces import SearchSpace

IMAGES, SEED = 3, 5


def check_shared_parts(space: SearchSpace, archs: list[Any], fidelity: Fidelity) -> None:
    """The graph of an architecture is what ``build`` builds, given the same weights: every stage, in float64; and so
    are its layers."""
    size = fidelity.input_size
    images = torch.randn(IMAGES, 3, size, size, generator=torch.Generator().manual_seed(1)).double()
    graph = Graph(size)
    nodes = [space.expressions(arch, fidelity, graph) for arch in archs]
    found: dict[int, list[torch.Tensor]] = {}
    for places, rows in evaluate(graph, nodes, images, SEED):
        found.update((place, [stage[i] for stage in rows]) for i, place in enumerate(places))
    for place, arch in enumerate(archs):
        module = space.build(arch, fidelity)
        fill(module, SEED)
        with torch.no_grad():
            maps = module.double().train()(images)
        for number, (stage, rows_of_stage) in enumerate(zip(maps, found[place]), start=1):
            rows = stage.permute(0, 2, 3, 1).flatten(0, 2)
            assert rows.shape == rows_of_stage.shape and torch.allclose(rows, rows_of_stage, rtol=1e-7, atol=1e-7), (
                f"stage {number} of {arch} as an expression is not what `build` builds with the same weights"
            )
        wanted = SearchSpace.layers(space, arch, fidelity)
        assert space.layers(arch, fidelity) == wanted, f"`layers` of {arch} are not those of what `build` builds"
        short = space.expressions(arch, fidelity, graph, stages=1)
        assert short == nodes[place][:1], f"the first stage of {arch} is another one if only that is asked for"


def check_parameters(space: SearchSpace, archs: list[Any]) -> None:
    """``parameters`` counts those of ``build_network``."""
    for arch in archs:
        if space.own_weights:
            with own_randomness(0, torch.device("cpu")):
                network = space.build_network(arch)
        else:
            with uninitialised():
                network = space.build_network(arch)
        there, counted = sum(p.numel() for p in network.parameters()), space.parameters(arch)
        assert counted == there, f"parameters of {arch} is {counted}, its network has {there}"
