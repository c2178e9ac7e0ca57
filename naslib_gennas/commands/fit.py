"""Fit a predictor to a few labels, check it on others, and say which to label next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ..errors import InputError
from ..predictors import PREDICTOR, SpectrumPredictor
from ..predictors.suggest import first_batch, next_batch
from ..report.plotting import Labels as AxisLabels
from ..report.plotting import draw_scatter
from ..runs.run import PREDICTIONS, SUMMARY, Record, Run
from ..tables import Table
from .fit_check import Checked, checked
from .result import Result

SUGGESTIONS = "suggestions.csv"
BEST = 10  # shown
CANDIDATES = 2000  # drawn from a space that cannot be listed


@dataclass(frozen=True)
class Predicted(Result):
    """An architecture without a label that is used.

    Attributes:
        arch: its text.
        expected: label, in its unit.
        deviation: standard deviation of that.
        label: what the table says; None where it says nothing or there is no table of all.
    """

    arch: str
    expected: float
    deviation: float
    label: Optional[float] = None


@dataclass(frozen=True)
class FitResult(Result):
    """What was learnt from how many labels.

    Attributes:
        space, metric, table: of the labels.
        preset, seed: of the features.
        labelled: how many.
        features: names of the extractors.
        columns: how many numbers of an architecture are read.
        hyperparameters: name -> value, in the order of the process.
        seconds: all that it took.
        check: on other labels; None without.
        best: the highest predictions among the candidates.
        suggested: texts to label next.
    """

    space: str
    metric: str
    table: str
    preset: str
    seed: int
    labelled: int
    features: tuple[str, ...]
    columns: int
    hyperparameters: tuple[tuple[str, float], ...]
    seconds: float
    check: Optional[Checked]
    best: tuple[Predicted, ...]
    suggested: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labels:
    """Which rows of ``table`` are used, and how.

    Attributes:
        metric: column.
        sign: 1, or -1 where lower is better.
        count: drawn from the table; None uses all rows.
        validate: others, to check the predictor on; None uses all the rest.
    """

    table: Table
    metric: str
    sign: int = 1
    count: Optional[int] = 20
    validate: Optional[int] = 0

    def split(self, seed: int) -> tuple[list[str], np.ndarray, list[str], np.ndarray]:
        """Texts and labels that are learnt from, and others; higher is better. InputError if there are too few."""
        rows = self.table.rows(None, self.metric, np.random.default_rng(seed))
        order = np.random.default_rng(seed).permutation(len(rows)) if self.count is not None else np.arange(len(rows))
        count = len(rows) if self.count is None else self.count
        others = len(rows) - count if self.validate is None else self.validate
        if count + others > len(rows):
            raise InputError(
                f"{count} labels and {others} others to validate are more than the {len(rows)} architectures of "
                f"{self.table.name} whose {self.metric} is known"
            )
        texts, values = rows["arch"].to_numpy(), self.sign * rows[self.metric].to_numpy(dtype=float)
        learnt, rest = order[:count], order[count : count + others]
        return texts[learnt].tolist(), values[learnt], texts[rest].tolist(), values[rest]


def fit_all(predictor: SpectrumPredictor, labels: Sequence[Labels], run: Run, suggest: int = 0) -> list[FitResult]:
    """:func:`fit` for each metric, of several each in a folder of the run; networks are read once."""
    if len(labels) == 1:
        return [fit(predictor, labels[0], run, suggest)]
    found = []
    for each in labels:
        with run.inside(each.metric, settings_record(predictor, [each], suggest)) as inner:
            found.append(fit(predictor, each, inner, suggest))
    return found


def fit(predictor: SpectrumPredictor, labels: Labels, run: Run, suggest: int = 0) -> FitResult:
    """Fit ``predictor``, and write ``predictor.json``, summary, predictions and suggestions to the run.

    suggest: architectures to label next. InputError for too few or equal labels, or more than the table has.
    """
    started = time.perf_counter()
    texts, values, others, truth = labels.split(predictor.seed)
    predictor.fit(texts, values, reference=_reference(predictor, texts, others))
    check = checked(predictor, others, truth) if others else None
    candidates = _candidates(predictor, texts, others)
    chosen = tuple(str(arch) for arch in next_batch(predictor, candidates, suggest)) if suggest else ()
    result = FitResult(
        space=predictor.space.source,
        metric=labels.metric,
        table=labels.table.name,
        preset=predictor.preset,
        seed=predictor.seed,
        labelled=len(texts),
        features=predictor.features,
        columns=len(predictor.columns),
        hyperparameters=predictor.hyperparameters,
        seconds=time.perf_counter() - started,
        check=check,
        best=_best(predictor, candidates, labels),
        suggested=chosen,
    )
    if run.directory is not None:
        predictor.save(run.directory / PREDICTOR)
        run.write(SUMMARY, result.as_record())
        write_suggestions(run, chosen, labels.metric)
        if check is not None:
            _write_predictions(predictor, others, truth, labels, run.directory, check)
    return result


def _write_predictions(
    predictor: SpectrumPredictor, texts: Sequence[str], truth: np.ndarray, labels: Labels, out: Path, check: Checked
) -> None:
    """A table and a picture of what was expected and what is."""
    import pandas as pd

    expected, deviation = predictor.predict(texts, return_std=True)
    columns = {"arch": texts, "expected": labels.sign * expected, "deviation": deviation}
    pd.DataFrame({**columns, labels.metric: labels.sign * truth}).to_csv(out / PREDICTIONS, index=False)
    title = f"{predictor.space.source}: rho {check.rho:.3f}, tau {check.tau:.3f}, n {check.n}"
    axes = AxisLabels(f"expected from {len(predictor.labelled_keys)} labels", labels.metric, title)
    draw_scatter(out / "scatter.png", (labels.sign * expected).tolist(), (labels.sign * truth).tolist(), axes)


def begin(predictor: SpectrumPredictor, run: Run, suggest: int, metric: str) -> tuple[str, ...]:
    """Texts of ``suggest`` architectures to label first, before any label is known; written to the run.

    metric: name of the empty column. InputError for fewer than 1, or more than there are.
    """
    chosen = tuple(str(arch) for arch in first_batch(predictor, _listed(predictor), suggest))
    write_suggestions(run, chosen, metric)
    return chosen


def write_suggestions(run: Run, texts: Sequence[str], metric: str) -> None:
    """A table with an empty column for the labels."""
    if run.directory is None or not texts:
        return
    import pandas as pd

    pd.DataFrame({"arch": texts, metric: [None] * len(texts)}).to_csv(run.directory / SUGGESTIONS, index=False)


def _listed(predictor: SpectrumPredictor) -> list[Any]:
    """All architectures that do not share a score, where they can be listed and are not too many; else a draw."""
    space = predictor.space
    if space.size is not None and space.size <= 10 * CANDIDATES:
        return list({space.score_key(arch): arch for arch in space}.values())
    rng = np.random.default_rng(predictor.seed + 1)
    drawn = (space.sample(rng) for _ in range(CANDIDATES if space.shares_parts else CANDIDATES // 10))
    return list({space.score_key(arch): arch for arch in drawn}.values())


def _candidates(predictor: SpectrumPredictor, texts: Sequence[str], others: Sequence[str]) -> list[Any]:
    """What may be best: what is validated on, or else the space."""
    known = {predictor.space.score_key(arch) for arch in predictor.parsed(texts)}
    archs = predictor.parsed(others) if others else _listed(predictor)
    return [arch for arch in archs if predictor.space.score_key(arch) not in known]


def _reference(predictor: SpectrumPredictor, texts: Sequence[str], others: Sequence[str]) -> Optional[list[str]]:
    """Networks that have to be read anyway scale the features, where reading others would take long."""
    space = predictor.space
    if space.shares_parts or len(texts) + len(others) < 50:
        return None
    return [*texts, *others]


def _best(predictor: SpectrumPredictor, candidates: Sequence[Any], labels: Labels) -> tuple[Predicted, ...]:
    if not candidates:
        return ()
    latent, _ = predictor.latent(candidates)
    places = [int(place) for place in np.argsort(-np.nan_to_num(latent, nan=-np.inf), kind="stable")[:BEST]]
    chosen = [candidates[place] for place in places]
    expected, deviation = predictor.predict(chosen, return_std=True)
    return tuple(
        Predicted(str(arch), labels.sign * float(mean), float(spread), labels.table.value(arch, labels.metric))
        for arch, mean, spread in zip(chosen, expected, deviation)
    )


def settings_record(predictor: SpectrumPredictor, labels: Sequence[Labels], suggest: int) -> Record:
    """For the configuration of a run; ``labels``: one a metric, none before any is known."""
    record: Record = {
        "command": "fit",
        "space": predictor.space.source,
        "features": list(predictor.features),
        "preset": predictor.preset,
        "targets": predictor.targets,
        "seed": predictor.seed,
        "suggest": suggest,
    }
    if labels:
        first = labels[0]
        record |= {
            "table": first.table.name,
            "metric": ",".join(each.metric for each in labels),
            "sign": first.sign,
            "labelled": first.count or "all",
            "validate": "rest" if first.validate is None else first.validate,
        }
    return record
