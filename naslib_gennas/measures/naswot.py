"""NAS without training."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .base import measure
from .measured_network import MeasuredNetwork


@measure(
    "naswot",
    source="Mellor et al., ICML 2021, https://arxiv.org/abs/2006.04647 (version 2); NASLib's nwot",
    passes="1 forward",
    memory="one bit pattern a ReLU",
    rnn=False,
    late=True,
)
def naswot(network: MeasuredNetwork) -> float:
    """log |det K|, K[i, j] = number of ReLU units that are equally active for the images i and j.

    K is the sum over all ReLUs of x x' + (1 - x)(1 - x)', x (b, units) the indicator of a positive input.

    Any number, or -inf where two images are active alike. InputError for a network without ReLU.

    >>> from naslib_gennas.measures.measured_network import example
    >>> naswot(example()) > 0
    True
    """
    patterns = network.patterns()
    if not patterns:
        raise InputError("naswot needs a network with ReLU activations, and this one has none")
    kernel = np.zeros((len(network.images),) * 2)
    for active, count in patterns:
        x = active.float()  # (b, units)
        both = x @ x.T
        ones = x.sum(dim=1)
        neither = x.shape[1] - ones[:, None] - ones[None, :] + both
        kernel += count * (both + neither).double().cpu().numpy()
    return float(np.linalg.slogdet(kernel)[1])
