"""Limits: which architectures a search may look at; and engines that keep to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..progress import warn
from ..spaces.base import SearchSpace
from .architectures import Engine
from .costs import Cost, amount, shown
from .evolution import Evaluate

TRIES = 10_000  # random architectures, of which none keeps to the limits
CHILDREN = 200  # of one parent, before another architecture is drawn instead
FORM = re.compile(r"\s*([a-z]+(?::[^\s<>=]+)?)\s*(<=|>=)\s*(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Limit:
    """``quantity`` may be at most ``bound``, in ones or milliseconds; at least that if it is a ``lower`` one.

    >>> Limit.parse("params<=4M")
    Limit(quantity='params', bound=4000000.0, lower=False)
    >>> str(Limit.parse("latency:pixel3>=20ms"))
    'latency:pixel3>=20 ms'
    """

    quantity: str
    bound: float
    lower: bool = False

    @classmethod
    def parse(cls, text: str) -> Limit:
        """``QUANTITY<=AMOUNT`` or ``>=``; InputError for anything else, and a unit that is missing."""
        match = FORM.fullmatch(text)
        if not match:
            raise InputError(f"{text!r} is no limit; write params<=4M, flops<=600M or latency:DEVICE<=20ms")
        return cls(match[1], amount(match[3], match[1]), match[2] == ">=")

    def allows(self, value: float) -> bool:
        return value >= self.bound if self.lower else value <= self.bound

    def __str__(self) -> str:
        return f"{self.quantity}{'>=' if self.lower else '<='}{shown(self.bound, self.quantity)}"


class Gate:
    """Lets through what keeps to all limits, and counts: ``asked`` and ``refused``, of these ``unknown`` costs."""

    def __init__(self, limits: Sequence[Limit], costs: Mapping[str, Cost]):
        _check(limits)
        self.limits, self.costs = tuple(limits), costs
        self.asked = self.refused = self.unknown = 0
        self.seen: dict[str, tuple[float, float]] = {}

    def __call__(self, arch: Any) -> bool:
        self.asked += 1
        passes = True
        for limit in self.limits:
            value = self.costs[limit.quantity](arch)
            if value is None:
                self.unknown += 1
                passes = False
                break
            low, high = self.seen.get(limit.quantity, (value, value))
            self.seen[limit.quantity] = min(low, value), max(high, value)
            passes = passes and limit.allows(value)
        self.refused += not passes
        return passes

    def nothing(self, tries: int) -> InputError:
        """What to say where nothing passes."""
        ranges = self.seen.items()
        seen = ", ".join(f"{name} from {shown(low, name)} to {shown(high, name)}" for name, (low, high) in ranges)
        lacking = f"; {self.unknown} have no known cost" if self.unknown else ""
        limits = " and ".join(map(str, self.limits))
        return InputError(
            f"none of {tries} architectures keeps to {limits}; they have {seen or 'none'}{lacking}; relax it"
        )

    def tell(self) -> None:
        """Warn of costs that nobody knows."""
        if self.unknown:
            warn(f"{self.unknown} of {self.asked} architectures have no known cost and were refused")


def _check(limits: Sequence[Limit]) -> None:
    """InputError for two limits of one kind, and for a pair that nothing can keep to."""
    for number, limit in enumerate(limits):
        for other in limits[:number]:
            if other.quantity != limit.quantity:
                continue
            if other.lower == limit.lower:
                raise InputError(f"there are two limits {other} and {limit}; give the stricter one only")
            low, high = (other, limit) if other.lower else (limit, other)
            if low.bound > high.bound:
                raise InputError(f"nothing keeps to both {low} and {high}; exchange or relax them")


class Admitted:
    """A space of which only what passes the gate is drawn or mutated to; the rest is the space's own."""

    def __init__(self, space: SearchSpace, gate: Gate):
        self._space, self._gate = space, gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def sample(self, rng: np.random.Generator) -> Any:
        """InputError if none of 10,000 passes."""
        for _ in range(TRIES):
            arch = self._space.sample(rng)
            if self._gate(arch):
                return arch
        raise self._gate.nothing(TRIES)

    def mutate(self, arch: Any, rng: np.random.Generator) -> Any:
        """The first of its children that passes; another architecture where none does."""
        for _ in range(CHILDREN):
            child = self._space.mutate(arch, rng)
            if self._gate(child):
                return child
        return self.sample(rng)


def admitted(archs: Iterable[Any], gate: Gate) -> list[Any]:
    """Those of ``archs`` that pass; InputError if none does."""
    listing = list(archs)
    passed = [arch for arch in listing if gate(arch)]
    if not passed:
        raise gate.nothing(len(listing))
    return passed


def within(engine: Engine, gate: Gate) -> Engine:
    """``engine`` on what passes the gate."""

    def limited(space: SearchSpace, evaluate: Evaluate, *settings: Any) -> Iterator[tuple[Any, float]]:
        return engine(Admitted(space, gate), evaluate, *settings)  # type: ignore[arg-type]  # stands for the space

    return limited


def by_validity(engine: Engine, gate: Gate) -> Engine:
    """``engine``, which draws as it likes: what does not pass is never scored, fails, and is no step."""

    def limited(space: SearchSpace, evaluate: Evaluate, *settings: Any) -> Iterator[tuple[Any, float]]:
        passed, refused = True, 0

        def valid(arch: Any) -> float:
            nonlocal passed
            passed = gate(arch)
            return evaluate(arch) if passed else float("nan")

        for arch, fitness in engine(space, valid, *settings):
            if passed:
                refused = 0
                yield arch, fitness
                continue
            refused += 1
            if refused >= TRIES:
                raise gate.nothing(TRIES)

    return limited
