"""From architectures and modules to records of several measures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..errors import GenNASError, InputError
from ..images import load_images
from ..initialise import initialise
from ..layers import own_randomness, uninitialised
from ..scoring import Scorer
from .base import GENNAS, MEASURES, Measure, in_order
from .lessons import Pictures
from .subject import Subject

if TYPE_CHECKING:
    from ..spaces import SearchSpace

RECURRENT = "rnn"
STEPS = 8  # time steps of a recurrent network
BATCH_SIZE = 32
IMAGE_SIZE = 32
WORDS = 10_000


@dataclass(frozen=True)
class MeasureResult:
    """``score``: higher is better, None unless ``status`` is ``ok``. ``seconds``: as if measured alone."""

    measure: str
    score: float | None
    status: str
    seconds: float
    message: str = ""


def measure_subject(subject: Subject, names: Iterable[str]) -> list[MeasureResult]:
    """The measures called ``names`` of one subject; what they have in common is computed once."""
    names = list(names)
    found = {name: _attempt(subject, MEASURES[name]) for name in in_order(names)}
    return [found[name] for name in names]


def measure_module(
    module: torch.nn.Module,
    names: Iterable[str],
    images: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
    seed: int = 0,
    pictures: Pictures | None = None,
) -> dict[str, MeasureResult]:
    """Measures of a classification network of your own, which is neither changed nor copied.

    Args:
        module: takes ``images``, returns logits (b, classes).
        names: registered measures, except ``gennas`` and ensembles, which need a search space or a set.
        images: float32 (b, 3, s, s), b >= 2; None takes 32 embedded photographs of 32 x 32.
        labels: int64 (b,); None draws them from ``seed``.
        pictures: what the measures train on that train (``cls@N`` and the like).

    >>> measure_module(torchvision.models.resnet18(), ["naswot", "params"])["params"].score
    11.689512

    Raises:
        UnknownNameError, InputError: for a measure that does not exist or cannot be had for a module.
    """
    names = list(names)
    for name in names:
        if MEASURES[name].function is None:
            raise InputError(f"{name} cannot be measured on a single module; {_elsewhere(MEASURES[name])}")
    images = load_images(None, BATCH_SIZE, IMAGE_SIZE) if images is None else images
    subject = Subject(lambda: module, images, labels, seed, pictures=pictures)
    return {result.measure: result for result in measure_subject(subject, names)}


def check_applicable(names: Iterable[str], space: SearchSpace) -> None:
    """InputError naming the first measure that is not defined for the networks of ``space``, and why."""
    for name in names:
        if space.kind == RECURRENT and not MEASURES[name].rnn:
            there = [other for other in MEASURES.names() if MEASURES[other].rnn]
            raise InputError(
                f"{name} is not defined for {space.name}, whose networks are recurrent: it looks at "
                f"convolutional networks for images; for recurrent ones there are: {', '.join(there)}"
            )


class Logits(torch.nn.Module):
    """A language model, its logits as rows: words (t, b) -> (t b, words)."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.model(words)[0].flatten(0, 1)


class MeasureScorer:
    """Several measures bound to a space, a preset (of ``gennas``), a seed and a device.

    All networks see the same images (``images``, see :func:`naslib_gennas.images.load_images`) and, since
    those have no labels, the same labels drawn from the seed; weights are PyTorch's default initialisation,
    drawn from the seed as well. Recurrent networks see random words.
    """

    def __init__(
        self,
        scorer: Scorer,
        names: Sequence[str],
        batch_size: int = BATCH_SIZE,
        images=None,
        image_size: int = IMAGE_SIZE,
    ):
        check_applicable(names, scorer.space)
        if scorer.space.kind == RECURRENT and images is not None:
            raise InputError(f"the networks of {scorer.space.name} are recurrent and see no images; leave them out")
        self.scorer, self.space, self._source = scorer, scorer.space, images
        self.names = list(names)
        self._regressions = {name: self._regression(name) for name in self.names if name.split("@")[0] == GENNAS}
        self.batch_size, self.image_size = batch_size, image_size
        self._pictures = Pictures(images, image_size)
        for measure in map(MEASURES.__getitem__, self.names):
            if measure.prepare:
                measure.prepare()
        self._images: torch.Tensor | None = None

    def score(self, text: str) -> list[dict[str, Any]]:
        """One record a measure of the architecture ``text``: arch, key, measure, score, status, seconds, message."""
        arch = self.space.parse(text)
        head = {"arch": text, "key": self.space.score_key(arch)}
        subject = self._subject(arch)
        found = {name: vars(self._measure(name, arch, subject)) for name in in_order(self.names)}
        return [{**head, **found[name]} for name in self.names]

    def _regression(self, name: str) -> Scorer:
        preset = name.partition("@")[2]
        if not preset:
            return self.scorer
        return Scorer(self.space, preset, self.scorer.seed, str(self.scorer.device), self._source)

    def _measure(self, name: str, arch, subject: Subject) -> MeasureResult:
        if name not in self._regressions:
            return _attempt(subject, MEASURES[name])
        try:
            found = self._regressions[name].score(arch)
        except Exception as error:  # recorded; the other measures go on
            return _failure(name, error)
        return MeasureResult(name, found.score, found.status, found.seconds, found.message)

    def _subject(self, arch) -> Subject:
        seed, device = self.scorer.seed, self.scorer.device
        if self.space.kind == RECURRENT:
            generator = torch.Generator().manual_seed(seed)
            words, labels = torch.randint(WORDS, (2, STEPS, self.batch_size), generator=generator).to(device)
            return Subject(lambda: Logits(self._with_weights(arch)), words, labels.flatten(), seed, batch_dim=1)
        if self._images is None:
            self._images = load_images(self._source, self.batch_size, self.image_size).to(device)
        if self.space.own_weights:
            return Subject(lambda: self._with_weights(arch), self._images, seed=seed, pictures=self._pictures)

        def make():
            with uninitialised():
                return self.space.build_network(arch)

        def fill(network):
            initialise(network, torch.Generator().manual_seed(seed), device)

        return Subject(make, self._images, seed=seed, initialise=fill, pictures=self._pictures)

    def _with_weights(self, arch) -> torch.nn.Module:
        """The network as its own initialisation leaves it, drawn from the seed."""
        with own_randomness(self.scorer.seed, self.scorer.device):
            return self.space.build_network(arch)


def _attempt(subject: Subject, measure: Measure) -> MeasureResult:
    """The measure's result; anything that goes wrong is a failure with its reason."""
    try:
        value, seconds = subject.evaluate(measure.function)
    except Exception as error:  # one odd network must not end a long run
        return _failure(measure.name, error)
    if math.isfinite(value):
        return MeasureResult(measure.name, value, "ok", seconds)
    return MeasureResult(measure.name, None, "failed", seconds, f"the score is {value}")


def _failure(name: str, error: Exception) -> MeasureResult:
    expected = isinstance(error, GenNASError)
    message = str(error) if expected else f"{type(error).__name__}: {error}"
    return MeasureResult(name, None, "failed", 0.0, message)


def _elsewhere(measure: Measure) -> str:
    if measure.expression:
        return "an ensemble ranks a set: aggregate the scores of all modules (naslib_gennas.measures.ensemble)"
    if measure.family:
        return "put a number of epochs in the place of N"
    return "naslib_gennas.Scorer has the regression"
