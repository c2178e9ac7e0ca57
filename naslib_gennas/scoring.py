"""From an architecture to a score: a space, a preset, a seed and a device bound together."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .errors import DeviceError, SpecError
from .layers import own_randomness, uninitialised
from .presets import Preset, load_preset, preset_names
from .regression import RegressionResult, build_and_regress, regress_in_place
from .rnn_regression import build_and_regress_rnn
from .spaces import SearchSpace, load_space

if TYPE_CHECKING:
    from .tasks import Batch


@dataclass(frozen=True)
class Score:
    """``score``: minus the regression loss, higher is better; None unless ``status`` is ``ok``.

    ``seconds``: building, initialising, training and read-out of all tasks and repeats; ``steps``: of all of them;
    ``parameters`` and ``curve``: of the first.
    """

    arch: str
    key: str
    score: float | None
    status: str
    seconds: float
    seconds_build: float
    steps: int
    parameters: int
    seed: int
    preset: str
    preset_digest: str
    message: str = ""
    curve: tuple[float, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """JSON-safe fields, the loss curve left out."""
        record = asdict(self)
        del record["curve"]
        return record


class Scorer:
    """Scores architectures of one space; isomorphic ones share a score, computed once.

    Args:
        space: a registered name or a SearchSpace.
        preset: a shipped name, a ``.yaml`` file or a Preset.
        seed: decides targets, initialisation and noise; the same seed gives the same score.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        images: see :func:`naslib_gennas.images.load_images`.

    Raises:
        UnknownNameError, SpecError, ImageError, DeviceError: see the argument of that name.
    """

    def __init__(self, space, preset="fast", seed: int = 0, device: str = "cpu", images=None):
        self.space: SearchSpace = load_space(space)
        self.preset: Preset = load_preset(preset)
        check_kind(self.space, self.preset)
        self.seed = seed
        self.device = find_device(device)
        self._images = images
        self._digest = self.preset.digest()
        self._members = self.preset.members()
        self._cache: dict[str, Score] = {}

    @classmethod
    def for_modules(
        cls, modules, preset="fast-three", input_size: int | None = None, stages=None, **settings
    ) -> Scorer:
        """A scorer of networks of your own: ``Scorer.for_modules({"mine": make_net}).score("mine")``.

        Args:
            modules: name -> a module, or a function without arguments that returns a new one (better: nothing
                is copied, and weights are drawn from ``seed``). Modules given are not changed.
            input_size: height and width of the images, in pixels; None is the preset's.
            stages: names of the three submodules that are read, for all modules; None finds them
                (:func:`naslib_gennas.stages.find_stages`). ``Score.message`` says which they are.
            settings: ``seed``, ``device``, ``images``.

        Raises ModelError, here or by ``score``, for modules that cannot be scored.
        """
        from .spaces.module import ModuleSpace

        return cls(ModuleSpace(modules, stages), with_input_size(load_preset(preset), input_size), **settings)

    def score(self, arch) -> Score:
        """The score of an architecture, given as such or as text (ArchitectureError if it does not parse)."""
        arch = self.space.parse(arch) if isinstance(arch, str) else arch
        key = self.space.score_key(arch)
        if key not in self._cache:
            self._cache[key] = self._compute(str(arch), key, self.space.reduced(arch))
        found = self._cache[key]
        return found if found.arch == str(arch) else Score(**{**vars(found), "arch": str(arch)})

    def _compute(self, text: str, key: str, arch) -> Score:
        results: list[RegressionResult] = []
        losses: list[float] = []  # of the tasks, weighted
        status, seconds = "ok", 0.0
        try:
            for member, (weight, _) in enumerate(self._members):
                runs, spent = self._repeats(arch, key, member)
                losses.append(weight * math.fsum(run.loss for run in runs) / len(runs))
                results += runs
                seconds += spent
            message = self.space.note(arch)
        except torch.cuda.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            status, message = "failed", f"out of memory on {self.device}: {str(error).splitlines()[0]}"
        if any(result.status == "diverged" for result in results):
            status, message = "diverged", "the loss is not finite"
        first = results[0] if results else None
        return Score(
            arch=text,
            key=key,
            score=-math.fsum(losses) if status == "ok" else None,
            status=status,
            seconds=seconds,
            seconds_build=seconds - sum(result.seconds for result in results),
            steps=sum(result.steps for result in results),
            parameters=first.parameters if first else 0,
            seed=self.seed,
            preset=self.preset.name,
            preset_digest=self._digest,
            message=message,
            curve=first.curve if first else (),
        )

    def _repeats(self, arch, key: str, member: int) -> tuple[list[RegressionResult], float]:
        """The repeats of one task, and the seconds that they took."""
        started = time.perf_counter()
        repeats = range(self._members[member][1].fidelity.repeats)
        return [self._regress(arch, member, repeat) for repeat in repeats], time.perf_counter() - started

    def _regress(self, arch, member: int, repeat: int) -> RegressionResult:
        fidelity = self._members[member][1].fidelity
        batch, generator = self._batch(member, repeat), self._generator("network", member, repeat)
        if self.space.own_weights:
            with own_randomness(generator.initial_seed(), self.device):
                backbone = self.space.build(arch, fidelity)
                return regress_in_place(backbone, batch, fidelity, generator)
        with uninitialised():
            backbone = self.space.build(arch, fidelity)
        regress = build_and_regress if self.space.kind == "cnn" else build_and_regress_rnn
        return regress(backbone, batch, fidelity, generator)

    @cache  # noqa: B019 - a scorer and its batches live and die together
    def _batch(self, member: int, repeat: int) -> Batch:
        """The same targets for every architecture, other ones for every repeat."""
        generator = self._generator("task", member, repeat)
        return self._members[member][1].materialise(self._images, generator).to(self.device)

    def _generator(self, purpose: str, member: int, repeat: int) -> torch.Generator:
        return run_generator(self.seed, purpose, repeat, member)


def run_generator(seed: int, purpose: str, repeat: int, member: int = 0) -> torch.Generator:
    """The random numbers of one repeat of a preset's task number ``member``.

    purpose: of its targets (``task``), or of initialisation and noise (``network``).
    """
    stream = [("task", "network").index(purpose), repeat] + ([member] if member else [])
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def with_input_size(preset: Preset, size: int | None) -> Preset:
    """The same task on images of ``size`` pixels a side, targets a quarter of it; None leaves the preset as it is."""
    return preset if size is None else preset.with_fidelity(input_size=size, target_size=None)


def check_kind(space: SearchSpace, preset: Preset) -> None:
    """SpecError unless the preset is for networks of the space's kind."""
    if space.kind != preset.kind:
        suited = [name for name in preset_names() if load_preset(name).kind == space.kind]
        raise SpecError(
            f"the preset {preset.name} is for {preset.kind.upper()}s, the space {space.name} holds "
            f"{space.kind.upper()}s; use {', '.join(suited[:4])} or another that `gennas presets` lists"
        )


def find_device(name: str) -> torch.device:
    """The torch device called ``name``; DeviceError if the name is wrong or this machine has no such device."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"no device is called {name!r}; there are: cpu, cuda, cuda:<number>, mps") from None
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise DeviceError(f"device {name!r} is not available: PyTorch sees {count} CUDA device(s); try cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' is not available to this PyTorch; try cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"device {name!r} is not supported; there are: cpu, cuda, cuda:<number>, mps")
    return device
