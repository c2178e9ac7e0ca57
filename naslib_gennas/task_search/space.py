"""The space of proxy tasks (paper, Section 3.2, Fig. 7 and A.2.2), searched by the same evolution as architectures.

A task is a :class:`~naslib_gennas.proxy.presets.Preset`. It falls into blocks (the noise, the channels of a stage, each
kind of signal of a stage), which are drawn independently; a mutation draws each block again with probability 0.2.
Beyond the paper, each field of the fidelity and the weights of the read-out can be blocks as well.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Callable, ClassVar

import numpy as np
from pydantic import ValidationError

from ..errors import InputError, SpecError
from ..proxy.presets import Preset, RNNPreset, load_preset, parse_preset, validate
from ..registry import Registry
from .blocks import CHANNELS, DIMENSIONS, Block, Blocks, Draw, PlainSignal, PlainTask, noise, one_of, signal

MUTATION = 0.2  # probability that a block is drawn again
OTHERS = "others"  # signals that a preset may hold but that are not searched
READOUTS = ({"readout": "eval", "average": 1}, *({"readout": "train", "average": n} for n in (1, 3, 5)))
READ_WEIGHTS = (0.0, 0.25, 0.5, 1.0)
MOST_WORK = 4.0  # a searched fidelity costs at most this many times the work of the one that the search starts from
READ = "instant"  # preset whose network is read where tasks are scored in closed form
PAPER = {"cnn": "paper-combo", "rnn": "rnn-combo"}  # presets at the paper's fidelity and stage weights
USUAL = {"cnn": "tiny", "rnn": "rnn-combo"}

TASK_SPACES: Registry[type[TaskSpace]] = Registry("space of proxy tasks")
"""By the kind of networks: cnn, rnn."""

Signals = Callable[[str], list[PlainSignal]]
"""Place -> plain data of its signals."""


class TaskSpace(ABC):
    """Proxy tasks that share what is not searched with the preset ``base``, its further tasks included.

    Args:
        base: gives the fidelity, the stage weights and the name of the kind of networks.
        fidelity: whether the fidelity is searched, at most ``MOST_WORK`` times the work of the base's.
        weights: whether the weights of the stages in the read-out are searched (CNNs only).
    """

    kinds: ClassVar[tuple[str, ...]]  # of signals, in the order in which a task lists them
    scopes: ClassVar[bool]  # whether signals may be global
    preset: ClassVar[type[Preset]]
    fidelities: ClassVar[dict[str, tuple[object, ...]]]  # field -> its values

    def __init__(self, base: Preset, fidelity: bool = False, weights: bool = False):
        self.base = base
        self.blocks: dict[Block, Draw] = {("noise",): noise, **self._task_blocks()}
        if base.fidelity.solver == "ridge":  # which reads an architecture once, for all tasks
            if fidelity:
                raise SpecError(f"the fidelity of {base.name}, solved in closed form, is not searched; leave that out")
            self.blocks = {name: draw for name, draw in self.blocks.items() if name[-1] not in ("noise", "channels")}
        if weights:
            self.blocks[("score_weights",)] = self._weights_block()
        if fidelity:
            self.blocks.update(self._fidelity_blocks())

    def sample(self, rng: np.random.Generator) -> Preset:
        """A task whose blocks are drawn independently; impossible ones (no signal at all) are drawn again."""
        fixed = {name: [] if name[-1] == OTHERS else value for name, value in self._blocks_of(self.base).items()}
        while True:
            task = self._assembled({**fixed, **{name: draw(rng) for name, draw in self.blocks.items()}})
            if task is not None:
                return task

    def mutate(self, task: Preset, rng: np.random.Generator) -> Preset:
        """A valid task that differs from ``task``, each block drawn again with probability 0.2."""
        before, key = self._blocks_of(task), self.canonical(task)
        while True:
            drawn = {name: draw(rng) for name, draw in self.blocks.items() if rng.random() < MUTATION}
            child = self._assembled({**before, **drawn})
            if child is not None and self.canonical(child) != key:
                return child

    def adopt(self, preset: Preset) -> Preset:
        """A known preset as a member of this space: its task, with what is not searched taken from the base."""
        if preset.kind != self.base.kind:
            raise SpecError(f"the preset {preset.name} is for {preset.kind.upper()}s, not {self.base.kind.upper()}s")
        if preset.also not in ((), self.base.also):
            raise SpecError(
                f"the preset {preset.name} has {1 + len(preset.also)} tasks; a search from {self.base.name} varies the "
                f"first and keeps {f'its {len(self.base.also)} further' if self.base.also else 'no further one'}"
            )
        shared = {
            name: value
            for name, value in self._blocks_of(self.base).items()
            if name[0] == "fidelity" or (name[0] in ("noise", "weights", "score_weights") and name not in self.blocks)
        }
        adopted = self._assembled({**self._blocks_of(preset), **shared})
        if adopted is None:
            raise SpecError(f"the preset {preset.name} has no signal in a stage that {self.base.name} reads")
        return adopted

    def text(self, task: Preset) -> str:
        """One line of JSON; :meth:`parse` reads it."""
        return json.dumps(task.model_dump(mode="json"))

    def parse(self, text: str, where: str = "the task") -> Preset:
        """A task from JSON or YAML; SpecError names ``where`` and the key."""
        task = parse_preset(text, where)
        if task.kind != self.base.kind:
            raise SpecError(f"{where} is for {task.kind.upper()}s, not {self.base.kind.upper()}s")
        return task

    def canonical(self, task: Preset) -> str:
        """Equal for tasks that give the same scores."""
        return task.digest()

    @abstractmethod
    def _task_blocks(self) -> dict[Block, Draw]: ...

    @abstractmethod
    def _places(self, task: PlainTask) -> dict[str, list[PlainSignal]]:
        """Place -> its list of signals, in the plain data of a task."""

    @abstractmethod
    def _rest(self, task: PlainTask) -> Blocks:
        """Blocks that are neither noise nor signals."""

    @abstractmethod
    def _task(self, blocks: Blocks, signals: Signals) -> PlainTask:
        """Plain data of a task."""

    @abstractmethod
    def _work(self, fidelity: Any) -> float:
        """Proportional to what a regression costs."""

    def _weights_block(self) -> Draw:
        raise InputError("tasks of recurrent networks have one output and no stage weights; leave them out")

    def _signal_blocks(self, places: Sequence[str]) -> dict[Block, Draw]:
        return {(place, kind): signal(kind, self.scopes) for place in places for kind in self.kinds}

    def _fidelity_blocks(self) -> dict[Block, Draw]:
        """The base's own values are among the choices, so that some combination is always cheap enough."""
        fixed = self._blocks_of(self.base)
        choices = {**self.fidelities, "readout": READOUTS}
        return {
            ("fidelity", name): one_of([*values, *(v for v in [fixed["fidelity", name]] if v not in values)])
            for name, values in choices.items()
        }

    def _blocks_of(self, preset: Preset) -> Blocks:
        data = preset.model_dump(mode="json")
        blocks = {("noise",): data["task"]["noise"], **self._rest(data["task"])}
        for place, signals in self._places(data["task"]).items():
            for kind in self.kinds:
                blocks[place, kind] = [signal for signal in signals if signal["kind"] == kind]
            blocks[place, OTHERS] = [signal for signal in signals if signal["kind"] not in self.kinds]
        fidelity = data["fidelity"]
        blocks["fidelity", "readout"] = {name: fidelity.pop(name) for name in ("readout", "average")}
        blocks.update({("fidelity", name): value for name, value in fidelity.items()})
        return blocks

    def _assembled(self, blocks: Blocks) -> Preset | None:
        """The preset of these blocks, None if there is no such preset or it costs too much."""

        def signals(place: str) -> list[PlainSignal]:
            return [signal for kind in (*self.kinds, OTHERS) for signal in blocks[place, kind]]

        fidelity = {name[1]: value for name, value in blocks.items() if name[0] == "fidelity"}
        fidelity.update(fidelity.pop("readout"))
        data = {
            "name": "candidate",
            "kind": self.base.kind,
            "task": {"noise": blocks[("noise",)], **self._task(blocks, signals)},
            "fidelity": fidelity,
            "also": self.base.also,
            "size_weight": self.base.size_weight,
        }
        try:
            preset = self.preset.model_validate(data)
        except ValidationError:
            return None
        searched = any(name[0] == "fidelity" for name in self.blocks)
        if searched and self._work(preset.fidelity) > MOST_WORK * self._work(self.base.fidelity):
            return None
        return preset


