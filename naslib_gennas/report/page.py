"""The page: sections, tables and captions around the pictures of :mod:`.charts`."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from html import escape
from pathlib import Path
from typing import Optional, Union

from ..errors import InputError
from ..runs.run import SCORES
from ..runs.whole import write_whole
from .assets import asset
from .figures import Figures
from .in_words import told
from .load import load_run
from .loaded import Check, Found, Interval, Learnt, LoadedRun, Ranking, SearchResult
from .pictures import Hover, Picture
from .reference import RHO, TAU, published_ranking, published_value
from .shell import Cells, Heads, html_page, html_table

MAX_BYTES = 5_000_000
RETRIEVED = ("5%", "10%", "20%", "50%")


def write_report(
    directories: Sequence[Union[str, Path]], out: Union[str, Path], figures: Union[str, Path, None] = None
) -> int:
    """Write the report of run directories to the HTML file ``out``; returns its size in bytes.

    figures: a folder that gets every picture as an .svg file, too. Raises RunError for a directory that is no
    finished run of correlate, benchmark, search or fit, InputError for an ``out`` that cannot be written or a page
    over 5 MB.

    >>> import tempfile
    >>> from naslib_gennas.runs.run import Run
    >>> best = [{"arch": "5", "score": -1.5, "step": 0}]
    >>> summary = {"space": "nasbench201", "preset": "tiny", "seed": 0, "steps": 1, "best": best}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Run(f"{folder}/mine", {"command": "search"}) as run:
    ...         run.append({"step": 0, "arch": "5", "score": -1.5})
    ...         run.write("summary.json", summary)
    ...     write_report([f"{folder}/mine"], f"{folder}/report.html") < MAX_BYTES
    True
    """
    if not directories:
        raise InputError("name at least one run directory (the --out of correlate, benchmark, search or fit)")
    runs = _distinct([load_run(directory) for directory in directories])
    drawn = Figures(runs)
    page = _page(runs, drawn).encode("utf-8")
    if len(page) > MAX_BYTES:
        raise InputError(f"the page would have {len(page) / 1e6:.1f} MB, the limit is 5; report fewer runs at once")
    try:
        write_whole(Path(out), page)
        if figures is not None:
            drawn.write(Path(figures))
    except OSError as error:
        raise InputError(f"cannot write the report {out}: {error.strerror or error}") from None
    return len(page)


def _distinct(runs: list[LoadedRun]) -> list[LoadedRun]:
    """Runs of one name get a number, so that the page can tell them apart."""
    seen: dict[str, int] = defaultdict(int)
    named = []
    for run in runs:
        seen[run.name] += 1
        number = seen[run.name]
        named.append(run if number == 1 else replace(run, name=f"{run.name} ({number})"))
    return named


def _page(runs: list[LoadedRun], figures: Figures) -> str:
    spaces = ", ".join(dict.fromkeys(run.space for run in runs))
    title = f"GenNAS report: {spaces}"
    sections = [
        *_headline([run for run in runs if run.rankings]),
        *_pictures("Time and rank correlation", figures.pareto()),
        *(part for run in runs if run.rankings for part in _ranking(run, figures)),
        *_searches(runs, figures),
        *(part for run in runs if run.learnt is not None for part in _predictor(run, run.learnt, figures)),
        *_pictures("Signals that are regressed", figures.signals()),
        *_repeat(runs),
    ]
    body = "\n".join([f"<h1>{escape(title)}</h1>", *_in_words(runs), *_notes(runs), *sections])
    scripts = (
        f'<div id="tip" role="status"></div>\n'
        f'<script type="application/json" id="points">{_embedded(figures.hover())}</script>\n'
        f"<script>\n{asset('page.js')}</script>\n"
    )
    return html_page(title, body, scripts)


def _embedded(points: Mapping[str, Hover]) -> str:
    """JSON that cannot end the script element it stands in."""
    data = {run: asdict(hover) for run, hover in points.items()}
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _in_words(runs: list[LoadedRun]) -> Iterable[str]:
    """What was asked and what came out, a sentence a run."""
    sentences = [f"<li>{escape(sentence)}</li>" for run in runs for sentence in (told(run),) if sentence]
    if sentences:
        yield f'<ul class="asked">{"".join(sentences)}</ul>'


def _notes(runs: list[LoadedRun]) -> Iterable[str]:
    for note in dict.fromkeys(run.note for run in runs):
        if note:
            yield f'<p class="note">{escape(note)}</p>'


def _headline(runs: list[LoadedRun]) -> Iterable[str]:
    if not runs:
        return
    yield "<h2>Measures against ground truth</h2>"
    yield (
        "<p>Every score is higher-is-better and keeps the sign of its correlation. In brackets the bootstrap 95 % "
        "interval. Retrieval: the share of the truly best k % that is among the best-scored k %. Top-1: ground truth "
        "of the best-scored architecture. Click on a head to sort.</p>"
    )
    heads = [("run", False), ("space", False), ("ground truth", False), ("measure", False), ("n", True)]
    heads += [(name, True) for name in ("ρ", "τ")]
    heads += [(f"top {share.replace('%', ' %')}", True) for share in RETRIEVED]
    heads += [(name, True) for name in ("top-1", "best of top 10", "best", "s/arch.", "failed", "paper ρ", "paper τ")]
    heads, rows = _without_empty(heads, [_headline_row(run, row) for run in runs for row in run.rankings])
    yield html_table(heads, rows, sortable=True)


def _headline_row(run: LoadedRun, row: Ranking) -> list[str]:
    names = [run.name, run.space, f"{row.metric} of {run.table_name}", run.label(row.measure)]
    retrieval = row.retrieval or {}
    return [
        *(f"<td>{escape(name)}</td>" for name in names),
        _number(row.n, "d"),
        _with_interval(row.spearman, row.spearman_interval),
        _with_interval(row.kendall, row.kendall_interval),
        *(_number(retrieval.get(share), ".0%") for share in RETRIEVED),
        *(_number(value, ".2f") for value in (row.top1, row.best_of_top10, row.best)),
        _number(row.seconds_per_architecture, ".3g"),
        _number(row.failures, "d"),
        *(_printed(run, row, kind) for kind in (RHO, TAU)),
    ]


def _printed(run: LoadedRun, row: Ranking, kind: str) -> str:
    cells = published_ranking(run.space, row.metric, run.table, kind)
    found = published_value(row.measure, run.preset_name, cells)
    return _number(None if found is None else found.value, ".2f")


def _without_empty(heads: Heads, rows: Cells) -> tuple[Heads, Cells]:
    """Without the columns of numbers in which no row has one."""
    empty = _number(None, "")
    kept = [i for i in range(len(heads)) if any(row[i] != empty for row in rows)]
    return [heads[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _number(value: Optional[float], form: str, shown: str = "") -> str:
    if value is None or not math.isfinite(value):
        return '<td class="number" data-v=""></td>'
    return f'<td class="number" data-v="{value:.6g}">{format(value, form)}{shown}</td>'


def _cost(value: Optional[float]) -> str:
    """Parameters and operations as whole numbers, milliseconds with their digits."""
    return _number(value, ",.0f" if value is not None and value >= 1000 else ".4g")


def _with_interval(value: Optional[float], interval: Optional[Interval]) -> str:
    low, high = interval or (None, None)
    shown = "" if low is None or high is None else f"<small>[{low:.2f}, {high:.2f}]</small>"
    return _number(value, ".3f", shown)


def _pictures(title: str, pictures: list[Picture], level: str = "h2", small: bool = False) -> Iterable[str]:
    if not pictures:
        return
    yield f"<{level}>{escape(title)}</{level}>"
    inside = "\n".join(
        f"<figure>{picture.svg}<figcaption>{escape(picture.caption)}</figcaption></figure>" for picture in pictures
    )
    yield f'<div class="grid-of-figures">{inside}</div>' if small else inside


def _ranking(run: LoadedRun, figures: Figures) -> Iterable[str]:
    yield f"<h2>{escape(run.name)}: {escape(run.space)}</h2>"
    if run.frame is None:
        yield f"<p>An earlier version made this run: without {SCORES} there are no points to draw.</p>"
        return
    yield f"<p>{escape(figures.sampling(run))}</p>"
    for metric in run.metrics:
        yield from _pictures(f"Scores against {metric}", figures.scatters(run, metric), "h3", small=True)
        yield from _pictures(f"Ranks, {metric}", figures.ranks(run, metric), "h3")
        yield from _pictures(f"Retrieval, {metric}", figures.retrieval(run, metric), "h3")
        yield from _pictures(f"Loss curves, {metric}", figures.losses(run, metric), "h3")
        yield from _pictures(f"Explained by frequency, {metric}", figures.spectra(run, metric), "h3")


def _searches(runs: list[LoadedRun], figures: Figures) -> Iterable[str]:
    yield from _pictures("Searches", figures.searches())
    for run in runs:
        if run.search is not None:
            yield f"<h3>{escape(run.name)}: the best by score</h3>"
            yield from _last_round(run.search)
            if run.search.limits:
                yield f"<p>All of them keep to {escape(' and '.join(run.search.limits))}.</p>"
            yield _best(run.search.best)
            if run.search.front:
                yield from _pictures("What nothing else beats", figures.fronts(run), "h4", small=True)
                yield _best(run.search.front)
            yield from _pictures("Its best cells", figures.cells(run), "h4", small=True)


def _best(found: Sequence[Found]) -> str:
    costs = list(found[0].costs) if found else []
    numbers = ("final score", "score", "step", "ground truth", "rank", *costs)
    heads, rows = _without_empty(
        [("architecture", False), *((name, True) for name in numbers)],
        [
            [
                f'<td class="arch">{escape(each.arch)}</td>',
                _number(each.final_score, ".4f"),
                _number(each.score, ".4f"),
                _number(each.step, "d"),
                _number(each.accuracy, ".2f"),
                _number(each.rank, "d"),
                *(_cost(each.costs.get(name)) for name in costs),
            ]
            for each in found
        ],
    )
    return html_table(heads, rows)


def _predictor(run: LoadedRun, learnt: Learnt, figures: Figures) -> Iterable[str]:
    """What was learnt from labels, and how well it does on others."""
    yield f"<h2>{escape(run.name)}: {escape(learnt.metric)} of {escape(run.space)} from {learnt.labelled} labels</h2>"
    yield f"<p>{escape(_verdict(learnt.check))} It reads {escape(', '.join(learnt.features))}.</p>"
    yield from _pictures("On others", figures.predictor(run), "h3", small=True)
    yield "<h3>The best without a label that is used</h3>"
    heads = [("architecture", False), ("expected", True), ("standard deviation", True), (learnt.metric, True)]
    rows = [
        [
            f'<td class="arch">{escape(each.arch)}</td>',
            _number(each.expected, ".2f"),
            _number(each.deviation, ".2f"),
            _number(each.label, ".2f"),
        ]
        for each in learnt.best
    ]
    yield html_table(*_without_empty(heads, rows))


def _verdict(check: Optional[Check]) -> str:
    if check is None:
        return "It was not checked on other labels; --validate does that."
    (low, high), free = check.rho_interval, check.label_free_rho
    interval = "" if low is None or high is None else f" (95 % interval {low:.3f} to {high:.3f})"
    before = "" if free is None else f", without labels {free:.3f}"
    return (
        f"On {check.n} others its rho is {check.rho:.3f}{interval}{before}. Its intervals for 50 % and 95 % hold "
        f"{check.inside_50:.0%} and {check.inside_95:.0%} of them.".replace("%", " %").replace("  %", " %")
    )


def _last_round(result: SearchResult) -> Iterable[str]:
    """What the final score is, where there is one."""
    if any(found.final_score is not None for found in result.best):
        draws = f"mean of {result.final_repeats} draws" if result.final_repeats > 1 else "one draw"
        preset = f"<code>{escape(result.final_preset)}</code>"
        yield f"<p>Final score: by {preset}, {draws} that the search did not use; it decides the order.</p>"


def _repeat(runs: list[LoadedRun]) -> Iterable[str]:
    yield "<h2>How to repeat this</h2>"
    yield "<p>The commands as they were given:</p>"
    commands = "\n".join(escape(run.shell) for run in runs)
    yield f'<pre id="commands">{commands}</pre>'
    names = list(dict.fromkeys(name for run in runs for name in run.environment if name != "command"))
    heads = [("run", False), *((name, False) for name in names)]
    rows = [
        [f"<td>{escape(str(text))}</td>" for text in (run.name, *(_plain(run.environment.get(n)) for n in names))]
        for run in runs
    ]
    yield html_table(heads, rows)
    for run in runs:
        settings = escape(json.dumps(run.config, indent=2))
        yield f"<details><summary>Settings of {escape(run.name)}</summary><pre>{settings}</pre></details>"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "" if value is None else str(value)
