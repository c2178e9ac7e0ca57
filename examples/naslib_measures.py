"""Our measures and NASLib's on the same networks, weights and batch: largest difference, and seconds.

    NASLIB_HOME=/path/to/NASLib python examples/naslib_measures.py --sample 5

Networks are NAS-Bench-201 cells as NASLib builds them. Every measure is charged with all passes that it needs;
NASLib's seconds include its copy of the network.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings

import numpy as np
import torch

from naslib_gennas import load_space
from naslib_gennas.measures import MEASURES
from naslib_gennas.plugin import loading
from naslib_gennas.proxy.images import load_images
from naslib_gennas.scoring.measure import measure_module
from naslib_gennas.spaces.pasted import to_naslib

THEIR_NAMES = {"naswot": "nwot", "jacob_cov": "jacov"}
SPACE = "nasbench201"


def their_score(zero_cost, name: str, graph, batch, seed: int) -> tuple[float, float]:
    """(score, seconds) of NASLib, whose zen draws from the global generator."""
    predictor = zero_cost(THEIR_NAMES.get(name, name))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        started = time.perf_counter()
        score = predictor.query(graph, [(batch[0].clone(), batch[1])])
    return score, time.perf_counter() - started


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--naslib", help="checkout, if NASLib is not importable and NASLIB_HOME is not set")
    parser.add_argument("--sample", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FutureWarning)  # NASLib's old backward hooks
    naslib = loading.load(options.naslib)
    known = set(naslib["measures"].available_measures)
    ours = [name for name in MEASURES.names() if MEASURES[name].function]
    names = [name for name in ours if THEIR_NAMES.get(name, name) in known]
    batch = load_images(None, options.batch_size, options.image_size), torch.arange(options.batch_size) % 10
    space, rng = load_space(SPACE), np.random.default_rng(options.seed)
    rows = {name: {"measure": name, "difference": 0.0, "ours": [], "theirs": []} for name in names}
    for _ in range(options.sample):
        graph = naslib["NasBench201SearchSpace"]()
        graph.set_spec(to_naslib(SPACE, space.sample(rng)))
        graph.parse()
        for name, found in measure_module(graph, names, *batch, seed=options.seed).items():
            theirs, seconds = their_score(naslib["ZeroCost"], name, graph, batch, options.seed)
            rows[name]["ours"].append(found.seconds)
            rows[name]["theirs"].append(seconds)
            if found.value is not None:  # where we fail, NASLib has a constant
                difference = abs(found.value - theirs) / max(abs(theirs), math.ulp(1.0))
                rows[name]["difference"] = max(rows[name]["difference"], difference)
    print(f"{'measure':10} {'difference':>10}  {'ours':>7}  {'NASLib':>7}  ratio")
    for row in rows.values():
        ours, theirs = (statistics.median(row[who]) for who in ("ours", "theirs"))
        print(f"{row['measure']:10} {row['difference']:10.1e}  {ours:5.3f} s  {theirs:5.3f} s  {ours / theirs:5.2f}")
    return list(rows.values())


if __name__ == "__main__":
    main()
