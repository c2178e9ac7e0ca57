"""What every search space offers. Weights and data live elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Generic, Optional, Union

from typing_extensions import TypeVar

from ..errors import ArchitectureError, GenNASError, InputError, SpecError
from ..proxy.fidelity import NETWORK_OPTIONS, OWN, PAPER, PAPER_CODE, NetworkOption
from ..registry import Registry, unknown
from .forms import Form, literal

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ..proxy.expressions import Graph
    from ..proxy.layers import Layer
    from .cell_graph import CellGraph

Arch = TypeVar("Arch", bound=Hashable, default=Any)
"""The architectures of a space; a plain ``SearchSpace`` is a space of any."""

SPACES: Registry[type[SearchSpace]] = Registry("search space", group="naslib_gennas.spaces")


Space = TypeVar("Space", bound="SearchSpace[Any]")


def or_pasted(parse: Callable[[Space, str], Arch]) -> Callable[[Space, str], Arch]:
    """Decorates a ``parse`` of the space's own text form: texts in one of ``forms`` are read, too.

    >>> str(load_space("nats_sss").parse("[8, 16, 24, 32, 40]"))
    '8:16:24:32:40'
    """

    @wraps(parse)
    def of_any_form(self: Space, text: str) -> Arch:
        text = str(text).strip()
        try:
            return parse(self, text)
        except ArchitectureError as error:
            found = self.pasted(text)
            if found is None:
                raise error from None
            return parse(self, str(found))

    return of_any_form


class SearchSpace(ABC, Generic[Arch]):
    """A set of architectures and how to draw, change, name and build them.

    Architectures are immutable, hashable and comparable, hold no tensors, and ``parse(str(a)) == a``. The suite
    :mod:`naslib_gennas.testing` checks all of it for any space.

    Attributes:
        name: the registered one.
        description: one line.
        family: of spaces that a preset may treat alike, see ``Preset.families``; empty is the name.
        kind: of the presets that suit the space, ``cnn`` or ``rnn``.
        size: number of architectures, isomorphic ones counted apart; None if it is not counted.
        unique: number of canonical forms; None if it is not counted.
        metrics: columns of a table that are preferred as the truth, the first that is there.
        cells, channels: per stack, and after the stem, in the paper's proxy networks; of convolutional spaces.
        strides: of the three stages, relative to the input.
        image_size: pixels a side of the images that the benchmark's own networks see.
        options: of the fidelity (``NETWORK_OPTIONS``) that the space has, and what its words mean here.
        expressed: whether the space writes its networks as ``expressions``, so that many are trained together.
        shares_parts: whether these are also what presets in closed form read, thousands at once.
        own_weights: whether ``build`` gives networks with weights, drawn by PyTorch's global generator.
        forms: in which users of the benchmark write its architectures, besides the text form; ``parse`` reads them.
        unchecked: conformance check that cannot be applied to the space -> the reason.
        origin: the file whose architectures are sampled, if there is one.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    family: ClassVar[str] = ""
    kind: ClassVar[str] = "cnn"
    size: Optional[int] = None
    unique: Optional[int] = None
    metrics: ClassVar[tuple[str, ...]] = ()
    cells: ClassVar[int]
    channels: ClassVar[int]
    strides: ClassVar[tuple[int, int, int]] = (1, 2, 4)
    image_size: int = 32
    options: ClassVar[Mapping[str, NetworkOption]] = {}
    own_weights: ClassVar[bool] = False
    forms: tuple[Form, ...] = ()
    unchecked: ClassVar[Mapping[str, str]] = {}

    expressed: ClassVar[bool] = False
    shares_parts: ClassVar[bool] = False
    origin: str = ""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        cls.expressed = cls.expressed or cls.shares_parts

    @property
    def source(self) -> str:
        """The text that names this space."""
        return f"{self.name}:{self.origin}" if self.origin else self.name

    @property
    def example(self) -> str:
        """The text of some architecture."""
        import numpy as np

        return str(self.sample(np.random.default_rng(0)))

    def __reduce__(self) -> Union[str, tuple[Any, ...]]:
        """By name: many classes of spaces are made by a function, so that Python cannot find them."""
        return (_remade, (self.name, vars(self))) if SPACES.holds(type(self)) else super().__reduce__()

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Arch:
        """An architecture drawn uniformly from the valid encodings."""

    @abstractmethod
    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """A valid architecture close to ``arch`` and different from it."""

    @abstractmethod
    def parse(self, text: str) -> Arch:
        """The architecture that ``text`` describes; ArchitectureError says where the text breaks."""

    def pasted(self, text: str) -> Optional[Arch]:
        """What a text in one of ``forms`` stands for, None for a text in none of them.

        ArchitectureError, with the form named, for a broken one.
        """
        try:
            value = literal(text)
        except ValueError:
            return None
        for form in self.forms:
            try:
                arch: Optional[Arch] = form.read(value)
            except ArchitectureError:
                raise
            except (ValueError, TypeError, ArithmeticError, LookupError) as wrong:
                what = f"not a {self.name} architecture: {text[:80]!r}, read as {form.name}: {wrong}"
                raise ArchitectureError(f"{what}; an example is {form.example}") from None
            if arch is not None:
                return arch
        return None

    def read(self, given: Any) -> Arch:
        """``given`` if it is an architecture of the space, otherwise the one that it is a text or a form of.

        ArchitectureError for anything else.

        >>> space = load_space("nasbench201")
        >>> space.read(5) == space.read("5") == space.parse("5")
        True
        """
        if isinstance(given, str):
            return self.parse(given)
        if self._kind is None or isinstance(given, self._kind):
            found: Arch = given
            return found
        plain = given.tolist() if hasattr(given, "tolist") else given
        if isinstance(plain, bool) or not isinstance(plain, (int, list, tuple, dict)):
            what = f"{type(given).__name__} {str(given)[:80]!r}"
            raise ArchitectureError(f"expected an architecture of {self.name} or its text, got {what}")
        return self.parse(str(plain))

    @cached_property
    def _kind(self) -> Optional[type]:
        """Of the architectures; None if there is no example to see it by."""
        try:
            return type(self.parse(self.example))
        except (GenNASError, IndexError):
            return None

    @abstractmethod
    def canonical(self, arch: Arch) -> str:
        """A key shared by isomorphic architectures and by no others."""

    @abstractmethod
    def representative(self, arch: Arch) -> Arch:
        """One fixed member of the isomorphism class of ``arch``."""

    def reduced(self, arch: Arch) -> Arch:
        """What is built when ``arch`` is scored: one fixed architecture for all that are the same network
        once parts without effect are gone."""
        return self.representative(arch)

    def score_key(self, arch: Arch) -> str:
        """Equal for architectures that share a score; the cache key."""
        return self.canonical(self.reduced(arch))

    @abstractmethod
    def build(self, arch: Arch, fidelity: Any) -> torch.nn.Module:
        """The backbone: (b, 3, s, s) -> three stage feature maps; ``.channels`` are their widths.

        Parameters are left uninitialised (:func:`naslib_gennas.proxy.parameters.initialise` fills them). If the
        module has a method ``first(count)``, the network up to its ``count``-th stage, tasks that read no more
        cost less. fidelity: a :class:`~naslib_gennas.proxy.fidelity.Fidelity`; of recurrent spaces, whose
        networks are (t, b, embedding) -> the same, a :class:`~naslib_gennas.proxy.rnn.RNNFidelity`.
        """

    def expressions(self, arch: Arch, fidelity: Any, graph: Graph, stages: int = 3) -> tuple[int, ...]:
        """The first ``stages`` feature maps of what :meth:`build` builds, as nodes of ``graph``.

        Of spaces that are ``expressed``; their modules have places (:mod:`naslib_gennas.proxy.expressions`).
        """
        raise NotImplementedError(f"{self.name} does not write its networks as expressions")

    def layers(self, arch: Arch, fidelity: Any, stages: int = 3) -> list[Layer]:
        """Layers with parameters of the network up to its ``stages``-th stage, in the order in which :meth:`build`
        makes them; of spaces that are ``expressed``. Spaces that can tell without building save time."""
        from ..proxy.layers import layers_of, uninitialised
        from ..proxy.regression import needed

        with uninitialised():
            return layers_of(needed(self.build(arch, fidelity), stages))

    def option(self, fidelity: Any, name: str) -> str:
        """What ``fidelity`` asks for under ``name``, of ``NETWORK_OPTIONS``: a value that the space has, or ``own``.

        SpecError for a value that is asked for by itself where the space has no such option; the words ``paper`` and
        ``paper-code`` are understood everywhere.

        >>> from naslib_gennas.proxy.fidelity import Fidelity
        >>> load_space("nasbench201").option(Fidelity(cell_norm="paper"), "cell_norm")
        'plain'
        >>> load_space("nasbench101").option(Fidelity(cell_norm="plain"), "cell_norm")
        Traceback (most recent call last):
        naslib_gennas.errors.SpecError: the space nasbench101 has no option cell_norm, so the fidelity cannot ask for \
'plain' there; leave it out
        """
        asked: str = getattr(fidelity, name, OWN)
        if name in self.options:
            return self.options[name].meant(asked)
        if asked not in (OWN, PAPER, PAPER_CODE):
            raise SpecError(
                f"the space {self.name} has no option {name}, so the fidelity cannot ask for {asked!r} there; "
                "leave it out"
            )
        return OWN

    def check_options(self, fidelity: Any) -> None:
        """SpecError if ``fidelity`` asks for an option that the space does not have."""
        for name in NETWORK_OPTIONS:
            self.option(fidelity, name)

    def stage_strides(self, arch: Arch) -> tuple[int, int, int]:
        """Of the three stages of ``arch``, relative to the input; a map of size s becomes ceil(s / stride)."""
        return self.strides

    def note(self, arch: Arch) -> str:
        """What the user should know of how ``arch`` was built; stands in ``Score.note``."""
        return ""

    @abstractmethod
    def build_network(self, arch: Arch, classes: int = 10) -> torch.nn.Module:
        """The benchmark's own full-size classification network, PyTorch's default initialisation."""

    def build_trainable(
        self, arch: Arch, classes: int = 10, auxiliary: bool = False, drop_path: float = 0.0
    ) -> torch.nn.Module:
        """``build_network`` with what helps its training: an auxiliary head, whose logits come second, and drop path.

        InputError where the networks of the space have no such things.
        """
        if auxiliary or drop_path:
            raise InputError(f"the networks of {self.name} have no auxiliary head and no drop path, those of cells do")
        return self.build_network(arch, classes)

    def encoding(self, arch: Arch) -> Mapping[str, float]:
        """Numbers that describe a reduced architecture, name -> value, the same names for all; none if there are none.

        They are what a predictor reads that learns from labels.
        """
        return {}

    @property
    def cell_operations(self) -> tuple[str, ...]:
        """The operations that may stand in :meth:`cell_graphs`, by the names that they have there."""
        return ()

    def cell_graphs(self, arch: Arch) -> Mapping[str, CellGraph]:
        """The cells of ``arch`` by their names, as they are drawn; none of spaces whose networks are no stacked cells.

        >>> space = load_space("nasbench201")
        >>> arch = space.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
        >>> space.cell_graphs(arch)["cell"].edges
        ((0, 3, 'skip'),)
        """
        return {}

    def is_cut(self, arch: Arch) -> bool:
        """Whether no path leads through the last cell, so that all images look alike behind it.

        >>> space = load_space("nasbench201")
        >>> space.is_cut(space.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))
        False
        """
        from .paths import has_path

        return not all(map(has_path, self.cell_graphs(arch).values()))

    def path_numbers(self, arch: Arch) -> dict[str, float]:
        """Of every cell what its paths are made of, the same names for all of a space; none where no cells are drawn.

        >>> space = load_space("nasbench201")
        >>> space.path_numbers(space.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))["cell mean skip"]
        1.0
        """
        from .paths import path_numbers

        cells = self.cell_graphs(arch).items()
        return {f"{cell} {k}": v for cell, graph in cells for k, v in path_numbers(graph, self.cell_operations).items()}

    def other_texts(self, arch: Arch) -> Mapping[str, str]:
        """The name of a form -> ``arch`` written in it, where users of the space expect more than its own text."""
        return {}

    def multiply_adds(self, arch: Arch) -> Optional[int]:
        """Of the benchmark's own network, convolutions and classifier, for one image; None where only its modules can
        tell."""
        return None

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """What an architecture is made of as independent categorical parameters, name -> options, such as tools for
        hyperparameters take; nothing where the space cannot be written so. Not every choice needs to be valid.

        >>> load_space("transnas101_micro").categories["edge_0_1"]
        ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3')
        """
        return {}

    def configuration(self, arch: Arch) -> dict[str, str]:
        """One of the ``categories`` for every name; InputError for a space that has none.

        >>> space = load_space("nats_sss")
        >>> space.configuration(space.parse("8:16:24:32:40"))["width_5"]
        '40'
        """
        raise InputError(f"the architectures of {self.name} are no independent choices")

    def from_configuration(self, configuration: Mapping[str, Any]) -> Arch:
        """The architecture of choices; ArchitectureError for some that are missing, unknown or not valid together.

        >>> space = load_space("nats_sss")
        >>> str(space.from_configuration({f"width_{place}": "64" for place in range(1, 6)}))
        '64:64:64:64:64'
        """
        if not self.categories:
            raise InputError(f"the architectures of {self.name} are no independent choices")
        for name in configuration:
            if name not in self.categories:
                raise ArchitectureError(f"{self.name}: {unknown('choice', str(name), self.categories)}")
        lacking = [name for name in self.categories if name not in configuration]
        if lacking:
            raise ArchitectureError(f"a configuration of {self.name} lacks {', '.join(lacking[:5])}")
        for name, options in self.categories.items():
            if configuration[name] not in options:
                raise ArchitectureError(f"{self.name}: {unknown(f'{name} is', str(configuration[name]), options)}")
        return self._chosen([str(configuration[name]) for name in self.categories])

    def _chosen(self, values: list[str]) -> Arch:
        """The architecture of one option for each of ``categories``, in their order; of spaces that have some."""
        raise NotImplementedError(f"{self.name} has categories, but no architectures of them")

    def parameters(self, arch: Arch) -> int:
        """Of the benchmark's own network.

        >>> space = load_space("nasbench201")
        >>> space.parameters(space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))
        316346
        """
        from ..proxy.layers import uninitialised

        with uninitialised():
            network = self.build_network(arch)
        return sum(parameter.numel() for parameter in network.parameters())

    def over(self, architectures: Iterable[Union[str, Arch]], origin: str) -> SearchSpace[Arch]:
        """The same space, sampled from these architectures or their texts, which come from the file ``origin``.

        ArchitectureError for a space that is sampled by its own rules only.
        """
        raise ArchitectureError(f"{self.name} is sampled by its own rules; leave out ':{origin}'")

    def __iter__(self) -> Iterator[Arch]:
        """All architectures, in the benchmark's order where it has one."""
        raise ArchitectureError(f"the architectures of {self.name} cannot be listed; sample them instead")


def load_space(name: Union[str, SearchSpace]) -> SearchSpace:
    """The registered search space called ``name``, or the one given; UnknownNameError lists near matches.

    Spaces over the architectures of a file are opened by :func:`naslib_gennas.tables.open_space`.

    >>> import numpy as np
    >>> space = load_space("nasbench201")
    >>> space.size, space.unique
    (15625, 6466)
    >>> parent = space.sample(np.random.default_rng(0))
    >>> str(parent)
    '|avg_pool_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|none~2|'
    >>> space.parse(str(parent)) == parent != space.mutate(parent, np.random.default_rng(1))
    True
    """
    return name if isinstance(name, SearchSpace) else SPACES[str(name)]()


def _remade(name: str, state: Mapping[str, object]) -> SearchSpace:
    space = SPACES[name].__new__(SPACES[name])
    space.__dict__.update(state)
    return space
