"""Scores in memory: a frame with one row an architecture, data set and measure.

Its columns are ``arch``, ``dataset`` (text, maybe empty), ``measure``, ``score`` (float, NaN for a failure),
``seconds`` (float, NaN where unknown). The accuracy that the NAS-Bench-Suite-Zero layout carries along is the measure
``val_accuracy``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional, Union

import numpy as np
import pandas as pd

from ..errors import ArchitectureError, InputError, TableError
from ..registry import unknown
from ..spaces.base import SearchSpace
from ..tables import Table

COLUMNS = ("arch", "dataset", "measure", "score", "seconds")
KEYS = ["arch", "dataset", "measure"]
ACCURACY = "val_accuracy"

Row = Mapping[str, object]


def score_frame(rows: Union[Sequence[Row], pd.DataFrame]) -> pd.DataFrame:
    """A frame of scores from rows with some of ``COLUMNS``; TableError for a score that is no number.

    >>> score_frame([{"arch": "5", "measure": "naswot", "score": float("inf")}]).to_dict("records")
    [{'arch': '5', 'dataset': '', 'measure': 'naswot', 'score': nan, 'seconds': nan}]
    """
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in KEYS:
        frame[name] = frame[name].astype(object).fillna("").astype(str)
    for name in ("score", "seconds"):
        try:
            frame[name] = frame[name].astype(float).replace([np.inf, -np.inf], np.nan)
        except (TypeError, ValueError) as error:
            raise TableError(f"the column {name} of the scores must hold numbers: {error}") from None
    return frame


def merge_scores(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All rows, repeated ones once; InputError if two sources give one architecture two scores.

    >>> one = score_frame([{"arch": "5", "measure": "naswot", "score": 1.0}])
    >>> two = score_frame([{"arch": "5", "measure": "params", "score": 0.3}])
    >>> merge_scores([one, two, one])["measure"].tolist()
    ['naswot', 'params']
    """
    joined = pd.concat(list(frames), ignore_index=True)
    joined = joined.drop_duplicates([*KEYS, "score"])
    twice = joined[joined.duplicated(KEYS, keep=False)]
    if len(twice):
        raise InputError(_disagreement(twice))
    return joined.reset_index(drop=True)


def _disagreement(twice: pd.DataFrame) -> str:
    arch, dataset, measure = (str(twice[name].iloc[0]) for name in KEYS)
    same = (twice["arch"] == arch) & (twice["dataset"] == dataset) & (twice["measure"] == measure)
    values = ", ".join(f"{value:g}" for value in twice["score"][same])
    return (
        f"the sources disagree on {measure} of {arch}{f' on {dataset}' if dataset else ''} ({values}); "
        "merge only runs with equal settings"
    )


def with_accuracy(frame: pd.DataFrame, table: Table, metric: str) -> pd.DataFrame:
    """``frame`` and ``val_accuracy`` rows for its architectures, from a column of ``table`` where known."""
    values = {arch: table.value(arch, metric) for arch in frame["arch"].unique()}
    known = [
        {"arch": arch, "dataset": dataset, "measure": ACCURACY, "score": values[arch], "seconds": math.nan}
        for arch, dataset in frame[["arch", "dataset"]].drop_duplicates().itertuples(index=False)
        if values[arch] is not None
    ]
    return merge_scores([frame[frame["measure"] != ACCURACY], score_frame(known)])


def look_up(frame: pd.DataFrame, arch: str, space: SearchSpace, measure: Optional[str] = None) -> pd.DataFrame:
    """The rows of an architecture, under its own text or that of an isomorphic one.

    ArchitectureError if the text is no architecture, InputError if there is no such measure or no score.

    >>> from naslib_gennas.spaces import load_space
    >>> space = load_space("nasbench201")
    >>> frame = score_frame([{"arch": str(space.parse("5")), "measure": "naswot", "score": 1.0}])
    >>> look_up(frame, "5", space)["score"].tolist()
    [1.0]
    """
    if measure is not None and measure not in set(frame["measure"]):
        raise InputError(unknown("measure among the scores", measure, frame["measure"].unique()))
    parsed = space.parse(arch)
    rows = frame[frame["arch"] == str(parsed)]
    if not len(rows):
        key = space.canonical(parsed)
        texts = [text for text in frame["arch"].unique() if _canonical(space, text) == key]
        rows = frame[frame["arch"].isin(texts[:1])]
    rows = rows if measure is None else rows[rows["measure"] == measure]
    if not len(rows):
        raise InputError(f"there is no score of {parsed}{'' if measure is None else f' by {measure}'}")
    return rows.reset_index(drop=True)


def _canonical(space: SearchSpace, text: str) -> Optional[str]:
    try:
        return space.canonical(space.parse(text))
    except ArchitectureError:
        return None