@TASK_SPACES.register("cnn")
class CNNTaskSpace(TaskSpace):
    """Targets of three stages: 19 blocks."""

    kinds = ("sin1d", "sin2d", "dot", "gdot", "resize")
    scopes = True
    preset = Preset
    places = ("stage 1", "stage 2", "stage 3")
    fidelities = {
        "cells": (1, 2, 3),
        "channels": (8, 16, 24, 32, 48),
        "input_size": (8, 16, 32),
        "batch_size": (4, 8, 16),
        "steps": (10, 20, 30, 50, 100),
        "learning_rate": (0.05, 0.1, 0.2, 0.4),
    }

    def _task_blocks(self) -> dict[Block, Draw]:
        channels: dict[Block, Draw] = {(place, "channels"): one_of(CHANNELS) for place in self.places}
        return {**channels, **self._signal_blocks(self.places)}

    def _weights_block(self) -> Draw:
        return lambda rng: [float(rng.choice(READ_WEIGHTS)) for _ in self.places]

    def _places(self, task: PlainTask) -> dict[str, list[PlainSignal]]:
        return {place: stage["signals"] for place, stage in zip(self.places, task["stages"])}

    def _rest(self, task: PlainTask) -> Blocks:
        channels: Blocks = {(place, "channels"): stage["channels"] for place, stage in zip(self.places, task["stages"])}
        weights = task["weights"]
        return {("weights",): weights, ("score_weights",): task["score_weights"] or weights, **channels}

    def _task(self, blocks: Blocks, signals: Signals) -> PlainTask:
        weights, score_weights = blocks[("weights",)], blocks[("score_weights",)]
        return {
            "weights": weights,
            "score_weights": None if score_weights == weights else score_weights,
            "stages": [{"channels": blocks[place, "channels"], "signals": signals(place)} for place in self.places],
        }

    def _work(self, fidelity: Any) -> float:
        size = (fidelity.cells or 3) * (fidelity.channels or 16) ** 2
        return float(size * fidelity.input_size**2 * fidelity.batch_size * fidelity.steps * fidelity.repeats)


