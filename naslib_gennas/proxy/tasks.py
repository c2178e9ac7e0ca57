"""Proxy tasks: which signals are regressed at which stage (paper, Sections 3.1.2 and 3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, Optional

from pydantic import Field, model_validator

from .fidelity import Spec
from .signal_base import SIGNALS, AnySignal, Level, Signal, register_signal, weighted_sum
from .signal_kinds import Dot, GDot, Noise, Resize, Sin1D, Sin2D, Zero

if TYPE_CHECKING:
    import torch

    from .moments import Moments

__all__ = [  # all that a task is written with
    "SIGNALS",
    "STAGES",
    "AnySignal",
    "Batch",
    "Dot",
    "Expected",
    "GDot",
    "InputNoise",
    "Noise",
    "ProxyTask",
    "Resize",
    "Signal",
    "Sin1D",
    "Sin2D",
    "Stage",
    "Zero",
    "register_signal",
]

STAGES = 3
STAGE_WEIGHTS = (0.25, 0.5, 1.0)  # 1 / 2^(3 - i), paper, Section 3.1.1


class Stage(Spec):
    """The target of one stage: the level-weighted sum of its signals; without signals the stage is not used.

    >>> import torch
    >>> stage = Stage(channels=8, signals=[Dot(level=2.0), Noise(scope="global")])
    >>> stage.target(torch.zeros(4, 3, 32, 32), 8, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 8, 8, 8])
    """

    channels: int = Field(default=64, ge=1, le=4096)
    signals: list[AnySignal] = []

    def target(self, images: torch.Tensor, size: int, generator: torch.Generator) -> Optional[torch.Tensor]:
        """(b, channels, size, size), or None for an unused stage."""
        if not self.signals:
            return None
        shape = (len(images), self.channels, size, size)
        return weighted_sum(self.signals, shape, images, generator).expand(shape).contiguous()

    def moments(self, images: torch.Tensor, size: int) -> Moments:
        """Of this target on average over its draws, of maps of ``size`` pixels a side."""
        from .moments import Moments

        return sum((signal.level * signal.moments(size, images) for signal in self.signals), Moments())


class InputNoise(Spec):
    """Added to the images afresh at every step: a draw of the distribution, times ``level``.

    >>> import torch
    >>> noise = InputNoise(distribution="symmetric", level=0.5)
    >>> drawn = noise.add(torch.zeros(4, 3, 8, 8), torch.Generator().manual_seed(0))
    >>> -0.5 <= float(drawn.min()) < -0.49, 0.49 < float(drawn.max()) < 0.5
    (True, True)
    """

    distribution: Literal["gaussian", "symmetric", "uniform"] = "gaussian"
    """``gaussian``: standard normal; ``symmetric``: uniform in [-1, 1), what the authors' tasks call uniform;
    ``uniform``: uniform in [0, 1), which shifts the images and was taken for theirs before: it stays for the presets
    that were chosen with it."""
    level: float = Field(default=0.0, ge=0, le=10)

    def add(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """``images`` plus one fresh draw, same shape; ``generator`` lives on the images' device."""
        import torch

        if self.level == 0:
            return images
        draw = torch.randn if self.distribution == "gaussian" else torch.rand
        drawn = draw(images.shape, generator=generator, device=images.device)
        return images + self.level * (drawn.mul_(2).sub_(1) if self.distribution == "symmetric" else drawn)


