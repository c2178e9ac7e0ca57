"""NAS-Bench-NLP's training logs: one JSON object a run, its cell in ``recipe``."""

from __future__ import annotations

import json

import pandas as pd

FINISHED = "OK"


def with_recipes(frame: pd.DataFrame) -> pd.DataFrame:
    """``arch`` and one row a run. Losses become ``minus_<name>``, so that higher is better; they are missing
    where ``status`` says that the run failed. Per-epoch lists are left out."""
    if "_header" in frame.columns:
        frame = frame[frame["_header"].isna()].drop(columns="_header")
    arch = [recipe if isinstance(recipe, str) else json.dumps(recipe) for recipe in frame["recipe"]]
    made: dict = {"arch": arch}
    failed = ~frame.index.isin(finished(frame).index)
    for name, column in frame.drop(columns="recipe").items():
        if column.map(lambda value: isinstance(value, list)).any():
            continue
        if "_loss" in name:
            made[f"minus_{name}"] = -pd.to_numeric(column, errors="coerce").mask(failed)
        else:
            made[name] = column.astype(str) if name == "recepie_id" else column  # sic
    return pd.DataFrame(made, index=frame.index)


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs whose status, where there is one, says that they ended well."""
    return frame[frame["status"] == FINISHED] if "status" in frame else frame
