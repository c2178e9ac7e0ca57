"""What every search space offers. Weights and data live elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ArchitectureError
from ..registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ..proxy.fidelity import Fidelity

SPACES: Registry[type[SearchSpace]] = Registry("search space")


class SearchSpace(ABC):
    """A set of architectures and how to draw, change, name and build them.

    Architectures are immutable, hashable and comparable, hold no tensors, and ``parse(str(a)) == a``.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    kind: ClassVar[str] = "cnn"  # of the presets that suit it: cnn or rnn
    size: ClassVar[int | None] = None  # number of architectures, isomorphic ones counted apart
    unique: ClassVar[int | None] = None  # number of canonical forms
    cells: ClassVar[int]  # cells per stack in the paper's proxy networks
    channels: ClassVar[int]  # stem width in the paper's proxy networks
    own_weights: ClassVar[bool] = False  # build() gives networks with weights, drawn by PyTorch's global generator
    strides: ClassVar[tuple[int, int, int]] = (1, 2, 4)  # of the three stages, relative to the input
    unchecked: ClassVar[Mapping[str, str]] = {}
    """Conformance checks that cannot be applied to this space, and why."""

    origin: str = ""  # the file whose architectures are sampled, if there is one

    @property
    def source(self) -> str:
        """The text that names this space."""
        return f"{self.name}:{self.origin}" if self.origin else self.name

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: many classes of spaces are made by a function, so that Python cannot find them."""
        return (_remade, (self.name, vars(self))) if SPACES.holds(type(self)) else super().__reduce__()

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """An architecture drawn uniformly from the valid encodings."""

    @abstractmethod
    def mutate(self, arch: Any, rng: np.random.Generator) -> Any:
        """A valid architecture close to ``arch`` and different from it."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """The architecture that ``text`` describes; ArchitectureError says where the text breaks."""

    @abstractmethod
    def canonical(self, arch: Any) -> str:
        """A key shared by isomorphic architectures and by no others."""

    @abstractmethod
    def representative(self, arch: Any) -> Any:
        """One fixed member of the isomorphism class of ``arch``."""

    def reduced(self, arch: Any) -> Any:
        """What is built when ``arch`` is scored: one fixed architecture for all that are the same network
        once parts without effect are gone."""
        return self.representative(arch)

    def score_key(self, arch: Any) -> str:
        """Equal for architectures that share a score; the cache key."""
        return self.canonical(self.reduced(arch))

    @abstractmethod
    def build(self, arch: Any, fidelity: Fidelity) -> torch.nn.Module:
        """The backbone: (b, 3, s, s) -> three stage feature maps; ``.channels`` are their widths.

        Parameters are left uninitialised (:func:`.proxy.parameters.initialise` fills them). If the module has
        a method ``first(count)``, the network up to its ``count``-th stage, tasks that read no more cost less.
        """

    def stage_strides(self, arch: Any) -> tuple[int, int, int]:
        """Of the three stages of ``arch``, relative to the input; a map of size s becomes ceil(s / stride)."""
        return self.strides

    def note(self, arch: Any) -> str:
        """What the user should know of how ``arch`` was built; stands in ``Score.message``."""
        return ""

    @abstractmethod
    def build_network(self, arch: Any, classes: int = 10) -> torch.nn.Module:
        """The benchmark's own full-size classification network, PyTorch's default initialisation."""

    def over(self, architectures: Iterable[str], origin: str) -> SearchSpace:
        """The same space, sampled from these architectures, which come from the file ``origin``.

        ArchitectureError for a space that is sampled by its own rules only.
        """
        raise ArchitectureError(f"{self.name} is sampled by its own rules; leave out ':{origin}'")

    def __iter__(self) -> Iterator[Any]:
        """All architectures, in the benchmark's order where it has one."""
        raise ArchitectureError(f"the architectures of {self.name} cannot be listed; sample them instead")


def load_space(name: str | SearchSpace) -> SearchSpace:
    """The registered search space called ``name``; UnknownNameError lists near matches.

    >>> load_space("nasbench201").size
    15625
    """
    return name if isinstance(name, SearchSpace) else SPACES[name]()


def _remade(name: str, state: dict[str, Any]) -> SearchSpace:
    space = SPACES[name].__new__(SPACES[name])
    space.__dict__.update(state)
    return space