class ProxyTask(Spec):
    """Signals of the three stages, their weights in the loss, and the noise on the input.

    >>> import torch
    >>> task = ProxyTask(stages=[Stage(), Stage(), Stage(channels=4, signals=[Dot()])])
    >>> batch = task.materialise(torch.zeros(2, 3, 32, 32), 8, torch.Generator().manual_seed(0))
    >>> [target if target is None else tuple(target.shape) for target in batch.targets]
    [None, None, (2, 4, 8, 8)]
    """

    noise: InputNoise = InputNoise()
    weights: tuple[Level, Level, Level] = STAGE_WEIGHTS
    """Of the stages in the loss that is trained."""
    score_weights: Optional[tuple[Level, Level, Level]] = None
    """Of the stages in the read-out, which makes the score; None is ``weights`` (paper)."""
    stages: Annotated[list[Stage], Field(min_length=STAGES, max_length=STAGES)]

    @model_validator(mode="after")
    def _has_a_target(self) -> ProxyTask:
        if not any(weight and stage.signals for weight, stage in zip(self.weights, self.stages)):
            raise ValueError("at least one stage needs signals and a weight above 0")
        if not any(weight and stage.signals for weight, stage in zip(self.score_weights or self.weights, self.stages)):
            raise ValueError("score_weights must be above 0 for a stage that has signals")
        return self

    def materialise(self, images: torch.Tensor, size: int, generator: torch.Generator) -> Batch:
        """Fix the targets for one run.

        images: float (b, 3, s, s), normalised. size: height and width of the targets. Draws come from
        ``generator`` (CPU) in stage order.
        """
        targets = tuple(stage.target(images, size, generator) for stage in self.stages)
        return Batch(images, targets, self.weights, self.score_weights or self.weights, self.noise)

    def expected(self, images: torch.Tensor, size: int, generator: torch.Generator) -> Expected:
        """The task on average over its targets, with one draw of the noise from ``generator`` (CPU).

        images, size: as of :meth:`materialise`.
        """
        weights = self.score_weights or self.weights
        used = tuple(stage for stage, weight in enumerate(weights) if weight and self.stages[stage].signals)
        return Expected(self.noise.add(images, generator), images, tuple(self.stages), weights, used, size)


@dataclass(frozen=True)
class Batch:
    """What a regression is run on: inputs (b, 3, s, s), three targets (b, c_i, t, t) or None."""

    inputs: torch.Tensor
    targets: tuple[Optional[torch.Tensor], ...]
    weights: tuple[float, ...]
    score_weights: tuple[float, ...]
    noise: InputNoise

    @property
    def stages(self) -> int:
        """Up to which stage a network is needed."""
        return max(stage for stage, target in enumerate(self.targets, 1) if target is not None)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``, inputs channels-last."""
        import torch

        inputs = self.inputs.to(device).contiguous(memory_format=torch.channels_last)
        targets = tuple(None if t is None else t.to(device) for t in self.targets)
        return replace(self, inputs=inputs, targets=targets)


@dataclass
class Expected:
    """What a read-out in closed form is made on.

    Attributes:
        inputs: (b, 3, s, s), images with noise.
        pictures: (b, 3, s, s), without.
        targets: of the three stages.
        weights: of the stages in the loss.
        used: the stages that count, from 0.
        size: height and width of the targets, or of the feature map where that is smaller.
    """

    inputs: torch.Tensor
    pictures: torch.Tensor
    targets: tuple[Stage, ...]
    weights: tuple[float, ...]
    used: tuple[int, ...]
    size: int
    known: dict[tuple[int, int], Moments] = field(default_factory=dict)

    @property
    def stages(self) -> int:
        """Up to which stage a network is needed."""
        return self.used[-1] + 1

    @property
    def images(self) -> int:
        """b."""
        return len(self.inputs)

    def moments(self, stage: int, pixels: int) -> Moments:
        """Of the target of ``stage``, as square maps of so many pixels; computed once."""
        if (stage, pixels) not in self.known:
            found = self.targets[stage].moments(self.pictures, math.isqrt(pixels))
            self.known[stage, pixels] = found.to(self.inputs.device)
        return self.known[stage, pixels]

    def to(self, device: torch.device) -> Expected:
        """The same on ``device``, inputs channels-last."""
        import torch

        return replace(self, inputs=self.inputs.to(device).contiguous(memory_format=torch.channels_last), known={})
