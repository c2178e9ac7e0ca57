"""The regression task of recurrent networks (paper, Section 3.1.1): a signal in, another signal out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Optional

from pydantic import AfterValidator, Field, model_validator

from .fidelity import ReadOut, Spec
from .signal_base import AnySignal, Signal, weighted_sum
from .signal_kinds import Noise
from .tasks import InputNoise

if TYPE_CHECKING:
    import torch

    from .moments import Moments


def _without_images(signal: Signal) -> Signal:
    if signal.needs_images:
        raise ValueError("the signal is made of images, which recurrent networks do not see; choose another")
    return signal


RNNSignal = Annotated[AnySignal, AfterValidator(_without_images)]
"""Of any registered kind that is not made of images."""


class RNNTask(Spec):
    """Maps of time steps x vector entries, fresh for every member of the batch: what goes in and what is to
    come out, each the level-weighted sum of its signals, and the noise on the input.

    >>> import torch
    >>> from naslib_gennas.proxy.tasks import Dot, Sin1D
    >>> task = RNNTask(dimension=4, inputs=[Dot()], targets=[Sin1D(frequencies="low")])
    >>> task.materialise(batch_size=2, length=8, generator=torch.Generator().manual_seed(0)).targets.shape
    torch.Size([8, 2, 4])
    """

    dimension: int = Field(default=64, ge=1, le=4096)
    """Length of the input and output vectors."""
    noise: InputNoise = InputNoise()
    inputs: Annotated[list[RNNSignal], Field(min_length=1)]
    targets: Annotated[list[RNNSignal], Field(min_length=1)]

    @model_validator(mode="after")
    def _local(self) -> RNNTask:
        if any(signal.scope != "local" for signal in (*self.inputs, *self.targets)):
            raise ValueError("the signals of an RNN task are local: another draw for every member of the batch")
        return self

    def materialise(self, batch_size: int, length: int, generator: torch.Generator) -> RNNBatch:
        """Fix inputs and targets for one run; draws come from ``generator`` (CPU), inputs first."""

        inputs = self._drawn(self.inputs, batch_size, length, generator)
        return RNNBatch(inputs, self._drawn(self.targets, batch_size, length, generator), self.noise)

    def expected(self, batch_size: int, length: int, generator: torch.Generator) -> RNNExpected:
        """One draw of the inputs and their noise from ``generator`` (CPU), and the targets on average."""
        import torch

        from .moments import DRAWS, SEED, Moments

        inputs = self.noise.add(self._drawn(self.inputs, batch_size, length, generator), generator)
        if all(isinstance(signal, Noise) for signal in self.targets):
            return RNNExpected(inputs, Moments(white=sum(signal.level**2 for signal in self.targets)))
        count = -(-DRAWS // self.dimension)
        maps = self._drawn(self.targets, count, length, torch.Generator().manual_seed(SEED)).flatten(1)
        mean = maps.mean(dim=1, keepdim=True)
        centred = maps - mean
        return RNNExpected(inputs, Moments(local=centred @ centred.T / maps.shape[1], mean=mean.T))

    def _drawn(
        self, signals: Sequence[Signal], batch_size: int, length: int, generator: torch.Generator
    ) -> torch.Tensor:
        maps = weighted_sum(signals, (batch_size, 1, length, self.dimension), None, generator)
        return maps[:, 0].transpose(0, 1).contiguous()


@dataclass(frozen=True)
class RNNBatch:
    """``inputs`` and ``targets``: (time steps, b, dimension)."""

    inputs: torch.Tensor
    targets: torch.Tensor
    noise: InputNoise

    def to(self, device: torch.device) -> RNNBatch:
        """The same batch on ``device``."""
        return RNNBatch(self.inputs.to(device), self.targets.to(device), self.noise)


@dataclass(frozen=True)
class RNNExpected:
    """``inputs``: (time steps, b, dimension), with noise; ``over_time``: of an entry of the targets, on average."""

    inputs: torch.Tensor
    over_time: Moments
    used: tuple[int, ...] = (0,)
    weights: tuple[float, ...] = (1.0,)

    @property
    def images(self) -> int:
        """b."""
        return self.inputs.shape[1]

    def moments(self, stage: int, pixels: int) -> Moments:
        """Of the targets."""
        return self.over_time

    def to(self, device: torch.device) -> RNNExpected:
        """The same on ``device``."""
        return RNNExpected(self.inputs.to(device), self.over_time.to(device))


class RNNFidelity(ReadOut):
    """Network size, optimisation and read-out of an RNN task. The defaults are the paper's (A.2).

    >>> RNNFidelity(steps=10).learning_rate
    0.001
    """

    embedding: Optional[int] = Field(default=None, ge=1, le=4096)
    """Width of the first layer's input and the last layer's output; None is the benchmark's 400."""
    hidden: Optional[int] = Field(default=None, ge=1, le=4096)
    """Width of the layers before the last; None is the benchmark's 600."""
    layers: Optional[int] = Field(default=None, ge=1, le=64)
    """None is the benchmark's 3."""
    length: int = Field(default=8, ge=1, le=4096)
    """Time steps."""
    batch_size: int = Field(default=16, ge=1, le=4096)
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam."""
    weight_decay: float = Field(default=1.2e-6, ge=0)
    dropout: float = Field(default=1.0, ge=0, le=1)
    """Multiplies the benchmark's dropout rates."""
    recurrent: Literal["trained", "frozen"] = "trained"
    """Whether weights on hidden states and inner nodes learn. In the authors' released code they do not: its
    weight dropout cuts them off from their gradients."""
