"""NAS without training."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .base import measure
from .measured_network import Subject


@measure(
    "naswot",
    source="Mellor et al., ICML 2021, https://arxiv.org/abs/2006.04647 (version 2); NASLib's nwot",
    passes="1 forward",
    memory="one bit pattern a ReLU",
    rnn=False,
    late=True,
)
def naswot(subject: Subject) -> float:
    """log |det K|, K[i, j] = number of ReLU units that are equally active for the images i and j.

    K is the sum over all ReLUs of x x' + (1 - x)(1 - x)', x (b, units) the indicator of a positive input.
    """
    patterns = subject.patterns()
    if not patterns:
        raise InputError("naswot needs a network with ReLU activations, and this one has none")
    kernel = np.zeros((len(subject.images),) * 2)
    for active, count in patterns:
        x = active.float()  # (b, units)
        both = x @ x.T
        ones = x.sum(dim=1)
        neither = x.shape[1] - ones[:, None] - ones[None, :] + both
        kernel += count * (both + neither).double().cpu().numpy()
    return float(np.linalg.slogdet(kernel)[1])
