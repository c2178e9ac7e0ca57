"""Search in a supernet, and say what ground truth knows of the architecture that is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional, Union

from ..one_shot import METHODS, OneShotSettings, load_labelled, search_one_shot
from ..one_shot.data import LabelledImages
from ..proxy.images import images_identity
from ..runs.run import SUMMARY, Record, Run
from ..scoring.gennas import find_device
from ..tables import Table
from ..tables.published import find_published
from .result import Result

SPACE = "nasbench201"
NOTE = "printed: searched on all of CIFAR-10"


@dataclass(frozen=True)
class OneShotResult(Result):
    """What a weight-sharing method found.

    Attributes:
        method: its name.
        source: of the method.
        arch: what it settled on.
        one_shot_accuracy: of that with the shared weights, on images that it did not learn weights by, in percent.
        epochs: of the supernet.
        losses: mean training loss of every epoch.
        images, classes: of the data.
        seed: of weights and draws.
        seconds: of all epochs.
        metric: column of ``accuracy``; None without a table.
        accuracy: what the table says of ``arch``.
        rank: place of this accuracy in the table, from 1, the best.
        printed: row of the paper's Table 3 -> the printed cell.
        note: what to think of when they are compared.
    """

    method: str
    source: str
    arch: str
    one_shot_accuracy: float
    epochs: int
    losses: tuple[float, ...]
    images: int
    classes: int
    seed: int
    seconds: float
    metric: Optional[str]
    accuracy: Optional[float]
    rank: Optional[int]
    printed: Mapping[str, str]
    note: str = NOTE


def one_shot(
    name: str,
    data: LabelledImages,
    settings: OneShotSettings,
    run: Run,
    table: Optional[Table] = None,
    metric: Optional[str] = None,
    device: str = "cpu",
) -> OneShotResult:
    """Search by the method ``name``; the result is written to the run, too.

    Raises what :func:`naslib_gennas.one_shot.search_one_shot` raises, DeviceError, and TableError for a metric that
    the table lacks.
    """
    if table is not None:
        metric = metric or table.default_metric
        table.column(metric)
    found = search_one_shot(name, data, settings, run, find_device(device))
    accuracy = None if table is None else table.value(found.arch, metric)
    cells = find_published("3", "NASBench-201", column=METHODS[name].title)
    result = OneShotResult(
        method=name,
        source=METHODS[name].source,
        arch=found.arch,
        one_shot_accuracy=found.accuracy,
        epochs=len(found.epochs),
        losses=tuple(epoch.loss for epoch in found.epochs),
        images=len(data.labels),
        classes=data.classes,
        seed=settings.seed,
        seconds=sum(epoch.seconds for epoch in found.epochs),
        metric=metric,
        accuracy=accuracy,
        rank=None if accuracy is None or table is None else table.rank(accuracy, metric),
        printed={cell.row: cell.printed for cell in cells},
    )
    run.write(SUMMARY, result.as_record())
    return result


def config(name: str, source: Union[str, Path], settings: OneShotSettings, device: str) -> Record:
    """Of a run."""
    told = {"command": "one-shot", "method": name, "space": SPACE, **asdict(settings)}
    return {**told, **images_identity(source), "device": device}


def read(source: Union[str, Path], settings: OneShotSettings) -> LabelledImages:
    """The images of the size that the settings say; ImageError for some that cannot be used."""
    return load_labelled(source, settings.image_size)
