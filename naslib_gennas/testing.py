"""Conformance checks for search spaces, ours and third parties'.

    from naslib_gennas.testing import check_space
    check_space("my_space")

or one test for each of ``SPACE_CHECKS``. A check returns None, or raises AssertionError with what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from .errors import ArchitectureError
from .proxy.fidelity import Fidelity
from .proxy.layers import uninitialised
from .proxy.parameters import initialise
from .spaces import SearchSpace, load_space

FIDELITIES = (
    Fidelity(cells=1, channels=8, input_size=8, batch_size=2),
    Fidelity(cells=1, channels=16, input_size=16, batch_size=2),
    Fidelity(cells=2, channels=12, input_size=16, batch_size=3),
)
"""At which networks are built."""
NO_ARCHITECTURES = ("", "nonsense", "[]", "{}", "null", "[1, 2", "((((", "-1", "|none~0|", "\x00")
"""Texts that no space should understand."""
WIDTHS = (12, 60)
"""Of networks whose functions are compared. 60 channels divide evenly among up to six branches; 12 are faster."""

SPACE_CHECKS: list[Callable[[SearchSpace, int], None]] = []
"""Every check; called with the space and a seed."""


def check_space(space: str | SearchSpace, seed: int = 0) -> None:
    """All checks of ``space`` in turn; the first that fails raises AssertionError."""
    space = load_space(space)
    for check in SPACE_CHECKS:
        check(space, seed)


def has_feature_maps(space: SearchSpace) -> bool:
    """Whether the checks of backbones apply: convolutional networks that are built without weights."""
    return space.kind == "cnn" and not space.own_weights


def samples(space: SearchSpace, count: int, seed: int) -> list[Any]:
    """Architectures of ``space``, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def same_function(space: SearchSpace, first: Any, second: Any) -> bool:
    """Whether the networks of two architectures compute the same, up to the numbering of their channels."""
    return first == second or any(
        torch.allclose(*(function_values(space, arch, width) for arch in (first, second)), rtol=1e-6, atol=1e-9)
        for width in WIDTHS
    )


def function_values(space: SearchSpace, arch: Any, channels: int) -> torch.Tensor:
    """What the network of ``arch`` computes when its weights do not tell channels apart.

    Networks that differ only in the numbering of their parts agree in it, where ``channels`` divide evenly
    among their branches. All stages' pixels in one vector, each stage averaged over its channels and of
    unit length.
    """
    with uninitialised():
        backbone = space.build(arch, Fidelity(cells=1, channels=channels, input_size=8, batch_size=2))
    initialise(backbone, torch.Generator().manual_seed(0))
    backbone.double().eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
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


def _space_check(function: Callable[[SearchSpace, int], None]) -> Callable[[SearchSpace, int], None]:
    SPACE_CHECKS.append(function)
    return function


@_space_check
def check_description(space: SearchSpace, seed: int) -> None:
    """Name, description and the paper's proxy size are declared."""
    assert load_space(space.name).name == space.name, "the name is not the registered one"
    assert space.description, "the description is empty"
    if has_feature_maps(space):
        assert len(space.strides) == 3, f"strides of three stages expected, got {space.strides}"


@_space_check
def check_text(space: SearchSpace, seed: int) -> None:
    """``parse`` and ``str`` are inverse; architectures compare and hash by what they are."""
    for arch in samples(space, 20, seed):
        twin = space.parse(str(arch))
        assert twin == arch and hash(twin) == hash(arch), f"parsing {arch} gives another architecture, {twin}"
        assert space.parse(f"  {arch}\n") == arch, "white space around the text matters"
        assert twin != str(arch) and twin is not None


@_space_check
def check_refusals(space: SearchSpace, seed: int) -> None:
    """Texts that are no architecture raise ArchitectureError, with a sentence naming the space."""
    for text in NO_ARCHITECTURES:
        with pytest.raises(ArchitectureError) as caught:
            space.parse(text)
        assert space.name in str(caught.value), f"the error of {text!r} does not name {space.name}: {caught.value}"


@_space_check
def check_sampling(space: SearchSpace, seed: int) -> None:
    """The generator alone decides the samples, and they vary."""
    first = samples(space, 20, seed)
    assert first == samples(space, 20, seed), "the same generator state gives other samples"
    assert len({space.canonical(arch) for arch in first}) > 10, "samples hardly vary"


