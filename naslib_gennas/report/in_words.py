"""What a run was asked and what came out, in a sentence."""

from __future__ import annotations

from .loaded import Learnt, LoadedRun, Ranking, SearchResult


def told(run: LoadedRun) -> str:
    """Empty for a run that found nothing."""
    if run.search is not None:
        return _search(run, run.search)
    if run.learnt is not None:
        return _learnt(run, run.learnt)
    return " ".join(_ranking(run, metric) for metric in run.metrics)


def _ranking(run: LoadedRun, metric: str) -> str:
    ranked = sorted((row for row in run.by(metric) if row.spearman is not None), key=_rho, reverse=True)
    if not ranked:
        return f"{run.name}: how well is {metric} of {run.space} ranked? No measure gave a ranking."
    best, *others = ranked
    asked = f"{run.name}: how well is {metric} of {best.n:,} architectures of {run.space} ranked without labels?"
    answer = f" {run.label(best.measure)} has rho {_rho(best):.2f}{_ends(best)}"
    if others:
        answer += ", " + ", ".join(f"{run.label(row.measure)} {_rho(row):.2f}" for row in others[:4])
    pick = "" if best.top1 is None or best.best is None else f"; its pick has {best.top1:.2f}, the best {best.best:.2f}"
    return f"{asked}{answer}{pick}."


def _rho(row: Ranking) -> float:
    return -2.0 if row.spearman is None else row.spearman


def _ends(row: Ranking) -> str:
    low, high = row.spearman_interval or (None, None)
    return "" if low is None or high is None else f" (95 % interval {low:.2f} to {high:.2f})"


def _search(run: LoadedRun, result: SearchResult) -> str:
    asked = f"{run.name}: which architecture of {run.space} scores best? After {len(result.steps):,} that were scored"
    if not result.best:
        return f"{asked}, none."
    best = result.best[0]
    answer = f"{asked}, {best.arch}"
    if best.accuracy is not None:
        answer += f", whose ground truth is {best.accuracy:.2f}"
    return answer + ("" if best.rank is None else f", number {best.rank:,} by it") + "."


def _learnt(run: LoadedRun, learnt: Learnt) -> str:
    asked = f"{run.name}: what do {learnt.labelled} labels tell of {learnt.metric} of {run.space}?"
    check = learnt.check
    if check is None:
        return f"{asked} It was not checked on others."
    free = "" if check.label_free_rho is None else f", without them {check.label_free_rho:.2f}"
    return f"{asked} Rho on {check.n:,} others {check.rho:.2f}{free}."
