"""Measures: numbers that rank networks without training them, all of them higher-is-better.

Importing this package registers them, except ``gennas``, which the package ``scoring`` registers.
"""

from . import (  # noqa: F401, I001 - the order of registration is the order of the lists
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
    swap,
    meco,
    gradsign,
    ntk,
    ntk_trace,
    az_nas,
    vote,
    cls,
    rot,
    jig,
    col,
    params,
    flops,
)
from .base import MEASURES, Measure, measure
from .measured_network import MeasuredNetwork

__all__ = ["MEASURES", "Measure", "MeasuredNetwork", "measure"]
