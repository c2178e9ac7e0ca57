"""Search spaces, by name. Importing a module here registers its space."""

from .anynet import space as anynet  # noqa: F401
from .base import SPACES, SearchSpace, load_space
from .cells import space as cells  # noqa: F401
from .nasbench101 import space as nasbench101  # noqa: F401
from .nasbench201 import space as nasbench201  # noqa: F401
from .nasbench_nlp import space as nasbench_nlp  # noqa: F401
from .transnas import space as transnas  # noqa: F401

__all__ = ["SPACES", "SearchSpace", "load_space"]
