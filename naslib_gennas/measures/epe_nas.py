"""Efficient performance estimation by per-class correlations."""

from __future__ import annotations

import numpy as np

from .base import measure
from .measured_network import Subject

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
def epe_nas(subject: Subject) -> float:
    """sum over classes c of |s_c|, s_c = sum of log(|correlations of the class's Jacobians| + k), k = 1e-5.

    Beyond 100 classes: s_c divided by the number of its images, and the mean over c of
    sum over d of |s_c - s_d|. Jacobians as in ``jacob_cov``. With random labels (see the batch) the classes
    mean nothing, and neither does much of this measure.
    """
    jacobian = subject.jacobian().numpy()
    classes = subject.forward().outputs.shape[1]
    labels = subject.labels.cpu().numpy()
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
