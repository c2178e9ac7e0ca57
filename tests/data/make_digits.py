"""Train random NAS-Bench-201 cells on cluttered digits: ``digits.csv.gz``.

A small ground truth to test with, not evidence. Needs scikit-learn. The task:
``naslib_gennas.tables.digits``; training and test images are made from different digits. Cells are drawn
uniformly; one whose live edges make the same network as a cell already drawn is skipped. Each is trained
with three seeds (initialisation and order of the images) by SGD with Nesterov momentum and a cosine
learning rate.

    python tests/data/make_digits.py --log digits.jsonl --cells 250

The log has one record per run, written at once; started again with the same log, finished runs are kept.
The table holds the cells of which all seeds are finished. Its columns: arch, accuracy (mean test accuracy
of the seeds, percent), accuracy_std (their standard deviation, ddof 1), accuracy_seed0.., params,
flops (multiply-accumulates of convolutions and the classifier for one image), seconds (of all seeds).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import load_space
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.spaces.nasbench201.encoding import OPERATIONS
from naslib_gennas.spaces.nasbench201.networks import Backbone, Network
from naslib_gennas.tables.digits import CANVAS, CLASSES, make_task

SEEDS = 3
SETTINGS = ("width", "train", "test", "epochs", "batch", "lr")  # a log holds runs of one setting
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4
OUTPUT = Path(__file__).with_name("digits.csv.gz")


def build(arch, width: int, generator: torch.Generator) -> nn.Module:
    """The benchmark's network with one cell a stack and live edges only, weights from ``generator``."""
    with uninitialised():
        network = Network(arch, 1, width, CLASSES)
        network.backbone = Backbone(arch, 1, width)
    network = network.to_empty(device="cpu").to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d):
            module.weight.data.normal_(0, math.sqrt(2 / module.weight[0].numel()), generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.data.normal_(0, module.in_features**-0.5, generator=generator)
            module.bias.data.zero_()
    return network


def train_once(arch, seed: int, task, settings: argparse.Namespace) -> float:
    """Test accuracy in percent after training with ``seed``."""
    (images, labels), (test_images, test_labels) = task
    generator = torch.Generator().manual_seed(seed)
    network = build(arch, settings.width, generator)
    optimiser = torch.optim.SGD(network.parameters(), settings.lr, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    steps = settings.epochs * (len(images) // settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(settings.epochs):
        order = torch.randperm(len(images), generator=generator)
        for batch in order.split(settings.batch)[: len(images) // settings.batch]:
            loss = F.cross_entropy(network(images[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        predicted = torch.cat([network(part).argmax(1) for part in test_images.split(500)])
    return 100 * (predicted == test_labels).float().mean().item()


def size_of(arch, width: int) -> tuple[int, int]:
    """(parameters, multiply-accumulates for one image) of the network, dead edges built too."""
    network = Network(arch, 1, width, CLASSES).eval()
    counted = []

    def count(module: nn.Module, inputs, output: torch.Tensor) -> None:
        counted.append(module.weight[0].numel() * output.numel())

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, CANVAS, CANVAS))
    return sum(p.numel() for p in network.parameters()), sum(counted)


def draw_cells(count: int) -> list:
    """``count`` cells, uniform, no two of which are the same network."""
    space, rng = load_space("nasbench201"), np.random.default_rng(0)
    cells = {}
    while len(cells) < count:
        arch = space.sample(rng)
        cells.setdefault(network_key(arch), arch)
    return list(cells.values())


def network_key(arch) -> str:
    """The cell's output as nested sums over its live edges: equal for equal networks."""
    values = {0: "x", 3: ""}
    terms = {1: [], 2: [], 3: []}
    for op, source, target in arch.live_edges():
        value = values[source]
        terms[target].append(value if OPERATIONS[op] == "skip_connect" else f"{OPERATIONS[op]}({value})")
        values[target] = "(" + "+".join(sorted(terms[target])) + ")"
    return values[3]


def train_all(log: Path, settings: argparse.Namespace) -> None:
    """Append one record per run to ``log`` until all cells are trained or the time is over."""
    header = {"settings": {name: getattr(settings, name) for name in SETTINGS}}
    records = read_log(log)
    if records and records[0] != header:
        sys.exit(f"{log} was written with {records[0]}, not with {header}: choose another --log")
    done = {(r["arch"], r["seed"]) for r in records[1:]}
    task = make_task(settings.train, settings.test)
    end = time.monotonic() + settings.minutes * 60
    with log.open("a") as file:
        if not records:
            print(json.dumps(header), file=file, flush=True)
        for arch in draw_cells(settings.cells):
            for seed in range(SEEDS):
                if (str(arch), seed) in done:
                    continue
                if time.monotonic() > end:
                    return
                start = time.perf_counter()
                record = {"arch": str(arch), "seed": seed, "accuracy": train_once(arch, seed, task, settings)}
                record["seconds"] = round(time.perf_counter() - start, 3)
                print(json.dumps(record), file=file, flush=True)


def read_log(log: Path) -> list[dict]:
    """The records of ``log``, the settings first; a torn last line is cut off the file."""
    if not log.exists():
        return []
    text = log.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        log.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def tabulate(records: list[dict], width: int) -> pd.DataFrame:
    """One row per cell of which all seeds are finished, in the order drawn."""
    frame = pd.DataFrame(records)
    runs = frame.pivot(index="arch", columns="seed", values="accuracy")
    runs = runs.reindex(frame["arch"].unique()).dropna()
    seconds = frame.groupby("arch")["seconds"].sum()
    table = pd.DataFrame({"arch": runs.index, "accuracy": runs.mean(axis=1).round(3).to_numpy()})
    table["accuracy_std"] = runs.std(axis=1, ddof=1).round(3).to_numpy()
    for seed in range(SEEDS):
        table[f"accuracy_seed{seed}"] = runs[seed].round(3).to_numpy()
    space = load_space("nasbench201")
    sizes = [size_of(space.parse(arch), width) for arch in runs.index]
    table["params"], table["flops"] = zip(*sizes)
    table["seconds"] = seconds[runs.index].round(2).to_numpy()
    return table


def reliability(table: pd.DataFrame) -> tuple[float, float]:
    """(mean Spearman between two seeds, Spearman-Brown reliability of the mean of all seeds)."""
    columns = [table[f"accuracy_seed{seed}"] for seed in range(SEEDS)]
    pairwise = float(np.mean([a.corr(b, method="spearman") for a, b in combinations(columns, 2)]))
    return pairwise, SEEDS * pairwise / (1 + (SEEDS - 1) * pairwise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, required=True, help="JSONL of the runs; continued when it exists")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after this long")
    parser.add_argument("--width", type=int, default=8, help="channels of the first stack")
    parser.add_argument("--train", type=int, default=2560, help="training images")
    parser.add_argument("--test", type=int, default=1200, help="test images")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.2)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    train_all(settings.log, settings)
    table = tabulate(read_log(settings.log)[1:], settings.width)
    table.to_csv(settings.output, index=False, compression={"method": "gzip", "mtime": 0})
    pairwise, mean = reliability(table)
    print(f"{settings.output}: {len(table)} cells, accuracies {table.accuracy.min():.1f} to "
          f"{table.accuracy.max():.1f} %, Spearman between two seeds {pairwise:.3f}, "
          f"reliability of the mean of {SEEDS} seeds {mean:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
