"""Where the first weights of a network lie in the one draw that they all come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..fidelity import Fidelity
from ..layers import ConvLayer, Layer, NormLayer, Place
from ..parameters import WEIGHT_BOUNDS
from ..tasks import Batch


@dataclass(frozen=True)
class Piece:
    """A tensor of ``size`` numbers: uniform in [-1, 1), from ``offset`` of the draw on, times ``scale``."""

    offset: int
    size: int
    scale: float


@dataclass(frozen=True)
class HeadLayout:
    """Of one stage's head."""

    weight: Piece
    bias: Piece


@dataclass(frozen=True)
class Layout:
    """Of a network with heads.

    Attributes:
        convolutions: place -> weight, rows of which are (kernel height, kernel width, inputs).
        plain: places of convolutions whose BatchNorm has neither scale and shift nor running statistics.
        heads: of the stages that have targets, by number.
        count: of parameters.
    """

    convolutions: dict[Place, Piece]
    plain: frozenset[Place]
    heads: dict[int, HeadLayout]
    count: int


def layout_of(layers: Sequence[Layer], widths: Sequence[int], batch: Batch, fidelity: Fidelity) -> Layout:
    """layers: of the network without heads, in the order of initialisation. widths: of its feature maps."""
    found: dict[Place, Piece] = {}
    plain: set[Place] = set()
    offset = 0
    for layer, following in zip(layers, [*layers[1:], None]):
        if isinstance(layer, NormLayer):
            offset += 2 * layer.width if layer.affine else 0
            continue
        branches = _branches(layer, offset, fidelity.weight_init)
        offset += sum(piece.size for piece in branches.values())
        found.update(branches)
        if isinstance(following, NormLayer) and not following.affine:
            plain |= branches.keys()
    heads: dict[int, HeadLayout] = {}
    for stage, (width, target) in enumerate(zip(widths, batch.targets)):
        if target is not None:
            heads[stage] = _head(width, target.shape[1], offset + 2 * width, fidelity)
            offset = heads[stage].bias.offset + heads[stage].bias.size
    return Layout(found, frozenset(plain), heads, offset)


def _branches(layer: ConvLayer, offset: int, weights: str) -> dict[Place, Piece]:
    area = layer.area
    outputs = sum(width for _, width in layer.branches)
    scale = WEIGHT_BOUNDS[weights](layer.inputs * area, outputs * area / len(layer.branches))
    pieces = {}
    for place, width in layer.branches:
        pieces[place] = Piece(offset, width * area * layer.inputs, scale)
        offset += pieces[place].size
    return pieces


def _head(inputs: int, outputs: int, offset: int, fidelity: Fidelity) -> HeadLayout:
    """From the convolution on, before which there is a BatchNorm."""
    weight = Piece(offset, inputs * outputs, WEIGHT_BOUNDS[fidelity.weight_init](inputs, outputs))
    bias = 0.0 if fidelity.bias_init == "zero" else WEIGHT_BOUNDS["default"](inputs, outputs)
    return HeadLayout(weight, Piece(offset + weight.size, outputs, bias))
