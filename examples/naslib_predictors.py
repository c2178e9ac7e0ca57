"""NASLib's comparison of predictors with ours in it: how well they rank by the number of labels.

    NASLIB_HOME=... python examples/naslib_predictors.py --table nasbench201.csv.gz --seeds 5

Runs `gennas naslib predictors` (its own runner and evaluator, branch Develop) for every predictor and seed: the same
training and test architectures for all of them, validation accuracies of the table as labels. Finished runs are kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

SETTINGS = {
    "search_space": "nasbench201",
    "dataset": "cifar10",
    "experiment_type": "vary_train_size",
    "train_size_single": 10,
    "fidelity_single": 5,
    "fidelity_list": [5],
    "uniform_random": True,
    "max_hpo_time": 0,
    "hparams_from_file": False,
    "gennas": {"preset": "instant", "seed": 0},
}


def errors_of(predictor: str, seed: int, given: argparse.Namespace) -> list[dict]:
    """What the runner writes, a dictionary for every number of labels."""
    out = Path(given.out)
    config = {**SETTINGS, "predictor": predictor, "seed": seed, "out_dir": str(out / predictor)}
    config |= {"train_size_list": [int(size) for size in given.labels.split(",")], "test_size": given.test}
    results = out / predictor / config["dataset"] / "predictors" / predictor / str(seed) / "errors.json"
    found = read(results)
    if found is None:
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"{predictor}-{seed}.yaml"
        path.write_text(yaml.safe_dump(config))
        words = ["naslib", "predictors", "--config-file", str(path), "--table", given.table]
        done = subprocess.run([sys.executable, "-m", "naslib_gennas.cli", *words], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{predictor}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
        found = json.loads(results.read_text())
    return found[1:]


def read(results: Path) -> list | None:
    """None for a file that is not there, or not whole."""
    try:
        return json.loads(results.read_text())
    except (OSError, ValueError):
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True)
    parser.add_argument("--predictors", default="gennas,xgb,gp,mlp,bonas,seminas")
    parser.add_argument("--labels", default="5,10,20,50,100,200")
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", default="runs/predictors")
    given = parser.parse_args()
    for predictor in given.predictors.split(","):
        runs = [errors_of(predictor, seed, given) for seed in range(given.seeds)]
        for place, size in enumerate(given.labels.split(",")):
            taus = [float(run[place]["kendalltau"]) for run in runs]
            mean, deviation = round(float(np.nanmean(taus)), 3), round(float(np.nanstd(taus)), 3)
            failed = int(np.isnan(taus).sum())
            print(json.dumps({"predictor": predictor, "labels": int(size), "tau": [mean, deviation], "nan": failed}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
