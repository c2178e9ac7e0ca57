"""The whole of NAS-Bench-201 ranked without training, the best few trained, and a page: in less than a minute."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from ..errors import TableError
from ..executors.protocol import Resources, open_executor
from ..proxy.surroundings import use_threads
from ..report import write_report
from ..runs.run import Record, Run
from ..scoring.ensemble import parse_measures
from ..scoring.gennas import GenNASScorer
from ..search.architectures import SearchSettings
from ..search.cascade import Keep
from ..tables import Table
from .benchmark import BenchmarkResult, BenchmarkSettings, benchmark
from .correlate import CorrelationResult, correlate
from .result import Result
from .search import Found, Screening, SearchResult, search

SPACE, TABLE, METRIC = "nasbench201", "analog-nasbench", "baseline_accuracy"
SCREEN, TRAINED = "instant", "hybrid"
KEPT, FINALISTS = "64", 4
SAMPLE = 60  # architectures on which other measures are compared, which take longer
MEASURES = "gennas,synflow,params"
PAGE = "page.html"

Say = Callable[[str], None]


@dataclass(frozen=True)
class DemoResult(Result):
    """What the demonstration found.

    Attributes:
        ranking: closed form against the accuracies, of all architectures.
        others: the same beside other measures, on a sample.
        pick: the best of the search.
        best: the highest accuracy of the table.
        trained: architectures that were trained.
        seconds: all that it took.
        page: the file to open in a browser.
    """

    ranking: CorrelationResult
    others: BenchmarkResult
    pick: Found
    best: float
    trained: int
    seconds: float
    page: str


def demo(table: Table, out: Path, workers: int, seed: int = 0, resume: bool = False, say: Say = print) -> DemoResult:
    """table: of NAS-Bench-201. out: directory of three runs and the page. TableError for a table without ``METRIC``.

    workers: processes of the training; the closed form takes as many threads.
    """
    if METRIC not in table.metrics:
        raise TableError(f"the demonstration is about the column {METRIC} of {TABLE}, which {table.name} lacks")
    started = time.perf_counter()
    use_threads(workers)
    scorer = GenNASScorer(table.space, SCREEN, seed)
    say(f"1/3  all {len(table):,} cells of {SPACE} in closed form ({SCREEN}): nothing is trained")
    ranking = _ranking(scorer, table, _run(out, "ranking", scorer, table, resume))
    say(f"2/3  {SAMPLE} of them beside other measures")
    others = _others(scorer, table, _run(out, "others", scorer, table, resume))
    say(f"3/3  the best {KEPT} are trained ({TRAINED}), the best {FINALISTS} again by other draws")
    found = _search(scorer, table, _run(out, "search", scorer, table, resume), workers)
    page = out / PAGE
    write_report([out / name for name in PARTS], page)
    return DemoResult(
        ranking=ranking,
        others=others,
        pick=found.best[0],
        best=float(table.column(METRIC).max()),
        trained=found.evaluated,
        seconds=time.perf_counter() - started,
        page=str(page),
    )


PARTS = {"ranking": "correlate", "others": "benchmark", "search": "search"}
"""Directory of a run -> the command that makes such a run."""


def _run(out: Path, name: str, scorer: GenNASScorer, table: Table, resume: bool) -> Run:
    truth = {"table": TABLE, "table_digest": table.digest(), "metric": METRIC}
    config: Record = {"command": PARTS[name], "demo": True, **scorer.identity(), **truth}
    return Run(out / name, config, resume and (out / name).exists())


def _ranking(scorer: GenNASScorer, table: Table, run: Run) -> CorrelationResult:
    with run, open_executor() as executor:
        return correlate(scorer, table, METRIC, None, run, executor)


def _others(scorer: GenNASScorer, table: Table, run: Run) -> BenchmarkResult:
    settings = BenchmarkSettings((METRIC,), tuple(parse_measures(MEASURES)), SAMPLE)
    with run, open_executor() as executor:
        return benchmark(scorer, table, settings, run, executor)


def _search(scorer: GenNASScorer, table: Table, run: Run, workers: int) -> SearchResult:
    screening = Screening(scorer, Keep.parse(KEPT), everything=True)
    trained = GenNASScorer(table.space, TRAINED, scorer.seed)
    settings = SearchSettings(seed=scorer.seed)
    with run:
        return search(trained, run, settings, "own", Resources(workers), table, METRIC, FINALISTS, screening=screening)


def measure_line(result: DemoResult, measure: str) -> Optional[tuple[float, Optional[float]]]:
    """Spearman's rho of a measure on the sample, and its seconds an architecture; None where it ranks nothing."""
    for row in result.others.rows:
        if row.measure == measure and row.evaluation is not None:
            return row.evaluation.spearman, row.seconds_per_architecture
    return None
