"""What the networks of a space compute, whatever they are: the part of the checks that knows the kinds of networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional, Protocol, runtime_checkable

import torch
from torch import nn

from ..proxy.fidelity import Fidelity
from ..proxy.layers import own_randomness, uninitialised
from ..proxy.parameters import initialise
from ..proxy.rnn import RNNFidelity
from ..spaces import SearchSpace
from .suite import Inapplicable

CONVOLUTIONAL, RECURRENT = "cnn", "rnn"


@runtime_checkable
class Backbone(Protocol):
    """What a convolutional network has beside a forward: the widths of its stages."""

    channels: Sequence[int]


@runtime_checkable
class RecurrentBackbone(Protocol):
    """What a recurrent network has beside a forward: the width of inputs and outputs, and its initialisation."""

    embedding: int

    def reset(self, generator: Optional[torch.Generator] = None) -> None: ...


FIDELITIES = tuple(
    Fidelity.model_validate({"cells": cells, "channels": channels, "input_size": size, "batch_size": batch})
    for cells, channels, size, batch in ((1, 8, 8, 2), (1, 16, 16, 2), (2, 12, 16, 3))
)
"""At which convolutional networks are built."""
RNN_FIDELITIES = tuple(
    RNNFidelity.model_validate(
        {"embedding": embedding, "hidden": hidden, "layers": layers, "length": 4, "batch_size": 2, "recurrent": learns}
    )
    for embedding, hidden, layers, learns in ((6, 5, 2, "trained"), (4, 7, 3, "frozen"), (5, 5, 1, "trained"))
)
"""At which recurrent networks are built."""
WIDTHS = (12, 60)
"""Of networks whose functions are compared. 60 channels divide evenly among up to six branches; 12 are faster."""
UNITS = 4
"""Of recurrent networks whose functions are compared."""


def same_function(space: SearchSpace, first: Any, second: Any) -> bool:
    """Whether the networks of two architectures compute the same, up to the numbering of their parts.

    >>> from naslib_gennas.spaces import load_space
    >>> space = load_space("nasbench201")
    >>> same_function(space, space.parse("5"), space.parse("6"))
    False
    """
    if first == second:
        return True
    widths = WIDTHS if space.kind == CONVOLUTIONAL else (UNITS,)
    return any(
        torch.allclose(
            function_values(space, first, width), function_values(space, second, width), rtol=1e-6, atol=1e-9
        )
        for width in widths
    )


def function_values(space: SearchSpace, arch: Any, width: int) -> torch.Tensor:
    """What the network of ``arch`` computes when its weights do not tell channels (or units) apart, in one vector.

    Networks that differ only in the numbering of their parts agree in it, where ``width`` channels divide evenly
    among their branches. Networks with weights of their own are taken with those that seed 0 gives them.
    """
    if space.kind == CONVOLUTIONAL:
        return _stage_values(space, arch, width)
    if space.kind == RECURRENT:
        return _sequence_values(space, arch, width)
    raise Inapplicable(f"it is unknown how networks of the kind {space.kind!r} are run")


def _stage_values(space: SearchSpace, arch: Any, channels: int) -> torch.Tensor:
    """All stages' pixels, each stage averaged over its channels and of unit length."""
    sizes = {"cells": 1, "channels": channels, "input_size": 8, "batch_size": 2}
    backbone = built(space, arch, Fidelity.model_validate(sizes))
    backbone.double().eval()
    with torch.no_grad():
        for parameter in () if space.own_weights else backbone.parameters():
            parameter.copy_(_pattern(parameter))
        image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        stages = [stage.mean(dim=1) for stage in backbone(image)]
    return torch.cat([(stage / (stage.norm() + 1e-12)).flatten() for stage in stages])


def _pattern(parameter: torch.Tensor) -> torch.Tensor:
    """Values that depend on the place in the kernel only, scaled by the fan-in."""
    if parameter.dim() < 2:
        return torch.full_like(parameter, 0.5)
    kernel = torch.cos(1.0 + torch.arange(math.prod(parameter.shape[2:]), dtype=parameter.dtype))
    return (kernel.view(1, 1, *parameter.shape[2:]) * (2 / parameter[0].numel())).expand_as(parameter)


