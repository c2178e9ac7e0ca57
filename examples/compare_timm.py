"""Published ImageNet accuracies of timm's models against the GenNAS score of their architectures, untrained.

    python examples/compare_timm.py --preset fast-three --input-size 32

timm_imagenet.csv holds models trained on ImageNet-1k alone, with the top-1 accuracies and parameters that timm
publishes (https://github.com/huggingface/pytorch-image-models, results/results-imagenet.csv). Their training recipes
differ, which bounds what any score of architectures can reach. Needs timm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch

from naslib_gennas import Scorer
from naslib_gennas.evaluation import evaluate
from naslib_gennas.scoring.measure import measure_module
from naslib_gennas.spaces.modules.networks import named_modules

TABLE = Path(__file__).parent / "timm_imagenet.csv"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="fast-three")
    parser.add_argument("--input-size", type=int, default=32, help="pixels a side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=int, default=None, help="only the first so many")
    parser.add_argument("--out", default=None, help="CSV of all scores")
    options = parser.parse_args(arguments)

    torch.set_num_threads(1)
    table = pd.read_csv(TABLE)[: options.models]
    sources = named_modules(timm=[name.partition(".")[0] for name in table.model])
    scorer = Scorer.for_modules(sources, options.preset, options.input_size, seed=options.seed)
    for i, source in enumerate(sources):
        result = scorer.score(source)
        table.loc[i, ["gennas", "seconds"]] = result.score, result.seconds
        table.loc[i, "flops_m"] = flops(source.partition(":")[2])
        shown = f"{result.score:9.4f} {result.seconds:6.2f} s"
        print(f"{table.model[i]:34} {table.imagenet_top1[i]:7.2f} {shown}", flush=True)
    for name in ("gennas", "params_m", "flops_m"):
        found = evaluate(table[name].tolist(), table.imagenet_top1.tolist(), options.seed)
        low, high = found.spearman_interval
        print(f"{name:10} rho {found.spearman:.3f} (95 % {low:.3f} to {high:.3f})  tau {found.kendall:.3f}")
    if options.out:
        table.to_csv(options.out, index=False)


def flops(name: str) -> float:
    """Multiply-accumulate operations at 224 pixels a side, in millions."""
    import timm

    images = torch.zeros(2, 3, 224, 224)
    return measure_module(timm.create_model(name).eval(), ["flops"], images)["flops"].score


if __name__ == "__main__":
    main()
