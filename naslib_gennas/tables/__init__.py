"""Ground truth: architecture -> metric -> value, one module a source."""

from ..readers import nats, plain, tfrecord  # noqa: F401  (they register their readers)
from ..readers.nasbench_api import table_from_nasbench
from .sources import convert_table, load_table, open_space
from .table import Problems, Table

__all__ = ["Problems", "Table", "convert_table", "load_table", "open_space", "table_from_nasbench"]
