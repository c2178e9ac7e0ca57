"""The suite of networks to deploy: what a search finds, how large that is, and what the search took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Callable, Optional

from ...runs.run import Run
from ...search.architectures import SearchSettings
from ...search.demands import Demands
from ...search.limits import Limit
from ...spaces.base import load_space
from ..search import SearchResult
from ..search import search as run_search
from .context import Context
from .procedures import KINDS, deviation
from .results import SuiteRow
from .spec import Method, Part

LIMITS = tuple(map(Limit.parse, ("flops>=500M", "flops<=600M", "params<=100M")))  # the last one asks for the number
DAY = 86_400  # seconds


@dataclass(frozen=True)
class _Network:
    """What one search found; costs in ones, and seconds of all scores."""

    parameters: float
    products: float
    seconds: float


QUANTITIES: dict[str, Callable[[_Network], float]] = {
    "params, M": lambda found: found.parameters / 1e6,
    "FLOPs, M": lambda found: found.products / 1e6,
    "GPU days": lambda found: found.seconds / DAY,
}
"""Columns of the printed table -> the number of a network."""


@KINDS.register("deployed")
def deployed(context: Context, part: Part) -> Iterator[Optional[SuiteRow]]:
    """The best network of every search by regularized evolution; its run has its cells as pictures."""
    for method in part.methods:
        if context.too_long(part, method):
            continue
        seeds = context.amount("search")["seeds"]
        networks = [_searched(context, part, method, seed) for seed in range(seeds)]
        found = [network for network in networks if network is not None]
        if not found:
            context.lacks(f"{part.printed}, {method.name}", "no architecture has a score")
            continue
        for quantity in part.columns:
            values = [QUANTITIES[quantity](network) for network in found]
            note = deviation(values) + (f", on {context.settings.device}" if quantity == "GPU days" else "")
            mean = sum(values) / len(values)
            yield replace(context.row(part, "", method, mean, note, quantity), n=len(values))


def _searched(context: Context, part: Part, method: Method, seed: int) -> Optional[_Network]:
    amount = {key: value for key, value in context.amount("search").items() if key != "seeds"}
    scorer = context.scorer(load_space(part.space), context.preset(method), seed)
    settings = replace(SearchSettings(seed=scorer.seed), **amount)  # type: ignore[arg-type]
    demands = Demands(LIMITS)
    config = {"command": "search", **scorer.identity(), **amount, **demands.config()}
    with context.inside(f"{part.space}-{scorer.preset.name}-{scorer.seed}", config) as run:
        finalists = 2 if context.settings.quick else 5
        result = run_search(
            scorer, run, settings, resources=context.settings.resources, finalists=finalists, demands=demands
        )
        return _best(result, run)


def _best(result: SearchResult, run: Run) -> Optional[_Network]:
    if not result.best or result.best[0].score is None:
        return None
    best = result.best[0]
    seconds = sum(record["seconds"] for record in run.records if "seconds" in record)
    seconds += sum(found.final.seconds for found in result.best if found.final is not None)
    return _Network(float(best.costs["params"] or 0), float(best.costs["flops"] or 0), seconds)
