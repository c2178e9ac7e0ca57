"""From an architecture to its GenNAS score: a space, a preset, a seed and a device bound together."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

import numpy as np
import torch

from ..errors import DeviceError, SpecError
from ..proxy.closed_form import solved
from ..proxy.fidelity import Fidelity
from ..proxy.images import images_identity
from ..proxy.layers import own_randomness, uninitialised
from ..proxy.presets import DEFAULT_PRESET, Preset, load_preset, preset_names
from ..proxy.regression import RegressionResult, build_and_regress, regress_in_place
from ..proxy.rnn import RNNFidelity
from ..proxy.rnn_regression import build_and_regress_rnn
from ..proxy.surroundings import settled, threads
from ..runs.run import Record
from ..spaces.base import SearchSpace
from ..spaces.modules.space import ModuleSpace
from ..tables import open_space
from .batch_trainer import BatchTrainer, can_train_together, pays_together
from .protocol import BaseScorer
from .score import GENNAS, ErrorRecord, Score
from .stage_rows import StageReader

if TYPE_CHECKING:
    from torch import nn

    Images = Union[str, Path, torch.Tensor, None]

AT_ONCE = 5000  # architectures that are read together
MEMORY = 512  # MB

DIVERGED = ErrorRecord("Diverged", "the loss is not finite")


class GenNASScorer(BaseScorer):
    """Minus the regression loss of architectures of one space; isomorphic ones share it, computed once.

    ``naslib_gennas.Scorer`` is this class.

    Args:
        space: a registered name (``NAME:FILE`` samples from the architectures of a file), or a SearchSpace.
        preset: a shipped name, a ``.yaml`` file or a Preset.
        seed: decides targets, initialisation and noise; the same seed gives the same score.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        images: see :func:`naslib_gennas.proxy.images.load_images`.
        memory: MB that feature maps which architectures share may take at a time (presets in closed form).

    Raises:
        UnknownNameError, SpecError, ImageError, DeviceError: see the argument of that name. SpecError also for a
            preset that asks for an option of the networks which the space does not have.

    >>> scorer = GenNASScorer("nasbench201", "tiny")
    >>> scorer.score("5").status
    'ok'
    """

    def __init__(
        self,
        space: Union[str, SearchSpace],
        preset: Union[str, Path, Preset] = DEFAULT_PRESET,
        seed: int = 0,
        device: str = "cpu",
        images: Images = None,
        measure: str = GENNAS,
        memory: int = MEMORY,
    ):
        self.space = open_space(space)
        self.preset = load_preset(preset).suited(self.space.family or self.space.name)
        check_kind(self.space, self.preset)
        self.seed = checked_seed(seed)
        self.device = find_device(device)
        self.images = images
        self.measure = measure
        self._members = self.preset.members()
        for _, member in self._members:
            self.space.check_options(member.fidelity)
            check_maps(self.space, member)
        if memory < 1:
            raise SpecError(f"the memory for shared feature maps must be at least 1 MB, got {memory}")
        self.memory = memory
        self._scores: dict[str, Score] = {}
        self._ready: dict[tuple[Any, int, int], RegressionResult] = {}  # read with others, before its turn
        self._batches: dict[tuple[int, int], Any] = {}

    @classmethod
    def for_modules(
        cls,
        modules: Mapping[str, Union[nn.Module, Callable[[], nn.Module]]],
        preset: Union[str, Path, Preset] = "fast-three",
        input_size: Optional[int] = None,
        stages: Optional[Sequence[str]] = None,
        **settings: Any,
    ) -> GenNASScorer:
        """A scorer of networks of your own: ``Scorer.for_modules({"mine": make_net}).score("mine")``.

        Args:
            modules: name -> a module, or a function without arguments that returns a new one (better: nothing
                is copied, and weights are drawn from ``seed``). Modules given are not changed.
            input_size: height and width of the images, in pixels; None is the preset's.
            stages: names of the three submodules that are read, for all modules; None finds them
                (:func:`naslib_gennas.proxy.stages.find_stages`). ``Score.note`` says which they are.
            settings: ``seed``, ``device``, ``images``.

        A module that cannot be scored has a score of status ``failed`` whose error says why.
        """
        return cls(ModuleSpace(modules, stages), with_input_size(load_preset(preset), input_size), **settings)

    def identity(self) -> Record:
        """Space, preset and what its name stands for, seed, device, images and their content, threads."""
        return {
            "space": self.space.source,
            "preset": self.preset.name,
            "preset_digest": self.preset.digest(),
            "seed": self.seed,
            "device": str(self.device),
            **images_identity(self.images),
            "threads": threads(),
        }

    def compute(self, arch: Any, key: str) -> Score:
        if key not in self._scores:
            self._scores[key] = self._scored(arch, key)
        return self._scores[key].of(str(arch))

    def score_many(self, archs: Iterable[Any]) -> Iterator[Score]:
        """In order, thousands at a time where architectures share parts of their networks."""
        rest = iter(archs)
        while chunk := [self.parsed(arch) for arch in itertools.islice(rest, self.together)]:
            self.prepare(chunk)
            yield from map(self.score, chunk)

    @property
    def together(self) -> int:
        return AT_ONCE if len(self._shared) == len(self._members) else 1  # beside training, sharing saves little

    def prepare(self, archs: Sequence[Any]) -> None:
        """Of members that can be read or trained for many at once, do that, where the space has expressions."""
        new: dict[Any, None] = {}
        for arch in map(self.parsed, archs) if self._shared else ():
            if self.key(arch) not in self._scores:
                new[self.space.reduced(arch)] = None
        with settled():
            for member in self._shared if new else ():
                for repeat in range(self._members[member][1].fidelity.repeats):
                    read = self._read(list(new), member, repeat)
                    self._ready.update(((arch, member, repeat), run) for arch, run in read.items())

    @property
    def _shared(self) -> list[int]:
        """Members of which several architectures are read or trained at once."""
        there = range(len(self._members))
        return [n for n in there if self._batched(n) or (self._solved(n) and self.space.shares_parts)]

    def _solved(self, member: int) -> bool:
        return self._members[member][1].fidelity.solver == "ridge"

    def _batched(self, member: int) -> bool:
        return pays_together(self.device) and can_train_together(self.space, self._members[member][1].fidelity)

    def remembered(self, key: str) -> Optional[Score]:
        return self._scores.get(key)

    def __getstate__(self) -> dict[str, Any]:
        return {
            **vars(self),
            "_scores": {},
            "_ready": {},
            "_batches": {},
        }  # what another process can make by itself stays here

    def _scored(self, arch: Any, key: str) -> Score:
        results: list[RegressionResult] = []
        losses: list[float] = []  # of the tasks, weighted
        seconds, reduced = 0.0, self.space.reduced(arch)
        for member, (weight, _) in enumerate(self._members):
            runs, spent = self._repeats(reduced, key, member)
            losses.append(weight * math.fsum(run.loss for run in runs) / len(runs))
            results += runs
            seconds += spent
        diverged = any(result.status == "diverged" for result in results)
        value = -math.fsum(losses)
        if self.preset.size_weight:
            value += self.preset.size_weight * math.log(self.space.parameters(reduced))
        return Score(
            arch=str(arch),
            key=key,
            value=None if diverged else value,
            status="diverged" if diverged else "ok",
            seconds=seconds,
            measure=self.measure,
            error=DIVERGED if diverged else None,
            note=self.space.note(reduced),
            details={
                "seconds_build": seconds - sum(result.seconds for result in results),
                "steps": sum(result.steps for result in results),
                "parameters": results[0].parameters,
            },
            curve=results[0].curve,
        )

    def _repeats(self, arch: Any, key: str, member: int) -> tuple[list[RegressionResult], float]:
        """The repeats of one task, and the seconds that they took."""
        started = time.perf_counter()
        repeats = range(self._members[member][1].fidelity.repeats)
        runs = [self._regress(arch, member, repeat) for repeat in repeats]
        return runs, max(time.perf_counter() - started, sum(run.seconds for run in runs))

    def _regress(self, arch: Any, member: int, repeat: int) -> RegressionResult:
        fidelity: Union[Fidelity, RNNFidelity] = self._members[member][1].fidelity
        if self._solved(member) or self._batched(member):
            return self._ready.pop((arch, member, repeat), None) or self._read([arch], member, repeat)[arch]
        batch, generator = self._batch(member, repeat), self._generator("network", member, repeat)
        if self.space.own_weights and isinstance(fidelity, Fidelity):
            with own_randomness(generator.initial_seed(), self.device):
                return regress_in_place(self.space.build(arch, fidelity), batch, fidelity, generator)
        with uninitialised():
            backbone = self.space.build(arch, fidelity)
        if isinstance(fidelity, Fidelity):
            return build_and_regress(backbone, batch, fidelity, generator)
        return build_and_regress_rnn(backbone, batch, fidelity, generator)

    def _read(self, archs: Sequence[Any], member: int, repeat: int) -> dict[Any, RegressionResult]:
        """Architectures that share parts, or their training, at once."""
        if self._batched(member):
            return dict(self._trainer(member, repeat).read(archs))
        reader = self.reader(member, repeat)
        found: dict[Any, RegressionResult] = {}
        started = time.perf_counter()
        for places, rows in reader.read(archs):
            results = solved(rows, reader.batch, reader.preset.fidelity.ridge)
            each = (time.perf_counter() - started) / len(places)
            found.update((archs[place], replace(run, seconds=each)) for place, run in zip(places, results))
            started = time.perf_counter()
        return found

    def reader(self, member: int = 0, repeat: int = 0) -> StageReader:
        """What a task number ``member`` of the preset, solved in closed form, sees of architectures."""
        seed = self._generator("network", member, repeat).initial_seed()
        return StageReader(self.space, self._members[member][1], self._batch(member, repeat), seed, self.memory)

    def _trainer(self, member: int, repeat: int) -> BatchTrainer:
        seed = self._generator("network", member, repeat).initial_seed()
        fidelity = self._members[member][1].fidelity
        assert isinstance(fidelity, Fidelity)
        return BatchTrainer(self.space, fidelity, self._batch(member, repeat), seed, self.memory)

    def _batch(self, member: int, repeat: int) -> Any:
        """The same targets for every architecture, other ones for every repeat."""
        if (member, repeat) not in self._batches:
            generator = self._generator("task", member, repeat)
            preset = self._members[member][1]
            make = preset.expected if preset.fidelity.solver == "ridge" else preset.materialise
            self._batches[member, repeat] = make(self.images, generator).to(self.device)
        return self._batches[member, repeat]

    def _generator(self, purpose: str, member: int, repeat: int) -> torch.Generator:
        return run_generator(self.seed, purpose, repeat, member)


def run_generator(seed: int, purpose: str, repeat: int, member: int = 0) -> torch.Generator:
    """The random numbers of one repeat of a preset's task number ``member``.

    purpose: of its targets (``task``), or of initialisation and noise (``network``).
    """
    stream = [("task", "network").index(purpose), repeat] + ([member] if member else [])
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def with_input_size(preset: Preset, size: Optional[int]) -> Preset:
    """The same task on images of ``size`` pixels a side, targets a quarter of it; None leaves the preset as it is."""
    preset = preset.suited(ModuleSpace.name)
    return preset if size is None else preset.with_fidelity(input_size=size, target_size=None)


def check_kind(space: SearchSpace, preset: Preset) -> None:
    """SpecError unless the preset is for networks of the space's kind."""
    if space.kind != preset.kind:
        suited = [name for name in preset_names() if load_preset(name).kind == space.kind]
        raise SpecError(
            f"the preset {preset.name} is for {preset.kind.upper()}s, the space {space.name} holds "
            f"{space.kind.upper()}s; use {', '.join(suited[:4])} or another that `gennas presets` lists"
        )


def check_maps(space: SearchSpace, preset: Preset) -> None:
    """SpecError if a read-out in closed form asks for more pixels than a stage of the space's networks has."""
    fidelity, task = preset.fidelity, preset.task
    if not isinstance(fidelity, Fidelity) or fidelity.solver != "ridge" or space.own_weights:
        return
    if fidelity.target_size is None:  # then a smaller map is read as it is
        return
    size, weights = fidelity.target_size, task.score_weights or task.weights
    for number, (stage, weight, stride) in enumerate(zip(task.stages, weights, space.strides), start=1):
        there = -(-fidelity.input_size // stride)
        if weight and stage.signals and size > there:
            raise SpecError(
                f"the preset {preset.name} reads stage {number} of {space.name} as {size} x {size} pixels, but its map "
                f"has {there} x {there}; choose a smaller target_size or a larger input_size"
            )


def checked_seed(seed: Any) -> int:
    """SpecError unless it is a whole number from 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise SpecError(f"the seed must be a whole number of at least 0, got {seed!r}")
    return int(seed)


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
