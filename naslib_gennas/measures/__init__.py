"""Measures: numbers that rank networks without training them, all of them higher-is-better.

Importing this package registers them; importing :mod:`.base` alone registers none and needs no tensors.
"""

from . import (  # noqa: F401, I001 - the order of registration is the order of the lists
    gennas,
    synflow,
    naswot,
    jacob_cov,
    snip,
    grasp,
    fisher,
    grad_norm,
    l2_norm,
    plain,
    zen,
    epe_nas,
    zico,
    vote,
    cls,
    rot,
    jig,
    col,
    params,
    flops,
)
from .base import MEASURES, Measure, measure
from .subject import Subject

__all__ = ["MEASURES", "Measure", "Subject", "measure"]
