"""Which ensemble with the GenNAS score ranks best: chosen on a few labels, tried on all the others.

    gennas score --space nasbench201 --all --preset fast --out runs/all201
    python examples/choose_ensemble.py --run runs/all201 --table nasbench201.csv.gz --scores other_measures.csv.gz

``--scores`` is a CSV with a column ``arch`` (or ``index``, as in the table) and one column a measure, such as the
published ones of NAS-Bench-Suite-Zero. The candidates are ``gennas`` alone and with one or two of the columns, by
the mean of the ranks and by AZ-NAS's rule. Ranks are taken within all architectures, which needs no labels.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from naslib_gennas import load_table
from naslib_gennas.scoring.ensemble import parse_measure

GENNAS = "gennas"


def read_scores(options) -> pd.DataFrame:
    """One row an architecture: the metric, ``gennas`` and the other measures; failed scores are NaN."""
    lines = (Path(options.run) / "results.jsonl").read_text(encoding="utf-8").splitlines()
    own = {record["arch"]: record["score"] for record in map(json.loads, lines)}
    frame = load_table(options.table, "nasbench201").frame
    frame = frame.assign(**{GENNAS: frame["arch"].map(own)}).dropna(subset=[options.metric])
    others = pd.read_csv(options.scores)
    key = "arch" if "arch" in others else "index"
    return frame[["arch", "index", options.metric, GENNAS]].merge(others, on=key)


def candidates(measures: list[str]):
    yield GENNAS
    for count in (1, 2):
        for others in itertools.combinations(measures, count):
            for how in ("rank", "aznas"):
                yield f"{how}({','.join(f'table:{name}' for name in (GENNAS, *others))})"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="run directory with the GenNAS scores")
    parser.add_argument("--table", required=True, help="ground truth of nasbench201")
    parser.add_argument("--scores", required=True, help="CSV of other measures")
    parser.add_argument("--measures", nargs="+", required=True, help="its columns to choose from")
    parser.add_argument("--metric", default="cifar10_test")
    parser.add_argument("--labelled", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    frame = read_scores(options)
    columns = {f"table:{name}": frame[name] for name in (GENNAS, *options.measures)}
    columns[GENNAS] = frame[GENNAS]
    values = {
        text: np.nan_to_num(parse_measure(text).value(columns), nan=-np.inf) for text in candidates(options.measures)
    }
    labelled = np.random.default_rng(options.seed).permutation(len(frame)) < options.labelled
    truth = frame[options.metric].to_numpy()
    chosen = max(values, key=lambda text: kendalltau(values[text][labelled], truth[labelled]).statistic)
    print(f"{len(values)} candidates, chosen on {options.labelled} labels; the others are {(~labelled).sum()}")
    for name in dict.fromkeys((chosen, GENNAS)):
        here = kendalltau(values[name][labelled], truth[labelled]).statistic
        tau = kendalltau(values[name][~labelled], truth[~labelled]).statistic
        rho = spearmanr(values[name][~labelled], truth[~labelled]).statistic
        print(f"{name}: tau {here:.3f} on the labels; tau {tau:.3f}, rho {rho:.3f} on the others")


if __name__ == "__main__":
    main()
