"""A predictor of accuracy from a few labelled architectures: a Gaussian process over what untrained networks explain.

Label-free knowledge is its mean and one of its kernels, so that few labels do not make it worse; many make it forget.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Literal, Union

import numpy as np

from ..errors import InputError, SpecError
from ..evaluation import spearman
from ..registry import unknown
from ..runs.run import Record
from ..runs.whole import write_whole
from ..scoring.score import GENNAS
from ..spaces.base import SearchSpace
from ..tables import open_space
from ..texts import parse_json
from .believer import Believer
from .features import DEFAULT, PRESET, SCORE, Reading, check_features, extracted
from .gaussian_process import GaussianProcess, Group
from .scaling import Array, RankScale

FEWEST = 3  # labels
SLOPE, SLOPE_TRAINED = 0.6, 0.8  # of the label-free scores together before any label, and with a trained one
LISTED = 20_000  # architectures: smaller spaces are their own reference
REFERENCE, REFERENCE_ALONE = 4000, 150  # drawn otherwise: where parts are shared, and where networks are read alone
TRAINED = 4.0  # how much a trained score is believed beside others
DESCRIPTIVE = {"encoding": "", "paths": "paths"}  # features read off the architecture itself, and their priors
FORMAT = 1


@dataclass(frozen=True)
class Scaled:
    """A column with its scale; ``feature`` made it."""

    feature: str
    name: str
    scale: RankScale

    def scores_of(self, values: Array) -> Array:
        """Scaled; a measure that has no value, such as a training that diverges, counts as the lowest known."""
        scores = self.scale.to_score(values)
        return np.nan_to_num(scores, nan=self.scale.scores[0]) if self.feature.startswith(SCORE) else scores


class SpectrumPredictor:
    """Predicts labels of architectures of one space, in the conventions of scikit-learn.

    Args:
        space: a registered name, or a SearchSpace.
        features: names of :data:`naslib_gennas.predictors.features.FEATURES`, or ``score:MEASURE``.
        preset: in closed form, whose network and read-out the features are of.
        seed: of the random weights, and of the reference where it is drawn.
        targets: ``rank`` learns the order of the labels, ``raw`` their values.

    >>> labels = {"5": 60.0, "77": 71.0, "1462": 90.0, "11175": 93.0, "15000": 91.0}
    >>> predictor = SpectrumPredictor("nasbench201", features=["closed_form", "size", "encoding"])
    >>> predictor = predictor.fit(list(labels), list(labels.values()), reference=range(0, 15625, 500))
    >>> mean, deviation = predictor.predict(["8000", "9000"], return_std=True)
    >>> mean.shape, bool((deviation > 0).all())
    ((2,), True)

    Raises UnknownNameError for a feature, InputError for a preset that is not in closed form.
    """

    def __init__(
        self,
        space: Union[str, SearchSpace],
        features: Sequence[str] = DEFAULT,
        preset: str = PRESET,
        seed: int = 0,
        targets: Literal["rank", "raw"] = "rank",
    ):
        self.space = space if isinstance(space, SearchSpace) else open_space(space)
        self.features, self.preset, self.seed, self.targets = tuple(features), preset, seed, targets
        if targets not in ("rank", "raw"):
            raise InputError(f"targets must be rank or raw, got {targets!r}")
        Reading(self.space, [], preset, seed)
        check_features(self.features)
        self._archs: dict[str, Any] = {}  # by text
        self._known: dict[Any, Array] = {}  # by reduced architecture
        self._columns: list[tuple[str, str]] = []

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, by name; with :meth:`set_params` what ``sklearn.base.clone`` and its cross-validation need."""
        return {name: getattr(self, name) for name in ("space", "features", "preset", "seed", "targets")}

    def set_params(self, **changes: Any) -> SpectrumPredictor:
        """As if made anew with ``changes``; InputError for a name that is none of :meth:`get_params`."""
        known = self.get_params()
        for name in changes:
            if name not in known:
                raise InputError(unknown("argument of a predictor", name, known))
        fresh = type(self)(**{**known, **changes})
        vars(self).clear()
        vars(self).update(vars(fresh))
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags, Tags, TargetTags

        return Tags("regressor", TargetTags(required=True), regressor_tags=RegressorTags())

    def fit(
        self, archs: Iterable[Any], labels: Iterable[float], reference: Iterable[Any] | None = None
    ) -> SpectrumPredictor:
        """Learn from ``labels`` (n,), higher is better, of ``archs`` or their texts.

        reference: architectures whose distribution scales the features; None is the whole space if it can be listed
        and is not large, otherwise a draw. InputError for fewer than 3 labels, equal ones, values that are not finite,
        as many architectures as labels, or one whose network cannot be read.
        """
        parsed, values = self.parsed(archs), np.array(list(labels), dtype=float)
        _check(parsed, values)
        self._scale(self._reference() if reference is None else self.parsed(reference), parsed)
        x = self._scores(parsed)
        bad = ~np.isfinite(x).all(axis=1)
        if bad.any():
            raise InputError(f"the features of {parsed[int(np.argmax(bad))]} are not finite; leave its label out")
        self._target = _target(values, self.targets)
        self._texts, self.labels = [str(arch) for arch in parsed], values
        self._x = x
        self.process = GaussianProcess(self._groups()).fit(x, self._target.to_score(values))
        return self

    def fitted_to(self, places: Sequence[int]) -> GaussianProcess:
        """What would be learnt from the labels at ``places`` alone, of the features as they are scaled now."""
        chosen = np.asarray(places)
        values = self.labels[chosen]
        return GaussianProcess(self._groups()).fit(self._x[chosen], _target(values, self.targets).to_score(values))

    def predict(self, archs: Iterable[Any], return_std: bool = False) -> Union[Array, tuple[Array, Array]]:
        """(m,) expected labels, in their unit; with ``return_std`` also their standard deviations, without noise.

        NaN for an architecture whose network cannot be read. InputError before :meth:`fit`.
        """
        mean, deviation = self.latent(archs)
        middle = self._target.to_value(mean)
        if not return_std:
            return middle
        return middle, (self._target.to_value(mean + deviation) - self._target.to_value(mean - deviation)) / 2

    def latent(self, archs: Iterable[Any]) -> tuple[Array, Array]:
        """(m,) mean and standard deviation on the scale that is learnt, where the labels have a variance of 1."""
        if not hasattr(self, "process"):
            raise InputError("the predictor knows no labels yet; call fit first")
        x = self._scores(self.parsed(archs))
        good = np.isfinite(x).all(axis=1)
        mean, deviation = np.full(len(x), np.nan), np.full(len(x), np.nan)
        if good.any():
            mean[good], deviation[good] = self.process.predict(x[good])
        return mean, deviation

    def score(self, archs: Iterable[Any], labels: Iterable[float]) -> float:
        """Spearman's rho of predictions and ``labels``, of what can be predicted."""
        mean, values = self.latent(archs)[0], np.array(list(labels), dtype=float)
        known = np.isfinite(mean) & np.isfinite(values)
        return spearman(mean[known], values[known])

    def parsed(self, archs: Iterable[Any]) -> list[Any]:
        """Architectures, of themselves or their texts; a text is parsed once. ArchitectureError for another space's."""
        given = list(archs)
        for text in given:
            if isinstance(text, str) and text not in self._archs:
                self._archs[text] = self.space.read(text)
        return [self._archs[arch] if isinstance(arch, str) else self.space.read(arch) for arch in given]

    def read(self, archs: Iterable[Any]) -> Array:
        """(m, columns): the scaled features, after :meth:`fit`."""
        return self._scores(self.parsed(archs))

    def survey(self, archs: Iterable[Any]) -> tuple[Array, Array]:
        """(m, columns) features scaled by ``archs`` themselves, and (m,) what is expected of them without any label."""
        parsed = self.parsed(archs)
        self._scale(parsed, [])
        x = np.nan_to_num(self._scores(parsed))
        slopes = self._slopes()
        return x, x[:, list(slopes)] @ np.array(list(slopes.values()))

    def label_free(self, archs: Iterable[Any]) -> Array | None:
        """(m,) what is expected without labels, on no particular scale; None if no feature is a score."""
        slopes = self._slopes()
        return self.read(archs)[:, list(slopes)] @ np.array(list(slopes.values())) if slopes else None

    def to_score(self, labels: Array) -> Array:
        """Labels on the scale that is learnt."""
        return self._target.to_score(labels)

    @property
    def hyperparameters(self) -> tuple[tuple[str, float], ...]:
        """Name and value of each."""
        return tuple((name, math.exp(value)) for name, value in zip(self.process.names(), self.process.found))

    @property
    def noise(self) -> float:
        """Standard deviation of a label around what is expected, on the scale that is learnt."""
        return self.hyperparameters[-1][1]

    def believer(self) -> Believer:
        """The fitted process, for what expects labels that are not known yet."""
        return Believer(self.process, self._x, self._target.to_score(self.labels))

    @property
    def labelled_keys(self) -> set[str]:
        """Of the labelled architectures: equal for those that share a score."""
        return {self.space.score_key(arch) for arch in self.parsed(self._texts)}

    @property
    def columns(self) -> list[str]:
        """Names of the columns of :meth:`read`."""
        return [column.name for column in self._scaled]

    @property
    def features_of_columns(self) -> list[str]:
        """The feature that made each of :attr:`columns`."""
        return [column.feature for column in self._scaled]

    def as_record(self) -> Record:
        """JSON-safe, and all that :meth:`from_record` needs."""
        record: Record = {
            "format": FORMAT,
            "space": self.space.source,
            "features": list(self.features),
            "preset": self.preset,
            "preset_digest": Reading(self.space, [], self.preset, self.seed).preset.digest(),
            "seed": self.seed,
            "targets": self.targets,
            "columns": [
                {
                    "feature": column.feature,
                    "name": column.name,
                    "values": column.scale.values,
                    "scores": column.scale.scores,
                }
                for column in self._scaled
            ],
            "hyperparameters": list(map(list, zip(self.process.names(), self.process.found))),
            "archs": self._texts,
            "labels": self.labels.tolist(),
            "x": self._x.tolist(),
        }
        return {**record, "digest": _digest(record)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SpectrumPredictor:
        """SpecError if it was edited, or is of another version of the preset."""
        content = {key: value for key, value in record.items() if key != "digest"}
        if record.get("format") != FORMAT or record.get("digest") != _digest(content):
            raise SpecError("it is not as `gennas fit` wrote it: its digest does not fit its content; fit again")
        made = cls(record["space"], record["features"], record["preset"], record["seed"], record["targets"])
        if Reading(made.space, [], made.preset, made.seed).preset.digest() != record["preset_digest"]:
            raise SpecError(f"its features were read by another version of the preset {made.preset}; fit again")
        made._scaled = [
            Scaled(column["feature"], column["name"], RankScale(tuple(column["values"]), tuple(column["scores"])))
            for column in record["columns"]
        ]
        made._texts, made.labels = list(record["archs"]), np.array(record["labels"], dtype=float)
        made._x = np.array(record["x"], dtype=float)
        made._target = _target(made.labels, made.targets)
        values = [value for _, value in record["hyperparameters"]]
        made.process = GaussianProcess(made._groups(), values).fit(made._x, made._target.to_score(made.labels))
        return made

    def save(self, path: Union[str, Path]) -> None:
        """Into a file that appears whole; InputError if it cannot be written."""
        try:
            write_whole(Path(path), json.dumps(self.as_record()).encode())
        except OSError as error:
            raise InputError(f"cannot write the predictor {path}: {error.strerror or error}") from None

    @classmethod
    def load(cls, path: Union[str, Path]) -> SpectrumPredictor:
        """Of a file that :meth:`save` wrote; SpecError names it otherwise."""
        try:
            return cls.from_record(parse_json(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SpecError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SpecError(f"cannot read the predictor {path}: {reason}") from None

    def _reference(self) -> list[Any]:
        if self.space.size is not None and self.space.size <= LISTED:
            return list(self.space)
        rng = np.random.default_rng(self.seed)
        count = REFERENCE if self.space.shares_parts else REFERENCE_ALONE
        return [self.space.sample(rng) for _ in range(count)]

    def _scale(self, reference: Sequence[Any], labelled: Sequence[Any]) -> None:
        """Scales of all columns; those that are the same for all are left out."""
        both = [*reference, *labelled]
        self._raw(both)
        table = np.array([self._known[self.space.reduced(arch)] for arch in reference])
        scaled = []
        for (feature, name), values in zip(self._columns, table.T):
            scale = RankScale.of(values)
            if scale is not None:
                scaled.append(Scaled(feature, name, scale))
        if not scaled:
            raise InputError("no feature differs among the reference architectures; choose others")
        self._scaled = scaled

    def _scores(self, archs: Sequence[Any]) -> Array:
        """(m, columns), scaled."""
        raw = self._raw(archs)
        places = {place: number for number, place in enumerate(self._columns)}
        columns = [column.scores_of(raw[:, places[column.feature, column.name]]) for column in self._scaled]
        return np.stack(columns, axis=1) if len(archs) else np.zeros((0, len(self._scaled)))

    def _raw(self, archs: Sequence[Any]) -> Array:
        """(m, columns) as extracted; what is known is not read again."""
        reduced = [self.space.reduced(arch) for arch in archs]
        new = [arch for arch in dict.fromkeys(reduced) if arch not in self._known]
        if new:
            reading = Reading(self.space, new, self.preset, self.seed, "effective_rank" in self.features)
            found = extracted(reading, self.features)
            columns = [(feature, column) for feature, made in found.items() for column in made]
            if not columns:
                named = ", ".join(self.features)
                raise InputError(f"of {named} nothing is known in {self.space.name}; add another feature: closed_form")
            self._columns = [(feature, column.name) for feature, column in columns]
            rows = np.array([column.values for _, column in columns], dtype=float).T
            self._known.update(zip(new, np.ascontiguousarray(rows)))
        return np.array([self._known[arch] for arch in reduced], dtype=float)

    def _slopes(self) -> dict[int, float]:
        """Column -> what a deviation of it is worth before labels are known; scores of a training count most."""
        trusted = {i: _trust(column.feature) for i, column in enumerate(self._scaled) if _trust(column.feature)}
        whole = SLOPE_TRAINED if TRAINED in trusted.values() else SLOPE
        return {i: whole * trust / sum(trusted.values()) for i, trust in trusted.items()}

    def _groups(self) -> list[Group]:
        """Straight lines in label-free scores and the size; smooth functions of all numbers that networks or measures
        gave, of the encoding, and of the paths."""
        slopes = self._slopes()
        numbers = self._places(lambda feature: feature not in DESCRIPTIVE)
        trained = self._places(lambda feature: _trust(feature) == TRAINED)
        line = partial(Group, kind="linear", prior="trained" if trained else "")
        groups = [line((i,), slope=slope) for i, slope in slopes.items()]
        sizes = self._places("size".__eq__)
        groups += [line(sizes)] if sizes else []
        groups += [Group(numbers, "rbf")] if numbers else []
        described = ((self._places(name.__eq__), prior) for name, prior in DESCRIPTIVE.items())
        return groups + [Group(columns, "rbf", prior=prior) for columns, prior in described if columns]

    def _places(self, wanted: Callable[[str], bool]) -> tuple[int, ...]:
        """Of the columns whose feature is ``wanted``."""
        return tuple(i for i, column in enumerate(self._scaled) if wanted(column.feature))


def _trust(feature: str) -> float:
    """How much a feature is believed beside others before any label; 0 if it is no score."""
    if feature.startswith(f"{SCORE}{GENNAS}"):
        return TRAINED
    return 1.0 if feature == "closed_form" or feature.startswith(SCORE) else 0.0


def _check(archs: Sequence[Any], labels: Array) -> None:
    if len(archs) != len(labels):
        raise InputError(f"there are {len(archs)} architectures and {len(labels)} labels; each needs one")
    if len(labels) < FEWEST:
        raise InputError(f"a predictor needs at least {FEWEST} labels, got {len(labels)}")
    if not np.isfinite(labels).all():
        where = archs[int(np.argmin(np.isfinite(labels)))]
        raise InputError(f"the label of {where} is not a finite number; leave it out")
    if len(set(labels.tolist())) == 1:
        raise InputError(f"all {len(labels)} labels are {labels[0]:g}, so there is nothing to learn from them")


@dataclass(frozen=True)
class _Line:
    """Labels as they are, centred and divided by their deviation."""

    mean: float
    deviation: float

    def to_score(self, values: Array) -> Array:
        return (values - self.mean) / self.deviation

    def to_value(self, scores: Array) -> Array:
        return self.mean + self.deviation * scores


def _target(labels: Array, targets: str) -> Union[RankScale, _Line]:
    scale = RankScale.of(labels) if targets == "rank" else None
    return _Line(float(labels.mean()), float(labels.std())) if scale is None else scale


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
