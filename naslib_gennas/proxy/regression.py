"""The regression proxy (paper, Section 3.1.1): train heads and backbone on one batch of signals, read the loss."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Literal, Protocol, cast, runtime_checkable

import torch
import torch.nn.functional as F
from torch import nn

from .fidelity import Fidelity
from .layers import BatchNorm2d, Conv2d, uninitialised
from .parameters import FlatParameters, adopt, initialise
from .surroundings import settled
from .tasks import Batch

CHECK_EVERY = 10  # steps between looks at the loss for divergence

Outcome = Literal["ok", "diverged"]


@runtime_checkable
class Divisible(Protocol):
    """A backbone that can be cut off after one of its stages."""

    def first(self, count: int) -> nn.Module:
        """The network up to its ``count``-th stage."""
        ...


def needed(backbone: nn.Module, stages: int) -> nn.Module:
    """What the first ``stages`` need of ``backbone``, made under ``uninitialised()``; all of one that is not Divisible.

    backbone: (b, 3, s, s) -> feature maps, their widths in ``channels``. stages: 1 to as many.

    >>> class Net(nn.Sequential):
    ...     @property
    ...     def channels(self):
    ...         return tuple(layer.out_channels for layer in self)
    ...     def first(self, count):
    ...         return self[:count]
    >>> backbone = Net(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1), nn.Conv2d(6, 8, 1))
    >>> needed(backbone, 3) is backbone, needed(backbone, 2).channels
    (True, (4, 6))
    """
    if stages == len(_widths(backbone)) or not isinstance(backbone, Divisible):
        return backbone
    with uninitialised():
        return backbone.first(stages)


@dataclass(frozen=True)
class RegressionResult:
    """``loss``: the read-out, NaN if diverged; lower is better. ``curve``: training loss of every step done.

    ``stage_losses``: unweighted MSE of the read-out per stage (NaN for unused stages). ``seconds``: training
    and read-out only. ``status``: ``ok`` or ``diverged`` (a loss that is not finite).
    """

    loss: float
    status: Outcome
    curve: tuple[float, ...]
    stage_losses: tuple[float, ...]
    steps: int
    parameters: int
    seconds: float


class Head(nn.Module):
    """Feature map (b, c, h, w) -> nearest resize to ``size`` -> BatchNorm -> 1x1 convolution -> (b, k, t, t).

    >>> Head(inputs=6, outputs=4, size=8)(torch.zeros(2, 6, 16, 16)).shape
    torch.Size([2, 4, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, size: int):
        super().__init__()
        self.size = size
        self.bn = BatchNorm2d(inputs)
        self.conv = Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(self.bn(_nearest(x, self.size)))
        return y


class Regressor(nn.Module):
    """A backbone and one head for every stage that has a target."""

    def __init__(self, backbone: nn.Module, heads: nn.ModuleDict):
        super().__init__()
        self.backbone = backbone
        self.heads = heads

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = self.backbone(x)
        return [head(maps[int(stage)]) for stage, head in self.heads.items()]


def regress(backbone: nn.Module, batch: Batch, fidelity: Fidelity, generator: torch.Generator) -> RegressionResult:
    """Regress ``batch`` with a copy of ``backbone``, which stays as it is.

    backbone: (b, 3, s, s) -> three feature maps, with their widths in ``backbone.channels``; its parameters
    are the starting point. generator: on the CPU; initialises the heads and seeds the input noise.

    >>> from naslib_gennas.proxy.tasks import Noise, ProxyTask, Stage
    >>> class Net(nn.Module):
    ...     channels = (4, 4, 4)
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = nn.Conv2d(3, 4, 3)
    ...     def forward(self, x):
    ...         return (self.layer(x),) * 3
    >>> task = ProxyTask(stages=[Stage(), Stage(), Stage(channels=2, signals=[Noise()])])
    >>> batch = task.materialise(torch.randn(2, 3, 8, 8), 4, torch.Generator().manual_seed(0))
    >>> result = regress(Net(), batch, Fidelity(steps=3), torch.Generator().manual_seed(1))
    >>> result.status, result.steps, len(result.curve)
    ('ok', 3, 3)
    """
    with settled():
        return regress_in_place(copy.deepcopy(backbone), batch, fidelity, generator)


def regress_in_place(
    backbone: nn.Module, batch: Batch, fidelity: Fidelity, generator: torch.Generator
) -> RegressionResult:
    """As :func:`regress` for a backbone that is not needed afterwards: it is trained itself, not a copy."""
    device = batch.inputs.device
    heads = _heads(backbone, batch)
    initialise(heads, generator, device, fidelity.weight_init, fidelity.bias_init)
    regressor = Regressor(backbone.to(device), heads)
    return train(regressor, adopt(regressor), batch, fidelity, generator)


def build_and_regress(
    backbone: nn.Module, batch: Batch, fidelity: Fidelity, generator: torch.Generator
) -> RegressionResult:
    """As :func:`regress` for a backbone made under ``uninitialised()``, which is filled and trained in place.

    Stages after the last that has a target are left out, if the backbone can do that (method ``first``).

    >>> from naslib_gennas.proxy.tasks import Noise, ProxyTask, Stage
    >>> class Net(nn.Conv2d):
    ...     channels = (4, 4, 4)
    ...     def forward(self, x):
    ...         return (super().forward(x),) * 3
    >>> task = ProxyTask(stages=[Stage(), Stage(), Stage(channels=2, signals=[Noise()])])
    >>> batch = task.materialise(torch.zeros(2, 3, 8, 8), 4, torch.Generator().manual_seed(0))
    >>> with uninitialised():
    ...     backbone = Net(3, 4, 3)
    >>> build_and_regress(backbone, batch, Fidelity(steps=2), torch.Generator().manual_seed(1)).parameters
    130
    """
    backbone = needed(backbone, batch.stages)
    regressor = Regressor(backbone, _heads(backbone, batch))
    device = batch.inputs.device
    initialise(regressor, generator, device, fidelity.weight_init, fidelity.bias_init)
    return train(regressor, adopt(regressor), batch, fidelity, generator)


def train(
    regressor: Regressor,
    flat: FlatParameters,
    batch: Batch,
    fidelity: Fidelity,
    generator: torch.Generator,
) -> RegressionResult:
    """SGD with momentum on the weighted sum of the stages' MSEs, then the read-out; losses in the targets' type."""
    started = time.perf_counter()
    device = batch.inputs.device
    noise = torch.Generator(device).manual_seed(noise_seed(generator))
    used = [stage for stage, target in enumerate(batch.targets) if target is not None]
    targets = [target for target in batch.targets if target is not None]
    weights, score_weights = (
        torch.tensor([of[stage] for stage in used], dtype=targets[0].dtype, device=device)
        for of in (batch.weights, batch.score_weights)
    )
    _set_mode(regressor, fidelity)

    def losses() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=fidelity.precision == "bfloat16"):
            outputs = regressor(batch.noise.add(batch.inputs, noise))
        return torch.stack([F.mse_loss(o.to(t.dtype), t) for o, t in zip(outputs, targets)])

    decay = flat.decays * fidelity.weight_decay
    velocity = flat.gradients  # backward adds the gradients to what momentum leaves of it
    history: list[torch.Tensor] = []  # (stages used,) per step
    for count in range(fidelity.steps):
        velocity.mul_(fidelity.momentum)
        with torch.enable_grad():
            stage_losses = losses()
            torch.autograd.backward(stage_losses @ weights)
        with torch.no_grad():
            velocity.addcmul_(decay, flat.values)
            flat.values.add_(velocity, alpha=-fidelity.learning_rate)
        history.append(stage_losses.detach())
        if (count + 1) % CHECK_EVERY == 0 and not bool(torch.isfinite(history[-1]).all()):
            break
    final = _read_out(regressor, losses, history, fidelity)
    curve = (torch.stack(history) @ weights).tolist()
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
        steps=len(history),
        parameters=flat.count,
        seconds=time.perf_counter() - started,
    )


