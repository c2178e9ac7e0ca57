"""Another way to write architectures of NAS-Bench-Macro."""

from __future__ import annotations

from typing import Any, Optional

from ..forms import Form, whole_numbers
from .encoding import LAYERS, OPERATIONS, NASBenchMacroArchitecture


def of_numbers(value: Any) -> Optional[NASBenchMacroArchitecture]:
    """Eight operations as a list."""
    ops = whole_numbers(value, LAYERS, len(OPERATIONS) - 1, "layer")
    return None if ops is None else NASBenchMacroArchitecture(ops)


FORMS = (Form("a list of operations", "[1, 2, 0, 1, 2, 2, 1, 0]", of_numbers),)
