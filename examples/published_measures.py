"""Our scores beside published ones: rank agreement for every measure, on the same architectures.

    python examples/published_measures.py --published zerocost_nasbench201.csv.gz --sample 300
    python examples/published_measures.py --published zc_nasbench301.json --space nasbench301 --sample 60

The file has an ``index`` (the benchmark's number) and columns of published scores; of those ending in
``--dataset`` each is compared with our measure of that name. Or it is a file of NAS-Bench-Suite-Zero.
Where a measure draws random numbers, its own
agreement between two seeds bounds what can be expected, and is printed beside. Correlations keep their sign.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pandas as pd
import torch

from naslib_gennas import Scorer, load_space, load_table
from naslib_gennas.evaluation import bootstrap_interval, spearman
from naslib_gennas.executors import score_all
from naslib_gennas.measures import MEASURES
from naslib_gennas.runs.run import Run, environment
from naslib_gennas.scoring.measure import BATCH_SIZE, measure_scorers

FAILED = -1e8  # NAS-Bench-Suite-Zero's mark
ALIASES = {"logsynflow": "synflow", "nwot": "naswot", "jacov": "jacob_cov"}


def published_columns(frame: pd.DataFrame, dataset: str) -> dict[str, str]:
    """Column -> our measure; 'synflow' without logarithm ranks as its logarithm does and is left out."""
    found = {}
    for column in frame.columns:
        name = column[: -len(dataset) - 1] if column.endswith(f"_{dataset}") else ""
        name = name[len("nbsz_") :] if name.startswith("nbsz_") else name
        name = ALIASES.get(name, name)
        if name in MEASURES and column != f"synflow_{dataset}":
            found[column] = name
    return found


def published_scores(path: str, space: str, dataset: str) -> pd.DataFrame:
    """Architectures in ``arch``, and a column ``NAME_<dataset>`` of each score."""
    if ".json" not in path:
        frame = pd.read_csv(path)
        opened = load_space(space)
        return frame.assign(arch=[str(opened.parse(str(index))) for index in frame["index"]])
    frame = load_table(f"{path}#{dataset}", space).frame
    return frame.rename(columns={name: f"{name}_{dataset}" for name in frame.columns if name != "arch"})


def scores_of(space, names: list[str], texts: list[str], seed: int, options) -> dict[str, list]:
    """Measure -> scores, one an architecture."""
    scorers = measure_scorers(names, Scorer(space, seed=seed, images=options.images), options.batch_size)
    return score_all(scorers, texts, Run(None, {}))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", required=True)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--measures", nargs="+", help="ours; all that have a published column if left out")
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--images")
    parser.add_argument("--out", default="published_measures.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    space = load_space(options.space)
    frame = published_scores(options.published, options.space, options.dataset)
    columns = published_columns(frame, options.dataset)
    if options.measures:
        columns = {column: name for column, name in columns.items() if name in options.measures}
    frame[list(columns)] = frame[list(columns)].mask(frame[list(columns)] <= FAILED)
    frame = frame.dropna(subset=list(columns)).sample(options.sample, random_state=options.seed)
    texts = frame["arch"].tolist()
    names = list(dict.fromkeys(columns.values()))
    first, second = (scores_of(space, names, texts, options.seed + shift, options) for shift in (0, 1))
    rows = []
    print(f"{'column':24} {'measure':10} {'rho':>6}  {'95 %':>13}  {'seeds':>6}  {'s/arch':>7}  failed")
    for column, name in columns.items():
        ours, again = ([score.value for score in found[name]] for found in (first, second))
        low, high = bootstrap_interval(spearman, ours, frame[column].tolist())
        row = {
            "column": column,
            "measure": name,
            "spearman": spearman(ours, frame[column].tolist()),
            "interval": [low, high],
            "between_seeds": spearman(ours, again),
            "seconds": float(np.mean([score.seconds for score in first[name]])),
            "failures": sum(value is None for value in ours),
        }
        rows.append(row)
        print(
            f"{column:24} {name:10} {row['spearman']:6.3f}  {low:6.3f} {high:6.3f}  {row['between_seeds']:6.3f}  "
            f"{row['seconds']:7.3f}  {row['failures']}",
            flush=True,
        )
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump({"settings": vars(options), "rows": rows, "environment": environment()}, file, indent=2)


if __name__ == "__main__":
    main()
