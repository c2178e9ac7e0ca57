"""Scores of NASLib's graphs, which stay as they are.

Graphs of spaces that we have too are translated from their compact form and scored with our own networks.
Other graphs must be parsed, and their space must say in ``SEGMENTS`` what their network consists of; a copy of
that is trained.
"""

from __future__ import annotations

import copy
import hashlib
import math
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Callable, NoReturn, Union

import torch
from torch import nn

from ..errors import ImageError, InputError
from ..proxy.fidelity import Fidelity
from ..proxy.presets import DEFAULT_PRESET, Preset, load_preset
from ..proxy.tasks import STAGES
from ..registry import Registry, unknown
from ..scoring.gennas import GenNASScorer
from ..scoring.score import Score
from ..spaces.base import SearchSpace, load_space
from ..spaces.pasted import CONVERTERS, OUR_NAMES, from_naslib
from .generators import PrivateGenerators

Images = Union[str, Path, torch.Tensor, None]
Loader = Union[Iterable[Any], torch.Tensor, None]  # of (images, labels); images; the embedded photographs

PROBE = 128  # pixels of the image that tells widths and strides
STRIDE = 4  # of the last stage in the networks that the presets were made for
SCORERS = 8  # kept, each with the batch it scores on

SEGMENTS: Registry[Callable[[Any], Sequence[nn.Module]]] = Registry("search space of NASLib's that can be scored")
"""``get_type()`` of a space -> function from a parsed graph to the modules that turn an image into feature
maps when run one after the other: the stem, then three or more layers."""

REFUSED = {
    "nlp": "NASLib has no network for its recipes; score those with the space nasbench_nlp and an rnn preset",
    "asr": "NASLib builds no network for a sampled architecture of it, and its input is no image",
}


class GraphScorer:
    """Scores NASLib's graphs with one preset, seed and device, and remembers the scores.

    Copies and pickles are like it and have forgotten the scores.

    Args:
        preset, seed, device: as those of :class:`naslib_gennas.scoring.GenNASScorer`, which gives the same score to
            the same architecture on the same images.
        repeats: replaces the preset's number of independent runs.

    Raises as GenNASScorer does.

    >>> GraphScorer("fast", repeats=3).preset.fidelity.repeats
    3
    """

    def __init__(
        self,
        preset: str | Path | Preset = DEFAULT_PRESET,
        seed: int = 0,
        device: str = "cpu",
        repeats: int | None = None,
    ):
        preset = load_preset(preset)
        self.preset = preset if repeats is None else preset.with_fidelity(repeats=repeats)
        self.seed = seed
        self.device = device
        self._scorers: OrderedDict[tuple[object, ...], GenNASScorer] = OrderedDict()

    def score(self, graph: Any, loader: Loader = None) -> float | None:
        """The score of a graph; None if the regression diverged, or failed, of which a warning tells.

        Computed on the first images of ``loader``: an iterable of (images, labels), or normalised images
        (n, 3, h, w); None stands for the embedded photographs. The cell and channel numbers of the preset do
        not apply to networks that are copied, and the images are enlarged where such a network shrinks them
        more than ours. Raises InputError for a graph of an unknown space, without an architecture or not
        parsed, ImageError for too few or unsuitable images.
        """
        kind, images = kind_of(graph), first_images(loader, self.seed)
        own = own_architecture(graph)
        if own is not None:
            space, arch = own
            return value_of(self.scorer(space, images).score(arch))
        backbone = copied(graph, kind)
        return value_of(self.scorer(_Copies(), images, backbone.enlargement).score(backbone))

    def scorer(self, space: str | SearchSpace, images: Images = None, enlargement: int = 1) -> GenNASScorer:
        """The scorer behind :meth:`score`; ``enlargement`` multiplies the size of the images only."""
        there = load_space(space)
        suited = self.preset.suited(there.family or there.name)
        if isinstance(images, torch.Tensor):
            images = images[: max(member.fidelity.batch_size for _, member in suited.members())]
        key = (there.name, _fingerprint(images), enlargement)
        if key not in self._scorers:
            preset = _enlarged(suited, enlargement)
            self._scorers[key] = GenNASScorer(space, preset, self.seed, self.device, images)
            if len(self._scorers) > SCORERS:
                self._scorers.popitem(last=False)
        self._scorers.move_to_end(key)
        return self._scorers[key]

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_scorers": OrderedDict()}


def _enlarged(preset: Preset, enlargement: int) -> Preset:
    if enlargement == 1:
        return preset
    return preset.with_fidelities(lambda f: {"input_size": enlargement * f.input_size, "target_size": f.signal_size})


def value_of(score: Score) -> float | None:
    """The value of a score; None where it has none, with a warning that says why unless it just diverged."""
    if score.status not in ("ok", "diverged"):
        warnings.warn(f"{score.measure} of {score.arch} {score.status}: {score.message}", stacklevel=3)
    return score.value


def first_images(loader: Loader, seed: int = 0) -> torch.Tensor | None:
    """The images of the first batch of a data loader; ImageError if it yields something else.

    The global random generators start from ``seed`` meanwhile, so that a loader that shuffles or augments gives
    every graph the same images, and are put back.

    >>> first_images([(torch.zeros(8, 3, 32, 32), torch.arange(8))]).shape
    torch.Size([8, 3, 32, 32])
    """
    if loader is None or isinstance(loader, torch.Tensor):
        return loader
    try:
        with PrivateGenerators(seed), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            batch = next(iter(loader))
    except (StopIteration, TypeError):
        raise ImageError(f"the data loader ({type(loader).__name__}) yields no batch of images") from None
    images = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(images, torch.Tensor):
        raise ImageError(f"the data loader must yield (images, labels), tensors; it yields a {type(batch).__name__}")
    return images


