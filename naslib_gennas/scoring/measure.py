"""Zero-cost and training-based measures as scorers: the same network and batch for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Optional

import torch

from ..errors import InputError, UnscorableError
from ..measures.base import MEASURES, Measure, in_order
from ..measures.measured_network import MeasuredNetwork
from ..measures.pretext_data import TrainingImages
from ..proxy.images import images_identity, load_images
from ..proxy.layers import own_randomness, uninitialised
from ..proxy.parameters import initialise
from ..proxy.presets import load_preset
from ..proxy.surroundings import threads
from ..runs.run import Record
from ..spaces.base import SearchSpace
from .failures import attempted
from .gennas import GenNASScorer, find_device
from .protocol import BaseScorer, Scorer
from .score import GENNAS, Score
from .sources import SOURCES

if TYPE_CHECKING:
    from .gennas import Images

RECURRENT = "rnn"
STEPS = 8  # time steps of a recurrent network
BATCH_SIZE = 32
IMAGE_SIZE = 32
WORDS = 10_000


class MeasuredNetworks:
    """The networks that measures look at, each made once for all measures of an architecture.

    All see the same images (``images``, see :func:`naslib_gennas.proxy.images.load_images`) and, since those have no
    labels, the same labels drawn from the seed; weights are PyTorch's default initialisation, drawn from the seed as
    well. Recurrent networks see random words.

    Args:
        batch_size, image_size: number of images, and their height and width in pixels.

    Raises InputError for images where networks are recurrent, DeviceError.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        device: str = "cpu",
        images: Images = None,
        batch_size: int = BATCH_SIZE,
        image_size: int = IMAGE_SIZE,
    ):
        if space.kind == RECURRENT and images is not None:
            raise InputError(f"the networks of {space.name} are recurrent and see no images; leave them out")
        self.space, self.seed, self.device = space, seed, find_device(device)
        self.images, self.batch_size, self.image_size = images, batch_size, image_size
        self._training_images = TrainingImages(images, image_size)
        self._batch: Optional[torch.Tensor] = None
        self._last: Optional[tuple[str, MeasuredNetwork]] = None

    def identity(self) -> Record:
        """What the networks and their batch depend on."""
        return {
            "space": self.space.source,
            "seed": self.seed,
            "device": str(self.device),
            **images_identity(self.images),
            "threads": threads(),
            "batch_size": self.batch_size,
            "image_size": self.image_size,
        }

    def of(self, arch: Any) -> MeasuredNetwork:
        """The network of ``arch``, the same object until another architecture is asked for."""
        text = str(arch)
        if self._last is None or self._last[0] != text:
            self._last = None  # two at once would take twice the memory
            self._last = (text, self._network(arch))
        return self._last[1]

    def forget(self) -> None:
        """Free the last network."""
        self._last = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None, "_batch": None}

    def _network(self, arch: Any) -> MeasuredNetwork:
        if self.space.kind == RECURRENT:
            generator = torch.Generator().manual_seed(self.seed)
            words, labels = torch.randint(WORDS, (2, STEPS, self.batch_size), generator=generator).to(self.device)
            return MeasuredNetwork(
                lambda: Logits(self._with_weights(arch)), words, labels.flatten(), self.seed, batch_dim=1
            )
        if self._batch is None:
            self._batch = load_images(self.images, self.batch_size, self.image_size).to(self.device)
        if self.space.own_weights:
            return MeasuredNetwork(
                lambda: self._with_weights(arch), self._batch, seed=self.seed, training_images=self._training_images
            )

        def make() -> torch.nn.Module:
            with uninitialised():
                return self.space.build_network(arch)

        def fill(network: torch.nn.Module) -> None:
            initialise(network, torch.Generator().manual_seed(self.seed), self.device)

        return MeasuredNetwork(
            make, self._batch, seed=self.seed, initialise=fill, training_images=self._training_images
        )

    def _with_weights(self, arch: Any) -> torch.nn.Module:
        """The network as its own initialisation leaves it, drawn from the seed."""
        with own_randomness(self.seed, self.device):
            return self.space.build_network(arch)


