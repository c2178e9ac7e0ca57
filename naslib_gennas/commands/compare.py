"""Is architecture A better than B, and how sure is that?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from scipy import stats

from ..errors import InputError
from ..evaluation import Interval
from ..executors.protocol import Executor
from ..executors.scores import score_all
from ..report.assets import standalone
from ..report.cells import drawn
from ..runs.run import SUMMARY, Record, Run
from ..scoring.gennas import GenNASScorer
from ..search.costs import FLOPS, PARAMS, Deployment, cost_of
from ..spaces.base import SearchSpace
from ..spaces.cell_graph import CellGraph, differing
from ..tables import Table
from .result import Result

NEAR = 0.1  # of the pairs of known architectures, those whose scores are as far apart as these two
FEWEST = 20  # known architectures, from which pairs say something
RESAMPLES = 400
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contender(Result):
    """One of the two.

    Attributes:
        arch: its text.
        score: mean over the draws.
        deviation: standard deviation of one draw.
        seconds: of one draw.
        costs: parameters and multiply-adds of the benchmark's network.
        accuracy: what the table says; None where it says nothing or there is none.
    """

    arch: str
    score: float
    deviation: float
    seconds: float
    costs: Mapping[str, Optional[float]]
    accuracy: Optional[float] = None


@dataclass(frozen=True)
class Known(Result):
    """How often such a difference is right, by architectures with ground truth.

    Attributes:
        metric: column of the table.
        table: its name.
        n: architectures that were scored by one draw.
        pairs: of them whose scores are as far apart as those of the two, the nearest tenth.
        right: share of these pairs that the score orders as the metric does.
        interval: bootstrap 95 % over architectures.
    """

    metric: str
    table: str
    n: int
    pairs: int
    right: float
    interval: Interval


@dataclass(frozen=True)
class Comparison(Result):
    """Two architectures, draw by draw with the same targets and noise.

    Attributes:
        space: the name or text that the space was opened by.
        preset: its name.
        seed: of the first draw; the others follow.
        draws: how many.
        first, second: the two.
        difference: mean of the scores of the first minus those of the second.
        interval: Student's 95 % of it; nan where all draws say the same.
        probability: that the first has the higher score in the mean over all possible draws, by Student's t.
        same: whether the two are one network to the score.
        differences: name of a cell, or of what describes the architectures -> what only the first and only the second
            has.
        known: what ground truth says of such differences; None without a table.
    """

    space: str
    preset: str
    seed: int
    draws: int
    first: Contender
    second: Contender
    difference: float
    interval: Interval
    probability: float
    same: bool
    differences: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    known: Optional[Known] = None


def compare(
    scorers: Sequence[GenNASScorer],
    texts: tuple[str, str],
    run: Run,
    executor: Executor,
    table: Optional[Table] = None,
    metric: Optional[str] = None,
    sample: int = 100,
) -> Comparison:
    """Score both by every scorer, see :func:`draws`, and ``sample`` of the table's by the first one.

    The result is written to the run, and both as pictures where their space is one of cells. InputError if a draw has
    no score, or the table knows fewer than 20 architectures.
    """
    space = scorers[0].space
    found = score_all(scorers, texts, run, executor)
    values = np.array([[_value(found[scorer.measure][place]) for scorer in scorers] for place in (0, 1)])
    seconds = [np.mean([found[scorer.measure][place].seconds for scorer in scorers]) for place in (0, 1)]
    same = scorers[0].key(space.parse(texts[0])) == scorers[0].key(space.parse(texts[1]))
    difference, interval, probability = paired(values[0] - values[1])
    known = None if table is None else _known(scorers[0], table, metric, sample, abs(difference), run, executor)
    first, second = (
        _contender(space, text, row, float(took), table, metric) for text, row, took in zip(texts, values, seconds)
    )
    result = Comparison(
        space=space.source,
        preset=scorers[0].preset.name,
        seed=scorers[0].seed,
        draws=len(scorers),
        first=first,
        second=second,
        difference=difference,
        interval=interval,
        probability=probability,
        same=same,
        differences=differences(space, *texts),
        known=known,
    )
    run.write(SUMMARY, result.as_record())
    _draw(space, texts, run)
    return result


def draws(scorer: GenNASScorer, count: int) -> list[GenNASScorer]:
    """The scorer with ``count`` seeds from its own on, a measure each; InputError for fewer than 2."""
    if count < 2:
        raise InputError(f"a comparison needs at least 2 draws, got {count}")

    def draw(number: int) -> GenNASScorer:
        seed, name = scorer.seed + number, f"draw {number}"
        device, images = str(scorer.device), scorer.images
        return GenNASScorer(scorer.space, scorer.preset, seed, device, images, name, scorer.memory)

    return list(map(draw, range(count)))


def paired(differences: Floats) -> tuple[float, Interval, float]:
    """Mean, Student's 95 % interval, and probability that the true mean is above 0.

    >>> mean, (low, high), probability = paired(np.array([1.0, 2.0, 3.0]))
    >>> round(mean, 3), round(low, 3), round(high, 3), round(probability, 3)
    (2.0, -0.484, 4.484, 0.963)
    """
    mean, n = float(differences.mean()), len(differences)
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    if error == 0.0:
        return mean, (math.nan, math.nan), 0.5 + 0.5 * float(np.sign(mean))
    reach = error * float(stats.t.ppf(0.975, n - 1))
    return mean, (mean - reach, mean + reach), float(stats.t.cdf(mean / error, n - 1))


def differences(space: SearchSpace, first: str, second: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Edges of their cells, or numbers of their encodings, that only one has.

    >>> from naslib_gennas import load_space
    >>> differences(load_space("nasbench101"), "3:7:0", "3:7:2")["cell"]
    (('in-conv 3x3', 'conv 3x3-out'), ('in-max pool 3x3', 'max pool 3x3-out'))
    """
    a, b = space.parse(first), space.parse(second)
    graphs, others = space.cell_graphs(a), space.cell_graphs(b)
    if graphs:
        return {
            name: (_named(graph, mine), _named(others[name], theirs))
            for name, graph in graphs.items()
            for mine, theirs in (differing(graph, others[name]),)
            if mine or theirs
        }
    left, right = space.encoding(a), space.encoding(b)
    return {
        name: ((f"{left[name]:g}",), (f"{right[name]:g}",))
        for name in left
        if name in right and left[name] != right[name]
    }