def _read_out(
    regressor: nn.Module, losses: Callable[[], torch.Tensor], history: list[torch.Tensor], fidelity: Fidelity
) -> torch.Tensor:
    """Losses of the used stages, (stages,)."""
    if fidelity.readout == "train":
        return torch.stack(history[-fidelity.average :]).mean(dim=0)
    regressor.eval()
    with torch.no_grad():
        return losses()


def _set_mode(regressor: nn.Module, fidelity: Fidelity) -> None:
    """Training mode; running statistics are kept only if the read-out needs them."""
    regressor.train()
    if fidelity.readout == "train":
        for layer in regressor.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.track_running_stats = False
                layer.running_mean = layer.running_var = layer.num_batches_tracked = None


def _nearest(x: torch.Tensor, size: int) -> torch.Tensor:
    height, width = x.shape[-2:]
    if (height, width) == (size, size):
        return x
    return F.interpolate(x, size=(size, size), mode="nearest")


def _widths(backbone: nn.Module) -> Sequence[int]:
    """Channels of its feature maps."""
    return cast("Sequence[int]", backbone.channels)


def _heads(backbone: nn.Module, batch: Batch) -> nn.ModuleDict:
    with uninitialised():
        return nn.ModuleDict(
            {
                str(stage): Head(width, target.shape[1], target.shape[-1])
                for stage, (width, target) in enumerate(zip(_widths(backbone), batch.targets))
                if target is not None
            }
        )


def noise_seed(generator: torch.Generator) -> int:
    """Of the noise on the inputs, drawn after the first weights."""
    return int(torch.randint(2**62, (), generator=generator))