class Logits(torch.nn.Module):
    """A language model, its logits as rows: words (t, b) -> (t b, words)."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(words)[0]
        return logits.flatten(0, 1)


class MeasureScorer(BaseScorer):
    """One measure of the full-size networks of a space.

    Args:
        measure: a registered name, except ``gennas`` and ensembles.
        networks: what is measured; scorers of several measures share them.

    Raises UnknownNameError or InputError for a measure that does not exist or is not defined for the space.

    >>> from naslib_gennas import load_space
    >>> networks = MeasuredNetworks(load_space("nasbench201"), batch_size=4)
    >>> MeasureScorer("params", networks).score("5").status
    'ok'
    """

    def __init__(self, measure: str, networks: MeasuredNetworks):
        check_applicable([measure], networks.space)
        self.space, self.networks, self.measure = networks.space, networks, measure
        found = MEASURES[measure]
        if found.function is None:
            raise InputError(f"{measure} has no value of a single network; {_elsewhere(found)}")
        if found.prepare:
            found.prepare()

    def identity(self) -> Record:
        return {"measure": self.measure, **self.networks.identity()}

    def key(self, arch: Any) -> str:
        """The text: full-size networks have parts without effect, which some measures count."""
        return str(arch)

    def compute(self, arch: Any, key: str) -> Score:
        return measured(self.networks.of(arch), MEASURES[self.measure], str(arch), key)

    def forget(self) -> None:
        self.networks.forget()


def measured(network: MeasuredNetwork, measure: Measure, arch: str, key: str) -> Score:
    """The measure of one network; UnscorableError if it is not a finite number."""
    assert measure.function is not None
    value, seconds = network.evaluate(measure.function)
    if not math.isfinite(value):
        raise UnscorableError(f"the score is {value}")
    return Score(arch, key, value, "ok", seconds, measure.name)


def measure_scorers(
    names: Iterable[str], gennas: GenNASScorer, batch_size: int = BATCH_SIZE, image_size: int = IMAGE_SIZE
) -> list[Scorer]:
    """A scorer of every measure, in the order in which they are best asked about an architecture.

    gennas: the scorer of the measure ``gennas``, whose space, seed, device and images the others share;
    ``gennas@PRESET`` is one with another preset. InputError for a measure that is not defined for the space.
    """
    networks = MeasuredNetworks(gennas.space, gennas.seed, str(gennas.device), gennas.images, batch_size, image_size)
    names = list(names)
    elsewhere = [name for name in names if ":" in name]
    measured_here = in_order(name for name in names if name not in elsewhere)
    check_applicable(measured_here, gennas.space)
    return [_scorer(name, gennas, networks) for name in [*measured_here, *elsewhere]]


def _scorer(name: str, gennas: GenNASScorer, networks: MeasuredNetworks) -> Scorer:
    source, colon, what = name.partition(":")
    if colon:
        return SOURCES[source](what, gennas)
    family, _, preset = name.partition("@")
    if family != GENNAS:
        return MeasureScorer(name, networks)
    if not preset:
        return gennas
    return GenNASScorer(gennas.space, load_preset(preset), gennas.seed, str(gennas.device), gennas.images, name)


def measure_module(
    module: torch.nn.Module,
    names: Iterable[str],
    images: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
    seed: int = 0,
    training_images: TrainingImages | None = None,
) -> dict[str, Score]:
    """Measures of a classification network of your own, which is neither changed nor copied.

    Args:
        module: takes ``images``, returns logits (b, classes).
        names: registered measures, except ``gennas`` and ensembles, which need a search space or a set.
        images: float32 (b, 3, s, s), b >= 2; None takes 32 embedded photographs of 32 x 32.
        labels: int64 (b,); None draws them from ``seed``.
        training_images: what the measures train on that train (``cls@N`` and the like).

    >>> pixels = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
    >>> measure_module(pixels, ["params"])["params"].value  # in millions
    0.03073

    Raises:
        UnknownNameError, InputError: for a measure that does not exist or cannot be had for a module.
    """
    names = list(names)
    for name in names:
        if MEASURES[name].function is None:
            raise InputError(f"{name} cannot be measured on a single module; {_elsewhere(MEASURES[name])}")
    images = load_images(None, BATCH_SIZE, IMAGE_SIZE) if images is None else images
    network = MeasuredNetwork(lambda: module, images, labels, seed, training_images=training_images)
    title = type(module).__name__

    def score(name: str) -> Score:
        return attempted(title, title, name, lambda: measured(network, MEASURES[name], title, title))

    found = {name: score(name) for name in in_order(names)}
    return {name: found[name] for name in names}


def check_applicable(names: Iterable[str], space: SearchSpace) -> None:
    """InputError naming the first measure that is not defined for the networks of ``space``, and why."""
    for name in names:
        if space.kind == RECURRENT and not MEASURES[name].rnn:
            there = [other for other in MEASURES.names() if MEASURES[other].rnn]
            raise InputError(
                f"{name} is not defined for {space.name}, whose networks are recurrent: it looks at "
                f"convolutional networks for images; for recurrent ones there are: {', '.join(there)}"
            )


def _elsewhere(measure: Measure) -> str:
    if measure.expression:
        return "an ensemble ranks a set: aggregate the scores of all modules (naslib_gennas.scoring.ensemble)"
    if measure.family:
        return "put a number of epochs in the place of N"
    return "naslib_gennas.Scorer has the regression"
