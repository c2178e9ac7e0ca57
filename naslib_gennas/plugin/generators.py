from __future__ import annotations

import random

import numpy as np


class PrivateGenerators:
    """A context: while open, the global generators of Python and numpy continue from states of their own."""

    def __init__(self, seed: int):
        self.state = (random.Random(seed).getstate(), np.random.RandomState(seed).get_state())

    def __enter__(self) -> PrivateGenerators:
        self.outside = (random.getstate(), np.random.get_state())
        random.setstate(self.state[0])
        np.random.set_state(self.state[1])
        return self

    def __exit__(self, *exception) -> None:
        self.state = (random.getstate(), np.random.get_state())
        random.setstate(self.outside[0])
        np.random.set_state(self.outside[1])
