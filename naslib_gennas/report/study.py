"""The page of the study of NAS-Bench-Suite-Zero: heat maps, curves, and the table behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from ..runs.whole import write_whole
from .charts import Axes, limits, polyline, style
from .heat_map import heat_map
from .shell import html_page, html_table

TITLE = "NAS-Bench-Suite-Zero with GenNAS"
FEW = 14  # columns at most of a heat map of pairs


def write_study(frame: pd.DataFrame, ours: Sequence[str], missing: Sequence[str], out: Path) -> None:
    """Write the page ``out``. frame: the columns of the study's rows (part, space, task, proxy, other, value, ...).

    Raises OSError for a place that cannot be written.
    """
    body = "\n".join([f"<h1>{TITLE}</h1>", *_sections(frame, ours), *_missing(missing)])
    write_whole(out, html_page(TITLE, body).encode("utf-8"))


def _sections(frame: pd.DataFrame, ours: Sequence[str]) -> Iterator[str]:
    rho = _part(frame, "rho")
    yield f"<p>{escape(_in_words(rho, ours))}</p>"
    yield from _heat("Rank correlation with the accuracy", _by_task(rho), "Spearman's rho of proxies, tasks in columns")
    yield "<p>Rows by mean place over the tasks. Proxies that were computed here: " + escape(", ".join(ours)) + ".</p>"
    yield from _between(_part(frame, "between"))
    yield from _information(_part(frame, "information"))
    yield from _biases(_part(frame, "bias"), _part(frame, "debiased"), rho)
    yield from _labels(_part(frame, "labels"))
    agreement = _part(frame, "agreement")
    if len(agreement):
        yield from _heat("Computed here against published", _by_task(agreement), "Spearman's rho of the same measure")


def _part(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Its rows, with ``where``: space and task in two lines."""
    rows = frame[frame["part"] == name].copy()
    rows["where"] = rows["space"] + "\n" + rows["task"]
    return rows


def _short(where: str) -> str:
    """What fits over a column."""
    names = where.replace("nasbench", "NB").replace("transnas101_", "TNB ").replace("ImageNet16-120", "IN16")
    return "\n".join(name[:9] for name in names.splitlines())