def kind_of(graph: Any) -> str:
    """NASLib's name of the space of ``graph``; InputError if its graphs cannot be scored."""
    if not hasattr(graph, "get_type"):
        raise InputError(f"gennas scores the graphs of NASLib's search spaces; got a {type(graph).__name__}")
    kind = str(graph.get_type())
    if kind in REFUSED:
        raise InputError(f"gennas cannot score NASLib's graphs of {kind}: {REFUSED[kind]}")
    ours = {name for name in CONVERTERS.names() if name not in OUR_NAMES.values()}
    known = (ours | set(OUR_NAMES) | set(SEGMENTS.names())) - set(REFUSED)
    if kind not in known:
        raise InputError(unknown("search space of NASLib's that gennas can score", kind, known))
    return kind


def own_architecture(graph: Any) -> tuple[str, Any] | None:
    """(our space, architecture) of a graph, None if it stands for a network that only NASLib builds.

    InputError as :func:`kind_of` and :func:`compact` raise it.
    """
    kind = kind_of(graph)
    space = OUR_NAMES.get(kind, kind)
    if space not in CONVERTERS or _is_another_network(graph):
        return None
    return space, from_naslib(space, compact(graph))


def labelled_texts(graphs: Sequence[Any]) -> tuple[str, list[str]]:
    """(our space, text of every architecture); InputError unless all graphs are of one space that we have too."""
    found = [own_architecture(graph) for graph in graphs]
    owned = [own for own in found if own is not None]
    spaces = {space for space, _ in owned}
    if len(spaces) != 1 or len(owned) < len(found):
        raise InputError(
            f"labels are of use for architectures of one space that is ours, too; got {len(found)}"
            + (", among them networks that only NASLib builds" if len(owned) < len(found) else "")
        )
    return spaces.pop(), [str(arch) for _, arch in owned]


def _is_another_network(graph: Any) -> bool:
    """NASLib's own graph of TransNAS-Bench-101, whose compact form means another cell than the benchmark's."""
    return bool(getattr(graph, "create_graph", False))


def compact(graph: Any) -> Any:
    """NASLib's compact form of the architecture of ``graph``; InputError if it has none yet."""
    try:
        found = graph.get_hash()
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise InputError(
            f"this graph of {graph.get_type()} has no architecture ({error}); sample one or call set_spec"
        ) from error
    return found


def copied(graph: Any, space: str) -> Backbone:
    """A trainable copy of the feature extractor of a parsed graph; InputError if it is not parsed."""
    name = f"{space} {tuple(map(int, compact(graph)))}"
    if not getattr(graph, "is_parsed", False):
        raise InputError(f"this graph of {space} is not parsed, so it has no weights to train; call graph.parse()")
    return Backbone(SEGMENTS[space](graph), name)


class Backbone(nn.Module):
    """Copied modules in a row: (b, 3, s, s) -> three feature maps, of widths ``channels``.

    The layers after the first module are spread over three stages of equal length, the later ones longer.
    ``enlargement``: how much larger images have to be for the last map to be as large as in our networks.
    """

    def __init__(self, segments: Sequence[nn.Module], name: str):
        super().__init__()
        layers = len(segments) - 1
        if layers < STAGES:
            raise InputError(f"{name}: a network needs {STAGES} layers after its stem to be scored; it has {layers}")
        self.name = name
        self.ends = [math.ceil(stage * layers / STAGES) for stage in range(1, STAGES + 1)]
        self.segments = nn.ModuleList(copy.deepcopy(list(segments)))
        maps = self._probe()
        self.channels = tuple(values.shape[1] for values in maps)
        self.enlargement = max(1, round(PROBE / maps[-1].shape[-1] / STRIDE))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for index, segment in enumerate(self.segments):
            x = segment(x)
            if index in self.ends:
                maps.append(x)
        return maps

    def _probe(self) -> list[torch.Tensor]:
        self.eval()
        with torch.no_grad():
            return self.forward(torch.zeros(1, 3, PROBE, PROBE))

    def __str__(self) -> str:
        parameters = sum(parameter.numel() for parameter in self.parameters())
        return f"{self.name}, widths {self.channels}, {parameters} parameters"


class _Copies(SearchSpace):
    """What a scorer needs of a space whose architectures are copied networks: filled and trained in place."""

    name = "naslib"
    family = "modules"

    def _impossible(self, *unused: Any, **named: Any) -> NoReturn:
        raise InputError("a network copied from NASLib can only be scored; search spaces do the rest")

    sample = mutate = parse = canonical = representative = build_network = _impossible

    def reduced(self, arch: Backbone) -> Backbone:
        return arch

    def score_key(self, arch: Backbone) -> str:
        return str(arch)

    def parameters(self, arch: Backbone) -> int:
        return sum(parameter.numel() for parameter in arch.parameters())

    def build(self, arch: Backbone, fidelity: Fidelity) -> Backbone:
        return arch


def _fingerprint(images: Images) -> object:
    if not isinstance(images, torch.Tensor):
        return images
    values = images.detach().cpu().contiguous()
    return str(values.dtype), tuple(values.shape), hashlib.sha256(values.numpy().tobytes()).hexdigest()


@SEGMENTS.register("transbench101_micro")
def _transbench_micro(graph: Any) -> list[nn.Module]:
    modules = [graph.nodes[node]["subgraph"] for node in range(2, 2 + graph.n_modules)]
    return [graph.edges[1, 2]["op"].seq, *(module.edges[1, 2]["op"].op for module in modules)]
