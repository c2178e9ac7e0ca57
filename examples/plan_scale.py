"""What scoring a whole space costs: measured seconds a network, and what they mean for a laptop and a cluster.

    python examples/plan_scale.py --spaces nasbench101:423624,nds_darts:1000000 --presets instant,hybrid,best

One thread, networks drawn from the space; a node has ``--cores`` of them. Presets in closed form are read many at once.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from naslib_gennas import Scorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", default="nasbench101:423624,nds_darts:1000000")
    parser.add_argument("--presets", default="instant,hybrid,best")
    parser.add_argument("--seconds", type=float, default=20.0, help="that each is measured, about")
    parser.add_argument("--cores", type=int, default=64, help="of a node")
    parser.add_argument("--nodes", type=int, default=100)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for space, _, count in (text.partition(":") for text in given.spaces.split(",")):
        for preset in given.presets.split(","):
            each, measured = seconds_a_network(space, preset, given.seconds)
            core_hours = each * int(count) / 3600
            found = {"space": space, "preset": preset, "networks measured": measured, "seconds each": round(each, 4)}
            hours = {"one thread": core_hours, f"{given.nodes} nodes": core_hours / given.cores / given.nodes}
            found |= {f"hours of all, {where}": float(f"{value:.2g}") for where, value in hours.items()}
            print(json.dumps(found), flush=True)


def seconds_a_network(space: str, preset: str, wanted: float) -> tuple[float, int]:
    scorer, rng = Scorer(space, preset), np.random.default_rng(0)
    size = 200 if scorer.together > 1 else 4
    spent, count, seen = 0.0, 0, set()
    while spent < wanted:
        drawn = {scorer.key(arch): arch for arch in (scorer.space.sample(rng) for _ in range(size))}
        archs = [arch for key, arch in drawn.items() if key not in seen]
        seen |= drawn.keys()
        started = time.perf_counter()
        for _ in scorer.score_many(archs):
            pass
        spent, count = spent + time.perf_counter() - started, count + len(archs)
        size = min(2 * size, 4000) if scorer.together > 1 else size
    return spent / count, count


if __name__ == "__main__":
    main()
