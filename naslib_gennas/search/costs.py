"""What an architecture costs where it will run: parameters, operations, latency."""

from __future__ import annotations

import hashlib
import math
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Optional

import pandas as pd
import torch

from ..errors import ArchitectureError, InputError, TableError, UnknownNameError
from ..measures.flops import flops
from ..measures.measured_network import MeasuredNetwork
from ..progress import warn
from ..proxy.layers import uninitialised
from ..registry import unknown
from ..runs.run import Run
from ..scoring.gennas import find_device
from ..spaces.base import SearchSpace
from .latency_model import PredictedLatency

PARAMS, FLOPS, LATENCY = "params", "flops", "latency"
SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}  # in milliseconds
WARM_UP, ROUNDS, MOST = 3, 15, 0.25  # of measured latencies: runs, and the spread that is told
NAMES = ("arch", "index")  # columns of a latency table that name architectures
AMOUNT = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)

Cost = Callable[[Any], Optional[float]]
"""Architecture -> its cost; None where it is not known."""


@dataclass(frozen=True)
class Deployment:
    """The network as it will be used: ``classes``, images of ``image_size`` pixels, on ``device``.

    None: as many and as large as the benchmark of the space has. ``latency_samples``: how many latencies are measured;
    None measures every architecture that is asked for.
    ``latency_table``: a CSV of ``arch`` (or ``index``, where numbers stand for architectures) and a column of
    milliseconds a device.
    """

    classes: Optional[int] = None
    image_size: Optional[int] = None
    latency_table: Optional[str] = None
    device: str = "cpu"
    latency_samples: Optional[int] = None

    def __post_init__(self) -> None:
        for value, what in ((self.classes, "class"), (self.image_size, "pixel")):
            if value is not None and value < 1:
                raise InputError(f"need at least one {what}, got {value}")

    def network(self, space: SearchSpace, arch: Any) -> torch.nn.Module:
        """``arch`` with its classifier."""
        return space.build_network(arch) if self.classes is None else space.build_network(arch, self.classes)

    def images(self, space: SearchSpace, count: int, device: torch.device) -> torch.Tensor:
        """Black ones, (count, 3, s, s)."""
        size = self.image_size or space.image_size
        return torch.zeros(count, 3, size, size, device=device)


def amount(text: str, quantity: str) -> float:
    """A number with its unit: ``4M`` parameters or operations, ``20ms``; in ones, or milliseconds.

    InputError for a number that is none, or a unit that is missing where it matters.

    >>> amount("4M", "params"), amount("0.6G", "flops"), amount("20ms", "latency:pixel3"), amount("1.5s", "latency")
    (4000000.0, 600000000.0, 20.0, 1500.0)
    """
    match = AMOUNT.fullmatch(text)
    units = TIMES if quantity.partition(":")[0] == LATENCY else SCALES
    unit = match[2].lower() if match else ""
    try:
        value = float(match[1]) if match else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (match and unit not in units):
        known = ", ".join(name for name in units if name)
        raise InputError(f"{text!r} is no amount of {quantity}; give a number with one of the units {known}")
    if unit == "" and (units is TIMES or value < 1e4):
        example = f"{match[1]}ms" if units is TIMES and match else f"{text.strip()}M"
        raise InputError(f"{text!r} of {quantity} needs a unit, such as {example}")
    return value * units[unit]


def cost_of(quantity: str, space: SearchSpace, deployment: Deployment, run: Optional[Run] = None) -> Cost:
    """The function that tells ``quantity``: ``params``, ``flops``, ``latency:COLUMN`` of the table, or ``latency``,
    measured here (kept in ``run``, so that a resumed run has the same).

    Raises UnknownNameError for another quantity or column, InputError for a column without table and for operations
    or measured latencies of recurrent networks, TableError for a table that cannot be read or knows no architecture
    of the space.
    """
    name, colon, column = quantity.partition(":")
    if name == LATENCY and colon:
        return _tabled(column, space, deployment)
    if space.kind != "cnn" and quantity in (FLOPS, LATENCY):
        raise InputError(f"{quantity} is of networks that see images, and those of {space.name} do not; limit {PARAMS}")
    if quantity == LATENCY:
        return _measured(space, deployment, run)
    kinds: dict[str, Cost] = {
        PARAMS: lambda arch: _parameters(space, arch, deployment),
        FLOPS: lambda arch: _multiply_adds(space, arch, deployment),
    }
    if quantity not in kinds:
        raise UnknownNameError(unknown("cost", quantity, [*kinds, LATENCY, f"{LATENCY}:COLUMN"]))
    return cache(kinds[quantity])


