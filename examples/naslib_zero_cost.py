"""NASLib's zero-cost evaluator: the GenNAS score next to NASLib's own measures, on the same architectures.

    NASLIB_HOME=/path/to/NASLib python examples/naslib_zero_cost.py --count 50 --table nasbench201.csv.gz

Runs NASLib's own script, unmodified; the table stands for the accuracies that NASLib would download. Without
--table it is that of the package analog-nasbench (extra demo).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path

from naslib_gennas import load_table
from naslib_gennas.plugin.loading import load
from naslib_gennas.plugin.runner import run_stock

CONFIG = Path(__file__).parent / "naslib" / "zc.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", default="analog-nasbench", help="ground truth of nasbench201")
    parser.add_argument("--measures", nargs="+", default=["gennas", "synflow", "nwot", "jacov"])
    parser.add_argument("--count", type=int, default=20, help="architectures")
    parser.add_argument("--images", default=None, help="images for the batch: .npz or a folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="runs/naslib_zero_cost")
    options = parser.parse_args()

    table = load_table(options.table, "nasbench201")
    load()  # NASLib; not counted
    print(f"{'measure':<12}{'Spearman':>10}{'Kendall':>10}{'s/arch':>10}")
    for name in options.measures:
        changes = ["predictor", name, "test_size", str(options.count), "seed", str(options.seed)]
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):  # NASLib logs there
            [folder] = run_stock("zc", CONFIG, [*changes, "out_dir", options.out], table=table, images=options.images)
        seconds = (time.perf_counter() - started) / options.count
        figures = json.loads((folder / "scores.json").read_text())[-1]
        print(f"{name:<12}{figures['spearman']:>10.3f}{figures['kendalltau']:>10.3f}{seconds:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