def _named(graph: CellGraph, edges: set[int]) -> tuple[str, ...]:
    def said(edge: int) -> str:
        source, target, name = graph.edges[edge]
        return f"{graph.nodes[source]}-{graph.nodes[target]}" + (f" {name}" if name else "")

    return tuple(said(edge) for edge in sorted(edges))


def _value(score: Any) -> float:
    if score.value is None:
        raise InputError(f"{score.arch} has no score by {score.measure}: {score.message or score.status}")
    return float(score.value)


def _contender(
    space: SearchSpace, text: str, values: Floats, seconds: float, table: Optional[Table], metric: Optional[str]
) -> Contender:
    arch = space.parse(text)
    quantities = (PARAMS, FLOPS) if space.kind == "cnn" else (PARAMS,)
    costs = {name: cost_of(name, space, Deployment())(arch) for name in quantities}
    accuracy = None if table is None else table.value(text, metric)
    return Contender(text, float(values.mean()), float(values.std(ddof=1)), seconds, costs, accuracy)


def _known(
    scorer: GenNASScorer,
    table: Table,
    metric: Optional[str],
    sample: int,
    difference: float,
    run: Run,
    executor: Executor,
) -> Known:
    metric = metric or table.default_metric
    rows = table.rows(min(sample, table.column(metric).notna().sum()), metric, np.random.default_rng(scorer.seed))
    found = score_all([scorer], rows["arch"].tolist(), run, executor)[scorer.measure]
    pairs = [(score.value, truth) for score, truth in zip(found, rows[metric]) if score.value is not None]
    if len(pairs) < FEWEST:
        raise InputError(f"{len(pairs)} architectures of {table.name} have a score; {FEWEST} are needed to judge by")
    scores, truth = (np.array(column, dtype=float) for column in zip(*pairs))
    count, right, interval = ordered_right(scores, truth, difference, scorer.seed)
    return Known(metric, table.name, len(scores), count, right, interval)


def ordered_right(scores: Floats, truth: Floats, apart: float, seed: int = 0) -> tuple[int, float, Interval]:
    """Of pairs whose scores are about ``apart``: how many, what share the scores order as the truth, 95 % of it.

    A pair that the truth does not order counts as half.
    """
    first, second = np.triu_indices(len(scores), 1)
    gaps = scores[first] - scores[second]
    near = np.argsort(np.abs(np.abs(gaps) - apart), kind="stable")[: max(1, round(NEAR * len(gaps)))]
    first, second = first[near], second[near]
    right = 0.5 + 0.5 * np.sign(gaps[near]) * np.sign(truth[first] - truth[second])
    rng, shares = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(len(scores), size=len(scores)), minlength=len(scores))
        weights = times[first] * times[second]
        if weights.sum():
            shares.append(float(np.average(right, weights=weights)))
    low, high = np.quantile(shares, [0.025, 0.975])
    return len(near), float(right.mean()), (float(low), float(high))


def _draw(space: SearchSpace, texts: tuple[str, str], run: Run) -> None:
    """Both into the run, what differs marked."""
    first, second = (space.cell_graphs(space.parse(text)) for text in texts)
    for name in first:
        marks = differing(first[name], second[name])
        for place, graphs, marked in zip("AB", (first, second), marks):
            svg = standalone(drawn(graphs[name], f"{place}, {name}", marked))
            run.write_bytes(f"{place}-{name}.svg", svg.encode())


def config(scorer: GenNASScorer, texts: tuple[str, str], count: int) -> Record:
    """Of a run that compares."""
    return {"command": "compare", **scorer.identity(), "architectures": list(texts), "draws": count}
