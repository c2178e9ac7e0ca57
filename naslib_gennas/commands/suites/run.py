"""Run a suite, and show what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ImageError, InputError
from ...runs.run import Record, Run
from ..ground_truth import load_table
from .context import Context, SuiteSettings, Unavailable
from .procedures import KINDS
from .spec import load_suite


def run_suite(name: str, settings: SuiteSettings, run: Run) -> Record:
    """Run what can be run. Returns ``rows`` and ``missing``, written to the run as ``NAME.json`` too.

    A row: part, space, row, method, quantity, value, interval, printed, published (its number), n, failures,
    seconds_per_architecture, note; value is None where a number is printed only. ``missing``: item and why.
    InputError if nothing can be run, a suite does not exist, or a table is for none of its spaces; TableError for
    a table that cannot be read.
    """
    suite = load_suite(name)
    Context.check(suite, settings)
    loaded = [load_table(source, space, settings.strict) for space, source in settings.tables.items()]
    context = Context(suite, settings, run, {table.space.name: table for table in loaded})
    rows: list[Record] = []
    for part in suite.parts:
        try:
            rows += [row for row in KINDS[suite.kind](context, part) if row is not None]
        except (Unavailable, ImageError) as error:
            context.lacks(f"{part.printed or suite.title} ({part.space})", error)
    if not any(row["value"] is not None for row in rows):
        raise InputError(f"nothing of {name} can be run: " + "; ".join(_sentences(context.missing)))
    data = {
        "suite": name,
        "title": suite.title,
        "quick": settings.quick,
        "seed": settings.seed,
        "device": settings.device,
        "rows": rows,
        "missing": context.missing,
        "note": suite.note,
    }
    run.write(f"{name}.json", data)
    return data


def text_of(data: Mapping[str, Any]) -> str:
    """The result of a suite as a table for people."""
    version = " (quick: smaller than what was printed)" if data["quick"] else ""
    lines = [f"{data['suite']}: {data['title']}{version}, seed {data['seed']}"]
    rows = data["rows"]
    width = max(len(row["method"]) for row in rows)
    for heading in dict.fromkeys((row["part"], row["space"], row["row"]) for row in rows):
        lines += ["", ", ".join(text for text in heading if text)]
        lines.append(f"  {'':{width}}  {'ours':>8}  {'95 %':>15}  {'printed':>12}  {'n':>5}  {'s/arch':>8}  failed")
        lines += [_line(row, width) for row in rows if (row["part"], row["space"], row["row"]) == heading]
    if data["missing"]:
        lines += ["", "not run:", *(f"  {sentence}" for sentence in _sentences(data["missing"]))]
    return "\n".join(lines + (["", f"note: {data['note']}"] if data["note"] else []))


def _line(row: Mapping[str, Any], width: int) -> str:
    low, high = row["interval"] or (None, None)
    cells = [
        f"{row['method']:{width}}",
        f"{_shown(row['value'], '.4f'):>8}",
        f"{'' if low is None else f'{low:.3f} to {high:.3f}':>15}",
        f"{row['printed'] or '':>12}",
        f"{_shown(row['n'], 'd'):>5}",
        f"{_shown(row['seconds_per_architecture'], '.3f'):>8}",
        _shown(row["failures"], "d"),
    ]
    quantity = row["quantity"] + " " if row["quantity"].startswith("top") else ""
    return f"  {'  '.join(cells)}  {quantity}{row['note']}".rstrip()


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _sentences(missing: Sequence[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(f"{item['item']}: {item['why']}" for item in missing))
