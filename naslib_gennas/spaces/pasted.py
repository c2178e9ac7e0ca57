"""Architectures in NASLib's compact form and in ours, both ways. Nothing here imports NASLib.

The forms themselves stand beside the encodings of their spaces, in ``forms.py``; a space's ``parse`` reads them, too.

NASLib's ``graph.get_hash()`` is a tuple of integers; written with ``str`` it is the key of NAS-Bench-Suite-Zero's
``zc_<space>.json``.

>>> from_naslib("nasbench201", (4, 0, 3, 1, 4, 3))
NASBench201Architecture(ops=(4, 1, 0, 2, 4, 2))
>>> to_naslib("nasbench201", "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|")
(4, 0, 3, 1, 4, 3)
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import ArchitectureError
from ..registry import Registry
from . import load_space
from .cells.encoding import compact
from .cells.space import NASBench301
from .nasbench101 import forms as forms101
from .nasbench201 import forms as forms201
from .nasbench_nlp import forms as forms_nlp
from .transnas import forms as forms_transnas

Codes = tuple[Any, ...]  # NASLib's compact form: nested tuples of ints


@dataclass(frozen=True)
class Converter:
    """``decode``: NASLib's compact form -> architecture, ValueError saying what is wrong; ``encode``: back, into
    that of an equal or isomorphic architecture."""

    decode: Callable[[Codes], Any]
    encode: Callable[[Any], Codes]


CONVERTERS: Registry[Converter] = Registry("NASLib space with a compact form that is understood")
"""Our name of a search space -> converter."""

OUR_NAMES = {
    "nlp": "nasbench_nlp",
    "transbench101_micro": "transnas101_micro",
    "transbench101_macro": "transnas101_macro",
}
"""NASLib's name of a search space -> ours, where they differ."""


def from_naslib(space: str, spec: Any) -> Any:
    """The architecture of ``space`` that ``spec`` describes.

    spec: what ``get_hash()`` gives (tuple or list; of int, np.int64 or other integers), or that as text.
    Raises UnknownNameError for a space without converter, ArchitectureError if ``spec`` is none of its forms.

    >>> str(from_naslib("transnas101_micro", "(1, 0, 2, 3, 3, 3)"))
    '64-41414-1_02_333'
    """
    converter = CONVERTERS[space]
    try:
        codes = _plain(_evaluated(spec) if isinstance(spec, str) else spec)
        if not isinstance(codes, tuple):
            raise ValueError("it is one number")
        arch = converter.decode(codes)
        return load_space(space).parse(str(arch))
    except (ValueError, RecursionError) as error:
        raise ArchitectureError(
            f"not NASLib's compact form of a {space} architecture: {_short(spec)}: {error}"
        ) from None


def to_naslib(space: str, arch: Any) -> Codes:
    """NASLib's compact form, plain ints, of an architecture or its text.

    Cells of NAS-Bench-101 get seven vertices, as NASLib's own have; unconnected ones go before the output.

    >>> to_naslib("transnas101_macro", "64-1234-basic")
    (1, 2, 3, 4)
    """
    converter = CONVERTERS[space]
    return converter.encode(load_space(space).parse(arch) if isinstance(arch, str) else arch)


def _evaluated(text: str) -> Any:
    """The value that a key stands for; numpy 2 writes np.int64(4) for 4."""
    try:
        return ast.literal_eval(re.sub(r"\b(?:np|numpy)\.\w+\((-?\d+)\)", r"\1", text.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("the text is no tuple of integers") from None


def _plain(value: Any) -> Any:
    """Nested tuples of ints."""
    if isinstance(value, (str, bytes, dict, bool)):
        raise ValueError(f"it holds {value!r}, expected integers")
    if hasattr(value, "__iter__"):
        return tuple(_plain(item) for item in value)
    try:
        return value.__index__()
    except AttributeError:
        raise ValueError(f"it holds {value!r}, expected integers") from None


def _short(spec: Any) -> str:
    text = str(spec)
    return text if len(text) < 120 else text[:117] + "..."


def _some(read: Callable[[Codes], Any]) -> Callable[[Codes], Any]:
    def decode(codes: Codes) -> Any:
        arch = read(codes)
        if arch is None:
            raise ValueError("expected one list of integers")
        return arch

    return decode


CONVERTERS.register("nasbench101")(Converter(_some(forms101.of_codes), forms101.to_codes))
CONVERTERS.register("nasbench201")(Converter(_some(forms201.of_codes), forms201.to_codes))
CONVERTERS.register("nasbench301")(Converter(lambda codes: NASBench301().from_compact(codes), compact))
CONVERTERS.register("nasbench_nlp")(Converter(_some(forms_nlp.of_codes), forms_nlp.to_codes))
CONVERTERS.register("transnas101_micro")(Converter(_some(forms_transnas.micro_of_codes), lambda arch: arch.ops))
CONVERTERS.register("transnas101_macro")(
    Converter(_some(forms_transnas.macro_of_codes), lambda arch: tuple(map(int, arch.modules)))
)