def _sequence_values(space: SearchSpace, arch: Any, units: int) -> torch.Tensor:
    """Outputs for a random sequence, of unit length; all weights are equal, and so are all biases."""
    sizes = {"embedding": units, "hidden": units, "layers": 2, "length": 4, "batch_size": 2}
    network = built(space, arch, RNNFidelity.model_validate(sizes)).double().eval()
    with torch.no_grad():
        for parameter in () if space.own_weights else network.parameters():
            parameter.fill_(0.1 if parameter.dim() < 2 else 0.8 / units)
        inputs = torch.randn(4, 2, units, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        outputs: torch.Tensor = network(inputs, None)[0]
        values: torch.Tensor = outputs / (outputs.norm() + 1e-12)
    return values.flatten()


def built(space: SearchSpace, arch: Any, fidelity: Any) -> nn.Module:
    """The network for scores, with first values drawn from seed 0; ``fidelity`` is of the space's kind."""
    if space.own_weights:
        with own_randomness(0, torch.device("cpu")):
            return space.build(arch, fidelity)
    with uninitialised():
        network = space.build(arch, fidelity)
    generator = torch.Generator().manual_seed(0)
    if space.kind == CONVOLUTIONAL:
        initialise(network, generator)
        return network
    network = network.to_empty(device="cpu")
    assert isinstance(network, RecurrentBackbone), f"the network of {arch} has no `embedding` or no `reset`"
    network.reset(generator)
    return network


def check_stages(space: SearchSpace, arch: Any, fidelity: Fidelity) -> None:
    """Stages of the declared sizes and widths, finite values, finite gradients."""
    backbone = built(space, arch, fidelity).train()
    assert isinstance(backbone, Backbone), f"the network of {arch} has no `channels`"
    size, batch = fidelity.input_size, fidelity.batch_size
    stages = list(backbone(torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))))
    widths = list(backbone.channels)
    assert [stage.shape[:2] for stage in stages] == [(batch, width) for width in widths], f"widths of {arch}"
    if not space.own_weights:  # there the stages are wherever the network has them
        sides = [-(-size // stride) for stride in space.stage_strides(arch)]
        assert [tuple(stage.shape[2:]) for stage in stages] == [(side, side) for side in sides], (
            f"stages of {arch} at {fidelity} are of shape {[tuple(stage.shape) for stage in stages]}, "
            f"their sides should be {sides}"
        )
    check_gradients(backbone, stages, f"the network of {arch}")


def check_sequences(space: SearchSpace, arch: Any, fidelity: RNNFidelity) -> None:
    """Outputs of the declared width, finite values, finite gradients; without and with dropout."""
    network = built(space, arch, fidelity).train()
    assert isinstance(network, RecurrentBackbone), f"the network of {arch} has no `embedding` or no `reset`"
    width = network.embedding
    assert width == fidelity.embedding, f"the network of {arch} is {width} wide, not {fidelity.embedding}"
    shape = fidelity.length, fidelity.batch_size, width
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    first, again = (network(inputs, torch.Generator().manual_seed(2))[0] for _ in range(2))
    assert tuple(first.shape) == shape, f"outputs of {arch} are of shape {tuple(first.shape)}, expected {shape}"
    assert torch.equal(first, again), f"the dropout of {arch} does not draw from the generator"
    check_gradients(network, [first], f"the network of {arch}")


def check_gradients(network: nn.Module, outputs: list[torch.Tensor], what: str) -> None:
    """Finite values, and a finite gradient for every parameter that is trained."""
    assert all(torch.isfinite(output).all() for output in outputs), f"{what} gives values that are not finite"
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad and p.numel()}
    if not any(output.requires_grad for output in outputs):
        return  # a network without live parameters
    total = torch.stack([output.square().mean() for output in outputs]).sum()
    found = torch.autograd.grad(total, list(trained.values()), allow_unused=True)
    without = [name for name, gradient in zip(trained, found) if gradient is None]
    assert not without, f"{what} has parameters without gradient: {without[:3]}"
    assert all(g is None or torch.isfinite(g).all() for g in found), f"{what} has gradients that are not finite"


def check_logits(space: SearchSpace, arch: Any, classes: int) -> None:
    """The full-size network classifies images, or words; without storage unless it has weights of its own."""
    if space.own_weights:
        with own_randomness(0, torch.device("cpu")):
            network = space.build_network(arch, classes)
        logits = network.eval()(torch.zeros(2, 3, 64, 64))
        assert logits.shape[0] == 2 and logits.dim() == 2, f"logits of shape {tuple(logits.shape)}, expected (2, n)"
        return
    with uninitialised():
        network = space.build_network(arch, classes)
        assert isinstance(network, nn.Module) and next(network.parameters(), None) is not None, "no parameters"
        if space.kind == RECURRENT:
            shape = tuple(network.eval()(torch.zeros(3, 2, dtype=torch.int64))[0].shape)
        else:
            shape = tuple(network.eval()(torch.empty(2, 3, 64, 64)).shape)
    expected = (3, 2, classes) if space.kind == RECURRENT else (2, classes)
    assert shape == expected, f"logits of shape {shape}, expected {expected}"