def _measured(space: SearchSpace, deployment: Deployment, run: Optional[Run]) -> Cost:
    stopwatch = Stopwatch(space, deployment, run)
    if deployment.latency_samples is None:
        return stopwatch
    sizes = [cost_of(name, space, deployment) for name in (PARAMS, FLOPS)]
    return PredictedLatency(space, stopwatch, deployment.latency_samples, sizes)


def shown(value: float, quantity: str) -> str:
    """With its unit.

    >>> shown(3.4e6, "params"), shown(12.3456, "latency")
    ('3.4M', '12.35 ms')
    """
    if quantity.partition(":")[0] == LATENCY:
        return f"{value:.4g} ms"
    return f"{value / 1e6:.4g}M"


def _parameters(space: SearchSpace, arch: Any, deployment: Deployment) -> float:
    if deployment.classes is None:
        return float(space.parameters(arch))
    with uninitialised():
        network = deployment.network(space, arch)
    return float(sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad))


def _multiply_adds(space: SearchSpace, arch: Any, deployment: Deployment) -> float:
    if deployment.classes is None and deployment.image_size is None:
        counted = space.multiply_adds(arch)
        if counted is not None:
            return float(counted)
    return 1e6 * flops(_network(space, arch, deployment))


def _network(space: SearchSpace, arch: Any, deployment: Deployment) -> MeasuredNetwork:
    def make() -> torch.nn.Module:
        with uninitialised():
            return deployment.network(space, arch)

    return MeasuredNetwork(make, deployment.images(space, 2, torch.device("meta")))


def _tabled(column: str, space: SearchSpace, deployment: Deployment) -> Cost:
    if deployment.latency_table is None:
        raise InputError(f"{LATENCY}:{column} is a column of a table; name it with --latency-table")
    frame = _frame(deployment.latency_table)
    devices = [str(name) for name in frame.columns if name not in NAMES]
    if column not in devices:
        raise UnknownNameError(unknown(f"device in {deployment.latency_table}", column, devices))
    if not pd.api.types.is_numeric_dtype(frame[column]):
        raise TableError(f"{deployment.latency_table}: the column {column} holds texts; it must hold milliseconds")
    texts = zip(_texts(frame, space), frame[column])
    known = {text: float(value) for text, value in texts if text is not None and math.isfinite(value)}
    if not known:
        raise TableError(f"{deployment.latency_table} knows no {column} of any architecture of {space.name}")
    return lambda arch: known.get(str(arch))


def _frame(source: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(source, dtype={"arch": str, "index": str})
    except (OSError, ValueError, EOFError) as error:
        raise TableError(f"cannot read the latencies {source}: {' '.join(str(error).split())}") from None
    if not set(NAMES) & set(frame.columns):
        raise TableError(f"{source} has neither a column arch nor index that names architectures")
    return frame


def _texts(frame: pd.DataFrame, space: SearchSpace) -> list[Optional[str]]:
    """The space's own text of every row; None where it is of no architecture."""

    def own(text: str) -> Optional[str]:
        try:
            return str(space.parse(str(text)))
        except ArchitectureError:
            return None

    return [own(text) for text in frame[next(name for name in NAMES if name in frame)]]


class Stopwatch:
    """Milliseconds that a network takes for one image here: the median of runs after a warm-up."""

    def __init__(self, space: SearchSpace, deployment: Deployment, run: Optional[Run] = None):
        self.space, self.deployment, self.run = space, deployment, run
        self.device = find_device(deployment.device)
        self.known = {} if run is None else {str(record["arch"]): record["ms"] for record in run.records}

    def __call__(self, arch: Any) -> float:
        text = str(arch)
        if text not in self.known:
            self.known[text] = self._measured(arch)
            if self.run is not None:
                self.run.append({"arch": text, "ms": self.known[text]})
        return float(self.known[text])

    def _measured(self, arch: Any) -> float:
        network = self.deployment.network(self.space, arch).eval().to(self.device)
        image = self.deployment.images(self.space, 1, self.device)
        with torch.inference_mode():
            times = [self._one(network, image) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
        low, median, high = statistics.quantiles(times, n=4)
        if high - low > MOST * median:
            spread = f"{low:.3g} to {high:.3g} ms in the middle half of {ROUNDS} runs"
            warn(f"the latency of {arch} varies, {spread}; is the machine busy?")
        return median

    def _one(self, network: torch.nn.Module, image: torch.Tensor) -> float:
        started = time.perf_counter()
        network(image)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return 1e3 * (time.perf_counter() - started)


def digest_of(source: Optional[str]) -> Optional[str]:
    """Of the content of a latency table, None without one; TableError for one that is not there."""
    if source is None:
        return None
    try:
        return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16]
    except OSError:
        raise TableError(f"there are no latencies at {source}; name a CSV with --latency-table") from None
