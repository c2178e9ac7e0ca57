"""The architecture that was found, as a network ready to train, outside this package.

>>> export("nasbench201", "5", "net.pt").load  # also writes net.json
'torch.load("net.pt", weights_only=False)'
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch
from torch import nn

from ... import __version__
from ...errors import InputError
from ...proxy.layers import own_randomness, uninitialised
from ...runs.whole import write_whole
from ...spaces import SearchSpace
from ...tables import open_space
from ..result import Result
from .codegen import CodeError, source_of

EXAMPLE_SIZE = 32
PROBE_SIZE = 16  # smaller: the check takes a network of full size through its paces


@dataclass(frozen=True)
class ExportFacts(Result):
    """What an exported network is; also the content of the ``.json`` file beside it.

    Attributes:
        arch: the architecture's text.
        space: name of its space.
        canonical: equal for isomorphic architectures.
        parameters: of the whole network, classifier included.
        classes: outputs of the classifier.
        seed: of the initial weights in a ``.pt``.
        file: name of the file.
        load: Python code that makes a network of it.
        naslib_gennas, torch: versions that wrote it.
        texts: name of a form -> the architecture in it, such as DARTS' genotype.
    """

    arch: str
    space: str
    canonical: str
    parameters: int
    classes: int
    seed: int
    file: str
    load: str
    naslib_gennas: str
    torch: str
    texts: Mapping[str, str] = field(default_factory=dict)


def export(
    space: str | SearchSpace,
    arch: Any,
    out: str | os.PathLike[str],
    classes: int = 10,
    seed: int = 0,
    force: bool = False,
    auxiliary: bool = False,
    drop_path: float = 0.0,
) -> ExportFacts:
    """Write the full-size network of ``arch``, classifier included, and what it is in a ``.json`` beside it.

    Args:
        space: a registered name or a SearchSpace.
        arch: an architecture of it, or its text.
        out: ends in ``.pt`` (the module itself: ``torch.load(out, weights_only=False)`` where this package
            is installed) or ``.py`` (code that needs PyTorch only: ``from net import Network``).
        classes: outputs of the classifier.
        seed: of the initial weights in a ``.pt``; PyTorch's global generator is left as it was.
        force: replace ``out`` and the ``.json`` where they are there already.
        auxiliary: the network gets DARTS' second classifier and returns a pair of logits (spaces of cells).
        drop_path: probability that an edge is dropped in training, 0 to below 1 (spaces of cells); ``p`` of the
            modules ``DropPath`` changes it, as a schedule does.

    Returns:
        What the JSON file holds.

    Raises:
        InputError: another ending, a path that cannot be written or would be overwritten, fewer than 1 class, a
            space whose networks cannot be written as code; ArchitectureError if a text does not parse.
    """
    out = Path(out)
    if out.suffix not in WRITERS:
        raise InputError(f"a network is written as {' or '.join(WRITERS)}; got {out.name!r}")
    if classes < 1:
        raise InputError(f"a classifier needs at least 1 class; got {classes}")
    if not 0 <= drop_path < 1:
        raise InputError(f"drop path is a probability from 0 to below 1; got {drop_path:g}")
    taken = [str(path) for path in (out, out.with_suffix(".json")) if path.exists()]
    if taken and not force:
        raise InputError(f"{' and '.join(taken)} would be overwritten; choose another name, or add --force")
    space = open_space(space)
    arch = space.read(arch)
    made = _Made(space, arch, classes, auxiliary, drop_path)
    network = made.network(seed)
    facts = _facts(made, network, out, seed)
    _write(out, WRITERS[out.suffix](made, network), facts)
    return facts


@dataclass(frozen=True)
class _Made:
    """What a network is made of."""

    space: SearchSpace
    arch: Any
    classes: int
    auxiliary: bool = False
    drop_path: float = 0.0

    def build(self) -> nn.Module:
        if not self.auxiliary and not self.drop_path:
            return self.space.build_network(self.arch, self.classes)
        return self.space.build_trainable(self.arch, self.classes, self.auxiliary, self.drop_path)

    def network(self, seed: int) -> nn.Module:
        with own_randomness(seed, torch.device("cpu")):
            return self.build()

    def images(self, least: int) -> tuple[int, int, int, int]:
        """Shape of two; an auxiliary head knows one size only."""
        size = self.space.image_size if self.auxiliary else least
        return 2, 3, size, size


def _facts(made: _Made, network: nn.Module, out: Path, seed: int) -> ExportFacts:
    return ExportFacts(
        arch=str(made.arch),
        space=made.space.name,
        canonical=made.space.canonical(made.arch),
        parameters=sum(p.numel() for p in network.parameters()),
        classes=made.classes,
        seed=seed,
        file=out.name,
        load=LOADING[out.suffix].format(stem=out.stem),
        naslib_gennas=__version__,
        torch=torch.__version__,
        texts=made.space.other_texts(made.arch),
    )


def _write(out: Path, content: bytes, facts: ExportFacts) -> None:
    try:
        write_whole(out, content)
        write_whole(out.with_suffix(".json"), (json.dumps(facts.as_record(), indent=2) + "\n").encode())
    except OSError as error:
        raise InputError(f"cannot write {error.filename or out}: {error.strerror or error}") from None


def _module_bytes(made: _Made, network: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(network, buffer)
    return buffer.getvalue()


def _code_bytes(made: _Made, network: nn.Module) -> bytes:
    return _code(made).encode()


def network_code(space: SearchSpace, arch: Any, classes: int = 10) -> str:
    """Python code with a class ``Network`` equal to ``space.build_network(arch, classes)``.

    It is checked before it is returned: same names and shapes in the state dict, same outputs for the same
    weights up to rounding. Raises InputError where that cannot be had.
    """
    return _code(_Made(space, space.read(arch), classes))


def _code(made: _Made) -> str:
    try:
        with uninitialised():
            code = source_of(made.build(), torch.empty(made.images(EXAMPLE_SIZE)))
    except (CodeError, RuntimeError, TypeError, AttributeError) as error:
        raise _not_as_code(made.space, str(error)) from error
    outputs = f"logits (b, {made.classes})" + (" and those of the auxiliary head" if made.auxiliary else "")
    header = _HEADER.format(arch=made.arch, space=made.space.name, outputs=outputs, version=__version__)
    _check(made, header + code)
    return header + code + "\n"


def _check(made: _Made, code: str) -> None:
    """Runs the code and compares; what is drawn in training is drawn alike."""
    scope: dict[str, Any] = {"__name__": "exported"}
    network, generator = made.network(seed=0), torch.Generator().manual_seed(0)
    x = torch.randn(made.images(PROBE_SIZE), generator=generator, dtype=torch.float64)
    try:
        exec(compile(code, "exported network", "exec"), scope)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            rebuilt = scope["Network"]()
            rebuilt.load_state_dict(network.state_dict())
            pair = network.double(), rebuilt.double()  # in which rounding is out of the way
            same = all(_alike(*(_outputs(net.train(mode), x) for net in pair)) for mode in (True, False))
    except (RuntimeError, SyntaxError, NameError, TypeError, AttributeError) as error:
        raise _not_as_code(made.space, str(error).splitlines()[0]) from error
    if not same:
        raise _not_as_code(made.space, "the code computes something else")


def _outputs(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with own_randomness(0, torch.device("cpu")):
        found = network(x)
    return found if isinstance(found, tuple) else (found,)


def _alike(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    return len(first) == len(second) and all(torch.allclose(*pair, rtol=1e-6) for pair in zip(first, second))


def _not_as_code(space: SearchSpace, why: str) -> InputError:
    return InputError(f"networks of {space.name} cannot be written as code ({why}); export a .pt instead")


_HEADER = '''"""{arch}

of the space {space}, written by naslib-gennas {version}: (b, 3, s, s) -> {outputs}. Needs PyTorch only.
"""

import torch
import torch.nn.functional as F
from torch import nn


'''

WRITERS: dict[str, Callable[[_Made, nn.Module], bytes]] = {".pt": _module_bytes, ".py": _code_bytes}
LOADING = {
    ".pt": 'torch.load("{stem}.pt", weights_only=False)',
    ".py": "from {stem} import Network; Network()",
}
