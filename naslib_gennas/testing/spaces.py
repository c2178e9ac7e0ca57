"""Checks of search spaces."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Union

import numpy as np

from ..errors import ArchitectureError, InputError
from ..spaces import SPACES, SearchSpace, load_space
from .expressions import check_parameters, check_shared_parts
from .networks import (
    CONVOLUTIONAL,
    FIDELITIES,
    RECURRENT,
    RNN_FIDELITIES,
    check_logits,
    check_sequences,
    check_stages,
    same_function,
)
from .state import process_state_kept
from .suite import Inapplicable, Suite, listed, raised

NO_ARCHITECTURES = ("", "nonsense", "[]", "{}", "null", "[1, 2", "((((", "-1", "|none~0|", "\x00")
"""Texts that no space should understand."""
SAMPLES = 20
LISTED = 200


@dataclass(frozen=True)
class SpaceCase:
    """A space, and the seed of the architectures that are looked at."""

    space: SearchSpace
    seed: int = 0

    @property
    def unchecked(self) -> Mapping[str, str]:
        return self.space.unchecked

    def samples(self, count: int = SAMPLES) -> list[Any]:
        """Architectures of the space, the same ones every time."""
        return samples(self.space, count, self.seed)


SPACE_SUITE: Suite[SpaceCase] = Suite()
SPACE_CHECKS = SPACE_SUITE.checks
"""Every check; called with a :class:`SpaceCase`."""


def check_space(space: Union[str, SearchSpace], seed: int = 0) -> dict[str, str]:
    """All checks of a space, or of the one registered under a name; the first that fails raises AssertionError.

    Returns the checks that the space declares as ``unchecked``, and why; usually none.

    >>> check_space("nasbench201")
    {}
    """
    return SPACE_SUITE.run(SpaceCase(load_space(space), seed))


def samples(space: SearchSpace, count: int, seed: int) -> list[Any]:
    """Architectures of ``space``, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


@SPACE_SUITE.check
def check_registration(case: SpaceCase) -> None:
    """The space is found by its name."""
    space = case.space
    if not SPACES.holds(type(space)):
        raise Inapplicable(f"{type(space).__name__} is not registered")
    assert load_space(space.name).name == space.name, "the name is not the registered one"


@SPACE_SUITE.check
def check_description(case: SpaceCase) -> None:
    """Description, kind and the paper's proxy size are declared."""
    space = case.space
    assert space.description, "the description is empty"
    assert isinstance(space.kind, str) and space.kind, f"kind is a word such as cnn or rnn, got {space.kind!r}"
    if space.kind == CONVOLUTIONAL and not space.own_weights:
        assert len(space.strides) == 3, f"strides of three stages expected, got {space.strides}"
        assert space.cells >= 1 and space.channels >= 1, f"cells {space.cells} and channels {space.channels}"


@SPACE_SUITE.check
def check_text(case: SpaceCase) -> None:
    """``parse`` and ``str`` are inverse; architectures compare and hash by what they are."""
    space = case.space
    for arch in case.samples():
        text = str(arch)
        twin = space.parse(text)
        assert twin == arch and hash(twin) == hash(arch), f"parsing {arch} gives another architecture, {twin}"
        assert str(twin) == text, f"{text} is parsed, but written as {twin}"
        assert space.parse(f"  {arch}\n") == arch, "white space around the text matters"
        assert twin != text and twin is not None, f"{arch} equals its text, or nothing"
    for form in space.forms:
        arch = space.parse(form.example)
        assert space.parse(str(arch)) == arch, f"{form.name}: {form.example} is read as {arch}, which is not its text"


@SPACE_SUITE.check
def check_refusals(case: SpaceCase) -> None:
    """Texts that are no architecture raise ArchitectureError, with a sentence naming the space."""
    for text in NO_ARCHITECTURES:
        error = raised(ArchitectureError, partial(case.space.parse, text), f"parsing {text!r}")
        assert case.space.name in str(error), f"the error of {text!r} does not name {case.space.name}: {error}"


@SPACE_SUITE.check
def check_sampling(case: SpaceCase) -> None:
    """The generator alone decides, and there is variety."""
    first = case.samples()
    assert first == case.samples(), "the same generator state gives other samples"
    there = min(SAMPLES, case.space.unique or SAMPLES)
    assert len({case.space.canonical(arch) for arch in first}) > there / 2, "samples hardly vary"


