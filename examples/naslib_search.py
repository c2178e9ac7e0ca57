"""NASLib's regularized evolution with the GenNAS score as fitness, and the winner as a network to train.

    NASLIB_HOME=/path/to/NASLib python examples/naslib_search.py --steps 60

Needs no benchmark file and no labels.
"""

from __future__ import annotations

import argparse
import itertools

from naslib_gennas import Scorer
from naslib_gennas.commands.export.export import export
from naslib_gennas.plugin.search import naslib_search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="winner.py", help="network code (.py) or module (.pt)")
    options = parser.parse_args()

    scorer = Scorer(options.space, options.preset, options.seed)

    def fitness(arch) -> float:
        value = scorer.score(arch).value  # isomorphic architectures are scored once
        return float("-inf") if value is None else value

    search = naslib_search(scorer.space, fitness, options.seed, population=20, tournament=5)
    winner, best = max(itertools.islice(search, options.steps), key=lambda step: step[1])
    facts = export(scorer.space, winner, options.out)
    print(f"{winner}  score {best:.4f}  {facts.parameters:,} parameters, written to {options.out}")


if __name__ == "__main__":
    main()
