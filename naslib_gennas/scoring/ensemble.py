"""Expressions over measures: a name, a column of the table, or an aggregation of several rankings.

    naswot                          a measure
    fit:runs/fit                    what `gennas fit` made of labels
    table:cifar10_valid_e12         a column of the ground-truth table, such as an early-stopping accuracy
    rank(gennas,naswot,params)      mean of the ranks
    aznas(gennas,naswot,params)     AZ-NAS's non-linear aggregation
    vote(synflow,jacob_cov,snip)    pairwise majority

An aggregation is a number *within the set of architectures it is computed on*: it ranks them, and changes with
the set. Ranks are ascending (the best of n has rank n), ties share their mean rank, and a failed score has
the lowest rank of its measure. An architecture fails the aggregation only if it fails all members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Union

import numpy as np

from ..errors import InputError
from ..evaluation import rank_data
from ..measures.base import MEASURES, PLACEHOLDER
from ..registry import Registry, unknown
from ..runs.run import Record
from .protocol import Scorer
from .score import ErrorRecord, Score
from .sources import SOURCES

TABLE = "table:"
DEEPEST = 20  # aggregations in each other
EXAMPLE = "rank(gennas,naswot,params)"
AGGREGATIONS: Registry[Callable[[np.ndarray], np.ndarray]] = Registry("aggregation")
"""Name -> function of the members' scores (members, n), failed ones -inf, to (n,)."""

TOKEN = re.compile(r"\s*([a-z]+:[^\s,()]+|[A-Za-z0-9_.@-]+|[(),])\s*")
ROWS_AT_ONCE = 256


@AGGREGATIONS.register("rank")
def mean_rank(scores: np.ndarray) -> np.ndarray:
    """Mean over members of rank / n, in (0, 1]."""
    means: np.ndarray = (rank_data(scores, axis=1) / scores.shape[1]).mean(axis=0)
    return means


@AGGREGATIONS.register("aznas")
def log_rank(scores: np.ndarray) -> np.ndarray:
    """Sum over members of log(rank / n), at most 0: a low rank in one member weighs more than a high one.

    Lee & Ham, "AZ-NAS", CVPR 2024, https://arxiv.org/abs/2403.19232, Eq. 12.
    """
    sums: np.ndarray = np.log(rank_data(scores, axis=1) / scores.shape[1]).sum(axis=0)
    return sums


@AGGREGATIONS.register("vote")
def majority(scores: np.ndarray) -> np.ndarray:
    """Share of the other architectures that lose the majority vote of the members against this one, in [0, 1].

    In a pair each member votes for the architecture it scores higher; a draw counts one half. Abdelfattah et
    al., ICLR 2021, https://arxiv.org/abs/2101.08134, compare two architectures in this way; the share of the
    pairs won (Copeland's rule) makes a ranking of it.
    """
    places = rank_data(scores, axis=1).astype(np.float32)  # finite, so that failed ones compare as equal
    n = places.shape[1]
    wins = np.empty(n)
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        votes = sum(np.sign(r[rows, None] - r[None, :]) for r in places)  # (rows, n)
        wins[rows] = (votes > 0).sum(axis=1) + 0.5 * ((votes == 0).sum(axis=1) - 1)
    shares: np.ndarray = wins / max(n - 1, 1)
    return shares


