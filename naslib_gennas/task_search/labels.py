"""Which labels can be used, and in which order a task meets them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError

FEWEST_LABELS = 5


def check_labels(labels: Sequence[float], purpose: str = "a task search") -> None:
    """InputError unless there is a ranking in ``labels``; ``purpose`` names who needs it."""
    if len(labels) < FEWEST_LABELS:
        raise InputError(f"{purpose} needs at least {FEWEST_LABELS} labelled architectures; got {len(labels)}")
    if not np.isfinite(np.asarray(labels, dtype=float)).all():
        raise InputError("a label is not a finite number; leave that architecture out")
    if len(set(labels)) == 1:
        raise InputError(f"all {len(labels)} labels are equal ({labels[0]:g}), so there is no ranking for {purpose}")


def spread(labels: Sequence[float]) -> list[int]:
    """An order whose every beginning covers the ranks of ``labels`` evenly (van der Corput's sequence).

    >>> spread([10.0, 11.0, 12.0, 13.0])
    [0, 2, 1, 3]
    """
    ranked, bits = np.argsort(labels, kind="stable"), (len(labels) - 1).bit_length()
    places = [int(format(i, f"0{bits}b")[::-1], 2) for i in range(2**bits)]
    return [int(ranked[place]) for place in places if place < len(labels)]
