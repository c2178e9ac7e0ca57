"""Stages of any network: three of its feature maps, found by running it once.

The rule is the paper's (facts of its networks): the last feature map of each resolution, of the last three
resolutions. A network of one resolution, as most transformers are, gives the maps at one third, two thirds
and the end, as the paper reads its cell networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import nn

from ..errors import ModelError
from ..registry import unknown
from .layers import own_randomness
from .taps import PROBE_BATCH, Tap, check_model, probe_images, reason, skeleton, tensor_of, title
from .tasks import STAGES

STEP = 2  # the largest step between the resolutions of two stages that is not a gap


@dataclass(frozen=True)
class _Call:
    """A submodule that has run: its place in the module tree and the feature map that it returned."""

    tap: Tap
    depth: int
    module: type
    weighted: bool  # has parameters
    pooled: bool  # everything from here on sees one pixel only
    handed_on: bool  # returns what the call before returned

    @property
    def size(self) -> int:
        return self.tap.height * self.tap.width


def find_stages(network: nn.Module, size: int, names: Optional[Sequence[str]] = None) -> tuple[Tap, ...]:
    """The three stages of ``network`` for images of ``size`` pixels a side; it is not changed.

    names: three submodules whose outputs to use instead, in any order. Raises ModelError, one sentence, if the
    network does not run on such images or has no three usable feature maps.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1))
    >>> [str(tap) for tap in find_stages(network, 32)]
    ['0 (4x16x16)', '1 (8x8x8)', '2 (8x4x4)']
    """
    check_model(network)
    if names is not None:
        _check_names(network, names)
    calls = _probe(skeleton(network), size)
    if names is not None:
        return _named(network, names, calls)
    declared = _declared(network, calls)
    taps = declared or _last_of_each_resolution(calls) or _thirds(calls)
    if taps is None:
        found = ", ".join(dict.fromkeys(f"{c.tap.height}x{c.tap.width}" for c in calls)) or "none"
        raise ModelError(
            f"{title(network)} has no {STAGES} usable feature maps at {size} x {size} pixels (resolutions found: "
            f"{found}{_hint(network, calls)}); name {STAGES} submodules as its stages"
        )
    return taps


class _Probe:
    """Hooks of a network that note what its submodules return, in order of completion."""

    def __init__(self, network: nn.Module):
        self.network, self.grids = network, _grids(network)
        self.names = {module: name for name, module in network.named_modules()}
        self.running: list[str] = []
        self.calls: list[_Call] = []
        self._last: Optional[torch.Tensor] = None  # what the call before returned
        for module in network.modules():
            module.register_forward_pre_hook(self._before)
            module.register_forward_hook(self._after)

    def _before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.running.append(self.names[module])

    def _after(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        name, value = self.running.pop(), tensor_of(output)
        tap = _as_tap(name, value, self.grids) if name else None  # the network itself is no stage
        if tap is None or value is None:
            return
        weighted = any(True for _ in module.parameters())
        pooled = tap.height * tap.width == 1 and (
            (bool(self.calls) and self.calls[-1].pooled) or (not weighted and _pools(module, inputs, self.grids))
        )
        self.calls.append(_Call(tap, name.count(".") + 1, type(module), weighted, pooled, value is self._last))
        self._last = value
        if not bool(torch.isfinite(value).all()):
            raise ModelError(f"the part {name} of {title(self.network)} gives values that are not finite")


def _probe(network: nn.Module, size: int) -> list[_Call]:
    """What every submodule of ``network``, which may change, returns, in order of completion."""
    probe = _Probe(network)
    with torch.no_grad(), own_randomness(0, torch.device("cpu")):
        try:
            network.train()(probe_images(network, size))
        except ModelError:
            raise
        except Exception as error:
            if _last_of_each_resolution(probe.calls) is None:
                raise ModelError(_failure(network, size, probe.running, error)) from error
    return probe.calls


def _last_of_each_resolution(calls: Sequence[_Call]) -> Optional[tuple[Tap, ...]]:
    """The last three resolutions, looked for from the outermost submodules inwards, without a gap if possible."""
    first = None
    for depth in range(1, 1 + max((call.depth for call in calls), default=0)):
        chain = _falling(calls, depth)[-STAGES:]
        if len(chain) == STAGES:
            taps = tuple(call.tap for call in chain)
            first = first or taps
            if all(-(-a.tap.height // STEP) <= b.tap.height for a, b in zip(chain, chain[1:])):
                return taps
    return first


def _falling(calls: Sequence[_Call], depth: int) -> list[_Call]:
    """Of each resolution the last map, unless a map as large or larger follows; of a container's and its last
    part's map the part's."""
    chain: list[_Call] = []
    part = False
    for call in reversed(calls):
        if call.pooled or call.depth > depth:
            part = False
        elif not chain or call.size > chain[0].size:
            chain.insert(0, call)
            part = call.handed_on
        elif part:
            chain[0], part = call, call.handed_on
    return chain


def _thirds(calls: Sequence[_Call]) -> Optional[tuple[Tap, ...]]:
    """At one third, two thirds and the end of the outermost row of equal blocks with maps of the last resolution."""
    live = [call for call in calls if call.weighted and not call.pooled]
    rows: dict[tuple[int, str, type], dict[str, _Call]] = {}
    for call in live:
        if (call.tap.height, call.tap.width) == (live[-1].tap.height, live[-1].tap.width):
            parent = call.tap.name.rpartition(".")[0]
            rows.setdefault((call.depth, parent, call.module), {})[call.tap.name] = call
    for _, row in sorted(rows.items(), key=lambda item: item[0][0]):
        if len(row) >= STAGES:
            blocks = list(row.values())
            return tuple(blocks[-(-len(blocks) * (i + 1) // STAGES) - 1].tap for i in range(STAGES))
    return None


def _declared(network: nn.Module, calls: Sequence[_Call]) -> Optional[tuple[Tap, ...]]:
    """The last three resolutions of timm's ``feature_info``, where the model has one."""
    taps = {call.tap.name: call.tap for call in calls}
    info = getattr(network, "feature_info", None) or ()
    if not isinstance(info, (list, tuple)):
        info = getattr(info, "info", ())
    found = [taps[entry["module"]] for entry in info if isinstance(entry, dict) and entry.get("module") in taps]
    last = {(tap.height, tap.width): tap for tap in found}  # of each resolution the last
    chosen = sorted(last.values(), key=lambda tap: -tap.height * tap.width)[-STAGES:]
    return tuple(chosen) if len(chosen) == STAGES else None


