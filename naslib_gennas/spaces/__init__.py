"""Search spaces, by name. Importing a module here registers its space."""

from . import anynet, cells, nasbench101, nasbench201, nasbench_nlp, transnas  # noqa: F401
from .base import SPACES, SearchSpace, load_space

__all__ = ["SPACES", "SearchSpace", "load_space"]
