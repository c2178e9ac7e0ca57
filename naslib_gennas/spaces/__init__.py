"""Search spaces, by name. Importing this package registers its spaces.

>>> load_space("nasbench101").parse("5:397:000").ops
(0, 0, 0)
"""

from .anynet.space import AnyNetSpace
from .base import SPACES, SearchSpace, load_space
from .cells.space import CellSpace, NASBench301
from .nasbench101.space import NASBench101
from .nasbench201.space import NASBench201
from .nasbench_macro.space import NASBenchMacro
from .nasbench_nlp.space import NASBenchNLP
from .nats_sss.space import NATSSize
from .transnas.space import TransNASMacro, TransNASMicro

__all__ = [
    "SPACES",
    "AnyNetSpace",
    "CellSpace",
    "NASBench101",
    "NASBench201",
    "NASBench301",
    "NASBenchMacro",
    "NASBenchNLP",
    "NATSSize",
    "SearchSpace",
    "TransNASMacro",
    "TransNASMicro",
    "load_space",
]
