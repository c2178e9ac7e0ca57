"""Ground truth: architecture -> metric -> value, one module a source."""

from . import nats, plain, tfrecord  # noqa: F401  (they register their readers)
from .nasbench_api import table_from_nasbench
from .sources import convert_table, load_table
from .table import Problems, Table

__all__ = ["Problems", "Table", "convert_table", "load_table", "table_from_nasbench"]
