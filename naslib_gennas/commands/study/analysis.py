"""What a proxy tells: information about accuracies, and biases. Pure functions of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...evaluation import rank_data, spearman
from ...spaces.base import SearchSpace

Floats = npt.NDArray[np.float64]
Bins = npt.NDArray[np.int64]

OPERATION = re.compile(r"(?P<conv>conv|ir_)|(?P<pool>pool)|(?P<skip>skip|identity)", re.IGNORECASE)
CONSTANTS = np.logspace(-2, 3, 51)  # C of :func:`debiased`
SHUFFLES = 20


def structure(space: SearchSpace, archs: Sequence[Any]) -> pd.DataFrame:
    """What proxies may be biased to, a row an architecture; columns that do not vary are left out.

    ``conv-pool``: convolutions minus pools of a cell; ``cell size``: operations that are not none; ``skips``.

    >>> from naslib_gennas.spaces import load_space
    >>> space = load_space("nasbench201")
    >>> cells = ["|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|", "5"]
    >>> structure(space, [space.parse(cell) for cell in cells]).iloc[0].to_dict()
    {'conv-pool': 0.0, 'cell size': 3.0}
    """
    counts = pd.DataFrame([_operations(space.encoding(arch)) for arch in archs])
    found = pd.DataFrame(
        {
            "conv-pool": counts["conv"] - counts["pool"],
            "cell size": counts.sum(axis=1),
            "skips": counts["skip"],
        }
    )
    return found.loc[:, found.nunique() > 1]


def _operations(encoding: Mapping[str, float]) -> dict[str, float]:
    """How many of each kind: an encoding counts operations, or says of each place which one is there."""
    counts = {"conv": 0.0, "pool": 0.0, "skip": 0.0}
    for name, value in encoding.items():
        match = OPERATION.search(name.rpartition("=")[2])
        if match and match.lastgroup:
            counts[match.lastgroup] += value
    return counts


def binned(values: Sequence[float] | Floats) -> Bins:
    """(n,) numbers of equally full bins, as many as Sturges' rule says; equal values share one.

    >>> binned([5.0, 1.0, 3.0, 2.0]).tolist()
    [2, 0, 1, 1]
    """
    count = math.ceil(math.log2(len(values))) + 1
    places = (rank_data(np.asarray(values, dtype=np.float64)) - 0.5) / len(values)
    _, numbers = np.unique(np.floor(places * count), return_inverse=True)
    return np.asarray(numbers, dtype=np.int64)


def entropy(*bins: Bins) -> float:
    """Of their joint distribution, in bits.

    >>> entropy(np.array([0, 0, 1, 1])), entropy(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    (1.0, 2.0)
    """
    _, counts = np.unique(np.stack(bins), axis=1, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def conditional_entropy(truth: Bins, given: Sequence[Bins]) -> float:
    """Bits that are unknown of ``truth`` once all of ``given`` are known.

    >>> truth = np.array([0, 1, 2, 3])
    >>> conditional_entropy(truth, [truth]), conditional_entropy(truth, [truth // 2])
    (0.0, 1.0)
    """
    return max(0.0, entropy(truth, *given) - entropy(*given)) if given else entropy(truth)


def greedy_information(truth: Floats, proxies: Mapping[str, Floats], steps: int) -> Iterator[tuple[str, float]]:
    """(proxy, conditional entropy of the truth given it and those before), the most telling next one each time.

    >>> truth = np.arange(64.0)
    >>> [name for name, _ in greedy_information(truth, {"noise": np.arange(64.0) % 7, "truth": truth}, 1)]
    ['truth']
    """
    known, bins = binned(truth), {name: binned(values) for name, values in proxies.items()}
    chosen: list[Bins] = []
    for _ in range(min(steps, len(bins))):
        left = {name: conditional_entropy(known, [*chosen, found]) for name, found in bins.items()}
        best = min(left, key=lambda name: left[name])
        chosen.append(bins.pop(best))
        yield best, left[best]


def information_by_chance(truth: Floats, proxy: Floats, before: Sequence[Floats], seed: int) -> float:
    """The conditional entropy if ``proxy`` said nothing: the mean over shuffles of it. With few architectures in many
    bins, noise lowers the entropy, too; what a proxy tells is what it lowers beyond this."""
    rng, known, bins = np.random.default_rng(seed), binned(truth), [binned(values) for values in before]
    shuffled = [conditional_entropy(known, [*bins, rng.permutation(binned(proxy))]) for _ in range(SHUFFLES)]
    return float(np.mean(shuffled))


def debiased(scores: Floats, bias: Floats, constant: float) -> Floats:
    """(n,) ranks of ``scores`` divided by (bias + constant), the bias counted from its smallest: less of a bias.

    The paper divides the scores themselves; ranks make that independent of their sign and unit.
    """
    corrected: Floats = rank_data(scores) / (bias - bias.min() + constant)
    return corrected


def least_biased(scores: Floats, bias: Floats) -> Floats:
    """(n,) :func:`debiased` by the constant that leaves the smallest rank correlation with ``bias``; without labels.

    >>> bias = np.array([0.0, 1, 2, 3, 4, 5])
    >>> -0.5 < spearman(least_biased(bias + [0.0, 0, 2, 0, 0, 1], bias), bias) < 0.5
    True
    """
    candidates = [scores, *(debiased(scores, bias, constant) for constant in CONSTANTS)]
    left = [spearman(found, bias) ** 2 if len(np.unique(found)) > 1 else math.inf for found in candidates]
    return candidates[int(np.argmin(left))]
