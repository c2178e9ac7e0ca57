"""The loop of all methods: epochs that are recorded, a checkpoint after each, and what is found at the end."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

import torch

from ..errors import RunError
from ..proxy.layers import own_randomness
from ..runs.run import Record, Run
from .data import LabelledImages
from .method import JUDGED, METHODS, AlphaMethod, Batch, Method, OneShotSettings
from .supernet import Supernet

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 0, the mean training loss, the architecture that leads, and seconds.

    ``arch`` is empty for methods that only decide at the end.
    """

    epoch: int
    loss: float
    arch: str
    seconds: float

    def as_record(self) -> Record:
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """The architecture that a method settled on, its accuracy with the shared weights in percent, and the epochs."""

    arch: str
    accuracy: float
    epochs: tuple[Epoch, ...]


def search_one_shot(
    name: str, data: LabelledImages, settings: OneShotSettings, run: Run, device: Optional[torch.device] = None
) -> Found:
    """Train a supernet by the method ``name`` and search in it; an interrupted run goes on after its last epoch.

    UnknownNameError for a method that there is not, RunError for a checkpoint that cannot be read.
    """
    device = device or torch.device("cpu")
    train, valid = (half.to(device) for half in data.halves())
    method = _method(name, data.classes, settings, device)
    known = _resumed(method, run, device)
    for number in run.progress(range(known, settings.epochs), settings.epochs - known, f"{name}, epochs"):
        _keep(_epoch(method, number, train, valid), method, run)
    found = method.find(valid)
    accuracy = method.accuracy(found, (valid.images[:JUDGED], valid.labels[:JUDGED]))
    return Found(str(found), accuracy, tuple(Epoch(**record) for record in run.records))


def _method(name: str, classes: int, settings: OneShotSettings, device: torch.device) -> Method:
    kind = METHODS[name]
    with own_randomness(settings.seed, torch.device("cpu")):
        supernet = Supernet(settings.channels, settings.cells, classes).to(device)
    return kind(supernet, settings, torch.Generator().manual_seed(settings.seed))


def _epoch(method: Method, number: int, train: LabelledImages, valid: LabelledImages) -> Epoch:
    started = time.perf_counter()
    method.begin(number)
    losses = []
    held_out = _batches(valid, method)
    for batch in _batches(train, method, once=True):
        method.learn_architecture(batch, next(held_out))
        losses.append(method.learn_weights(batch))
    leading = str(method.strongest()) if isinstance(method, AlphaMethod) else ""
    return Epoch(number, sum(losses) / len(losses), leading, time.perf_counter() - started)


def _batches(data: LabelledImages, method: Method, once: bool = False) -> Iterator[Batch]:
    """In a new order, for ever or ``once``; what is left over at the end of an order is left out unless it is all."""
    size, count = method.settings.batch_size, len(data.labels)
    while True:
        order = torch.randperm(count, generator=method.generator).to(data.labels.device)
        for start in range(0, max(1, count - size + 1), size):
            places = order[start : start + size]
            yield data.images[places], data.labels[places]
        if once:
            return


def _keep(epoch: Epoch, method: Method, run: Run) -> None:
    """The checkpoint first: a run that has the epoch's line can go on after it."""
    record = epoch.as_record()
    if run.directory is not None:
        buffer = io.BytesIO()
        torch.save({"record": record, "state": method.state()}, buffer)
        run.write_bytes(CHECKPOINT, buffer.getvalue())
    run.append(record)


def _resumed(method: Method, run: Run, device: torch.device) -> int:
    """How many epochs are done; the method is as it was after them."""
    path = None if run.directory is None else run.directory / CHECKPOINT
    if path is None or not path.exists():
        if run.records:
            raise RunError(f"{run.directory} has epochs but no {CHECKPOINT}; choose another --out")
        return 0
    kept = _loaded(path, device)
    if kept["record"]["epoch"] == len(run.records):  # a kill came between the two
        run.append(kept["record"])
    if kept["record"]["epoch"] != len(run.records) - 1:
        raise RunError(f"{path} is of epoch {kept['record']['epoch']}, the run has {len(run.records)}; choose another")
    method.load(kept["state"])
    return len(run.records)


def _loaded(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        kept["state"]["generator"] = kept["state"]["generator"].cpu()
        kept["record"]["epoch"]
    except Exception as error:  # whatever damaged bytes make of the reader
        raise RunError(f"the checkpoint {path} cannot be read ({type(error).__name__}); choose another --out") from None
    return kept