@_space_check
def check_canonical_form(space: SearchSpace, seed: int) -> None:
    """One representative for each class, and it is a member of its own class; likewise for scores."""
    for arch in samples(space, 20, seed):
        representative, reduced = space.representative(arch), space.reduced(arch)
        key = space.canonical(arch)
        assert isinstance(key, str), f"a canonical form is text, got {type(key).__name__}"
        assert space.canonical(representative) == key, f"{representative} stands for {arch} but has another key"
        assert space.representative(representative) == representative, f"{representative} is not its own representative"
        assert space.score_key(reduced) == space.score_key(arch), f"{reduced} is built for {arch} but scored apart"
        assert space.score_key(representative) == space.score_key(arch), f"{arch} and {representative} are scored apart"


@_space_check
def check_mutation(space: SearchSpace, seed: int) -> None:
    """A child is valid, another architecture than its parent, and decided by the generator alone."""
    parents = samples(space, 10, seed)
    for parent in parents:
        text = str(parent)
        child = space.mutate(parent, np.random.default_rng(seed))
        assert child == space.mutate(parent, np.random.default_rng(seed)), "mutation is not reproducible"
        assert child != parent, f"the mutation of {parent} changed nothing"
        assert space.parse(str(child)) == child, f"the mutation of {parent} is not valid: {child}"
        assert str(parent) == text, "mutation changed the parent"


@_space_check
def check_backbone(space: SearchSpace, seed: int) -> None:
    """At several fidelities: stages of the declared sizes and widths, finite values, finite gradients."""
    if not has_feature_maps(space):
        return
    for arch, fidelity in zip(samples(space, len(FIDELITIES), seed), FIDELITIES):
        _check_stages(space, arch, fidelity)


def _check_stages(space: SearchSpace, arch: Any, fidelity: Fidelity) -> None:
    with uninitialised():
        backbone = space.build(space.reduced(arch), fidelity)
    flat = initialise(backbone, torch.Generator().manual_seed(0))
    size, batch = fidelity.input_size, fidelity.batch_size
    stages = backbone.train()(torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1)))
    sides = [-(-size // stride) for stride in space.stage_strides(arch)]
    expected = [(batch, width, side, side) for width, side in zip(backbone.channels, sides)]
    assert [tuple(stage.shape) for stage in stages] == expected, f"stages of {arch} at {fidelity}"
    assert all(torch.isfinite(stage).all() for stage in stages), f"{arch} gives values that are not finite"
    if not any(stage.requires_grad for stage in stages):
        return  # a network without live parameters
    sum(stage.square().mean() for stage in stages).backward()
    assert torch.isfinite(flat.gradients).all(), f"{arch} has gradients that are not finite"
    without = [name for name, p in backbone.named_parameters() if p.grad is None]
    assert not without, f"{arch} has parameters without gradient: {without[:3]}"


@_space_check
def check_relabelling_keeps_the_function(space: SearchSpace, seed: int) -> None:
    """An architecture, its representative and what is built for its score compute the same function."""
    if not has_feature_maps(space):
        return
    for arch in samples(space, 3, seed):
        for other in (space.representative(arch), space.reduced(arch)):
            assert same_function(space, arch, other), f"{other} is not the same network as {arch}"


@_space_check
def check_different_networks_have_different_keys(space: SearchSpace, seed: int) -> None:
    """Architectures that compute different functions have different canonical forms and score keys."""
    if not has_feature_maps(space):
        return
    rng = np.random.default_rng(seed)
    for arch in samples(space, 2, seed):
        child = space.mutate(arch, rng)
        for key in (space.canonical, space.score_key):
            differ = key(child) != key(arch)
            assert differ or same_function(space, arch, child), f"{arch} and {child} differ but share a key"


@_space_check
def check_network(space: SearchSpace, seed: int) -> None:
    """The full-size network exists and classifies; checked without storage."""
    if not has_feature_maps(space):
        return
    with uninitialised():
        network = space.build_network(samples(space, 1, seed)[0], classes=7)
        logits = network.eval()(torch.empty(2, 3, 64, 64))
    assert tuple(logits.shape) == (2, 7), f"logits of shape {tuple(logits.shape)}, expected (2, 7)"
    assert isinstance(network, nn.Module) and next(network.parameters(), None) is not None
