"""What a warm start saves other tools: evaluations until one of the best thousandth of NAS-Bench-201 is met.

python examples/warm_starts.py --table nasbench201.csv.gz --tools optuna,syne-tune,neps,own,naslib --seeds 10

Cold: the tool as it is. Warm: it begins with the architectures that `gennas` ranks highest without labels: `instant`
on the whole space, `hybrid` on its best hundredth. Every evaluation, warm starts included, is counted. Ground truth
is the objective of the tools and unknown to the ranking. Each tool needs its own package; NASLib needs NASLIB_HOME.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from scipy import stats

from naslib_gennas import Scorer, WarmStarts, load_space
from naslib_gennas.search.architectures import own_engine
from naslib_gennas.search.warm_starts import Started
from naslib_gennas.tables import load_table

SPACE = load_space("nasbench201")
SHARE, TRAINED = 0.001, 156  # what counts as found; what hybrid looks at
POPULATION, TOURNAMENT = 50, 10

Objective = Callable[[Any], float]
Tool = Callable[[Objective, tuple[Any, ...], int, int], None]
"""(objective, which is maximised, warm starts, evaluations, seed): the tool asks for every architecture it wants."""


class Met(Exception):
    """An architecture that is good enough."""


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True)
    parser.add_argument("--metric", default="cifar10_test")
    parser.add_argument("--tools", default="optuna,own")
    parser.add_argument("--count", type=int, default=20, help="warm starts")
    parser.add_argument("--most", type=int, default=1000, help="evaluations")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    table = load_table(options.table, "nasbench201")
    truth = dict(zip(table.frame["arch"], table.column(options.metric)))
    goal = sorted(truth.values())[-max(1, round(SHARE * len(truth)))]
    starts = [ranked(seed)[: options.count] for seed in range(options.seeds)]
    report: dict[str, Any] = {"goal": goal, "places": [first_met(found, truth, goal) for found in starts]}
    for name in options.tools.split(","):
        runs = {
            kind: [
                evaluations(TOOLS[name], truth, goal, starts[seed] if kind == "warm" else (), options.most, seed)
                for seed in range(options.seeds)
            ]
            for kind in ("cold", "warm")
        }
        report[name] = {kind: summary(found) for kind, found in runs.items()}
    print(json.dumps(report, indent=2))
    return report


def ranked(seed: int) -> tuple[Any, ...]:
    """The best by `hybrid` among the best hundredth by `instant`, the best first."""
    archs = list(SPACE)
    screened = _best(Scorer("nasbench201", "instant", seed=seed), archs)[:TRAINED]
    return tuple(_best(Scorer("nasbench201", "hybrid", seed=seed), screened))


def _best(scorer: Scorer, archs: list[Any]) -> list[Any]:
    """In the order of their scores; of architectures that are one network the first only."""
    scored = zip(archs, scorer.score_many(archs))
    unique = {score.key: (score.value, arch) for arch, score in reversed(list(scored)) if score.value is not None}
    return [arch for _, arch in sorted(unique.values(), key=lambda pair: -pair[0])]


def first_met(archs: tuple[Any, ...], truth: dict[str, float], goal: float) -> int | None:
    """Place of the first of ``archs`` that is good enough, from 1."""
    return next((place for place, arch in enumerate(archs, 1) if truth[str(arch)] >= goal), None)


def evaluations(tool: Tool, truth: dict[str, float], goal: float, starts: tuple[Any, ...], most: int, seed: int) -> int:
    """How many until the goal was met; ``most`` if it was not."""
    count, met = 0, False

    def objective(arch: Any) -> float:
        nonlocal count, met
        count, met = count + 1, truth[str(arch)] >= goal
        if met:
            raise Met
        return truth[str(arch)]

    try:
        tool(objective, starts, most, seed)
    except Exception:  # tools wrap what an objective raises
        if not met:
            raise
    return count if met else most


def optuna_tpe(objective: Objective, starts: tuple[Any, ...], most: int, seed: int) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warm = WarmStarts(SPACE, starts)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    warm.enqueue(study)
    study.optimize(lambda trial: objective(warm.suggest(trial)), n_trials=most)


def syne_tune_rea(objective: Objective, starts: tuple[Any, ...], most: int, seed: int) -> None:
    """Syne Tune's regularized evolution, asked and told."""
    from syne_tune.config_space import choice
    from syne_tune.optimizer.schedulers.searchers.regularized_evolution import RegularizedEvolution

    warm = WarmStarts(SPACE, starts)
    space = {name: choice(list(options)) for name, options in warm.categories.items()}
    searcher = RegularizedEvolution(
        space,
        points_to_evaluate=warm.configurations,
        population_size=POPULATION,
        sample_size=TOURNAMENT,
        random_seed=seed,
    )
    for trial in range(most):
        config = searcher.suggest()
        searcher.on_trial_complete(trial, config, -objective(warm.architecture(config)))


def neps_evolution(objective: Objective, starts: tuple[Any, ...], most: int, seed: int) -> None:
    """NePS by its local search around the best, after the warm starts were evaluated and imported."""
    import neps

    warm = WarmStarts(SPACE, starts)
    known = [
        (config, {"objective_to_minimize": -objective(arch)}) for config, arch in zip(warm.configurations, warm.archs)
    ]
    np.random.seed(seed)  # NePS draws from the global generators
    space = neps_space(neps, warm)
    with tempfile.TemporaryDirectory() as folder:
        if known:
            neps.import_trials(known, f"{folder}/neps", space)
        neps.run(
            lambda **config: -objective(warm.architecture(config)),
            space,
            root_directory=f"{folder}/neps",
            worker_evaluations_to_spend=most,
        )


def neps_space(neps: Any, warm: WarmStarts) -> Any:
    """NePS pickles its space, so that the class has to be found in this module."""
    parameters = {name: neps.Categorical(tuple(options)) for name, options in warm.categories.items()}
    globals()["Cells"] = type("Cells", (neps.PipelineSpace,), {**parameters, "__module__": __name__})
    return globals()["Cells"]()


def own_evolution(objective: Objective, starts: tuple[Any, ...], most: int, seed: int) -> None:
    """`gennas search --start`, with ground truth in the place of a score."""
    _spent(own_engine(Started(SPACE, starts), objective, seed, "evolution", POPULATION, TOURNAMENT), most)


def naslib_evolution(objective: Objective, starts: tuple[Any, ...], most: int, seed: int) -> None:
    """NASLib's RegularizedEvolution."""
    from naslib_gennas.plugin.search import naslib_search

    _spent(naslib_search(Started(SPACE, starts), objective, seed, "evolution", POPULATION, TOURNAMENT), most)


def _spent(steps: Iterator[Any], most: int) -> None:
    for _ in islice(steps, most):
        pass


TOOLS: dict[str, Tool] = {
    "optuna": optuna_tpe,
    "syne-tune": syne_tune_rea,
    "neps": neps_evolution,
    "own": own_evolution,
    "naslib": naslib_evolution,
}


def summary(counts: list[int]) -> dict[str, Any]:
    """Mean with half the width of Student's 95 % interval, and all of them."""
    spread = float(np.std(counts, ddof=1)) if len(counts) > 1 else float("nan")
    half = float(stats.t.ppf(0.975, len(counts) - 1)) * spread / len(counts) ** 0.5 if len(counts) > 1 else spread
    return {"mean": float(np.mean(counts)), "half": half, "evaluations": counts}


if __name__ == "__main__":
    main()
