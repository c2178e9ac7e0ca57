"""The four parts of AZ-NAS, and their aggregation."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .base import MEASURES, Measure, measure
from .blocks import feature_maps
from .measured_network import MeasuredNetwork

SOURCE = "Lee & Ham, CVPR 2024 (AZ-NAS), https://arxiv.org/abs/2403.19232"
TINY = 1e-6


@measure(
    "expressivity",
    source=f"{SOURCE}, expressivity",
    passes="1 forward, and 1 of 2 images",
    memory="activations",
    rnn=False,
)
def expressivity(network: MeasuredNetwork) -> float:
    """sum over blocks of the entropy (nats) of the normalised principal components of their feature maps.

    At least 0. InputError for a network with fewer than two blocks that return feature maps.

    >>> from naslib_gennas.measures.measured_network import example
    >>> expressivity(example()) > 0
    True
    """
    return sum(_entropies(network))


@measure(
    "progressivity",
    source=f"{SOURCE}, progressivity",
    passes="1 forward, and 1 of 2 images",
    memory="activations",
    rnn=False,
)
def progressivity(network: MeasuredNetwork) -> float:
    """The smallest gain of expressivity from one block to the next.

    Any number. InputError as expressivity.

    >>> from naslib_gennas.measures.measured_network import example
    >>> isinstance(progressivity(example()), float)
    True
    """
    entropies = _entropies(network)
    return min(after - before for before, after in zip(entropies, entropies[1:]))


@measure(
    "trainability",
    source=f"{SOURCE}, trainability",
    passes="1 forward, 1 backward, and 1 forward of 2 images",
    memory="activations",
    rnn=False,
)
def trainability(network: MeasuredNetwork) -> float:
    """mean over blocks of 2 - s - 1 / s, s the spectral norm of what a block makes of random gradients; best is s = 1.

    Gradients of +1 and -1 are sent back through one block at a time; s is the largest singular value of their mean
    product with what arrives.

    At most 0, rounding aside; -inf for a block that passes gradients on unchanged, as the authors
    have it. InputError as expressivity.

    >>> from naslib_gennas.measures.measured_network import example
    >>> trainability(example()) < 0
    True
    """
    maps, generator = feature_maps(network), network.generator()
    found = [_block(before, after, generator) for before, after in zip(maps, maps[1:])]
    known = [score for score in found if score is not None]
    return sum(known) / len(known) if known else float("-inf")


def _block(before: torch.Tensor, after: torch.Tensor, generator: torch.Generator) -> float | None:
    """2 - s - 1 / s of a block; None where ``after`` does not depend on ``before``."""
    sent = (torch.randint(2, after.shape, generator=generator) * 2 - 1).to(after)
    (arrived,) = torch.autograd.grad(after, before, sent, retain_graph=True, allow_unused=True)
    if arrived is None:
        return None
    if arrived.shape == sent.shape and torch.equal(arrived, sent):
        return float("-inf")
    arrived, sent = _as_large(arrived, sent), _as_large(sent, arrived)
    product = _rows(arrived).T @ _rows(sent) / (sent.numel() / sent.shape[1])
    norm = float(torch.linalg.matrix_norm(product.double(), ord=2))
    return 2 - norm - 1 / (norm + TINY)


def _as_large(maps: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """``maps``, if they are larger, with the pixels of a stride as channels, cut to the size of ``others``."""
    stride = min(max(1, ours // theirs) for ours, theirs in zip(maps.shape[-2:], others.shape[-2:]))
    height, width = (min(ours, stride * theirs) for ours, theirs in zip(maps.shape[-2:], others.shape[-2:]))
    return F.pixel_unshuffle(maps[..., : height // stride * stride, : width // stride * stride], stride)


def _rows(maps: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) -> (b h w, c)"""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _entropies(network: MeasuredNetwork) -> list[float]:
    return network.shared_result("entropies", lambda given: [_entropy(maps) for maps in feature_maps(given)])


def _entropy(maps: torch.Tensor) -> float:
    rows = _rows(maps.detach()).double()
    rows = rows - rows.mean(dim=0)
    values = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp(min=0)
    total = values.sum()
    if not total > 0:
        return 0.0
    shares = values[values > 0] / total
    return float(-(shares * shares.log()).sum())


MEASURES.register("az_nas")(
    Measure(
        "az_nas",
        None,
        source=f"{SOURCE}, Eq. 12",
        passes="those of its members",
        memory="that of its members",
        rnn=False,
        expression="aznas(expressivity,progressivity,trainability,flops)",
    )
)
