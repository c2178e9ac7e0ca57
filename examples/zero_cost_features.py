"""Do proxies as features help a search that learns? BANANAS and NPENAS of NASLib's branch zerocost, on a table.

python examples/zero_cost_features.py --naslib NASLib --table nasbench201.csv.gz --metric cifar10_valid \
    --ways "none;gennas_instant;synflow_cifar10,naswot_cifar10" --seeds 10 --evaluations 200

A way is a list of features: measures of ours or of NASLib's, or columns of the table. The searches see accuracies of
the table only; what is printed is the regret of the best found, mean and 95 % interval over seeds. Needs xgboost.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import yaml

from naslib_gennas.plugin.runner import run_stock
from naslib_gennas.progress import progress
from naslib_gennas.tables import Table, load_table

AT = (25, 50, 100, 200, 400)


def main(arguments: list[str] | None = None) -> dict[str, object]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--ways", default="none;gennas_instant")
    parser.add_argument("--optimizers", default="bananas,npenas")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--naslib", default=None)
    options = parser.parse_args(arguments)
    table = load_table(options.table, options.space)
    best = float(table.column(options.metric).max())
    jobs = [
        (optimizer, way, seed)
        for optimizer in options.optimizers.split(",")
        for way in options.ways.split(";")
        for seed in range(options.seeds)
    ]
    curves: dict[str, list[list[float]]] = {}
    for optimizer, way, seed in progress(jobs, len(jobs), "searching"):
        found = search(table, options, optimizer, [] if way == "none" else way.split(","), seed)
        curves.setdefault(f"{optimizer}, {way}", []).append([best - value for value in found])
    report = {name: summary(np.array(values)) for name, values in curves.items()}
    print(json.dumps(report, indent=2))
    return report


def search(table: Table, options: argparse.Namespace, optimizer: str, features: list[str], seed: int) -> list[float]:
    """The best accuracy so far after every evaluation."""
    config = {
        "optimizer": optimizer,
        "search_space": options.space,
        "dataset": options.dataset,
        "seed": seed,
        "search": {"zc_names": features, "epochs": options.evaluations, "num_init": 10, "k": 10, "num_candidates": 100},
    }
    with tempfile.TemporaryDirectory() as folder, quiet():
        file = Path(folder) / "config.yaml"
        file.write_text(yaml.safe_dump({**config, "out_dir": folder}), encoding="utf-8")
        supplies = {"table": table, "metric": options.metric, "naslib": options.naslib, "say": lambda line: None}
        [saved] = run_stock("bbo", file, **supplies)
        return json.loads((saved / "errors.json").read_text(encoding="utf-8"))[1]["valid_acc"]


def summary(regrets: np.ndarray) -> dict[str, dict[str, float]]:
    """(seeds, evaluations) -> by number of evaluations the mean and the half width of its 95 % interval."""
    half = (
        1.96 * regrets.std(axis=0, ddof=1) / len(regrets) ** 0.5
        if len(regrets) > 1
        else np.full(regrets.shape[1], np.nan)
    )
    at = [count for count in AT if count <= regrets.shape[1]]
    return {str(n): {"regret": float(regrets[:, n - 1].mean()), "half": float(half[n - 1])} for n in at}


@contextlib.contextmanager
def quiet():
    """The scripts write much."""
    logging.disable()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    main()
