"""Spaces of repeated cells: NDS (DARTS, Amoeba, ENAS, NASNet, PNAS) and NASLib's NAS-Bench-301.

A normal and a reduction cell are stacked to a network of some depth (cells) and width (channels).
Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019,
https://arxiv.org/abs/1905.13214; Siems et al., "NAS-Bench-301", https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Optional

from ...proxy.fidelity import NetworkOption
from ..base import SPACES, SearchSpace, or_pasted
from ..cell_graph import CellGraph, drawn_operations
from ..forms import Form
from ..paths import has_path
from .counts import CIFAR_SIZE, IMAGENET_SIZE, counts
from .encoding import (
    COMPACT,
    DARTS,
    INPUTS,
    KINDS,
    MIN_DEPTH,
    MIN_WIDTH,
    SKIP,
    Cell,
    CellArchitecture,
    CompactArchitecture,
    Edge,
    Rules,
    canonical_cell,
    cell_graph,
    cell_numbers,
    cells_of_compact,
    concatenated,
    live_cell,
    parse_compact,
    parse_net,
)
from .forms import genotype, genotype_forms

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from ...proxy.expressions import Graph
    from ...proxy.fidelity import Fidelity

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


MOST_PRODUCTS = 600_000_000  # of the "mobile" networks for ImageNet


class CellSpace(SearchSpace[CellArchitecture]):
    """Base of the spaces: what one of them is, is in its class attributes.

    Attributes:
        operations, nodes: of a cell.
        loose: sampled cells concatenate the nodes that no other node uses, not all.
        apart: the two edges of a node come from different inputs.
        depths, widths: cells in sampled networks, and their initial channels.
        imagenet: networks for ImageNet, not for CIFAR-10.
        max_parameters: of sampled networks.

    >>> space = SPACES["nds_darts"]()
    >>> arch = space.parse(space.example)
    >>> arch.depth, arch.width, space.counts(arch)[0]  # parameters
    (4, 16, 128858)
    """

    family = "cells"
    expressed = True
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    architecture: ClassVar[type[CellArchitecture]] = CellArchitecture
    operations: ClassVar[tuple[str, ...]]
    nodes: ClassVar[int] = 5
    loose: ClassVar[bool] = True
    apart: ClassVar[bool] = False
    depths: ClassVar[tuple[int, ...]] = (4, 8, 12, 16, 20)
    widths: ClassVar[tuple[int, ...]] = (16, 24, 32, 40, 48)
    imagenet: ClassVar[bool] = False
    max_parameters: ClassVar[Optional[int]] = None
    cells = 4
    channels = 32

    @property
    def example(self) -> str:
        """The text of some architecture."""
        operations = itertools.cycle(self.operations[1:])
        edges = tuple((next(operations), index % 2) for index in range(2 * self.nodes))
        cell = concatenated(edges, self.loose)
        return str(self.architecture(cell, cell, self.depths[0], self.widths[0]))

    @cached_property
    def rules(self) -> Rules:
        """What a text may hold."""
        return Rules(self.name, self.example, self.operations, self.nodes, self.apart)

    def sample(self, rng: np.random.Generator) -> CellArchitecture:
        """Operations, inputs, depth and width uniform, each by itself (NDS paper, Section 5).

        Networks with more than ``max_parameters`` are drawn again: 6 million for ImageNet, as in the records.
        """
        while True:
            normal, reduce = self._sample_cell(rng), self._sample_cell(rng)
            arch = self._drawn_size(normal, reduce, rng)
            if self.max_parameters is None or self.counts(arch)[0] <= self.max_parameters:
                return arch

    def mutate(self, arch: CellArchitecture, rng: np.random.Generator) -> CellArchitecture:
        """One edge of one cell gets another operation or another input; depth and width stay.

        The concatenation follows where it was the rule of the space, otherwise it stays.
        """
        reduction = bool(rng.integers(2))
        cell = arch.reduce if reduction else arch.normal
        while True:
            index = int(rng.integers(len(cell.edges)))
            edge = self._changed(cell.edges[index], INPUTS + index // 2, rng)
            edges = cell.edges[:index] + (edge,) + cell.edges[index + 1 :]
            if edges != cell.edges and self.rules.allow(edges):
                break
        ruled = set(cell.concat) == set(concatenated(cell.edges, self.loose).concat)
        child = concatenated(edges, self.loose) if ruled else Cell(edges, cell.concat)
        return replace(arch, reduce=child) if reduction else replace(arch, normal=child)

    @or_pasted
    def parse(self, text: str) -> CellArchitecture:
        """The JSON of an NDS record's ``net``; ``aux`` and ``drop_prob`` concern training only and are dropped.

        Of the ``forms`` a genotype says nothing of depth and width: those in the middle of the space are taken.
        """
        return parse_net(text, self.rules)

    @cached_property
    def forms(self) -> tuple[Form, ...]:  # type: ignore[override]
        return genotype_forms(self.rules, self._middle_sized, self.parse(self.example))

    def _drawn_size(self, normal: Cell, reduce: Cell, rng: np.random.Generator) -> CellArchitecture:
        return self.architecture(normal, reduce, int(rng.choice(self.depths)), int(rng.choice(self.widths)))

    def _middle_sized(self, normal: Cell, reduce: Cell) -> CellArchitecture:
        return self.architecture(normal, reduce, _middle(self.depths), _middle(self.widths))

    def canonical(self, arch: CellArchitecture) -> str:
        return str(self.representative(arch))

    def representative(self, arch: CellArchitecture) -> CellArchitecture:
        return replace(arch, normal=canonical_cell(arch.normal), reduce=canonical_cell(arch.reduce))

    def reduced(self, arch: CellArchitecture) -> CellArchitecture:
        """Without nodes that reach no output and edges that carry zeros, then relabelled."""
        return self.representative(replace(arch, normal=live_cell(arch.normal), reduce=live_cell(arch.reduce)))

    def score_key(self, arch: CellArchitecture) -> str:
        return str(self.reduced(arch))

    def proxy_size(self, arch: CellArchitecture, fidelity: Fidelity) -> tuple[int, int]:
        """(cells, channels) of the proxy network, not less than 3 and 2.

        The paper keeps the depth and width of the record. ``fidelity.cells`` (a stage) and ``.channels`` say
        how large a network of the space's middle depth and width becomes; the others keep their proportion
        to it, because width and depth are part of what is ranked.
        """
        depth, width = arch.depth, arch.width
        if fidelity.cells is not None:
            depth = max(MIN_DEPTH, round(3 * fidelity.cells * depth / _middle(self.depths)))
        if fidelity.channels is not None:
            width = max(MIN_WIDTH, 2 * round(fidelity.channels * width / _middle(self.widths) / 2))
        return depth, width

    def build(self, arch: CellArchitecture, fidelity: Fidelity) -> nn.Module:
        from .networks import Backbone

        return Backbone(*self._proxy(arch, fidelity))

    def expressions(self, arch: CellArchitecture, fidelity: Fidelity, graph: Graph, stages: int = 3) -> tuple[int, ...]:
        from .graph import stage_nodes

        return stage_nodes(graph, *self._proxy(arch, fidelity), stages)

    def _proxy(self, arch: CellArchitecture, fidelity: Fidelity) -> tuple[CellArchitecture, bool]:
        """Of the size that the fidelity asks for, and whether its stem is ImageNet's."""
        depth, width = self.proxy_size(arch, fidelity)
        live = replace(arch, normal=live_cell(arch.normal), reduce=live_cell(arch.reduce), depth=depth, width=width)
        return live, self.imagenet and self.option(fidelity, "stem") != "cifar"

    def build_network(self, arch: CellArchitecture, classes: Optional[int] = None) -> nn.Module:
        """``classes``: 1000 for the ImageNet spaces, otherwise 10."""
        from .networks import Network

        return Network(arch, self.imagenet, classes or self.classes)

    def build_trainable(
        self, arch: CellArchitecture, classes: Optional[int] = None, auxiliary: bool = False, drop_path: float = 0.0
    ) -> nn.Module:
        from .networks import Network

        return Network(arch, self.imagenet, classes or self.classes, auxiliary, drop_path)

    def encoding(self, arch: CellArchitecture) -> dict[str, float]:
        """Of both cells how often each operation is there, and how deep they are; depth and width of the network."""
        numbers = {"depth": float(arch.depth), "width": float(arch.width)}
        for name, cell in (("normal", arch.normal), ("reduce", arch.reduce)):
            numbers |= {f"{name} {key}": value for key, value in cell_numbers(cell, self.operations).items()}
        return numbers

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """Operation and input of both edges of every node of both cells; depth and width where they vary."""
        edges: dict[str, tuple[str, ...]] = {}
        for kind in KINDS:
            for number in range(2 * self.nodes):
                edges[f"{kind}_{number}_operation"] = self.operations
                edges[f"{kind}_{number}_input"] = tuple(map(str, range(INPUTS + number // 2)))
        sizes = {"depth": self.depths, "width": self.widths}
        return {**edges, **{name: tuple(map(str, values)) for name, values in sizes.items() if len(values) > 1}}

    def configuration(self, arch: CellArchitecture) -> dict[str, str]:
        """Which nodes are read is the rule of the space."""
        edges = [str(part) for cell in (arch.normal, arch.reduce) for edge in cell.edges for part in edge]
        return dict(zip(self.categories, [*edges, str(arch.depth), str(arch.width)]))

    def _chosen(self, values: list[str]) -> CellArchitecture:
        edges = [(values[at], int(values[at + 1])) for at in range(0, 8 * self.nodes, 2)]
        normal, reduce = tuple(edges[: 2 * self.nodes]), tuple(edges[2 * self.nodes :])
        if not (self.rules.allow(normal) and self.rules.allow(reduce)):
            raise self.rules.broken("the two edges of a node must have different inputs")
        cells = concatenated(normal, self.loose), concatenated(reduce, self.loose)
        sizes = list(map(int, values[8 * self.nodes :]))
        return self.architecture(*cells, *sizes) if sizes else self._middle_sized(*cells)

    def other_texts(self, arch: CellArchitecture) -> dict[str, str]:
        return {"genotype": genotype(arch)}

    @cached_property
    def cell_operations(self) -> tuple[str, ...]:
        return drawn_operations(self.operations)

    def cell_graphs(self, arch: CellArchitecture) -> dict[str, CellGraph]:
        return {"normal": cell_graph(arch.normal), "reduction": cell_graph(arch.reduce)}

    def is_cut(self, arch: CellArchitecture) -> bool:
        last = arch.normal if arch.depth > MIN_DEPTH else arch.reduce
        return not has_path(cell_graph(last))

    def parameters(self, arch: CellArchitecture) -> int:
        return self.counts(arch)[0]

    def counts(self, arch: CellArchitecture, classes: Optional[int] = None) -> tuple[int, int]:
        """(parameters, FLOPs) of the full-size network, as NDS counts them."""
        return counts(arch, self.imagenet, classes or self.classes)[:2]

    def multiply_adds(self, arch: CellArchitecture) -> int:
        return counts(arch, self.imagenet, self.classes).products

    @property
    def classes(self) -> int:
        """Of the data set the networks are made for."""
        return 1000 if self.imagenet else 10

    @property
    def image_size(self) -> int:  # type: ignore[override]
        """Of the data set the networks are made for."""
        return IMAGENET_SIZE if self.imagenet else CIFAR_SIZE

    def _sample_cell(self, rng: np.random.Generator) -> Cell:
        edges: list[Edge] = []
        for node in range(INPUTS, INPUTS + self.nodes):
            if self.apart:  # as NASLib samples
                for source in rng.choice(node, 2, replace=False):
                    edges.append((self.operations[rng.integers(len(self.operations))], int(source)))
                continue
            for _ in range(2):
                operation = self.operations[rng.integers(len(self.operations))]
                edges.append((operation, int(rng.integers(node))))
        return concatenated(tuple(edges), self.loose)

    def _changed(self, edge: Edge, inputs: int, rng: np.random.Generator) -> Edge:
        operation, source = edge
        if rng.integers(2):
            return self.operations[rng.integers(len(self.operations))], source
        return operation, int(rng.integers(inputs))


class FixedCellSpace(CellSpace):
    """Base of spaces whose networks all have one depth, and proxy networks of one width."""

    def proxy_size(self, arch: CellArchitecture, fidelity: Fidelity) -> tuple[int, int]:
        """(cells, channels) of the proxy network: the space's own, or the fidelity's."""
        cells = 3 * fidelity.cells if fidelity.cells else arch.depth
        return cells, 2 * ((fidelity.channels or self.channels) // 2) or MIN_WIDTH


@SPACES.register("nasbench301")
class NASBench301(FixedCellSpace):
    """The text form is NASLib's compact one: for each cell eight pairs (input node, operation number).

    Depth 8 and width 32 are the benchmark's (its paper, Section 3); the proxy network has the width of
    NASLib's own graph.

    >>> cell = "((0, 3), (1, 4), (0, 0), (2, 2), (1, 5), (3, 6), (0, 1), (4, 3))"
    >>> NASBench301().parse(f"({cell}, {cell})").normal.edges[0]
    ('sep_conv_3x3', 0)
    """

    name = "nasbench301"
    description = "NAS-Bench-301: DARTS cells without 'none', in NASLib's compact form"
    architecture = CompactArchitecture
    operations = COMPACT
    nodes = 4
    loose = False
    apart = True
    depths = (8,)
    widths = (32,)
    cells = 3
    channels = 16
    metrics = ("val_accuracy",)

    @or_pasted
    def parse(self, text: str) -> CellArchitecture:
        """The tuple as NASLib writes it, or the same as JSON lists, or one of ``forms``."""
        return self._middle_sized(*parse_compact(text, self.rules))

    def from_compact(self, cells: object) -> CompactArchitecture:
        """The architecture of NASLib's ``get_hash()``/``compact``: (normal, reduce), each 8 pairs of integers."""
        return CompactArchitecture(*cells_of_compact(cells, self.rules), self.depths[0], self.widths[0])


@SPACES.register("darts_imagenet")
class DARTSImageNet(FixedCellSpace):
    """The search of GenNAS for ImageNet (Section 4.4, Table 4): depth 14, as wide as 600 million multiply-adds allow.

    The text form is that of NDS; a genotype without a size gets depth 14 and the width that fits. The proxy network
    has 16 channels (the paper's D14), whatever the width.

    >>> space = DARTSImageNet()
    >>> arch = space.parse(space.example)
    >>> arch.depth, arch.width, space.multiply_adds(arch)
    (14, 52, 590255744)
    """

    name = "darts_imagenet"
    description = "DARTS cells without 'none' for ImageNet: depth 14, as wide as 600 M multiply-adds allow"
    family = "cells_fixed"
    operations = COMPACT
    nodes = 4
    loose = False
    apart = True
    imagenet = True
    options = {"stem": NetworkOption(own="imagenet", paper="cifar", paper_code="imagenet")}
    depths = (14,)
    widths = (48,)
    channels = 16
    metrics = ()

    @property
    def example(self) -> str:
        """The text of some architecture."""
        arch = self._parsed_example
        return str(self._middle_sized(arch.normal, arch.reduce))

    @cached_property
    def _parsed_example(self) -> CellArchitecture:
        edges = tuple((operation, index % 2) for index, operation in enumerate((*COMPACT, COMPACT[3])))
        cell = concatenated(edges, self.loose)
        return CellArchitecture(cell, cell, *self.depths, *self.widths)

    def mutate(self, arch: CellArchitecture, rng: np.random.Generator) -> CellArchitecture:
        """As in the other spaces of cells; a width that was the fitting one is fitted again."""
        child = super().mutate(arch, rng)
        ruled = arch == self._middle_sized(arch.normal, arch.reduce)
        return self._middle_sized(child.normal, child.reduce) if ruled else child

    def _drawn_size(self, normal: Cell, reduce: Cell, rng: np.random.Generator) -> CellArchitecture:
        return self._middle_sized(normal, reduce)

    def _middle_sized(self, normal: Cell, reduce: Cell) -> CellArchitecture:
        (depth,), low, high = self.depths, MIN_WIDTH // 2, 2 * self.widths[0]
        while high - low > 1:  # halves of widths, since these are even
            middle = (low + high) // 2
            fits = self.multiply_adds(CellArchitecture(normal, reduce, depth, 2 * middle)) <= MOST_PRODUCTS
            low, high = (middle, high) if fits else (low, middle)
        return self.architecture(normal, reduce, depth, 2 * low)


def _middle(values: tuple[int, ...]) -> int:
    return values[len(values) // 2]


def _register(name: str, title: str, operations: tuple[str, ...], nodes: int, loose: bool) -> None:
    """A space, its ImageNet variant, and for some the ones of fixed depth and width."""
    imagenet: dict[str, object] = {
        "imagenet": True,
        "options": {"stem": NetworkOption(own="imagenet", paper="cifar", paper_code="imagenet")},
        "depths": (6, 10, 14, 18, 22),
        "widths": (32, 48, 64, 80, 96),
        "channels": 64,
        "max_parameters": 6_000_000,
    }
    alike = {"family": "cells_fixed"}
    fixed: dict[str, object] = {**alike, "depths": (20,), "widths": (16,), "cells": 6, "channels": 16}
    fixed_imagenet = {**imagenet, **alike, "depths": (22,), "widths": (32,), "cells": 7, "channels": 32}
    variants: dict[str, dict[str, object]] = {"": {}, "_in": imagenet}
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
