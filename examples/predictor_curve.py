"""How well a predictor ranks by the number of its labels: draws of labels, all others predicted.

python examples/predictor_curve.py --space nasbench201 --table T --metric cifar10_test --labels 10,20,100
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from naslib_gennas import load_table
from naslib_gennas.evaluation import kendall, spearman
from naslib_gennas.predictors import SpectrumPredictor
from naslib_gennas.predictors.features import DEFAULT


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--space", default="nasbench201")
    options.add_argument("--table", required=True)
    options.add_argument("--metric", default=None)
    options.add_argument("--lower-is-better", action="store_true", help="of the metric, such as a latency")
    options.add_argument("--labels", default="10,20,100")
    options.add_argument("--draws", type=int, default=20)
    options.add_argument("--sample", type=int, default=None, help="architectures of the table that are looked at")
    options.add_argument("--others", type=int, default=4000, help="predicted, at most")
    options.add_argument("--features", default=",".join(DEFAULT))
    given = options.parse_args()
    torch.set_num_threads(1)
    table = load_table(given.table, given.space)
    metric = given.metric or table.default_metric
    rows = table.rows(given.sample, metric, np.random.default_rng(5))
    archs, truth = (
        np.array([table.space.parse(text) for text in rows["arch"]], dtype=object),
        rows[metric].to_numpy(float) * (-1 if given.lower_is_better else 1),
    )
    predictor = SpectrumPredictor(table.space, given.features.split(","))
    for count in map(int, given.labels.split(",")):
        found = []
        for draw in range(given.draws):
            order = np.random.default_rng(1000 + draw).permutation(len(archs))
            learnt, others = order[:count], order[count : count + given.others]
            predictor.fit(archs[learnt], truth[learnt], reference=archs)
            mean, free = predictor.latent(archs[others])[0], predictor.label_free(archs[others])
            values = [spearman(mean, truth[others]), kendall(mean, truth[others])]
            found.append(
                values + ([] if free is None else [spearman(free, truth[others]), kendall(free, truth[others])])
            )
        means, deviations = np.mean(found, axis=0).round(3).tolist(), np.std(found, axis=0).round(3).tolist()
        names = ("rho", "tau", "label-free rho", "label-free tau")
        result = {name: [mean, deviation] for name, mean, deviation in zip(names, means, deviations)}
        print(
            json.dumps({"space": given.space, "metric": metric, "labels": count, "draws": given.draws, **result}),
            flush=True,
        )


if __name__ == "__main__":
    main()
