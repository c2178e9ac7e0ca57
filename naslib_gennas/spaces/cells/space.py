"""Spaces of repeated cells: NDS (DARTS, Amoeba, ENAS, NASNet, PNAS) and NASLib's NAS-Bench-301.

A normal and a reduction cell are stacked to a network of some depth (cells) and width (channels).
Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019,
https://arxiv.org/abs/1905.13214; Siems et al., "NAS-Bench-301", https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import ast
import itertools
import json
from dataclasses import replace
from typing import Any, ClassVar

from ...errors import ArchitectureError
from ...registry import unknown
from ..base import SPACES, SearchSpace
from .encoding import (
    COMPACT,
    DARTS,
    INPUTS,
    SKIP,
    Cell,
    CellArchitecture,
    CompactArchitecture,
    Edge,
    canonical_cell,
    live_cell,
)

MIN_DEPTH = 3  # one cell for each resolution


ENAS = (SKIP, "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
AMOEBA = (
    SKIP, "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "avg_pool_3x3", "max_pool_3x3", "dil_sep_conv_3x3",
    "conv_7x1_1x7",
)  # fmt: skip
PNAS = (
    "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_7x1_1x7", SKIP, "avg_pool_3x3", "max_pool_3x3",
    "dil_conv_3x3",
)  # fmt: skip
NASNET = (
    SKIP, "conv_3x1_1x3", "conv_7x1_1x7", "dil_conv_3x3", "avg_pool_3x3", "max_pool_3x3", "max_pool_5x5",
    "max_pool_7x7", "conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
)  # fmt: skip


class CellSpace(SearchSpace):
    """Base of the spaces: what one of them is, is in its class attributes."""

    metrics = ("accuracy",)
    architecture: ClassVar[type[CellArchitecture]] = CellArchitecture
    operations: ClassVar[tuple[str, ...]]
    nodes: ClassVar[int] = 5
    loose: ClassVar[bool] = True  #: sampled cells concatenate the nodes that no other node uses, not all
    depths: ClassVar[tuple[int, ...]] = (4, 8, 12, 16, 20)  #: cells in sampled networks
    widths: ClassVar[tuple[int, ...]] = (16, 24, 32, 40, 48)  #: initial channels in sampled networks
    imagenet: ClassVar[bool] = False
    max_parameters: ClassVar[int | None] = None  #: of sampled networks
    cells = 4
    channels = 32

    @property
    def example(self) -> str:
        """The text of some architecture."""
        operations = itertools.cycle(self.operations[1:])
        edges = tuple((next(operations), index % 2) for index in range(2 * self.nodes))
        cell = self._cell(edges)
        return str(self.architecture(cell, cell, self.depths[0], self.widths[0]))

    def sample(self, rng):
        """Operations, inputs, depth and width uniform, each by itself (NDS paper, Section 5).

        Networks with more than ``max_parameters`` are drawn again: 6 million for ImageNet, as in the records.
        """
        while True:
            normal, reduce = self._sample_cell(rng), self._sample_cell(rng)
            arch = self.architecture(normal, reduce, int(rng.choice(self.depths)), int(rng.choice(self.widths)))
            if self.max_parameters is None or self.counts(arch)[0] <= self.max_parameters:
                return arch

    def mutate(self, arch, rng):
        """One edge of one cell gets another operation or another input; depth and width stay.

        The concatenation follows where it was the rule of the space, otherwise it stays.
        """
        kind = ("normal", "reduce")[rng.integers(2)]
        cell = getattr(arch, kind)
        while True:
            index = int(rng.integers(len(cell.edges)))
            edge = self._changed(cell.edges[index], INPUTS + index // 2, rng)
            edges = cell.edges[:index] + (edge,) + cell.edges[index + 1 :]
            if edges != cell.edges and self._allowed(edges):
                break
        ruled = set(cell.concat) == set(self._concat(cell.edges))
        child = self._cell(edges) if ruled else Cell(edges, cell.concat)
        return replace(arch, **{kind: child})

    def parse(self, text):
        """The JSON of an NDS record's ``net``; ``aux`` and ``drop_prob`` concern training only and are dropped."""
        net = _json_object(text, self)
        _keys(net, {"depth", "width", "genotype"}, {"aux", "drop_prob"}, "the network", self)
        genotype = net["genotype"]
        if not isinstance(genotype, dict):
            raise self._broken(f"genotype must be an object, got {genotype!r}")
        _keys(genotype, {"normal", "normal_concat", "reduce", "reduce_concat"}, set(), "genotype", self)
        cells = [self._parsed_cell(genotype[kind], genotype[f"{kind}_concat"], kind) for kind in ("normal", "reduce")]
        return self.architecture(*cells, depth=self._number(net, "depth", MIN_DEPTH), width=self._width(net))

    def canonical(self, arch):
        return str(self.representative(arch))

    def representative(self, arch):
        return replace(arch, normal=canonical_cell(arch.normal), reduce=canonical_cell(arch.reduce))

    def reduced(self, arch):
        """Without nodes that reach no output and edges that carry zeros, then relabelled."""
        return self.representative(replace(arch, normal=live_cell(arch.normal), reduce=live_cell(arch.reduce)))

    def score_key(self, arch):
        return str(self.reduced(arch))

    def proxy_size(self, arch, fidelity) -> tuple[int, int]:
        """(cells, channels) of the proxy network, not less than 3 and 2.

        The paper keeps the depth and width of the record. ``fidelity.cells`` (a stage) and ``.channels`` say
        how large a network of the space's middle depth and width becomes; the others keep their proportion
        to it, because width and depth are part of what is ranked.
        """
        depth, width = arch.depth, arch.width
        if fidelity.cells is not None:
            depth = max(MIN_DEPTH, round(3 * fidelity.cells * depth / _middle(self.depths)))
        if fidelity.channels is not None:
            width = max(2, 2 * round(fidelity.channels * width / _middle(self.widths) / 2))
        return depth, width

    def build(self, arch, fidelity):
        from .networks import Backbone

        depth, width = self.proxy_size(arch, fidelity)
        live = replace(arch, normal=live_cell(arch.normal), reduce=live_cell(arch.reduce), depth=depth, width=width)
        return Backbone(live, self.imagenet)

    def build_network(self, arch, classes=None):
        """``classes``: 1000 for the ImageNet spaces, otherwise 10."""
        from .networks import Network

        return Network(arch, self.imagenet, classes or self.classes)

    def counts(self, arch, classes=None) -> tuple[int, int]:
        """(parameters, FLOPs) of the full-size network, as NDS counts them."""
        from .counts import counts

        return counts(arch, self.imagenet, classes or self.classes)

    @property
    def classes(self) -> int:
        """Of the data set the networks are made for."""
        return 1000 if self.imagenet else 10

    def _sample_cell(self, rng) -> Cell:
        edges = []
        for index in range(2 * self.nodes):
            operation = self.operations[rng.integers(len(self.operations))]
            edges.append((operation, int(rng.integers(INPUTS + index // 2))))
        return self._cell(tuple(edges))

    def _allowed(self, edges: tuple[Edge, ...]) -> bool:
        return True

    def _changed(self, edge: Edge, inputs: int, rng) -> Edge:
        operation, source = edge
        if rng.integers(2):
            return self.operations[rng.integers(len(self.operations))], source
        return operation, int(rng.integers(inputs))

    def _concat(self, edges: tuple[Edge, ...]) -> tuple[int, ...]:
        nodes = range(INPUTS, INPUTS + len(edges) // 2)
        used = {source for _, source in edges} if self.loose else set()
        return tuple(node for node in nodes if node not in used)

    def _cell(self, edges: tuple[Edge, ...]) -> Cell:
        return Cell(edges, self._concat(edges))

    def _parsed_cell(self, edges, concat, kind: str) -> Cell:
        if not isinstance(edges, list) or len(edges) != 2 * self.nodes:
            count = len(edges) if isinstance(edges, list) else "no list of"
            raise self._broken(f"the {kind} cell has {count} edges, expected {2 * self.nodes}")
        cell = tuple(self._edge(edge, index, kind) for index, edge in enumerate(edges))
        if not self._allowed(cell):
            raise self._broken(f"the two edges of a node of the {kind} cell must have different inputs")
        return Cell(cell, self._parsed_concat(concat, kind))

    def _edge(self, edge, index: int, kind: str) -> Edge:
        where = f"edge {index} of the {kind} cell"
        if not (isinstance(edge, list) and len(edge) == 2):
            raise self._broken(f"{where} must read [operation, input node], got {edge!r}")
        operation, source = edge
        if operation not in self.operations:
            raise self._broken(f"{where}: {unknown('operation', str(operation), self.operations)}")
        node = INPUTS + index // 2
        if not _is_int(source) or not 0 <= source < node:
            raise self._broken(f"{where} leads to node {node}, so its input is 0 to {node - 1}, got {source!r}")
        return operation, source

    def _parsed_concat(self, concat, kind: str) -> tuple[int, ...]:
        last = INPUTS + self.nodes - 1
        fine = isinstance(concat, list) and all(_is_int(node) and INPUTS <= node <= last for node in concat)
        if not fine or not concat or len(set(concat)) != len(concat):
            raise self._broken(f"{kind}_concat must list different nodes out of {INPUTS} to {last}, got {concat!r}")
        return tuple(concat)

    def _width(self, net) -> int:
        width = self._number(net, "width", 2)
        if width % 2:
            raise self._broken(f"width must be even, got {width}")
        return width

    def _number(self, net, key: str, least: int) -> int:
        value = net[key]
        if not _is_int(value) or not least <= value <= 4096:
            raise self._broken(f"{key} must be a whole number from {least} to 4096, got {value!r}")
        return value

    def _broken(self, why: str) -> ArchitectureError:
        return ArchitectureError(f"not a {self.name} architecture: {why}; an example is {self.example}")


@SPACES.register("nasbench301")
class NASBench301(CellSpace):
    """The text form is NASLib's compact one: for each cell eight pairs (input node, operation number).

    Depth 8 and width 32 are the benchmark's (its paper, Section 3); the proxy network has the width of
    NASLib's own graph.
    """

    name = "nasbench301"
    description = "NAS-Bench-301: DARTS cells without 'none', in NASLib's compact form"
    architecture = CompactArchitecture
    operations = COMPACT
    nodes = 4
    loose = False
    depths = (8,)
    widths = (32,)
    cells = 3
    channels = 16
    metrics = ("val_accuracy",)

    def proxy_size(self, arch, fidelity):
        cells = 3 * fidelity.cells if fidelity.cells else arch.depth
        return cells, 2 * ((fidelity.channels or self.channels) // 2) or 2

    def parse(self, text):
        """The tuple as NASLib writes it, or the same as JSON lists."""
        try:
            cells = ast.literal_eval(str(text).strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise self._broken(f"{str(text)[:80]!r} is not a nested tuple of numbers") from None
        return self.from_compact(cells)

    def from_compact(self, cells: Any) -> CompactArchitecture:
        """The architecture of NASLib's ``get_hash()``/``compact``: (normal, reduce), each 8 pairs of integers."""
        if not isinstance(cells, (tuple, list)) or len(cells) != 2:
            raise self._broken("expected two cells, normal and reduction")
        parsed = [self._compact_cell(pairs, kind) for pairs, kind in zip(cells, ("normal", "reduce"))]
        return self.architecture(*parsed, depth=self.depths[0], width=self.widths[0])

    def _compact_cell(self, pairs, kind: str) -> Cell:
        edges = []
        for pair in pairs if isinstance(pairs, (tuple, list)) else ():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise self._broken(f"an edge of the {kind} cell must read (input node, operation), got {pair!r}")
            source, number = map(_plain, pair)
            if not _is_int(number) or not 0 <= number < len(COMPACT):
                raise self._broken(f"operations of the {kind} cell are 0 to {len(COMPACT) - 1}, got {number!r}")
            edges.append([COMPACT[number], source])
        return self._parsed_cell(edges, list(range(INPUTS, INPUTS + self.nodes)), kind)

    def _sample_cell(self, rng) -> Cell:
        """Two different inputs a node, as NASLib samples."""
        edges: list[Edge] = []
        for node in range(INPUTS, INPUTS + self.nodes):
            for source in rng.choice(node, 2, replace=False):
                edges.append((self.operations[rng.integers(len(self.operations))], int(source)))
        return self._cell(tuple(edges))

    def _allowed(self, edges):
        return all(first[1] != second[1] for first, second in zip(edges[::2], edges[1::2]))


def _json_object(text, space: CellSpace) -> dict:
    try:
        net = json.loads(str(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise space._broken(f"{str(text)[:80]!r} is not JSON: {error}") from None
    if not isinstance(net, dict):
        raise space._broken("the text must be a JSON object with depth, width and genotype")
    return net


def _keys(found: dict, needed: set[str], optional: set[str], where: str, space: CellSpace) -> None:
    missing, odd = sorted(needed - set(found)), sorted(set(found) - needed - optional)
    if missing:
        raise space._broken(f"{where} lacks {', '.join(missing)}")
    if odd:
        raise space._broken(f"{where} has the unknown key {odd[0]!r}; there are {', '.join(sorted(needed | optional))}")


def _plain(value: Any) -> Any:
    """A numpy integer as Python's; anything else as it is."""
    return value if isinstance(value, bool) or not hasattr(value, "__index__") else int(value)


def _middle(values: tuple[int, ...]) -> int:
    return values[len(values) // 2]


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _register(name: str, title: str, operations: tuple[str, ...], nodes: int, loose: bool) -> None:
    """A space, its ImageNet variant, and for some the ones of fixed depth and width."""
    imagenet = {
        "imagenet": True,
        "depths": (6, 10, 14, 18, 22),
        "widths": (32, 48, 64, 80, 96),
        "channels": 64,
        "max_parameters": 6_000_000,
    }
    fixed = {"depths": (20,), "widths": (16,), "cells": 6, "channels": 16}
    fixed_imagenet = {**imagenet, "depths": (22,), "widths": (32,), "cells": 7, "channels": 32}
    variants = {"": {}, "_in": imagenet}
    if name in ("darts", "enas", "pnas"):
        variants.update({"_fix": fixed, "_fix_in": fixed_imagenet})
    for ending, facts in variants.items():
        full = f"nds_{name}{ending}"
        size = ", fixed depth and width" if "_fix" in ending else ""
        data = "ImageNet" if "_in" in ending else "CIFAR-10"
        attributes = {
            "name": full,
            "description": f"NDS {title} cells, {nodes} nodes, {len(operations)} operations{size}; {data} networks",
            "operations": operations,
            "nodes": nodes,
            "loose": loose,
            "__doc__": f"{title} cells as in NDS{size}; {data} networks.",
            **facts,
        }
        SPACES.register(full)(type(full, (CellSpace,), attributes))


_register("darts", "DARTS", DARTS, nodes=4, loose=False)
_register("amoeba", "AmoebaNet", AMOEBA, nodes=5, loose=True)
_register("enas", "ENAS", ENAS, nodes=5, loose=True)
_register("nasnet", "NASNet", NASNET, nodes=5, loose=True)
_register("pnas", "PNAS", PNAS, nodes=5, loose=False)
