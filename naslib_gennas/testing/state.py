"""State of the process and of modules that a computation must leave as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@contextmanager
def process_state_kept(what: str) -> Iterator[None]:
    """AssertionError if generators or settings of the whole process differ afterwards. ``what``: the culprit.

    >>> with process_state_kept("nothing"):
    ...     _ = torch.rand(2, generator=torch.Generator().manual_seed(0))
    """
    before = _process_state()
    yield
    after = _process_state()
    changed = [name for name, state in before.items() if after[name] != state]
    assert not changed, f"{what} changes what all of the process shares: {', '.join(changed)}"


@contextmanager
def generators_at(seed: int) -> Iterator[None]:
    """The global generators start at ``seed`` inside, and go on afterwards as if nothing had happened."""
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)


def _process_state() -> dict[str, str]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "the generator of random": str(hash(random.getstate())),
        "the generator of numpy.random": f"{kind} {hash(np.asarray(keys).tobytes())} {rest}",
        "the generator of torch": str(hash(torch.get_rng_state().numpy().tobytes())),
        "torch's default dtype": str(torch.get_default_dtype()),
        "torch's number of threads": str(torch.get_num_threads()),
        "whether torch records gradients": str(torch.is_grad_enabled()),
        "whether torch is deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "numpy's handling of floating point errors": str(np.geterr()),
    }


@dataclass(frozen=True)
class ModuleState:
    """Everything of a module that measuring or scoring it must not change; compare two of them by :meth:`changes`."""

    tensors: Mapping[str, torch.Tensor]
    gradients: Mapping[str, object]
    trained: Mapping[str, bool]
    modes: Mapping[str, bool]
    hooks: Mapping[str, int]

    @classmethod
    def of(cls, module: nn.Module) -> ModuleState:
        named = dict(module.named_parameters())
        return cls(
            {name: tensor.detach().clone() for name, tensor in (*named.items(), *module.named_buffers())},
            {name: None if p.grad is None else p.grad.tolist() for name, p in named.items()},
            {name: p.requires_grad for name, p in named.items()},
            {name: part.training for name, part in module.named_modules()},
            {name: len(part._forward_hooks) + len(part._forward_pre_hooks) for name, part in module.named_modules()},
        )

    def changes(self, after: ModuleState) -> list[str]:
        """What differs, in words."""
        same = self.tensors.keys() == after.tensors.keys() and all(
            torch.equal(tensor, after.tensors[name]) for name, tensor in self.tensors.items()
        )
        differ = {
            "values of parameters or buffers": not same,
            "gradients": self.gradients != after.gradients,
            "which parameters need gradients": self.trained != after.trained,
            "training modes": self.modes != after.modes,
            "hooks": self.hooks != after.hooks,
        }
        return [what for what, changed in differ.items() if changed]
