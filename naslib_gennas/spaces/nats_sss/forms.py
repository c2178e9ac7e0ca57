"""Another way to write architectures of NATS-Bench's size space."""

from __future__ import annotations

from typing import Any, Optional

from ..forms import Form, whole_numbers
from .encoding import PLACES, WIDTHS, NATSSizeArchitecture, parse_widths


def of_numbers(value: Any) -> Optional[NATSSizeArchitecture]:
    """Five widths as a list."""
    widths = whole_numbers(value, PLACES, WIDTHS[-1], "width")
    return None if widths is None else parse_widths(":".join(map(str, widths)))


FORMS = (Form("a list of widths", "[8, 16, 24, 32, 40]", of_numbers),)
