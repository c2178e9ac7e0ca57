"""Efficient performance estimation by per-class correlations."""

from __future__ import annotations

import numpy as np

from .base import measure
from .measured_network import MeasuredNetwork

K = 1e-5
MANY_CLASSES = 100


@measure(
    "epe_nas",
    source="Lopes et al., ICANN 2021, https://arxiv.org/abs/2102.08099; as in NASLib",
    passes="1 forward, 1 backward",
    memory="activations",
    needs_labels=True,
    rnn=False,
)
def epe_nas(network: MeasuredNetwork) -> float:
    """sum over classes c of |s_c|, s_c = sum of log(|correlations of the class's Jacobians| + k), k = 1e-5.

    Beyond 100 classes: s_c divided by the number of its images, and the mean over c of
    sum over d of |s_c - s_d|. Jacobians as in ``jacob_cov``. With random labels (see the batch) the classes
    mean nothing, and neither does much of this measure.

    A number from 0.

    >>> from naslib_gennas.measures.measured_network import example
    >>> epe_nas(example()) > 0
    True
    """
    jacobian = network.jacobian().numpy()
    classes = network.forward().outputs.shape[1]
    labels = network.labels.cpu().numpy()
    sums = []
    with np.errstate(all="ignore"):
        for label in dict.fromkeys(labels.tolist()):
            correlations = np.atleast_2d(np.corrcoef(jacobian[labels == label]))
            total = np.log(np.abs(correlations) + K).sum()
            sums.append(total / len(correlations) if classes > MANY_CLASSES else total)
    found = np.array(sums)
    if classes <= MANY_CLASSES:
        return float(np.abs(found).sum())
    return float(np.abs(found[:, None] - found[None, :]).sum() / len(found))
