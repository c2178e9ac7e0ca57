"""The one contract: an architecture goes in, one :class:`.score.Score` comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ..runs.run import Record
from ..spaces.base import SearchSpace
from .failures import attempted
from .score import Score


class Scorer(Protocol):
    """A measure bound to a search space, a preset, a seed and a device.

    Equal keys give equal values, a value is higher-is-better, the same identity and architecture give the same value,
    and global random generators and a user's modules are left as they were.
    ``naslib_gennas.testing.check_scorer`` tries all of it.
    """

    space: SearchSpace
    measure: str

    def identity(self) -> Record:
        """Everything that can change a value, JSON-safe; runs of different identities do not mix."""
        ...

    def key(self, arch: Any) -> str:
        """Equal for architectures that share a value."""
        ...

    def score(self, arch: Any) -> Score:
        """The score of an architecture or its text; never raises for what the architecture does wrong.

        ArchitectureError for a text that is none; SpecError, ImageError or DeviceError for settings that cannot work.
        """
        ...

    def score_many(self, archs: Iterable[Any]) -> Iterator[Score]:
        """The scores of ``archs``, in their order."""
        ...

    @property
    def together(self) -> int:
        """How many architectures are worth preparing at once; 1 if they share nothing."""
        ...

    def prepare(self, archs: Sequence[Any]) -> None:
        """Compute what ``archs``, or their texts, share, where that saves time; their scores stay the same."""
        ...

    def remembered(self, key: str) -> Score | None:
        """The score of architectures with this key, if it is at hand."""
        ...

    def forget(self) -> None:
        """Drop what was kept for other measures of the last architecture."""
        ...


class BaseScorer(ABC):
    """A :class:`Scorer` that needs ``identity`` and ``compute`` only."""

    space: SearchSpace
    measure: str = "gennas"

    @abstractmethod
    def identity(self) -> Record: ...

    @abstractmethod
    def compute(self, arch: Any, key: str) -> Score:
        """The score of an architecture; whatever it raises is recorded as its failure."""

    def key(self, arch: Any) -> str:
        return self.space.score_key(arch)

    def score(self, arch: Any) -> Score:
        arch = self.parsed(arch)
        key = self.key(arch)
        return attempted(str(arch), key, self.measure, lambda: self.compute(arch, key))

    def parsed(self, arch: Any) -> Any:
        """The architecture, if it is given as its text or in a form that its space reads."""
        return self.space.read(arch)

    def score_many(self, archs: Iterable[Any]) -> Iterator[Score]:
        return map(self.score, archs)

    @property
    def together(self) -> int:
        return 1

    def prepare(self, archs: Sequence[Any]) -> None:
        return None

    def remembered(self, key: str) -> Score | None:
        return None

    def forget(self) -> None:
        return None