@dataclass(frozen=True)
class Leaf:
    """A registered measure, or a column of the table."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def column(self) -> str | None:
        """The column of the table that this is, None for a measure."""
        return self.name[len(TABLE) :] if self.name.startswith(TABLE) else None

    def leaves(self) -> Iterator[Leaf]:
        yield self

    def value(self, columns: Mapping[str, Sequence[float | None]]) -> np.ndarray:
        """(n,) scores, NaN where failed."""
        return np.array([np.nan if v is None else v for v in columns[self.name]], dtype=float)


@dataclass(frozen=True)
class Aggregate:
    """An aggregation of the rankings by ``members``."""

    how: str
    members: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"{self.how}({','.join(map(str, self.members))})"

    def leaves(self) -> Iterator[Leaf]:
        for member in self.members:
            yield from member.leaves()

    def value(self, columns: Mapping[str, Sequence[float | None]]) -> np.ndarray:
        """(n,) scores, NaN where all members failed."""
        scores = np.stack([member.value(columns) for member in self.members])
        scores[~np.isfinite(scores)] = -np.inf
        combined = AGGREGATIONS[self.how](scores)
        combined[np.isneginf(scores).all(axis=0)] = np.nan
        return combined


Expression = Union[Leaf, Aggregate]


def parse_measures(text: str) -> list[Expression]:
    """The expressions of a list separated by commas, each once.

    InputError if malformed, UnknownNameError for a measure or aggregation that does not exist.
    """
    parser = _Parser(text)
    found = [parser.expression()]
    while parser.take(","):
        found.append(parser.expression())
    parser.end()
    return list(dict.fromkeys(found))


def parse_measure(text: str) -> Expression:
    """One expression; errors as :func:`parse_measures`."""
    parser = _Parser(text)
    found = parser.expression()
    parser.end()
    return found


class EnsembleScorer:
    """An expression over the scores of other scorers. Its values hold within the architectures scored together.

    Args:
        expression: see :func:`parse_measure`.
        members: a scorer for every measure in it.

    Raises InputError for a column of a table, which no scorer computes, or a member that is missing.
    """

    def __init__(self, expression: Expression, members: Iterable[Scorer]):
        self.expression, self.members = expression, {member.measure: member for member in members}
        for leaf in expression.leaves():
            if leaf.column is not None:
                raise InputError(f"{leaf} is a column of ground truth, which only `gennas benchmark --table` has")
            if leaf.name not in self.members:
                raise InputError(unknown("member of the ensemble", leaf.name, self.members))
        self.space = next(iter(self.members.values())).space
        self.measure = str(expression)

    def identity(self) -> Record:
        """The expression and what its members depend on."""
        parts = [member.identity() for member in self.members.values()]
        return {key: value for part in parts for key, value in part.items()} | {"measure": self.measure}

    def key(self, arch: Any) -> str:
        """The text: members may tell isomorphic architectures apart."""
        return str(arch)

    def score(self, arch: Any) -> Score:
        """Its score in a set of its own, in which a rank says nothing."""
        return next(self.score_many([arch]))

    def score_many(self, archs: Iterable[Any]) -> Iterator[Score]:
        archs = list(archs)
        return iter(self.combined({name: list(member.score_many(archs)) for name, member in self.members.items()}))

    def combined(self, found: Mapping[str, Sequence[Score]]) -> list[Score]:
        """The scores of architectures from those of the members, in the same order."""
        values = self.expression.value({name: [score.value for score in scores] for name, scores in found.items()})
        return [self._one(float(value), members) for value, *members in zip(values, *found.values())]

    def forget(self) -> None:
        for member in self.members.values():
            member.forget()

    def _one(self, value: float, members: Sequence[Score]) -> Score:
        failed = [member for member in members if member.status != "ok"]
        reasons = "; ".join(f"{member.measure}: {member.message}" for member in failed)
        ok = bool(np.isfinite(value))
        return Score(
            arch=members[0].arch,
            key=members[0].arch,
            value=value if ok else None,
            status="ok" if ok else failed[0].status,
            seconds=sum(member.seconds for member in members),
            measure=self.measure,
            error=None if ok else ErrorRecord("MembersFailed", reasons),
            note=reasons if ok else "",
        )


class _Parser:
    def __init__(self, text: str):
        self.text = text
        self.tokens: list[tuple[str, int]] = []
        position = 0
        while position < len(text):
            match = TOKEN.match(text, position)
            if not match:
                raise self._malformed(f"{text[position]!r} is not part of a measure", position)
            self.tokens.append((match[1], match.start(1)))
            position = match.end()
        self.tokens.append(("", len(text)))
        self.next = 0
        self.depth = 0

    def take(self, symbol: str) -> bool:
        if self.tokens[self.next][0] != symbol:
            return False
        self.next += 1
        return True

    def expression(self) -> Expression:
        name, position = self.tokens[self.next]
        if name in ("", "(", ")", ","):
            raise self._malformed(f"expected a measure, found {name or 'the end'!r}", position)
        self.next += 1
        if self.take("("):
            return self._aggregate(name, position)
        source, colon, _ = name.partition(":")
        if colon:
            if not name.startswith(TABLE):
                SOURCES[source]
            return Leaf(name)
        if name in AGGREGATIONS and name not in MEASURES:
            raise self._malformed(f"{name} needs measures in parentheses", position)
        if name.endswith(PLACEHOLDER) and name in MEASURES:
            raise self._malformed(f"{name} takes a number of epochs in the place of N", position)
        expression = MEASURES[name].expression
        return parse_measure(expression) if expression else Leaf(name)

    def _aggregate(self, name: str, position: int) -> Aggregate:
        if name not in AGGREGATIONS:
            raise self._malformed(unknown("aggregation", name, AGGREGATIONS.names()), position)
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._malformed(f"more than {DEEPEST} parentheses are in each other", position)
        members = [self.expression()]
        while self.take(","):
            members.append(self.expression())
        if not self.take(")"):
            found, where = self.tokens[self.next]
            raise self._malformed(f"expected ',' or ')', found {found or 'the end'!r}", where)
        self.depth -= 1
        if len(members) < 2:
            raise self._malformed(f"{name} needs at least two measures", position)
        return Aggregate(name, tuple(members))

    def end(self) -> None:
        found, position = self.tokens[self.next]
        if found:
            raise self._malformed(f"expected ',' or the end, found {found!r}", position)

    def _malformed(self, why: str, position: int) -> InputError:
        shown = self.text if len(self.text) < 200 else self.text[:197] + "..."
        return InputError(f"malformed measures {shown!r}, character {position + 1}: {why}; an example is {EXAMPLE}")
