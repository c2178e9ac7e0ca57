"""Recurrent networks of NAS-Bench-NLP recipes, arranged for few operators.

Linear nodes with the same inputs are one matrix product, and the products with the cell's input are taken out
of the loop over time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Optional, Union, cast

import torch
import torch.nn.functional as F
from torch import nn

from .encoding import INPUT, NASBenchNLPArchitecture

EMBEDDING, HIDDEN, LAYERS, WORDS = 400, 600, 3, 10_000
DROPOUT_IN, DROPOUT_BETWEEN, DROPOUT_OUT, DROPOUT_WEIGHTS = 0.4, 0.25, 0.1, 0.1
"""The benchmark's hyper-parameters, from the header of its logs."""
INIT_RANGE = 0.1  # of the embedding and of the layers around the recurrent ones

Step = tuple[Union[int, str], tuple[str, ...], tuple[str, ...]]
"""Number of a group, or operation; names of the inputs; names of the outputs."""

ELEMENTWISE: dict[str, Callable[..., torch.Tensor]] = {
    "blend": lambda a, b, c: torch.lerp(c, b, a),  # a b + (1 - a) c
    "elementwise_prod": torch.mul,
    "elementwise_sum": torch.add,
    "activation_tanh": torch.tanh,
    "activation_sigm": torch.sigmoid,
    "activation_leaky_relu": F.leaky_relu,
}


@dataclass(frozen=True)
class Group:
    """Linear nodes that have the same inputs: ``x`` or not, and the ``sources`` that change with the state."""

    names: tuple[str, ...]
    with_x: bool
    sources: tuple[str, ...]


class Cell:
    """A recipe as a sequence of operators.

    ``groups``: those with ``x`` come first. ``steps``: in the order in which a time step runs them.
    ``linear``, ``linear_x``: linear nodes, those with x.
    """

    def __init__(self, arch: NASBenchNLPArchitecture):
        members: dict[tuple[bool, tuple[str, ...]], list[str]] = defaultdict(list)
        for name, op, inputs in arch.ordered:
            if op == "linear":
                sources = tuple(sorted(i for i in inputs if i != INPUT))
                members[INPUT in inputs, sources].append(name)
        self.groups = [Group(tuple(names), *key) for key, names in members.items()]
        self.groups.sort(key=lambda group: not group.with_x)
        self.linear = sum(len(group.names) for group in self.groups)
        self.linear_x = sum(len(group.names) for group in self.groups if group.with_x)
        self.states = arch.states
        self.steps = self._steps(arch)

    def _steps(self, arch: NASBenchNLPArchitecture) -> list[Step]:
        home = {name: number for number, group in enumerate(self.groups) for name in group.names}
        steps: list[Step] = []
        seen: set[int] = set()
        for name, op, inputs in arch.ordered:
            if op != "linear":
                steps.append((op, inputs, (name,)))
            elif home[name] not in seen:
                seen.add(home[name])
                group = self.groups[home[name]]
                steps.append((home[name], group.sources, group.names))
        return steps


States = Sequence[Sequence[torch.Tensor]]
"""Of every layer, (b, hidden) each."""


