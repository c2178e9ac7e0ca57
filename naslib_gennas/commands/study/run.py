"""The study at work: scores, and the five questions that it asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...errors import InputError, MissingPackageError
from ...evaluation import evaluate, spearman
from ...executors.protocol import ALONE, Resources, open_executor
from ...executors.scores import score_all
from ...report.study import write_study
from ...runs.run import Run
from ...scoring.ensemble import parse_measures
from ...scoring.gennas import GenNASScorer
from ...scoring.measure import BATCH_SIZE, IMAGE_SIZE, measure_scorers
from ...scoring.score import GENNAS
from .analysis import greedy_information, information_by_chance, least_biased, structure
from .labels import learning_curves
from .result import StudyResult, StudyRow
from .tasks import Task, load_tasks

NAME = "nbs-zero"
MEASURES = "gennas@instant,gennas@hybrid,gennas@fast,gennas@best"
QUICK_MEASURES, QUICK_SAMPLE, QUICK_DRAWS = "gennas@instant,gennas@hybrid", 60, 3
DRAWS = 10  # of labels
STEPS = 3  # proxies that are known at once
THEIRS = {"jacob_cov": "jacov", "naswot": "nwot"}  # our name of a measure -> the suite's
CSV, PAGE = "nbs-zero.csv", "nbs-zero.html"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StudySettings:
    """``sources``: ``SPACE:FILE``; ``measures``: what is computed here, beside what the tables have published."""

    sources: tuple[str, ...]
    measures: Optional[str] = None
    quick: bool = False
    sample: Optional[int] = None
    seed: int = 0
    device: str = "cpu"
    images: Optional[str] = None
    resources: Resources = ALONE
    batch_size: int = BATCH_SIZE
    image_size: int = IMAGE_SIZE

    @property
    def texts(self) -> str:
        return self.measures or (QUICK_MEASURES if self.quick else MEASURES)

    @property
    def drawn(self) -> Optional[int]:
        return self.sample or (QUICK_SAMPLE if self.quick else None)

    def config(self) -> dict[str, object]:
        """What a directory of the study is for."""
        return {"command": "study", "measures": self.texts, "sample": self.drawn, "seed": self.seed}


@dataclass(frozen=True, eq=False)
class Studied:
    """A task and its proxies, higher is better: name -> (n,), NaN where one failed; ``ours`` were computed here."""

    task: Task
    proxies: pd.DataFrame
    ours: tuple[str, ...]
    encoding: pd.DataFrame

    @property
    def without_gennas(self) -> list[str]:
        """The proxies in which GenNAS has no part."""
        return [name for name in _usable(self) if GENNAS not in name]

    @property
    def truth(self) -> Floats:
        return self.task.truth.to_numpy(np.float64)

    def complete(self, names: Iterable[str]) -> tuple[Floats, dict[str, Floats]]:
        """Truth, and proxies by name, of the architectures of which all of them have a value that varies."""
        frame = self.proxies[list(names)].replace([np.inf, -np.inf], np.nan)
        rows = frame.notna().all(axis=1)
        frame = frame[rows]
        varied = frame.loc[:, frame.nunique() > 1]
        return self.truth[rows], {str(name): varied[name].to_numpy(np.float64) for name in varied}


def run_study(settings: StudySettings, run: Run) -> StudyResult:
    """Score, ask the five questions, and write ``nbs-zero.csv``, ``nbs-zero.json`` and the page ``nbs-zero.html``.

    Raises InputError for sources that are no ``SPACE:FILE`` or a measure that does not exist, TableError for a table
    that cannot be read. Without xgboost the question about labels is missing.
    """
    tasks = load_tasks(settings.sources, settings.drawn, settings.seed)
    studied = list(_studied(tasks, settings, run))
    rows: list[StudyRow] = []
    missing: list[str] = []
    for question in QUESTIONS:
        for found in studied:
            try:
                rows += question(found, settings)
            except (InputError, MissingPackageError) as error:
                missing.append(f"{found.task.space}, {found.task.name}: {error}")
    ours = tuple(dict.fromkeys(name for found in studied for name in found.ours))
    result = StudyResult(tuple(rows), ours, tuple(dict.fromkeys(missing)), settings.seed)
    run.write(f"{NAME}.json", result.as_record())
    if run.directory is not None:
        frame = pd.DataFrame([row.as_record() for row in rows])
        frame.to_csv(run.directory / CSV, index=False)
        write_study(frame, ours, result.missing, run.directory / PAGE)
    return result


def _studied(tasks: Sequence[Task], settings: StudySettings, run: Run) -> Iterator[Studied]:
    """Every architecture is scored once, for all data sets of its space."""
    for space in dict.fromkeys(task.space for task in tasks):
        there = [task for task in tasks if task.space == space]
        texts = list(dict.fromkeys(text for task in there for text in task.texts))
        scores = _scores(there[0], texts, settings, run)
        for task in there:
            place = task.table.space
            archs = [place.parse(text) for text in task.texts]
            ours = scores.loc[task.texts].reset_index(drop=True)
            ours.columns = pd.Index([_label(str(name), task.published) for name in ours])
            encoding = pd.DataFrame([place.encoding(arch) for arch in archs])
            yield Studied(task, pd.concat([task.published, ours], axis=1), tuple(map(str, ours)), encoding)


def _label(name: str, published: pd.DataFrame) -> str:
    """A measure that the table has as well is told from it."""
    theirs = THEIRS.get(name, name)
    return f"{theirs} (here)" if theirs in published else name


def _scores(task: Task, texts: list[str], settings: StudySettings, run: Run) -> pd.DataFrame:
    """Scores by text, a column a measure."""
    scorer = GenNASScorer(task.space, seed=settings.seed, device=settings.device, images=settings.images)
    expressions = parse_measures(settings.texts)
    names = list(dict.fromkeys(leaf.name for expression in expressions for leaf in expression.leaves()))
    scorers = measure_scorers(names, scorer, settings.batch_size, settings.image_size)
    config = {**settings.config(), **scorer.identity(), "space": task.space}
    with run.inside(task.space, config) as inside, open_executor(settings.resources) as executor:
        found = score_all(scorers, texts, inside, executor)
    known = {name: [score.value for score in scores] for name, scores in found.items()}
    columns = {str(expression): expression.value(known) for expression in expressions}
    return pd.DataFrame(columns, index=texts, dtype=np.float64)


def _rho(found: Studied, settings: StudySettings) -> Iterator[StudyRow]:
    """(a) How well does each proxy rank?"""
    for name in found.proxies:
        try:
            value = evaluate(found.proxies[name].tolist(), found.truth.tolist(), settings.seed)
        except InputError:
            yield _row("rho", found, str(name), "", None)
            continue
        low, high = value.spearman_interval
        yield _row("rho", found, str(name), "", value.spearman, low, high, value.n)


def _between(found: Studied, settings: StudySettings) -> Iterator[StudyRow]:
    """(b) What do proxies have in common?"""
    truth, proxies = found.complete(_usable(found))
    names = list(proxies)
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            yield _row("between", found, name, other, spearman(proxies[name], proxies[other]), n=len(truth))


def _information(found: Studied, settings: StudySettings) -> Iterator[StudyRow]:
    """(c) How much of the accuracy is unknown once one, two, three proxies are known? With and without ours."""
    truth, proxies = found.complete(_usable(found))
    others = {name: proxies[name] for name in found.without_gennas if name in proxies}
    for group, given in (("all", proxies), ("without gennas", others)):
        before: list[Floats] = []
        for step, (name, value) in enumerate(greedy_information(truth, given, STEPS), start=1):
            chance = information_by_chance(truth, given[name], before, settings.seed)
            yield _row("information", found, name, f"{group}, step {step}", value, n=len(truth))
            yield _row("information", found, name, f"{group}, step {step}, by chance", chance, n=len(truth))
            before.append(given[name])


def _bias(found: Studied, settings: StudySettings) -> Iterator[StudyRow]:
    """(d) What else do proxies go by, and how do they rank without it?"""
    space = found.task.table.space
    biases = structure(space, [space.parse(text) for text in found.task.texts])
    biases["params"] = [space.parameters(space.parse(text)) for text in found.task.texts]
    for bias in biases:
        values = biases[bias].to_numpy(np.float64)
        yield _row("bias", found, "accuracy", str(bias), spearman(found.truth, values), n=len(values))
        for name in _usable(found):
            scores = found.proxies[name].to_numpy(np.float64)
            yield _row("bias", found, name, str(bias), spearman(scores, values), n=len(values))
            rows = np.isfinite(scores)
            corrected = least_biased(scores[rows], values[rows])
            yield _row("debiased", found, name, str(bias), spearman(corrected, found.truth[rows]), n=int(rows.sum()))


def _labels(found: Studied, settings: StudySettings) -> Iterator[StudyRow]:
    """(e) What do proxies add to labels?"""
    scores = found.proxies.replace([np.inf, -np.inf], np.nan)  # XGBoost knows what is missing
    others = scores[found.without_gennas]
    gennas = scores[[name for name in scores if GENNAS in str(name)]]
    features = {
        "encoding": found.encoding,
        "encoding and others": pd.concat([found.encoding, others], axis=1),
        "encoding and gennas": pd.concat([found.encoding, gennas], axis=1),
        "encoding and all": pd.concat([found.encoding, scores], axis=1),
    }
    draws = QUICK_DRAWS if settings.quick else DRAWS
    for name, size, taus in learning_curves(features, found.truth, draws, settings.seed):
        mean, spread = float(taus.mean()), 1.96 * float(taus.std(ddof=1)) / len(taus) ** 0.5
        yield _row("labels", found, name, str(size), mean, mean - spread, mean + spread, len(taus))


def _agreement(found: Studied, settings: StudySettings) -> Iterator[StudyRow]:
    """Measures that the table has, too: does what is computed here rank as what was published?"""
    for name in found.ours:
        theirs = name.removesuffix(" (here)") if name.endswith(" (here)") else None
        if theirs is not None:
            values = found.proxies[[name, theirs]].replace([np.inf, -np.inf], np.nan).dropna()
            agreed = evaluate(values[name].tolist(), values[theirs].tolist())
            yield _row("agreement", found, theirs, "here", agreed.spearman, *agreed.spearman_interval, len(values))


QUESTIONS: tuple[Callable[[Studied, StudySettings], Iterator[StudyRow]], ...] = (
    _rho,
    _between,
    _information,
    _bias,
    _labels,
    _agreement,
)


def _usable(found: Studied) -> list[str]:
    """Proxies that rank at all."""
    values = found.proxies.replace([np.inf, -np.inf], np.nan)
    return [str(name) for name in values if values[name].nunique() > 1]


def _row(
    part: str,
    found: Studied,
    proxy: str,
    other: str,
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
) -> StudyRow:
    return StudyRow(part, found.task.space, found.task.name, proxy, other, value, low, high, n)


def mean_ranks(result: StudyResult) -> Mapping[str, float]:
    """Proxy -> its mean place by rho over the tasks that have it, 1 is the best; best first."""
    frame = pd.DataFrame([(row.space, row.task, row.proxy, row.value) for row in result.of("rho")])
    frame.columns = pd.Index(["space", "task", "proxy", "rho"])
    places = frame.groupby(["space", "task"])["rho"].rank(ascending=False)
    return dict(places.groupby(frame["proxy"]).mean().sort_values())


def text_of(result: StudyResult) -> str:
    """Rho by proxy and task, and what else is worth a line."""
    rows = result.of("rho")
    tasks = list(dict.fromkeys((row.space, row.task) for row in rows))
    known = {(row.proxy, row.space, row.task): row.value for row in rows}
    ranks = mean_ranks(result)
    width = max(len(name) for name in ranks)
    lines = ["Spearman's rho, proxies by their mean rank over tasks", ""]
    lines.append(f"{'':{width}}  {'rank':>5}  " + "  ".join(f"{f'{space} {task}'[-22:]:>22}" for space, task in tasks))
    for name, rank in ranks.items():
        cells = [known.get((name, *task)) for task in tasks]
        shown = "  ".join(f"{'' if value is None else format(value, '.3f'):>22}" for value in cells)
        lines.append(f"{name:{width}}  {rank:5.1f}  {shown}")
    lines += [f"not made: {text}" for text in result.missing]
    return "\n".join(lines)


__all__ = ["NAME", "StudySettings", "mean_ranks", "run_study", "text_of"]
