"""What commands return: frozen dataclasses, and the one way from them to JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ..runs.run import Record


@dataclass(frozen=True)
class Result:
    """What a command found; its fields are declared by the class.

    >>> @dataclass(frozen=True)
    ... class Found(Result):
    ...     arch: str
    ...     interval: tuple[float, float]
    >>> Found("5", (0.5, math.nan)).as_record()
    {'arch': '5', 'interval': [0.5, None]}
    """

    def as_record(self) -> Record:
        """The fields in their order as plain JSON values: a tuple is a list, a number that is not finite None."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: object) -> object:
    if isinstance(value, Result):
        return value.as_record()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