def _by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Proxies in rows, best mean place first; tasks in columns."""
    wide = rows.pivot_table(index="proxy", columns="where", values="value", sort=False)
    return wide.loc[wide.rank(ascending=False).mean(axis=1).sort_values().index]


def _mean_over_tasks(rows: pd.DataFrame, value: str = "value") -> pd.DataFrame:
    """Proxies in rows; in columns what they are compared with, a word a line."""
    wide = rows.pivot_table(index="proxy", columns="other", values=value, aggfunc="mean", sort=False)
    return wide.rename(columns=lambda name: str(name).replace(" ", "\n"))


def _in_words(rho: pd.DataFrame, ours: Sequence[str]) -> str:
    wide = _by_task(rho)
    places = wide.rank(ascending=False).mean(axis=1)
    best, other = places.index[0], next((name for name in places.index if name not in ours), None)
    tasks = f"{wide.shape[1]} task{'s' * (wide.shape[1] > 1)}"
    text = f"{tasks}, {wide.shape[0]} proxies. Best mean place: {best} ({places[best]:.1f})"
    return f"{text}; best of the others: {other} ({places[other]:.1f})." if other and other != best else text + "."


def _heat(title: str, wide: pd.DataFrame, what: str) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    values = [[None if math.isnan(value) else float(value) for value in row] for row in wide.to_numpy()]
    heads = [_short(str(name)) for name in wide.columns]
    yield f'<div class="wide">{heat_map(list(wide.index), heads, values, what)}</div>'


def _between(rows: pd.DataFrame) -> Iterator[str]:
    """The mean over tasks."""
    if not len(rows):
        return
    both = pd.concat([rows, rows.rename(columns={"proxy": "other", "other": "proxy"})])
    wide = both.pivot_table(index="proxy", columns="other", values="value", aggfunc="mean", sort=False)
    names = list(wide.index)[:FEW]
    wide = wide.loc[names, names]
    wide.columns = pd.Index(["\n".join(_lines(name)) for name in names])
    yield from _heat("What proxies have in common", wide, "Spearman's rho between proxies, mean over tasks")


def _lines(name: str) -> list[str]:
    """A name in pieces that fit over a column."""
    name = name.removeprefix("gennas@")
    return [name[start : start + 8] for start in range(0, len(name), 8)]


def _information(rows: pd.DataFrame) -> Iterator[str]:
    if not len(rows):
        return
    yield "<h2>Information about the accuracy</h2>"
    yield (
        "<p>Bits of the accuracy that are unknown once the proxies are known, each step adding the most telling one. "
        "In brackets: what a shuffled proxy would leave, for noise looks telling in many bins.</p>"
    )
    heads = [(name, False) for name in ("task", "proxies", "step 1", "step 2", "step 3")]
    body = [_steps(task, group, rows) for task in rows["where"].unique() for group in ("all", "without gennas")]
    yield html_table(heads, [[f"<td>{escape(cell)}</td>" for cell in cells] for cells in body])


def _steps(task: str, group: str, rows: pd.DataFrame) -> list[str]:
    cells = [task.replace("\n", " "), group]
    for step in (1, 2, 3):
        there = rows[(rows["where"] == task) & (rows["other"] == f"{group}, step {step}")]
        chance = rows[(rows["where"] == task) & (rows["other"] == f"{group}, step {step}, by chance")]
        if len(there):
            cells.append(f"{there['proxy'].iloc[0]}: {there['value'].iloc[0]:.2f} ({chance['value'].iloc[0]:.2f})")
    return cells


def _biases(rows: pd.DataFrame, corrected: pd.DataFrame, rho: pd.DataFrame) -> Iterator[str]:
    if not len(rows):
        return
    yield from _heat(
        "Biases", _mean_over_tasks(rows), "Spearman's rho of proxies with properties of the cells, mean over tasks"
    )
    before = rho[["where", "proxy", "value"]].rename(columns={"value": "before"})
    both = corrected.merge(before, on=["where", "proxy"])
    both["gain"] = both["value"] - both["before"]
    what = "Change of Spearman's rho once a bias is divided out, mean over tasks"
    yield from _heat("What correcting a bias changes", _mean_over_tasks(both, "gain"), what)


def _labels(rows: pd.DataFrame) -> Iterator[str]:
    if not len(rows):
        return
    yield "<h2>With labels</h2>"
    yield "<p>Kendall's tau of XGBoost on the other architectures, mean over draws of labels, by its features.</p>"
    yield '<div class="grid-of-figures">'
    for task in rows["where"].unique():
        yield f"<figure>{_curves(rows[rows['where'] == task])}<figcaption>{escape(task)}</figcaption></figure>"
    yield "</div>"
    names = list(rows["proxy"].unique())
    yield "<p>" + "; ".join(f"{_dash(i)} {escape(name)}" for i, name in enumerate(names)) + "</p>"


def _curves(rows: pd.DataFrame) -> str:
    sizes = rows["other"].astype(float)
    axes = Axes(
        (0.9 * float(sizes.min()), 1.1 * float(sizes.max())),
        limits(rows["value"].tolist()),
        "labels",
        "Kendall's tau",
        log_x=True,
    )
    lines = []
    for i, name in enumerate(rows["proxy"].unique()):
        there = rows[rows["proxy"] == name]
        points = [(float(x), float(y)) for x, y in zip(there["other"].astype(float), there["value"])]
        lines.append(polyline(axes, points, style(i)))
    return axes.svg(lines, "Kendall's tau by labels")


def _dash(index: int) -> str:
    return f'<svg width="34" height="10"><path d="M0 5H34" fill="none" {style(index)}/></svg>'


def _missing(missing: Sequence[str]) -> Iterator[str]:
    if missing:
        items = "".join(f"<li>{escape(text)}</li>" for text in missing)
        yield f"<h2>Not made</h2><ul>{items}</ul>"
