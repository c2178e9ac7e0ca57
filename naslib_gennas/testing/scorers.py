"""Checks of scorers: see :class:`naslib_gennas.scoring.protocol.Scorer` for what one promises."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional, get_args

import torch
from torch import nn

from ..errors import ArchitectureError
from ..runs.run import Record
from ..scoring.protocol import Scorer
from ..scoring.score import Score, Status
from ..spaces.base import SearchSpace
from ..spaces.modules.space import ModuleSpace
from .state import ModuleState, generators_at, process_state_kept
from .suite import Inapplicable, Suite, raised

NO_ARCHITECTURE = "\x00 no architecture"
OTHER_SEED = 1


@dataclass(frozen=True)
class ScorerCase:
    """A scorer to check.

    Attributes:
        make: returns a new scorer for a seed, 0 or 1; one that knows no seeds ignores it.
        archs: texts of two architectures or more, all of which can be scored. Some of them should have a twin: an
            isomorphic one, which is their ``representative`` or ``reduced`` in the space.
        order: two texts of which the second must have the higher value.
        failing: the text of an architecture that cannot be scored. Without one, networks that cannot be built are
            given to the scorer.
        relative: whether values hold within the architectures that are scored together, as those of ensembles do.
        unchecked: name of a check that cannot be applied -> why.
    """

    make: Callable[[int], Scorer]
    archs: Sequence[str]
    order: Optional[tuple[str, str]] = None
    failing: Optional[str] = None
    relative: bool = False
    unchecked: Mapping[str, str] = field(default_factory=dict)

    def scores(self, seed: int = 0) -> list[Score]:
        """Of ``archs``, by a new scorer."""
        return list(self.make(seed).score_many(self.archs))


SCORER_SUITE: Suite[ScorerCase] = Suite()
SCORER_CHECKS = SCORER_SUITE.checks
"""Every check; called with a :class:`ScorerCase`."""


def check_scorer(case: ScorerCase) -> dict[str, str]:
    """All checks of a scorer; the first that fails raises AssertionError.

    Returns the checks that are declared as ``unchecked``, and why.

    >>> from naslib_gennas.scoring import TableScorer
    >>> from naslib_gennas import load_space
    >>> from naslib_gennas.tables import Table
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"arch": ["5", "77", "15000"], "accuracy": [60.0, 71.0, 93.0]})
    >>> table = Table(rows, load_space("nasbench201"))
    >>> *archs, best = table.frame["arch"]
    >>> case = ScorerCase(
    ...     lambda seed: TableScorer(table, "accuracy"),
    ...     archs,
    ...     order=(archs[0], best),
    ...     failing="1462",  # which is not in the table
    ...     unchecked={
    ...         "check_seed": "a table has no seed",
    ...         "check_equal_keys": "every row is its own",
    ...         "check_models": "nothing is built",
    ...     },
    ... )
    >>> sorted(check_scorer(case))
    ['check_equal_keys', 'check_models', 'check_seed']
    """
    return SCORER_SUITE.run(case)


@SCORER_SUITE.check
def check_scores(case: ScorerCase) -> None:
    """Every score is of its architecture, names key and measure of the scorer, and has a finite value."""
    assert len(set(case.archs)) >= 2, "give two architectures or more"
    scorer = case.make(0)
    scores = list(scorer.score_many(case.archs))
    assert len(scores) == len(case.archs), f"{len(scores)} scores of {len(case.archs)} architectures"
    for text, score in zip(case.archs, scores):
        arch = scorer.space.parse(text)
        assert score.arch == str(arch), f"the score of {arch} says that it is of {score.arch}"
        assert score.key == scorer.key(arch), f"the key of {arch} is {scorer.key(arch)}, its score says {score.key}"
        assert score.measure == scorer.measure, f"the scorer of {scorer.measure} writes {score.measure}"
        assert score.status == "ok" and score.error is None, f"{arch} is {score.status}: {score.message}"
        assert isinstance(score.value, float) and math.isfinite(score.value), f"the value of {arch} is {score.value}"
        assert score.seconds >= 0, f"the seconds of {arch} are {score.seconds}"


@SCORER_SUITE.check
def check_repeatability(case: ScorerCase) -> None:
    """One seed, one value: in another scorer, at another state of the global generators, in another order."""
    with generators_at(1):
        first = case.scores()
    with generators_at(2):
        scorer = case.make(0)
        again = list(scorer.score_many(list(case.archs)[::-1]))[::-1]
        scorer.forget()
        same_scorer = list(scorer.score_many(case.archs))
    with torch.no_grad():
        without_gradients = case.scores()
    for other, where in (
        (again, "another scorer, in another order"),
        (same_scorer, "the same scorer again"),
        (without_gradients, "a scorer inside torch.no_grad()"),
    ):
        for one, two in zip(first, other):
            assert one.value == two.value, f"{one.arch} has the value {one.value}; by {where} {two.value}"


@SCORER_SUITE.check
def check_seed(case: ScorerCase) -> None:
    """Another seed is another identity."""
    same = _identity(case.make(0)) == _identity(case.make(OTHER_SEED))
    values = [[score.value for score in case.scores(seed)] for seed in (0, OTHER_SEED)]
    assert not same or values[0] == values[1], "values depend on the seed, which the identity does not have"
    if same:
        raise Inapplicable("neither values nor identity depend on the seed")


@SCORER_SUITE.check
def check_identity(case: ScorerCase) -> None:
    """What identifies a scorer is JSON, equal for equal scorers, and not changed by scoring."""
    scorer = case.make(0)
    before = _identity(scorer)
    list(scorer.score_many(case.archs))
    assert _identity(scorer) == before, "scoring changes the identity"
    assert _identity(case.make(0)) == before, "an equal scorer has another identity"
    assert _identity(pickle.loads(pickle.dumps(scorer))) == before, "a copy has another identity"


def _identity(scorer: Scorer) -> str:
    identity = scorer.identity()
    try:
        return json.dumps(identity, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the identity is not JSON ({error}): {identity}") from error


@SCORER_SUITE.check
def check_equal_keys(case: ScorerCase) -> None:
    """Different architectures with equal keys have equal values, whichever comes first."""
    scorer = case.make(0)
    pairs = [(arch, twin) for arch in map(scorer.space.parse, case.archs) for twin in _twins(scorer, arch)]
    if not pairs:
        raise Inapplicable("none of the architectures has a twin with the same key")
    for arch, twin in pairs:
        one, two = (_alone(case, text) for text in (str(arch), str(twin)))
        assert one.value == two.value, f"{arch} and {twin} share a key, but their values are {one.value}, {two.value}"
        assert two.arch == str(twin), f"the score of {twin} says that it is of {two.arch}"


def _twins(scorer: Scorer, arch: Any) -> list[Any]:
    candidates = (scorer.space.representative(arch), scorer.space.reduced(arch))
    return [twin for twin in candidates if str(twin) != str(arch) and scorer.key(twin) == scorer.key(arch)]


def _alone(case: ScorerCase, text: str) -> Score:
    """By a new scorer; beside the others where values hold within a set only."""
    return list(case.make(0).score_many([text, *case.archs] if case.relative else [text]))[0]


@SCORER_SUITE.check
def check_texts(case: ScorerCase) -> None:
    """An architecture scores as its text does, white space around it or not; no architecture is an ArchitectureError.

    The error is raised for a text alone and within a list.
    """
    scorer = case.make(0)
    archs = [scorer.space.parse(text) for text in case.archs]
    spaced = [f" {text}\n" for text in case.archs]
    for text, arch, space in zip(case.scores(), scorer.score_many(archs), scorer.score_many(spaced)):
        assert text.value == arch.value == space.value, f"the text of {arch.arch} scores {text.value}, not {arch.value}"
        assert text.arch == arch.arch == space.arch, (
            f"the text of {arch.arch} is noted as {text.arch!r}, {space.arch!r}"
        )
    raised(ArchitectureError, lambda: scorer.score(NO_ARCHITECTURE), f"scoring {NO_ARCHITECTURE!r}")
    raised(ArchitectureError, lambda: list(scorer.score_many([NO_ARCHITECTURE])), f"scoring {NO_ARCHITECTURE!r}")


@SCORER_SUITE.check
def check_order(case: ScorerCase) -> None:
    """Higher is better."""
    if case.order is None:
        raise Inapplicable("no order of two architectures is given")
    worse, better = (score for score in case.make(0).score_many(case.order))
    assert better.value is not None, f"{better.arch} is {better.status}: {better.message}"
    assert worse.value is None or worse.value < better.value, (
        f"{better.arch} should score higher ({better.value}) than {worse.arch} ({worse.value})"
    )


@SCORER_SUITE.check
def check_score_many(case: ScorerCase) -> None:
    """Many at once score as they do alone, and an empty list has no scores."""
    assert list(case.make(0).score_many([])) == [], "an empty list has scores"
    if case.relative:
        raise Inapplicable("values hold within a set, so that alone they are others")
    scorer = case.make(0)
    for many in case.scores():
        alone = scorer.score(many.arch)
        assert (alone.value, alone.key, alone.status) == (many.value, many.key, many.status), (
            f"{many.arch} scores {many.value} among many, {alone.value} alone"
        )


@SCORER_SUITE.check
def check_failures(case: ScorerCase) -> None:
    """An architecture that cannot be scored has a record that says why, and the others are scored."""
    if case.failing is not None:
        first, *others = case.make(0).score_many([case.failing, *case.archs])
        _check_failure(first)
        _check_others(others)
        return
    for error in (RuntimeError("it cannot be built"), SystemExit(3)):
        scorer = case.make(0)
        with _unbuildable(scorer.space, case.archs[0], error):
            first, *others = scorer.score_many(case.archs)
        if first.status == "ok":
            raise Inapplicable("nothing is built for a score; give the text of a `failing` architecture")
        _check_failure(first)
        _check_others([score for score in others if score.key != first.key])


def _check_failure(score: Score) -> None:
    assert score.status in set(get_args(Status)) - {"ok"}, f"{score.arch} fails, but its status is {score.status}"
    assert score.value is None, f"{score.arch} fails, but has the value {score.value}"
    assert score.error is not None and score.error.type, f"the failure of {score.arch} has no error with a type"
    assert score.error.message.strip(), f"the failure of {score.arch} is not explained"
    _check_record(score)


def _check_others(scores: Sequence[Score]) -> None:
    failed = [score for score in scores if score.status != "ok"]
    assert not failed, f"beside an architecture that fails, {failed[0].arch} fails as well: {failed[0].message}"


@contextmanager
def _unbuildable(space: SearchSpace, text: str, error: BaseException) -> Iterator[None]:
    """Inside, the networks of one architecture and its twins raise ``error`` when they are built."""
    key = space.score_key(space.parse(text))
    builders = {name: getattr(space, name) for name in ("build", "build_network")}

    def refusing(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        def refuse(arch: Any, *settings: Any, **more: Any) -> nn.Module:
            if space.score_key(arch) == key:
                raise error
            return build(arch, *settings, **more)

        return refuse

    for name, build in builders.items():
        setattr(space, name, refusing(build))
    try:
        yield
    finally:
        for name in builders:
            delattr(space, name)


@SCORER_SUITE.check
def check_process_state(case: ScorerCase) -> None:
    """Making a scorer and scoring leave global generators and settings alone."""
    with process_state_kept("scoring"):
        case.scores()
    with torch.no_grad(), process_state_kept("scoring inside torch.no_grad()"):
        case.scores()


@SCORER_SUITE.check
def check_models(case: ScorerCase) -> None:
    """Modules of the user's are scored without a trace: values, gradients, modes and hooks stay as they were."""
    scorer = case.make(0)
    sources = scorer.space.modules if isinstance(scorer.space, ModuleSpace) else {}
    modules = {name: source for name, source in sources.items() if isinstance(source, nn.Module)}
    if not modules:
        raise Inapplicable("no modules are scored")
    before = {name: ModuleState.of(module) for name, module in modules.items()}
    list(scorer.score_many(case.archs))
    for name, module in modules.items():
        changes = before[name].changes(ModuleState.of(module))
        assert not changes, f"scoring changes the module {name}: {', '.join(changes)}"


@SCORER_SUITE.check
def check_pickling(case: ScorerCase) -> None:
    """A scorer that went to another process, used before or not, gives the same values."""
    used = case.make(0)
    expected = [score.value for score in used.score_many(case.archs)]
    for scorer, what in ((case.make(0), "new"), (used, "used")):
        copy = pickle.loads(pickle.dumps(scorer))
        values = [score.value for score in copy.score_many(case.archs)]
        assert values == expected, f"the copy of a {what} scorer gives {values}, not {expected}"


@SCORER_SUITE.check
def check_records(case: ScorerCase) -> None:
    """A score is the same after it was written and read."""
    for score in case.scores():
        _check_record(score)


def _check_record(score: Score) -> None:
    record: Record = score.as_record()
    try:
        read = Score.from_record(json.loads(json.dumps(record, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the record of {score.arch} is not JSON ({error}): {record}") from error
    written = replace(score, curve=())  # which is written on demand
    assert read == written, f"{score.arch} is written as {written}, read as {read}"