class Layer(nn.Module):
    """One recurrent layer, without dropout; starts uniform within 1 / sqrt(hidden)."""

    def __init__(self, cell: Cell, inputs: int, hidden: int):
        super().__init__()
        self.cell, self.hidden = cell, hidden
        self.weight_x = nn.Parameter(torch.empty(inputs, cell.linear_x * hidden))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(len(group.sources) * hidden, len(group.names) * hidden)) for group in cell.groups
        )
        self.bias = nn.Parameter(torch.empty(cell.linear * hidden))

    def reset(self, generator: Optional[torch.Generator] = None) -> None:
        """First values of all parameters."""
        for parameter in self.parameters():
            uniform(parameter, 1 / math.sqrt(self.hidden), generator)

    def forward(
        self, x: torch.Tensor, weights: Sequence[torch.Tensor], states: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """x: (t, b, inputs); weights: ``self.weights``, after dropout; states: (b, hidden) each.

        Returns outputs (t, b, hidden) and the states after the last time step.
        """
        hoisted = self._hoisted(x)
        outputs = []
        current = list(states)
        for terms in zip(*hoisted) if hoisted else [()] * len(x):
            current = self._step(terms, weights, current)
            outputs.append(current[0])
        return torch.stack(outputs), current

    def _step(
        self, terms: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], states: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        values = {f"h_prev_{number}": state for number, state in enumerate(states)}
        for what, inputs, names in self.cell.steps:
            arguments = [values[name] for name in inputs]
            if not isinstance(what, int):
                values[names[0]] = ELEMENTWISE[what](*arguments)
                continue
            total = terms[what]
            if arguments:
                joined = arguments[0] if len(arguments) == 1 else torch.cat(arguments, dim=1)
                total = torch.addmm(total, joined, weights[what])
            values.update(zip(names, [total] if len(names) == 1 else total.chunk(len(names), dim=1)))
        return [values[f"h_new_{number}"] for number in range(len(states))]

    def _hoisted(self, x: torch.Tensor) -> list[Sequence[torch.Tensor]]:
        """Per group and time step: products with x, plus biases, (b, group's nodes * hidden)."""
        steps, batch, _ = x.shape
        widths = [len(group.names) * self.hidden for group in self.cell.groups]
        width = self.weight_x.shape[1]
        with_x = [w for w, group in zip(widths, self.cell.groups) if group.with_x]
        products = torch.addmm(self.bias[:width], x.reshape(steps * batch, -1), self.weight_x)
        found = (
            [part.unbind() for part in products.view(steps, batch, width).split_with_sizes(with_x, dim=2)]
            if with_x
            else []
        )
        return found + [[b.expand(batch, -1)] * steps for b in self.bias.split_with_sizes(widths)[len(with_x) :]]


class RecurrentNet(nn.Module):
    """Layers of one recipe: (t, b, embedding) -> (t, b, embedding), the layers between are ``hidden`` wide.

    In training mode, weights that multiply states or nodes are dropped, one draw for all time steps, and so are
    units of every layer's output (locked dropout). ``strength`` multiplies the benchmark's dropout rates.

    >>> from naslib_gennas.spaces.nasbench_nlp.encoding import EXAMPLE, parse_recipe
    >>> network = RecurrentNet(parse_recipe(EXAMPLE), embedding=4, hidden=6, layers=2)
    >>> network.reset(torch.Generator().manual_seed(0))
    >>> outputs, states = network(torch.zeros(5, 3, 4))
    >>> outputs.shape, [layer[0].shape for layer in states]
    (torch.Size([5, 3, 4]), [torch.Size([3, 6]), torch.Size([3, 4])])
    """

    def __init__(
        self,
        arch: NASBenchNLPArchitecture,
        embedding: int = EMBEDDING,
        hidden: int = HIDDEN,
        layers: int = LAYERS,
        strength: float = 1.0,
    ):
        super().__init__()
        cell = Cell(arch)
        widths = [embedding, *[hidden] * (layers - 1), embedding]
        self.embedding, self.strength = embedding, strength
        self.layers = nn.ModuleList(Layer(cell, a, b) for a, b in zip(widths, widths[1:]))

    def reset(self, generator: Optional[torch.Generator] = None) -> None:
        """First values of all parameters."""
        for layer in self._stack:
            layer.reset(generator)

    def train_recurrent(self, trained: bool) -> None:
        """Whether the weights that multiply states or nodes learn."""
        for layer in self._stack:
            layer.weights.requires_grad_(trained)

    def initial(self, batch: int) -> States:
        """Zero states of every layer."""
        return [[layer.bias.new_zeros(batch, layer.hidden)] * layer.cell.states for layer in self._stack]

    def forward(
        self, x: torch.Tensor, generator: Optional[torch.Generator] = None, states: Optional[States] = None
    ) -> tuple[torch.Tensor, States]:
        """Outputs and the states of every layer. generator: of the masks, on the device of ``x``."""
        states = self.initial(x.shape[1]) if states is None else states
        after: list[list[torch.Tensor]] = []
        for layer, before in zip(self._stack, states):
            weights = [self.dropped(weight, DROPOUT_WEIGHTS, generator) for weight in layer.weights]
            x, state = layer(x, weights, before)
            rate = DROPOUT_OUT if layer is self.layers[-1] else DROPOUT_BETWEEN
            x = self.dropped(x, rate, generator, x.shape[1:])
            after.append(state)
        return x, after

    def dropped(
        self,
        x: torch.Tensor,
        rate: float,
        generator: Optional[torch.Generator],
        shape: Optional[torch.Size] = None,
    ) -> torch.Tensor:
        """``x`` under a mask of its own shape, or of the one given; in evaluation mode ``x`` itself."""
        rate = rate * self.strength if self.training else 0.0
        return x * mask(x, rate, generator, shape) if rate and x.numel() else x

    @property
    def _stack(self) -> Iterable[Layer]:
        return cast("Iterable[Layer]", self.layers)


class LanguageModel(nn.Module):
    """The benchmark's network: words (t, b) -> logits (t, b, words), input and output embedding tied."""

    def __init__(self, arch: NASBenchNLPArchitecture, words: int = WORDS):
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(words, EMBEDDING))
        self.recurrent = RecurrentNet(arch)
        self.bias = nn.Parameter(torch.zeros(words))
        self.recurrent.reset()
        uniform(self.embedding, INIT_RANGE)

    def forward(self, words: torch.Tensor, states: Optional[States] = None) -> tuple[torch.Tensor, States]:
        """Logits and the states, which go into the next call."""
        x = F.embedding(words, self.embedding)
        x = self.recurrent.dropped(x, DROPOUT_IN, None, x.shape[1:])
        x, states = self.recurrent(x, states=states)
        return F.linear(x, self.embedding, self.bias), states


def uniform(parameter: torch.Tensor, bound: float, generator: Optional[torch.Generator] = None) -> None:
    """Fill with values from [-bound, bound).

    >>> weights = torch.empty(100)
    >>> uniform(weights, 0.5, torch.Generator().manual_seed(0))
    >>> bool(weights.abs().max() <= 0.5)
    True
    """
    with torch.no_grad():
        parameter.uniform_(-bound, bound, generator=generator)


def mask(
    like: torch.Tensor, rate: float, generator: Optional[torch.Generator], shape: Optional[torch.Size] = None
) -> torch.Tensor:
    """0 with probability ``rate``, otherwise 1 / (1 - rate).

    >>> mask(torch.zeros(2), rate=0.0, generator=None)
    tensor([1., 1.])
    """
    drawn = like.new_empty(like.shape if shape is None else shape).bernoulli_(1 - rate, generator=generator)
    return drawn.div_(1 - rate)
