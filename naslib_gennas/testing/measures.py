"""Checks of measures: see :class:`naslib_gennas.measures.base.Measure` for what one declares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Callable, Optional

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import InputError
from ..measures import MEASURES, Measure, MeasuredNetwork
from ..measures.base import PLACEHOLDER
from ..measures.pretext_data import TrainingImages
from ..proxy.layers import own_randomness
from ..scoring.ensemble import parse_measure
from ..scoring.measure import check_applicable
from ..spaces import load_space
from ..spaces.nasbench_nlp.encoding import EXAMPLE, parse_recipe
from ..spaces.nasbench_nlp.networks import RecurrentNet
from .state import ModuleState, generators_at, process_state_kept
from .suite import Inapplicable, Suite, raised

BATCH, SIZE, CLASSES = 6, 8, 10
STEPS, WORDS = 3, 12
PICTURES, COLOURS, EPOCHS = 24, 3, 8  # what measures train on, and for how long
WIDTHS = (4, 6, 10)  # of the small networks that every measure is tried on

MakeNetwork = Callable[[], nn.Module]


class SmallNetwork(nn.Module):
    """Convolution, BatchNorm and ReLU twice, pooling, classifier: (b, 3, s, s) -> (b, 10).

    >>> import torch
    >>> SmallNetwork(4)(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(2 * width)])
        self.classifier = nn.Linear(2 * width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv, norm in zip((self.first, self.second), self.norms):
            x = F.relu(norm(conv(x)))
        logits: torch.Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


class SmallLanguageModel(nn.Module):
    """Two recurrent layers of a NAS-Bench-NLP recipe, embeddings tied: words (t, b) -> logits (t b, words)."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = RecurrentNet(parse_recipe(EXAMPLE), embedding=6, hidden=5, layers=2)
        self.recurrent.reset()
        self.embedding = nn.Parameter(torch.randn(WORDS, self.recurrent.embedding))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        outputs = self.recurrent(F.embedding(words, self.embedding))[0]
        return F.linear(outputs, self.embedding).flatten(0, 1)


@dataclass(frozen=True)
class MeasureCase:
    """A registered measure, and networks that it can be checked on.

    Attributes:
        name: one that ends in ``@N`` is tried with 8 epochs, on 24 pictures.
        networks: functions that return new networks, (b, 3, 8, 8) -> (b, 10).
        order: two such functions, of which the second's networks must have the higher value.
        unchecked: name of a check that cannot be applied -> why.
    """

    name: str
    networks: Sequence[MakeNetwork] = tuple(partial(SmallNetwork, width) for width in WIDTHS)
    order: Optional[tuple[MakeNetwork, MakeNetwork]] = None
    unchecked: Mapping[str, str] = field(default_factory=dict)

    @property
    def measure(self) -> Measure:
        return MEASURES[self.name.replace(PLACEHOLDER, f"@{EPOCHS}")]


@dataclass(frozen=True)
class Batch:
    """What the networks of a check see."""

    images: torch.Tensor
    labels: torch.Tensor
    batch_dim: int = 0

    @classmethod
    def of_images(cls, seed: int = 0) -> Batch:
        """Random images of three classes."""
        images = torch.randn(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
        return cls(images, torch.arange(BATCH) % 3)

    @classmethod
    def of_words(cls) -> Batch:
        words, labels = torch.randint(WORDS, (2, STEPS, BATCH), generator=torch.Generator().manual_seed(0))
        return cls(words, labels.flatten(), batch_dim=1)


MEASURE_SUITE: Suite[MeasureCase] = Suite()
MEASURE_CHECKS = MEASURE_SUITE.checks
"""Every check; called with a :class:`MeasureCase`."""


def check_measure(case: MeasureCase | str) -> dict[str, str]:
    """All checks of a registered measure, by name or as a case; the first that fails raises AssertionError.

    Returns the checks that are declared as ``unchecked``, and why.

    >>> wider = lambda: SmallNetwork(20)
    >>> check_measure(MeasureCase("params", order=(lambda: SmallNetwork(4), wider)))
    {}
    """
    return MEASURE_SUITE.run(MeasureCase(case) if isinstance(case, str) else case)


def modules(makers: Sequence[MakeNetwork]) -> list[nn.Module]:
    """New networks, their weights drawn from seed 0."""
    made = []
    for make in makers:
        with own_randomness(0, torch.device("cpu")):
            made.append(make())
    return made


def values(measure: Measure, networks: Sequence[nn.Module], batch: Optional[Batch] = None) -> list[float]:
    """The measure of every network; an ensemble's within these. NaN is a failure."""
    if measure.expression:
        expression = parse_measure(measure.expression)
        columns = {leaf.name: values(MEASURES[leaf.name], networks, batch) for leaf in expression.leaves()}
        found: list[float] = expression.value(columns).tolist()
        return found
    if measure.function is None:
        raise Inapplicable(f"{measure.name} has no value of a single network; see the checks of its scorer")
    batch = batch or Batch.of_images()
    return [measure.function(_measured(network, batch)) for network in networks]


def _measured(network: nn.Module, batch: Batch) -> MeasuredNetwork:
    return MeasuredNetwork(
        lambda: network,
        batch.images,
        batch.labels,
        batch_dim=batch.batch_dim,
        training_images=training_images(),
    )


def training_images() -> TrainingImages:
    """Pictures that are easy to learn: bright in one corner, and in the colour of their class."""
    pictures = 0.3 * torch.randn(PICTURES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(PICTURES) % COLOURS
    pictures[torch.arange(PICTURES), labels] += 1.5
    pictures[:, :, : SIZE // 2, : SIZE // 2] += 1.5
    return TrainingImages(pictures, SIZE, labels)


@MEASURE_SUITE.check
def check_facts(case: MeasureCase) -> None:
    """The measure is found by its name, documented, and says what it needs."""
    measure = MEASURES[case.name] if case.name in MEASURES else case.measure
    assert measure.name == case.name, f"{case.name} is registered as {measure.name}"
    forms = [form for form in (measure.function, measure.expression, measure.family) if form is not None]
    assert len(forms) == 1 or (not forms and measure.formula), f"{case.name} has {len(forms)} forms, not one"
    for fact in ("documentation", "summary", "source", "passes", "memory"):
        assert str(getattr(measure, fact) or "").strip(), f"{case.name} does not say its {fact}"
    if measure.prepare is not None:
        with process_state_kept(f"preparing {case.name}"):
            measure.prepare()


@MEASURE_SUITE.check
def check_values(case: MeasureCase) -> None:
    """Finite numbers, which tell networks apart."""
    found = values(case.measure, modules(case.networks))
    assert all(isinstance(value, float) and math.isfinite(value) for value in found), f"values are {found}"
    assert len(set(found)) > 1, f"all networks have the value {found[0]}"


@MEASURE_SUITE.check
def check_repeatability(case: MeasureCase) -> None:
    """One network, one batch, one seed: one value, whatever the state of the global generators."""
    networks = modules(case.networks[:2])
    with generators_at(1):
        first = values(case.measure, networks)
    with generators_at(2):
        again = values(case.measure, networks)
    with torch.no_grad():
        without_gradients = values(case.measure, networks)
    assert first == again, f"values are {first}, and then {again}"
    assert first == without_gradients, f"values are {first}, inside torch.no_grad() {without_gradients}"


@MEASURE_SUITE.check
def check_needs(case: MeasureCase) -> None:
    """What a measure does not need makes no difference to it."""
    measure, networks = case.measure, modules(case.networks[:2])
    first = values(measure, networks)
    if not measure.needs_labels:
        other = values(measure, networks, replace(Batch.of_images(), labels=torch.arange(BATCH) // 2 + 4))
        assert first == other, f"{case.name} needs no labels, but with others values are {other}, not {first}"
    if not measure.needs_images:
        other = values(measure, networks, Batch.of_images(seed=3))
        assert first == other, f"{case.name} needs no images, but with others values are {other}, not {first}"


@MEASURE_SUITE.check
def check_network_is_kept(case: MeasureCase) -> None:
    """Weights, buffers, gradients, modes and hooks of the network stay as they were."""
    (network,) = modules(case.networks[:1])
    for training in (True, False):
        network.train(training).requires_grad_(training)
        before = ModuleState.of(network)
        values(case.measure, [network])
        changes = before.changes(ModuleState.of(network))
        assert not changes, f"{case.name} changes the network: {', '.join(changes)}"


@MEASURE_SUITE.check
def check_process_state(case: MeasureCase) -> None:
    """Global generators and settings stay as they were."""
    networks = modules(case.networks[:2])
    with process_state_kept(case.name):
        values(case.measure, networks)


@MEASURE_SUITE.check
def check_recurrent(case: MeasureCase) -> None:
    """A measure that is defined for recurrent networks has finite values of them; another is refused."""
    space = load_space("nasbench_nlp")
    if not case.measure.rnn:
        error = raised(InputError, lambda: check_applicable([case.measure.name], space), f"{case.name} of {space.name}")
        assert case.measure.name in str(error), f"the refusal does not name {case.name}: {error}"
        return
    check_applicable([case.measure.name], space)
    networks = modules([SmallLanguageModel, SmallLanguageModel])
    found = values(case.measure, networks, Batch.of_words())
    assert all(math.isfinite(value) for value in found), f"values of recurrent networks are {found}"


@MEASURE_SUITE.check
def check_order(case: MeasureCase) -> None:
    """Higher is better."""
    if case.order is None:
        raise Inapplicable("no order of two networks is given")
    worse, better = values(case.measure, modules(case.order))
    assert math.isfinite(better), f"the better network has the value {better}"
    assert worse < better or not math.isfinite(worse), f"the better network has the value {better}, the other {worse}"
