"""Ground truth: architecture -> metric -> value."""

from ..readers import convert_table
from .sources import load_table, open_space, read_architectures, table_from_nasbench
from .table import Problems, Table

__all__ = [
    "Problems",
    "Table",
    "convert_table",
    "load_table",
    "open_space",
    "read_architectures",
    "table_from_nasbench",
]
