"""Files of ground truth, each format read into a frame: ``arch`` (text) and its metrics, one row an architecture.

A format of your own is one function under :data:`READERS`; a source that is no file, one under :data:`SCHEMES`.
"""

from . import analog_nasbench, nats, plain, tfrecord  # noqa: F401  (they register their readers)
from .files import convert_table, is_table, read_frame
from .nasbench_api import NASBenchAPI, nasbench_frame
from .nasbench_nlp import finished
from .plain import no_parquet, with_architectures
from .registry import FOLDER, READERS, SCHEMES, Progress, Reader, Scheme

__all__ = [
    "FOLDER",
    "READERS",
    "SCHEMES",
    "NASBenchAPI",
    "Progress",
    "Reader",
    "Scheme",
    "convert_table",
    "finished",
    "is_table",
    "nasbench_frame",
    "no_parquet",
    "read_frame",
    "with_architectures",
]
