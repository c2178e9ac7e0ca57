"""The architecture that was found, as a network ready to train, outside this package.

>>> export("nasbench201", "5", "net.pt").load  # also writes net.json
'torch.load("net.pt", weights_only=False)'
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
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

EXAMPLE_SHAPE = (2, 3, 32, 32)
PROBE_SHAPE = (2, 3, 16, 16)  # smaller: the check takes a network of full size through its paces


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


def export(
    space: str | SearchSpace,
    arch: Any,
    out: str | os.PathLike[str],
    classes: int = 10,
    seed: int = 0,
    force: bool = False,
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
    taken = [str(path) for path in (out, out.with_suffix(".json")) if path.exists()]
    if taken and not force:
        raise InputError(f"{' and '.join(taken)} would be overwritten; choose another name, or add --force")
    space = open_space(space)
    arch = space.read(arch)
    network = _network(space, arch, classes, seed)
    facts = _facts(space, arch, network, out, classes, seed)
    _write(out, WRITERS[out.suffix](space, arch, network, classes), facts)
    return facts


def _facts(space: SearchSpace, arch: Any, network: nn.Module, out: Path, classes: int, seed: int) -> ExportFacts:
    return ExportFacts(
        arch=str(arch),
        space=space.name,
        canonical=space.canonical(arch),
        parameters=sum(p.numel() for p in network.parameters()),
        classes=classes,
        seed=seed,
        file=out.name,
        load=LOADING[out.suffix].format(stem=out.stem),
        naslib_gennas=__version__,
        torch=torch.__version__,
    )


def _write(out: Path, content: bytes, facts: ExportFacts) -> None:
    try:
        write_whole(out, content)
        write_whole(out.with_suffix(".json"), (json.dumps(facts.as_record(), indent=2) + "\n").encode())
    except OSError as error:
        raise InputError(f"cannot write {error.filename or out}: {error.strerror or error}") from None


def _network(space: SearchSpace, arch: Any, classes: int, seed: int) -> nn.Module:
    with own_randomness(seed, torch.device("cpu")):
        return space.build_network(arch, classes)


def _module_bytes(space: SearchSpace, arch: Any, network: nn.Module, classes: int) -> bytes:
    buffer = io.BytesIO()
    torch.save(network, buffer)
    return buffer.getvalue()


def _code_bytes(space: SearchSpace, arch: Any, network: nn.Module, classes: int) -> bytes:
    return network_code(space, arch, classes).encode()


def network_code(space: SearchSpace, arch: Any, classes: int = 10) -> str:
    """Python code with a class ``Network`` equal to ``space.build_network(arch, classes)``.

    It is checked before it is returned: same names and shapes in the state dict, same outputs for the same
    weights up to rounding. Raises InputError where that cannot be had.
    """
    arch = space.read(arch)
    try:
        with uninitialised():
            code = source_of(space.build_network(arch, classes), torch.empty(EXAMPLE_SHAPE))
    except (CodeError, RuntimeError, TypeError, AttributeError) as error:
        raise _not_as_code(space, str(error)) from error
    code = _HEADER.format(arch=arch, space=space.name, classes=classes, version=__version__) + code + "\n"
    _check(space, _network(space, arch, classes, seed=0), code)
    return code


def _check(space: SearchSpace, network: nn.Module, code: str) -> None:
    """Runs the code and compares."""
    scope: dict[str, Any] = {"__name__": "exported"}
    x = torch.randn(PROBE_SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    try:
        exec(compile(code, "exported network", "exec"), scope)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            rebuilt = scope["Network"]()
            rebuilt.load_state_dict(network.state_dict())
            pair = network.double(), rebuilt.double()  # in which rounding is out of the way
            same = all(_alike(*(net.train(mode)(x) for net in pair)) for mode in (True, False))
    except (RuntimeError, SyntaxError, NameError, TypeError, AttributeError) as error:
        raise _not_as_code(space, str(error).splitlines()[0]) from error
    if not same:
        raise _not_as_code(space, "the code computes something else")


def _alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-6)


def _not_as_code(space: SearchSpace, why: str) -> InputError:
    return InputError(f"networks of {space.name} cannot be written as code ({why}); export a .pt instead")


_HEADER = '''"""{arch}

of the space {space}, written by naslib-gennas {version}: (b, 3, s, s) -> logits (b, {classes}). Needs PyTorch only.
"""

import torch
import torch.nn.functional as F
from torch import nn


'''

WRITERS: dict[str, Callable[[SearchSpace, Any, nn.Module, int], bytes]] = {".pt": _module_bytes, ".py": _code_bytes}
LOADING = {
    ".pt": 'torch.load("{stem}.pt", weights_only=False)',
    ".py": "from {stem} import Network; Network()",
}
