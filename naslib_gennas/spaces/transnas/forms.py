"""Other ways to write architectures of TransNAS-Bench-101: NASLib's tuples, the digits of the benchmark's strings."""

from __future__ import annotations

from typing import Any, Optional

from ..forms import Form, whole_numbers
from .encoding import TransNASMacroArchitecture, TransNASMicroArchitecture


def micro_of_codes(value: Any) -> Optional[TransNASMicroArchitecture]:
    """As NASLib looks architectures up and builds the benchmark's network. Its graph of the same numbers
    (``create_graph=True``) has another order of edges and operations."""
    codes = whole_numbers(value, 6, 3, "operation")
    return None if codes is None else TransNASMicroArchitecture(codes)


def macro_of_codes(value: Any) -> Optional[TransNASMacroArchitecture]:
    """Filled up with 0."""
    codes = whole_numbers(value, None, 4, "module")
    return None if codes is None else TransNASMacroArchitecture("".join(map(str, codes)).rstrip("0"))


MICRO_FORMS = (Form("NASLib's tuple", "(1, 0, 2, 3, 3, 3)", micro_of_codes),)
MACRO_FORMS = (Form("NASLib's tuple", "(1, 2, 3, 4, 0, 0)", macro_of_codes),)