@SPACE_SUITE.check
def check_listing(case: SpaceCase) -> None:
    """Iteration lists different architectures of the space, as many as ``size`` says, or raises ArchitectureError."""
    space = case.space
    try:
        first = list(itertools.islice(space, LISTED))
    except ArchitectureError:
        return
    assert first and len(set(first)) == len(first), "the list of architectures is empty or holds one twice"
    assert space.size is None or len(first) == min(space.size, LISTED), f"{len(first)} are listed, size is {space.size}"
    wrong = [arch for arch in first if space.parse(str(arch)) != arch]
    assert not wrong, f"listed, but not parsed: {listed(wrong)}"


@SPACE_SUITE.check
def check_canonical_form(case: SpaceCase) -> None:
    """One representative for each class, and it is a member of its own class; likewise for scores."""
    space = case.space
    for arch in case.samples():
        representative, reduced = space.representative(arch), space.reduced(arch)
        key = space.canonical(arch)
        for text in (key, space.score_key(arch)):
            assert type(text) is str and text, f"keys are text, {arch} has {text!r}"
        assert space.canonical(representative) == key, f"{representative} stands for {arch} but has another key"
        assert space.representative(representative) == representative, f"{representative} is not its own representative"
        assert space.score_key(reduced) == space.score_key(arch), f"{reduced} is built for {arch} but scored apart"
        assert space.score_key(representative) == space.score_key(arch), f"{arch} and {representative} are scored apart"
        assert space.reduced(reduced) == reduced, f"{reduced} is built for {arch}, but not for itself"