def _named(network: nn.Module, names: Sequence[str], calls: Sequence[_Call]) -> tuple[Tap, ...]:
    taps = {call.tap.name: (place, call.tap) for place, call in enumerate(calls)}
    for name in names:
        if name not in taps:
            raise ModelError(f"the submodule {name} of {title(network)} returns no feature map (b, c, h, w)")
    return tuple(tap for _, tap in sorted((taps[name] for name in names), key=lambda found: found[0]))


def _check_names(network: nn.Module, names: Sequence[str]) -> None:
    if isinstance(names, str) or len(set(names)) != STAGES or len(names) != STAGES:
        raise ModelError(f"name {STAGES} different submodules as stages, got {names!r}")
    there = [name for name, _ in network.named_modules() if name]
    for name in names:
        if name not in there:
            shown = [other for other in there if other.count(".") <= name.count(".")]
            raise ModelError(f"{title(network)}: {unknown('submodule', name, shown)}")


def _as_tap(name: str, value: Optional[torch.Tensor], grids: Sequence[tuple[int, int]]) -> Optional[Tap]:
    """How to read what a submodule returned as a feature map; None if it is none."""
    if value is None or not value.is_floating_point() or len(value) != PROBE_BATCH:
        return None
    if value.dim() == 4:
        _, a, b, c = value.shape
        if a == b != c and c > 1:
            return Tap(name, c, a, b, "channels last")
        return Tap(name, a, b, c)
    if value.dim() == 3:
        for height, width in grids:
            prefix = value.shape[1] - height * width
            if 0 <= prefix <= max(1, height * width - 1):
                return Tap(name, value.shape[2], height, width, "tokens", prefix)
    return None


def _grids(network: nn.Module) -> list[tuple[int, int]]:
    """Patch grids (rows, columns) that the network declares: ``patch_grid`` of one's own modules,
    ``grid_size`` of timm's patch embedding, ``image_size`` and ``patch_size`` of torchvision's."""
    grids = []
    for module in network.modules():
        for name in ("patch_grid", "grid_size"):
            grid = getattr(module, name, None)
            if isinstance(grid, (tuple, list)) and len(grid) == 2 and all(isinstance(n, int) for n in grid):
                grids.append(tuple(grid))
        image, patch = getattr(module, "image_size", None), getattr(module, "patch_size", None)
        if isinstance(image, int) and isinstance(patch, int) and patch:
            grids.append((image // patch, image // patch))
    return [grid for grid in dict.fromkeys(grids) if grid[0] * grid[1] > 0]


def _pools(module: nn.Module, inputs: tuple[Any, ...], grids: Sequence[tuple[int, int]]) -> bool:
    """Whether ``module``, without parameters, averages a whole map away; a pool of a small kernel does not."""
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        kernel = module.kernel_size
        if max(kernel if isinstance(kernel, tuple) else (kernel,)) <= 3:
            return False
    tap = _as_tap("", tensor_of(inputs[0]), grids) if inputs else None
    return tap is not None and tap.height * tap.width > 1


def _failure(network: nn.Module, size: int, running: Sequence[str], error: Exception) -> str:
    part = running[-1] if running else ""
    where = f"its part {part}" if part else "its forward"
    module = network.get_submodule(part)
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        kind = type(module).__name__
        return f"{title(network)} expects integers, {where} being an {kind}; only networks of images can be scored"
    if isinstance(module, nn.Conv2d) and module.in_channels != 3 and "channels" in str(error):
        return f"{title(network)} does not take images of 3 channels: {where} has {module.in_channels} inputs"
    return (
        f"{title(network)} does not run on images of {size} x {size} pixels: {where} ({type(module).__name__}) "
        f"says {reason(error)!r}; if it accepts one size only, name that as the input size"
    )


def _hint(network: nn.Module, calls: Sequence[_Call]) -> str:
    if calls and any(call.tap.layout == "tokens" for call in calls):
        return ""
    if any(isinstance(module, (nn.MultiheadAttention, nn.LayerNorm)) for module in network.modules()):
        return "; token sequences can be used where the model has an attribute patch_grid = (rows, columns)"
    return ""
