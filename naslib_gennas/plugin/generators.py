"""The global random generators, lent to code that knows no others."""

from __future__ import annotations

import random
from types import TracebackType

import numpy as np


class PrivateGenerators:
    """A context: while open, the global generators of Python and numpy continue from states of their own.

    >>> generators = PrivateGenerators(seed=3)
    >>> with generators:
    ...     first = random.random()
    >>> with generators:  # goes on where it stopped
    ...     second = random.random()
    >>> expected = random.Random(3)
    >>> [first, second] == [expected.random(), expected.random()]
    True
    """

    def __init__(self, seed: int):
        self._state = (random.Random(seed).getstate(), np.random.RandomState(seed).get_state())

    def __enter__(self) -> PrivateGenerators:
        self._outside = (random.getstate(), np.random.get_state())
        random.setstate(self._state[0])
        np.random.set_state(self._state[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state = (random.getstate(), np.random.get_state())
        random.setstate(self._outside[0])
        np.random.set_state(self._outside[1])
