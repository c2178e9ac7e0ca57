"""NAS-Bench-101's official .tfrecord files, without TensorFlow.

Each record is the JSON list [module hash, epochs, adjacency, operations, metrics] of one training run: the
matrix as V*V characters 0/1 row by row, the operations joined by commas, and a ``ModelMetrics`` protocol
buffer in base64, whose evaluations are those before, halfway through and after training
(https://github.com/google-research/nasbench, ``api.py`` and ``lib/model_metrics.proto``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

import pandas as pd

from ..errors import MissingPackageError, TableError
from .nasbench101 import TrainingRuns
from .registry import READERS, Progress

EVALUATIONS = 3  # before, halfway, final
FRAMING = 16  # bytes around a record: its length and two checksums
PROGRESS_EVERY = 10_000

DOUBLE, INT32, MESSAGE = 1, 5, 11  # FieldDescriptorProto.Type
OPTIONAL, REPEATED = 1, 3  # FieldDescriptorProto.Label
PACKAGE = "naslib_gennas.nasbench"


@READERS.register(".tfrecord")
def read(path: Path, part: Optional[str] = None, progress: Progress = None) -> pd.DataFrame:
    """Means over the runs of each cell, streamed: see :meth:`.nasbench101.TrainingRuns.frame`."""
    runs, done, total = TrainingRuns(), 0, path.stat().st_size
    for number, record in enumerate(_records(path), start=1):
        try:
            module_hash, epochs, adjacency, ops, raw = json.loads(record)
            metrics = metrics_class().FromString(base64.b64decode(raw))
            final = metrics.evaluation_data[EVALUATIONS - 1]
            row = runs.cell(module_hash, adjacency, ops.split(","), metrics.trainable_parameters)
            runs.add(row, epochs, final.validation_accuracy, final.test_accuracy)
        except Exception as error:  # whatever a damaged record makes of JSON, base64 or the message
            raise TableError(
                f"record {number} of {path} is not one of NAS-Bench-101 ({type(error).__name__}: {error}); "
                "download the file again"
            ) from None
        done += len(record) + FRAMING
        if progress and (number % PROGRESS_EVERY == 0 or done == total):
            progress(done, total)
    return runs.frame()


def _records(path: Path) -> Iterator[bytes]:
    try:
        from tfrecord.reader import tfrecord_iterator
    except ImportError:
        install = "pip install 'naslib_gennas[tables]'"
        raise MissingPackageError(f"reading a .tfrecord needs the package tfrecord: {install}") from None
    _check_first_length(path)
    number = 0
    try:
        for view in tfrecord_iterator(str(path)):
            number += 1
            yield bytes(view)  # the view is overwritten by the next record
    except (RuntimeError, MemoryError, OverflowError) as error:
        raise TableError(f"{path} breaks off after record {number}: {error or 'impossible length'}") from None


def _check_first_length(path: Path) -> None:
    """A file of another kind would be taken for one record of an absurd length."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length + FRAMING > path.stat().st_size:
        raise TableError(f"{path} is not a TFRecord file, or only the beginning of one")


@lru_cache(maxsize=1)
def metrics_class() -> Any:
    """The class of the messages, described here so that neither nasbench nor protoc is needed."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # comes with tfrecord

    file = descriptor_pb2.FileDescriptorProto(name="model_metrics.proto", package=PACKAGE, syntax="proto2")
    evaluation = file.message_type.add(name="EvaluationData")
    names = ("current_epoch", "training_time", "train_accuracy", "validation_accuracy", "test_accuracy")
    for number, name in enumerate(names, start=1):
        evaluation.field.add(name=name, number=number, type=DOUBLE, label=OPTIONAL)
    metrics = file.message_type.add(name="ModelMetrics")
    kind = f".{PACKAGE}.EvaluationData"
    metrics.field.add(name="evaluation_data", number=1, type=MESSAGE, label=REPEATED, type_name=kind)
    metrics.field.add(name="trainable_parameters", number=2, type=INT32, label=OPTIONAL)
    metrics.field.add(name="total_time", number=3, type=DOUBLE, label=OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.ModelMetrics"))
