"""Linear regions as TE-NAS counts them: different activation patterns among random small images, and what they rank.

    python examples/linear_regions.py --table nasbench201.csv.gz --metric cifar10_test --sample 80

Networks as wide as a space has them give every image a pattern of its own, which ranks nothing; TE-NAS makes thin ones.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from naslib_gennas import load_table
from naslib_gennas.evaluation import spearman
from naslib_gennas.measures.activation_modes import ActivationMode
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.proxy.parameters import initialise

SIDE = 4  # pixels


def regions(space, arch, channels: int, images: int, repeats: int) -> float:
    """Mean over draws of weights and images."""
    fidelity, counts = Fidelity(cells=1, channels=channels, input_size=SIDE), []
    for repeat in range(repeats):
        generator = torch.Generator().manual_seed(repeat)
        with uninitialised():
            network = space.build(arch, fidelity)
        initialise(network, generator, "cpu", "kaiming")
        with torch.no_grad(), ActivationMode() as seen:
            network(torch.randn(images, 3, SIDE, SIDE, generator=generator))
        counts.append(len(torch.unique(torch.cat([active for active, _ in seen.patterns], dim=1), dim=0)))
    return float(np.mean(counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--table", required=True)
    parser.add_argument("--metric", default=None)
    parser.add_argument("--sample", type=int, default=80)
    parser.add_argument("--channels", default="16,4,2,1")
    parser.add_argument("--draws", type=int, default=1000, help="images")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = load_table(given.table, given.space)
    metric = given.metric or table.default_metric
    rows = table.rows(given.sample, metric, np.random.default_rng(0))
    for channels in map(int, given.channels.split(",")):
        archs = map(table.space.parse, rows["arch"])
        found = np.array([regions(table.space, arch, channels, given.draws, given.repeats) for arch in archs])
        rho = round(spearman(found, rows[metric].to_numpy(float)), 3)
        print(json.dumps({"channels": channels, "rho": rho, "different values": len(np.unique(found))}), flush=True)


if __name__ == "__main__":
    main()
