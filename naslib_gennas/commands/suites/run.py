"""Run a suite, and show what came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ...errors import ImageError, InputError
from ...evaluation import Interval
from ...runs.run import Run
from ..ground_truth import load_table
from . import deployed  # noqa: F401 - it registers a kind
from .context import NO_TABLE, Context, SuiteSettings, Unavailable
from .procedures import KINDS
from .results import Missing, SuiteResult, SuiteRow
from .spec import load_suite


def run_suite(name: str, settings: SuiteSettings, run: Run) -> SuiteResult:
    """Run what can be run. The result is written to the run as ``NAME.json``, too.

    InputError if nothing can be run, a suite does not exist, or a table is for none of its spaces; TableError for
    a table that cannot be read.
    """
    suite = load_suite(name).only(settings.methods)
    Context.check(suite, settings)
    loaded = [load_table(source, space, settings.strict) for space, source in settings.tables.items()]
    context = Context(suite, settings, run, {table.space.name: table for table in loaded})
    rows: list[SuiteRow] = []
    for part in suite.parts:
        try:
            rows += [row for row in KINDS[suite.kind](context, part) if row is not None]
        except (Unavailable, ImageError) as error:
            context.lacks(f"{part.printed or suite.title} ({part.space})", error)
    if not any(row.value is not None for row in rows):
        named = [gap for gap in context.missing if not gap.why.startswith(NO_TABLE)]
        raise InputError(f"nothing of {name} can be run: " + "; ".join(_sentences(named or context.missing)))
    result = SuiteResult(
        suite=name,
        title=suite.title,
        quick=settings.quick,
        seed=settings.seed,
        device=settings.device,
        rows=tuple(rows),
        missing=tuple(context.missing),
        note=suite.note,
    )
    run.write(f"{name}.json", result.as_record())
    return result


def text_of(result: SuiteResult) -> str:
    """The result of a suite as a table for people."""
    version = " (quick: smaller than what was printed)" if result.quick else ""
    lines = [f"{result.suite}: {result.title}{version}, seed {result.seed}"]
    width = max(len(row.method) for row in result.rows)
    for heading in dict.fromkeys(map(_heading, result.rows)):
        lines += ["", ", ".join(text for text in heading if text)]
        lines.append(f"  {'':{width}}  {'ours':>8}  {'95 %':>15}  {'printed':>12}  {'n':>5}  {'s/arch':>8}  failed")
        rows = [row for row in result.rows if _heading(row) == heading]
        several = len({row.quantity for row in rows}) > 1
        lines += [_line(row, width, several) for row in rows]
    if result.missing:
        lines += ["", "not run:", *(f"  {sentence}" for sentence in _sentences(result.missing))]
    return "\n".join(lines + (["", f"note: {result.note}"] if result.note else []))


def _heading(row: SuiteRow) -> tuple[str, str, str]:
    return row.part, row.space, row.row


def _line(row: SuiteRow, width: int, several: bool) -> str:
    cells = [
        f"{row.method:{width}}",
        f"{_shown(row.value, '.4f'):>8}",
        f"{_interval(row.interval):>15}",
        f"{row.printed or '':>12}",
        f"{_shown(row.n, 'd'):>5}",
        f"{_shown(row.seconds_per_architecture, '.3f'):>8}",
        _shown(row.failures, "d"),
    ]
    quantity = row.quantity + " " if several or row.quantity.startswith("top") else ""
    return f"  {'  '.join(cells)}  {quantity}{row.note}".rstrip()


def _interval(ends: Interval | None) -> str:
    return "" if ends is None or math.isnan(ends[0]) else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _sentences(missing: Sequence[Missing]) -> list[str]:
    """One for every reason, with all items that it is the reason for."""
    items: dict[str, dict[str, None]] = {}
    for gap in missing:
        items.setdefault(gap.why, {})[gap.item] = None
    return [str(Missing(_together(found), why)) for why, found in items.items()]


def _together(items: Iterable[str]) -> str:
    """Items of a printed table side by side.

    >>> _together(["Table 2", "Design Spaces (nds_darts)", "Design Spaces (nds_pnas)"])
    'Table 2, Design Spaces (nds_darts, nds_pnas)'
    """
    spaces: dict[str, list[str]] = {}
    for item in items:
        head, bracket, space = item.removesuffix(")").rpartition(" (")
        spaces.setdefault(head or item, []).extend([space] if bracket else [])
    return ", ".join(f"{head} ({', '.join(named)})" if named else head for head, named in spaces.items())
