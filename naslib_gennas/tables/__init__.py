"""Ground truth: architecture -> metric -> value."""

from ..readers import convert_table
from .sources import STAND_IN, load_table, open_space, table_from_nasbench
from .table import Problems, Table

__all__ = ["STAND_IN", "Problems", "Table", "convert_table", "load_table", "open_space", "table_from_nasbench"]
