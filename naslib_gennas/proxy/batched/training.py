"""Training the networks of many architectures at once: the numbers of :func:`~naslib_gennas.proxy.regression.train`."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from ..fidelity import Fidelity
from ..parameters import uniform
from ..regression import CHECK_EVERY, RegressionResult, noise_seed
from ..tasks import Batch
from .program import Network, Program

BYTES = 4
COPIES = 3  # of every map: its value, its gradient, what BatchNorm keeps
TEMPORARY = 30  # times the largest map: columns of some convolutions
SHARE = 0.4  # of a GPU's free memory: others may live there, too
MOST = 2048  # networks at once


def regress_together(
    networks: Sequence[Network], batch: Batch, fidelity: Fidelity, seed: int, memory: int
) -> Iterator[tuple[list[int], list[RegressionResult]]]:
    """Places in ``networks``, and what ``build_and_regress`` says of each, up to the order in which numbers are added.

    seed: of the generator that each of them would start from. memory: MB on the CPU; a GPU's is what is free there.
    Networks that do not fit after all are halved in number, with a warning, down to one; OutOfMemoryError for that.
    ``seconds`` of a result: those of all trained with it, shared evenly.
    """
    running = None
    for chunk in _chunks(networks, batch, memory):
        rest = [chunk]
        while rest:
            places = rest.pop()
            try:
                started = Training([networks[place] for place in places], batch, fidelity, seed)
            except torch.cuda.OutOfMemoryError:
                if len(places) == 1:
                    raise
                warnings.warn(f"{len(places)} networks do not fit into the GPU's memory; trying half", stacklevel=2)
                torch.cuda.empty_cache()
                rest += [places[len(places) // 2 :], places[: len(places) // 2]]
                continue
            if running:  # a GPU works on one while the next is prepared
                yield running[0], running[1].results()
            running = places, started
    if running:
        yield running[0], running[1].results()


@dataclass
class Training:
    """Of ``networks`` at once; a GPU may still be at work when it is made. ``dtype``: of weights and maps."""

    networks: Sequence[Network]
    batch: Batch
    fidelity: Fidelity
    seed: int
    dtype: torch.dtype = torch.float32
    _curves: torch.Tensor = field(init=False)  # (steps, stages, networks)
    _final: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._started = time.perf_counter()
        fidelity = self.fidelity
        numbers = uniform(max(n.layout.count for n in self.networks), torch.Generator().manual_seed(self.seed))
        draw = numbers.to(self.batch.inputs.device)
        with torch.no_grad():
            program = Program(self.networks, self.batch, draw, fidelity.readout == "eval", self.dtype)
            self._used = program.used
            self._train(program, _Inputs(self.networks, self.batch, self.seed))

    def _train(self, program: Program, inputs: _Inputs) -> None:
        fidelity, history = self.fidelity, []
        for _ in range(fidelity.steps):
            history.append(program.losses(inputs.next(), training=True))
            program.parameters.before_backward(fidelity.momentum)
            program.backward()
            program.parameters.step(fidelity.learning_rate, fidelity.weight_decay)
        self._curves = torch.stack(history)
        if fidelity.readout == "eval":
            self._final = program.losses(inputs.next(), training=False)
        else:
            self._final = self._curves[-fidelity.average :].mean(dim=0)

    def results(self) -> list[RegressionResult]:
        """Of every network, in order."""
        curves, final = self._curves.cpu(), self._final.cpu()
        seconds = (time.perf_counter() - self._started) / len(self.networks)
        return [
            _result(curves[:, :, n], final[:, n], network.layout.count, self.batch, self._used, seconds)
            for n, network in enumerate(self.networks)
        ]


class _Inputs:
    """The images, with noise afresh for every network and step where the task has noise."""

    def __init__(self, networks: Sequence[Network], batch: Batch, seed: int):
        self.batch = batch
        self.fixed = batch.inputs.transpose(0, 1)[None]
        device = batch.inputs.device
        self.generators = [
            torch.Generator(device).manual_seed(_noise_seed(network, seed)) for network in networks if batch.noise.level
        ]

    def next(self) -> torch.Tensor:
        if not self.generators:
            return self.fixed
        drawn = [self.batch.noise.add(self.batch.inputs, generator) for generator in self.generators]
        return torch.stack(drawn).transpose(1, 2)


def _noise_seed(network: Network, seed: int) -> int:
    """That of a network trained alone, which is drawn after the first weights."""
    generator = torch.Generator().manual_seed(seed)
    uniform(network.layout.count, generator)
    return noise_seed(generator)


def _chunks(networks: Sequence[Network], batch: Batch, memory: int) -> Iterator[list[int]]:
    """Places of networks that fit, those of like size together."""
    device = batch.inputs.device
    room = memory * 2**20
    if device.type == "cuda":
        room = int(SHARE * torch.cuda.mem_get_info(device)[0])
    chunk: list[int] = []
    used = 0
    for place in sorted(range(len(networks)), key=lambda n: (networks[n].numbers, networks[n].layout.count)):
        network = networks[place]
        needs = BYTES * len(batch.inputs) * _numbers(network)
        if chunk and (used + needs > room or len(chunk) == MOST):
            yield chunk
            chunk, used = [], 0
        chunk.append(place)
        used += needs
    if chunk:
        yield chunk


def _numbers(network: Network) -> int:
    """That its training keeps, of one image."""
    return COPIES * network.numbers + network.columns + TEMPORARY * network.largest


def _result(
    curves: torch.Tensor, final: torch.Tensor, count: int, batch: Batch, used: Sequence[int], seconds: float
) -> RegressionResult:
    """Of one network. A training alone ends when its loss is not finite: here it only has no say in the others."""
    steps = _finite_steps(curves)
    weights, score_weights = (
        torch.tensor([of[stage] for stage in used], dtype=final.dtype) for of in (batch.weights, batch.score_weights)
    )
    curve = (curves[:steps] @ weights).tolist()
    loss = float(final @ score_weights)
    ok = math.isfinite(loss) and all(map(math.isfinite, curve))
    per_stage = [math.nan] * len(batch.targets)
    for stage, value in zip(used, final.tolist()):
        per_stage[stage] = value
    return RegressionResult(
        loss=loss if ok else math.nan,
        status="ok" if ok else "diverged",
        curve=tuple(curve),
        stage_losses=tuple(per_stage),
        steps=steps,
        parameters=count,
        seconds=seconds,
    )


def _finite_steps(curves: torch.Tensor) -> int:
    """After how many steps a training alone would have been found to diverge, or all."""
    finite = torch.isfinite(curves).all(dim=1)
    for count in range(CHECK_EVERY, len(curves) + 1, CHECK_EVERY):
        if not finite[count - 1]:
            return count
    return len(curves)
