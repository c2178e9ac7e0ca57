"""Training many architectures at once against one after another: seconds, equal scores, share of the peak.

    python examples/benchmark_batched.py --device cuda --all --alone 20
    python examples/benchmark_batched.py --device cpu --sample 64 --alone 64

--peak: TFLOP/s of the device in the precision used (H100 without tensor cores: 67), for the share that is reached.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch
from scipy.stats import spearmanr

from naslib_gennas.proxy.batched import Network
from naslib_gennas.proxy.expressions import CONV, DEPTHWISE, HALVES
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.proxy.regression import build_and_regress
from naslib_gennas.proxy.surroundings import settled, use_threads
from naslib_gennas.scoring.batch_trainer import BatchTrainer
from naslib_gennas.scoring.gennas import GenNASScorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--preset", default="search-201", help="of one trained task")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--all", action="store_true", help="of the space, different networks once")
    parser.add_argument("--sample", type=int, default=64)
    parser.add_argument("--alone", type=int, default=20, help="so many of them one after another, too")
    parser.add_argument("--memory", type=int, default=512, help="MB, on the CPU")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak", type=float, help="TFLOP/s")
    parser.add_argument("--repeat", type=int, default=1, help="the whole so many times; the first warms up")
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    scorer = GenNASScorer(arguments.space, arguments.preset, device=arguments.device)
    with settled():
        measure(scorer, arguments)


def measure(scorer: GenNASScorer, arguments: argparse.Namespace) -> None:
    space, fidelity = scorer.space, scorer._members[0][1].fidelity
    rng = np.random.default_rng(0)
    drawn = space if arguments.all else (space.sample(rng) for _ in range(arguments.sample))
    archs = list(dict.fromkeys(space.reduced(arch) for arch in drawn))
    batch, seed = scorer._batch(0, 0), scorer._generator("network", 0, 0).initial_seed()
    trainer = BatchTrainer(space, fidelity, batch, seed, arguments.memory)

    started = time.perf_counter()
    work = sum(operations(trainer._network(arch), len(batch.inputs)) for arch in archs) * fidelity.steps * 3
    print(f"{len(archs)} networks as expressions: {time.perf_counter() - started:.2f} s", flush=True)
    for _ in range(arguments.repeat):
        started = time.perf_counter()
        together = dict(trainer.read(archs))
        seconds = time.perf_counter() - started
        rate = work / seconds / 1e12
        share = f", {rate / arguments.peak:.1%} of the peak" if arguments.peak else ""
        print(
            f"together: {seconds:.2f} s, {seconds / len(archs) * 1e3:.2f} ms each, {rate:.2f} TFLOP/s{share}",
            flush=True,
        )
    if str(arguments.device).startswith("cuda"):
        print(f"memory of the GPU: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most")

    some = [archs[int(i)] for i in rng.permutation(len(archs))[: arguments.alone]]
    alone(space, some[:2], batch, fidelity, seed)
    started = time.perf_counter()
    single = alone(space, some, batch, fidelity, seed)
    each = (time.perf_counter() - started) / max(1, len(some))
    print(f"one after another: {each * 1e3:.1f} ms each; together {each / seconds * len(archs):.1f} times as fast")
    both = np.array([[together[arch].loss, single[arch].loss] for arch in some])
    differences = np.abs(both[:, 0] / both[:, 1] - 1)
    print(f"relative difference of losses: median {np.median(differences):.1e}, at most {differences.max():.1e}; "
          f"rho {spearmanr(both[:, 0], both[:, 1])[0]:.5f}")  # fmt: skip


def alone(space, archs, batch, fidelity, seed):
    found = {}
    for arch in archs:
        with uninitialised():
            backbone = space.build(arch, fidelity)
        found[arch] = build_and_regress(backbone, batch, fidelity, torch.Generator().manual_seed(seed))
    return found


def operations(network: Network, images: int) -> int:
    """Floating point operations of the convolutions of one forward pass, two for a multiplication and addition."""
    total = 0
    for node in network.graph.nodes:
        if node.operation == CONV:
            _, outputs, inputs, kernel, *_ = node.what
            total += 2 * outputs * inputs * math.prod((*kernel, *node.shape[1:]))
        elif node.operation == DEPTHWISE:
            total += 2 * node.what[2] ** 2 * node.numbers
        elif node.operation == HALVES:
            total += 2 * node.what[2] * node.numbers
    return total * images


if __name__ == "__main__":
    main()
