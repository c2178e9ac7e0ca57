"""What the arrangement of recurrent networks and a small fidelity save on NAS-Bench-NLP recipes.

    python examples/benchmark_rnn.py --sample 3 --steps 100

Per architecture, building included: a plain version that runs a recipe node by node with a weight matrix for
every input, at the published size; the package's network at the same size; and the preset rnn-fast. Times are
processor seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import Scorer, load_preset, load_space
from naslib_gennas.spaces.nasbench_nlp.networks import DROPOUT_BETWEEN, DROPOUT_OUT, DROPOUT_WEIGHTS, mask

PUBLISHED, FAST = "rnn-search", "rnn-fast"
EMBEDDING, HIDDEN, LAYERS = 400, 600, 3
FUNCTIONS = {
    "elementwise_prod": torch.mul,
    "elementwise_sum": torch.add,
    "activation_tanh": torch.tanh,
    "activation_sigm": torch.sigmoid,
    "activation_leaky_relu": F.leaky_relu,
    "blend": lambda a, b, c: a * b + (1 - a) * c,
}


class PlainLayer(nn.Module):
    """A recipe, node by node; weights on anything but ``x`` are fixed, as in the released code."""

    def __init__(self, arch, inputs: int, hidden: int):
        super().__init__()
        self.arch, self.hidden = arch, hidden
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for name, op, sources in arch.nodes:
            for source in sources if op == "linear" else ():
                weight = torch.empty(inputs if source == "x" else hidden, hidden).uniform_(-0.04, 0.04)
                self.weights[f"{name} {source}"] = nn.Parameter(weight, requires_grad=source == "x")
            if op == "linear":
                self.biases[name] = nn.Parameter(torch.zeros(hidden))

    def forward(self, x, generator):
        weights = {
            key: w if w.requires_grad else w * mask(w, DROPOUT_WEIGHTS, generator) for key, w in self.weights.items()
        }
        states, outputs = [x.new_zeros(x.shape[1], self.hidden)] * self.arch.states, []
        for step in x:
            values = {"x": step, **{f"h_prev_{i}": state for i, state in enumerate(states)}}
            for name, op, sources in self.arch.ordered:
                if op == "linear":
                    terms = [values[source] @ weights[f"{name} {source}"] for source in sources]
                    values[name] = sum(terms) + self.biases[name]
                else:
                    values[name] = FUNCTIONS[op](*(values[source] for source in sources))
            states = [values[f"h_new_{i}"] for i in range(len(states))]
            outputs.append(states[0])
        return torch.stack(outputs)


def plain_score(arch, preset, batch, steps: int) -> float:
    """The published regression without any of the package's shortcuts; minus the last training loss."""
    generator = torch.Generator().manual_seed(0)
    widths = [EMBEDDING, *[HIDDEN] * (LAYERS - 1), EMBEDDING]
    layers = nn.ModuleList(PlainLayer(arch, a, b) for a, b in zip(widths, widths[1:]))
    encoder, decoder = nn.Linear(preset.task.dimension, EMBEDDING), nn.Linear(EMBEDDING, preset.task.dimension)
    parameters = [p for module in (encoder, layers, decoder) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, weight_decay=1.2e-6)
    for _ in range(steps):
        x = encoder(batch.noise.add(batch.inputs, generator))
        for layer in layers:
            x = layer(x, generator)
            x = x * mask(x, DROPOUT_OUT if layer is layers[-1] else DROPOUT_BETWEEN, generator, x.shape[1:])
        loss = F.mse_loss(decoder(x), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return -loss.item()


def measure(sample: int, seed: int, steps: int) -> dict:
    """Mean seconds per architecture of the three, on the same random recipes."""
    space, rng = load_space("nasbench_nlp"), np.random.default_rng(seed)
    recipes = list(dict.fromkeys(space.reduced(space.sample(rng)) for _ in range(sample)))
    preset = load_preset(PUBLISHED).with_fidelity(steps=steps)
    batch = preset.materialise(None, torch.Generator().manual_seed(seed))
    same_size, fast = Scorer(space, preset), Scorer(space, FAST)
    fast.score(space.example)  # PyTorch's first calls are slower
    plain_score(recipes[0], preset, batch, 1)
    runs = {
        "plain": lambda arch: plain_score(arch, preset, batch, steps),
        PUBLISHED: same_size.score,
        FAST: fast.score,
    }
    seconds = {name: 0.0 for name in runs}
    for arch in recipes:
        for name, run in runs.items():
            started = time.process_time()
            run(arch)
            seconds[name] += (time.process_time() - started) / len(recipes)
    return {"architectures": len(recipes), "steps": steps, "seconds": seconds, "torch": torch.__version__}


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=3, help="random recipes")
    parser.add_argument("--steps", type=int, default=100, help="of the two at the published size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="JSON file to write")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    result = measure(options.sample, options.seed, options.steps)
    for name, seconds in result["seconds"].items():
        print(f"{name:12} {seconds:8.3f} s an architecture, {result['seconds']['plain'] / seconds:6.1f} x plain")
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
