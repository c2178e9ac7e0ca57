"""Accuracy and latency on NAS-Bench-201: the front that a search finds, and the pick under a limit.

python examples/front_nasbench201.py --table nasbench201.csv.gz --metric cifar10_test --latency-table latency.csv.gz \
    --devices pixel3,raspi4,1080ti_1 --steps 450 --seeds 10

Every search sees scores and latencies only. What it returns is then judged by the accuracies of the table: the
hypervolume of (accuracy, latency), as a share of that of the true front; and, under a limit at the quarter of the
space that is fastest, how much better the best architecture that keeps to it is than the pick.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from naslib_gennas import Scorer, load_space
from naslib_gennas.progress import progress
from naslib_gennas.scoring.score import Score
from naslib_gennas.search.architectures import Engine, Step, own_engine
from naslib_gennas.search.costs import Deployment, cost_of
from naslib_gennas.search.limits import Gate, Limit, within
from naslib_gennas.search.multi import front, nsga2
from naslib_gennas.tables import load_table

WORST = 80.0  # accuracy from which a hypervolume counts
POPULATION, TOURNAMENT = 50, 10


def main(arguments: list[str] | None = None) -> dict[str, object]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True)
    parser.add_argument("--metric", default="cifar10_test")
    parser.add_argument("--latency-table", required=True)
    parser.add_argument("--devices", default="pixel3,raspi4,1080ti_1")
    parser.add_argument("--preset", default="instant")
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    space, table = load_space("nasbench201"), load_table(options.table, "nasbench201")
    archs = list(space)
    scorer = Scorer("nasbench201", options.preset)
    scores = Scores(scorer, archs if scorer.preset.fidelity.solver == "ridge" else ())
    truth = dict(zip(table.frame["arch"], table.column(options.metric)))
    report = {}
    for device in options.devices.split(","):
        cost = cost_of(f"latency:{device}", space, Deployment(latency_table=options.latency_table))
        known = [arch for arch in archs if cost(arch) is not None]
        points = {str(arch): (float(cost(arch)), float(truth[str(arch)])) for arch in known}
        report[device] = judged(points, cost, scores, options)
    print(json.dumps(report, indent=2))
    return report


class Scores:
    """Of a scorer, each computed once; of ``listed`` all at first, which is quick in closed form."""

    def __init__(self, scorer: Scorer, listed: Sequence):
        self.scorer, self.by_key = scorer, {}
        for score in progress(scorer.score_many(listed), len(listed), "scoring"):
            self.by_key[score.key] = score.value

    def __call__(self, arch: object) -> float:
        key = self.scorer.key(arch)
        if key not in self.by_key:
            self.by_key[key] = self.scorer.score(arch).value
        return self.by_key[key]


def judged(points: dict, cost: Callable, scores: Scores, options: argparse.Namespace) -> dict[str, object]:
    space = load_space("nasbench201")
    best = hypervolume(points, points)
    most = float(np.quantile([latency for latency, _ in points.values()], 0.25))
    reachable = max(accuracy for latency, accuracy in points.values() if latency <= most)
    engines = {"nsga2": nsga2({"latency": cost}), "random": own_engine}
    volumes: dict[str, list[float]] = {name: [] for name in engines}
    regrets: dict[str, list[float]] = {"evolution": [], "random": []}
    for seed in range(options.seeds):
        for name, engine in engines.items():
            steps = searched(engine, scores, seed, "random" if name == "random" else "evolution", options.steps)
            kept = {step.score.arch: points[step.score.arch] for step in front(steps, space, {"latency": cost})}
            volumes[name].append(hypervolume(kept, points) / best)
        for name in regrets:
            gate = Gate([Limit("latency", most)], {"latency": cost})
            steps = searched(within(own_engine, gate), scores, seed, name, options.steps)
            pick = max(steps, key=lambda step: step.score.value)
            assert points[pick.score.arch][0] <= most
            regrets[name].append(reachable - points[pick.score.arch][1])
    summary = {f"hypervolume, {name}": mean_of(values) for name, values in volumes.items()}
    summary |= {f"regret under {most:.3g} ms, {name}": mean_of(values) for name, values in regrets.items()}
    return summary


def searched(engine: Engine, scores: Scores, seed: int, algorithm: str, count: int) -> list[Step]:
    """``count`` architectures, by scores that are known."""
    space = load_space("nasbench201")
    stream = engine(space, scores, seed, algorithm, POPULATION, TOURNAMENT)
    return [
        Step(number, Score(str(arch), str(arch), value, "ok", 0.0, "gennas"))
        for number, (arch, value) in enumerate(islice(stream, count))
    ]


def hypervolume(kept: dict, points: dict) -> float:
    """Of accuracies above 80 % and latencies below the slowest."""
    from pymoo.indicators.hv import HV

    slowest = max(latency for latency, _ in points.values())
    return float(HV(ref_point=np.array([slowest, -WORST]))(np.array([[x, -y] for x, y in kept.values()])))


def mean_of(values: list[float]) -> dict[str, float]:
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return {"mean": float(np.mean(values)), "half": half, "worst": float(max(values)), "least": float(min(values))}


if __name__ == "__main__":
    main()