@SPACE_SUITE.check
def check_mutation(case: SpaceCase) -> None:
    """A child is valid, another architecture than its parent, and decided by the generator alone."""
    space = case.space
    for parent in case.samples(SAMPLES // 2):
        text = str(parent)
        child = space.mutate(parent, np.random.default_rng(case.seed))
        assert child == space.mutate(parent, np.random.default_rng(case.seed)), "mutation is not reproducible"
        assert child != parent, f"the mutation of {parent} changed nothing"
        assert space.parse(str(child)) == child, f"the mutation of {parent} is not valid: {child}"
        assert str(parent) == text, "mutation changed the parent"


@SPACE_SUITE.check
def check_process_state(case: SpaceCase) -> None:
    """Drawing, changing, naming and building leave global generators and settings alone."""
    space = case.space
    with process_state_kept(f"the space {space.name}"):
        arch = case.samples(1)[0]
        space.mutate(arch, np.random.default_rng(case.seed))
        space.score_key(space.parse(str(arch)))
        _check_network(case, arch, 0)


@SPACE_SUITE.check
def check_pickling(case: SpaceCase) -> None:
    """A space that went to another process is the same, and so are its architectures."""
    space = case.space
    copy = pickle.loads(pickle.dumps(space))
    assert type(copy) is type(space) and copy.source == space.source, f"the copy of {space.source} is {copy.source}"
    for arch, twin in zip(case.samples(5), samples(copy, 5, case.seed)):
        assert twin == arch and copy.score_key(twin) == space.score_key(arch), "the copy draws other architectures"
        assert pickle.loads(pickle.dumps(arch)) == arch, f"the copy of {arch} is another architecture"


@SPACE_SUITE.check
def check_given_architectures(case: SpaceCase) -> None:
    """``over`` gives a space that is sampled from the given architectures only, or raises ArchitectureError."""
    space, source, origin = case.space, case.space.source, "given.csv"
    given = case.samples(3)
    try:
        over = space.over([str(arch) for arch in given], origin)
    except ArchitectureError as error:
        assert origin in str(error), f"the refusal does not name the file: {error}"
        return
    assert over.source == f"{space.name}:{origin}", f"the space of {origin} calls itself {over.source}"
    assert space.source == source, "`over` changed the space itself"
    drawn = samples(over, 30, case.seed)
    strange = [arch for arch in drawn if arch not in given]
    assert not strange, f"drawn, but not given: {listed(strange)}"
    assert set(drawn) == set(given), "some of three given architectures are not among 30 samples"
    assert samples(pickle.loads(pickle.dumps(over)), 30, case.seed) == drawn, "a copy draws other architectures"


@SPACE_SUITE.check
def check_backbone(case: SpaceCase) -> None:
    """At several fidelities: outputs of the declared sizes, finite values, finite gradients."""
    for number, arch in enumerate(case.samples(len(FIDELITIES))):
        _check_network(case, case.space.reduced(arch), number)


def _check_network(case: SpaceCase, arch: Any, number: int) -> None:
    """``number``: of the fidelity."""
    if case.space.kind == CONVOLUTIONAL:
        check_stages(case.space, arch, FIDELITIES[number])
    elif case.space.kind == RECURRENT:
        check_sequences(case.space, arch, RNN_FIDELITIES[number])
    else:
        raise Inapplicable(f"it is unknown what networks of the kind {case.space.kind!r} return")


@SPACE_SUITE.check
def check_relabelling_keeps_the_function(case: SpaceCase) -> None:
    """An architecture, its representative and what is built for its score compute the same function."""
    space = case.space
    for arch in case.samples(3):
        for other in (space.representative(arch), space.reduced(arch)):
            assert same_function(space, arch, other), f"{other} is not the same network as {arch}"


@SPACE_SUITE.check
def check_different_networks_have_different_keys(case: SpaceCase) -> None:
    """Architectures that compute different functions have different canonical forms and score keys."""
    space, rng = case.space, np.random.default_rng(case.seed)
    for arch in case.samples(2):
        child = space.mutate(arch, rng)
        for key in (space.canonical, space.score_key):
            differ = key(child) != key(arch)
            assert differ or same_function(space, arch, child), f"{arch} and {child} differ but share a key"


@SPACE_SUITE.check
def check_network(case: SpaceCase) -> None:
    """The full-size network exists and classifies; checked without storage."""
    if case.space.kind not in (CONVOLUTIONAL, RECURRENT):
        raise Inapplicable(f"it is unknown what networks of the kind {case.space.kind!r} classify")
    check_logits(case.space, case.samples(1)[0], classes=7)


@SPACE_SUITE.check
def check_parameter_count(case: SpaceCase) -> None:
    """As many parameters as the benchmark's network has."""
    check_parameters(case.space, case.samples(3))


@SPACE_SUITE.check
def check_encoding(case: SpaceCase) -> None:
    """The numbers that describe an architecture are finite, have the same names for all, and tell some apart."""
    encodings = [case.space.encoding(case.space.reduced(arch)) for arch in case.samples(8)]
    for numbers in encodings:
        assert list(numbers) == list(encodings[0]), f"its names are {list(numbers)}, elsewhere {list(encodings[0])}"
        bad = [name for name, value in numbers.items() if not np.isfinite(value)]
        assert not bad, f"the numbers {listed(bad)} of an encoding are not finite"
    if encodings[0]:
        assert any(numbers != encodings[0] for numbers in encodings), "all architectures have the same encoding"


@SPACE_SUITE.check
def check_cells(case: SpaceCase) -> None:
    """Cells are graphs in order whose operations are among those of the space; all architectures have the same ones."""
    space = case.space
    names: list[list[str]] = []
    for arch in case.samples(8):
        for cell, graph in space.cell_graphs(space.reduced(arch)).items():
            backwards = [edge for edge in graph.edges if not 0 <= edge[0] < edge[1] < len(graph.nodes)]
            assert not backwards, f"the {cell} of {arch} has edges that do not lead onwards: {listed(backwards)}"
            last = len(graph.nodes) - 1
            operations = {name or graph.nodes[node] for _, node, name in graph.edges if name or node != last}
            strange = sorted(operations - set(space.cell_operations))
            assert not strange, f"{listed(strange)} of the {cell} of {arch} are none of cell_operations"
        names.append(list(space.path_numbers(space.reduced(arch))))
    assert all(found == names[0] for found in names), "the numbers of paths have other names elsewhere"


@SPACE_SUITE.check
def check_categories(case: SpaceCase) -> None:
    """An architecture is the same again from its choices; choices that are missing or unknown are refused."""
    space, samples = case.space, case.samples(8)
    if not space.categories:
        raised(InputError, partial(space.configuration, samples[0]), "a configuration where there are no choices")
        return
    for arch in samples:
        chosen = space.configuration(arch)
        assert list(chosen) == list(space.categories), f"{arch} is described by {list(chosen)}"
        wrong = [name for name, value in chosen.items() if value not in space.categories[name]]
        assert not wrong, f"{listed(wrong)} of {arch} are none of the options"
        again = space.from_configuration(chosen)
        assert space.canonical(again) == space.canonical(space.reduced(arch)) or again == arch, (
            f"{arch} comes back as {again}"
        )
        first = next(iter(chosen))
        for broken in ({**chosen, first: "nonsense"}, {**chosen, "nonsense": "1"}, dict(list(chosen.items())[1:])):
            raised(ArchitectureError, partial(space.from_configuration, broken), f"reading {broken}")


@SPACE_SUITE.check
def check_expressions(case: SpaceCase) -> None:
    """A space that is ``expressed`` writes as expressions what it builds."""
    if case.space.expressed:
        archs = [case.space.reduced(arch) for arch in case.samples(4)]
        check_shared_parts(case.space, archs, FIDELITIES[0])