@TASK_SPACES.register("rnn")
class RNNTaskSpace(TaskSpace):
    """Signals that go in and signals that are to come out, all local, and the length of the vectors: 10 blocks."""

    kinds = ("sin1d", "sin2d", "dot", "gdot")
    scopes = False
    preset = RNNPreset
    places = ("inputs", "targets")
    fidelities = {
        "embedding": (50, 100, 200, 400),
        "hidden": (50, 100, 200, 400),
        "layers": (1, 2, 3),
        "length": (4, 8, 16),
        "batch_size": (4, 8, 16),
        "steps": (10, 20, 30, 50, 100),
        "learning_rate": (1e-3, 3e-3, 1e-2),
    }

    def _task_blocks(self) -> dict[Block, Draw]:
        return {("dimension",): one_of(DIMENSIONS), **self._signal_blocks(self.places)}

    def _places(self, task: PlainTask) -> dict[str, list[PlainSignal]]:
        return {"inputs": task["inputs"], "targets": task["targets"]}

    def _rest(self, task: PlainTask) -> Blocks:
        return {("dimension",): task["dimension"]}

    def _task(self, blocks: Blocks, signals: Signals) -> PlainTask:
        return {"dimension": blocks[("dimension",)], "inputs": signals("inputs"), "targets": signals("targets")}

    def _work(self, fidelity: Any) -> float:
        size = (fidelity.layers or 3) * (fidelity.embedding or 400) * (fidelity.hidden or 600)
        return float(size * fidelity.length * fidelity.batch_size * fidelity.steps * fidelity.repeats)


def task_space(base: Preset, fidelity: bool = False, weights: bool = False) -> TaskSpace:
    """The space of tasks for the kind of networks that ``base`` is for; see :class:`TaskSpace`."""
    return TASK_SPACES[base.kind](base, fidelity, weights)


def base_preset(name: str | None, kind: str, solver: str | None = None) -> Preset:
    """What a search for networks of ``kind`` starts from: ``paper``, a preset, or by default the kind's usual one.

    solver: ``ridge`` takes the network that ``instant`` reads by default, without its term of size. SpecError if the
    preset named has another solver.

    >>> base_preset(None, "cnn").name, base_preset(None, "cnn", "ridge").fidelity.solver
    ('tiny', 'ridge')
    """
    if name is None and solver == "ridge":
        return load_preset(READ).model_copy(update={"families": {}, "size_weight": 0.0})
    base = load_preset(PAPER[kind]) if name == "paper" else load_preset(name or USUAL[kind])
    if solver is not None and base.fidelity.solver != solver:
        raise SpecError(f"the preset {base.name} has the solver {base.fidelity.solver}, not {solver}; name another")
    return base


def searched_preset(task: Preset, name: str, description: str, source: str) -> Preset:
    """A task with a name and its provenance, checked again as a file would be (SpecError)."""
    data = {**task.model_dump(mode="json"), "name": name, "description": description, "source": source}
    made: Preset = validate(type(task), data, name)
    return made
