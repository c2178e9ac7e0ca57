"""NAS-Bench-NLP's training logs: one JSON object a run, its cell in ``recipe``."""

from __future__ import annotations

import json

import pandas as pd

FINISHED = "OK"
EARLY = 3  # epochs: the paper's ppl@ep3


def with_recipes(frame: pd.DataFrame) -> pd.DataFrame:
    """``arch`` and one row a run. Losses become ``minus_<name>``, so that higher is better; they are missing
    where ``status`` says that the run failed. Of the lists by epoch the test loss after three epochs is kept, in
    ``minus_test_loss_e3``.

    >>> log = {"recipe": {"h_new_0": {"op": "linear", "input": ["x"]}}, "status": "OK", "test_loss": 4.5}
    >>> with_recipes(pd.DataFrame([log]))["minus_test_loss"].tolist()
    [-4.5]
    """
    if "_header" in frame.columns:
        frame = frame[frame["_header"].isna()].drop(columns="_header")
    arch = [recipe if isinstance(recipe, str) else json.dumps(recipe) for recipe in frame["recipe"]]
    made: dict[str, object] = {"arch": arch}
    failed = ~frame.index.isin(finished(frame).index)
    for label, column in frame.drop(columns="recipe").items():
        name = str(label)
        if column.map(lambda value: isinstance(value, list)).any():
            continue
        if "_loss" in name:
            made[f"minus_{name}"] = -pd.to_numeric(column, errors="coerce").mask(failed)
        else:
            made[name] = column.astype(str) if name == "recepie_id" else column  # sic
    early = after_epoch(frame, "test_losses", EARLY)
    if early is not None:
        made[f"minus_test_loss_e{EARLY}"] = -early.mask(failed)
    return pd.DataFrame(made, index=frame.index)


def after_epoch(frame: pd.DataFrame, column: str, epoch: int) -> pd.Series | None:
    """Entry number ``epoch``, from 1, of the lists in ``column``; None if no list is so long."""
    if column not in frame:
        return None
    lists = frame[column].map(lambda found: found if isinstance(found, list) else [])
    values = pd.to_numeric(lists.map(lambda found: found[epoch - 1] if len(found) >= epoch else None), errors="coerce")
    return values if values.notna().any() else None


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs whose status, where there is one, says that they ended well."""
    return frame[frame["status"] == FINISHED] if "status" in frame else frame
