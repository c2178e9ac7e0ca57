"""The architectures of a space of modules are names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModuleArchitecture:
    """The name of a network in its :class:`~naslib_gennas.spaces.modules.space.ModuleSpace`.

    >>> str(ModuleArchitecture("mine"))
    'mine'
    """

    name: str

    def __str__(self) -> str:
        return self.name
