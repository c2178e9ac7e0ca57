"""Stages of any network: three of its feature maps, found by running it once.

The rule is the paper's (facts of its networks): the last feature map of each resolution, of the last three
resolutions. A network of one resolution, as most transformers are, gives the maps at one third, two thirds
and the end, as the paper reads its cell networks.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

import torch
from torch import nn

from ..errors import ModelError
from ..registry import unknown
from .layers import own_randomness

COUNT = 3  # stages of a proxy task
PROBE_BATCH = 2
STEP = 2  # the largest step between the resolutions of two stages that is not a gap


@dataclass(frozen=True)
class Tap:
    """One stage: the output of the submodule ``name``, which becomes (b, channels, height, width).

    ``layout``: ``channels first``, ``channels last`` or ``tokens``, (b, prefix + height * width, channels).
    """

    name: str
    channels: int
    height: int
    width: int
    layout: str = "channels first"
    prefix: int = 0

    def __str__(self) -> str:
        return f"{self.name} ({self.channels}x{self.height}x{self.width})"

    def read(self, output) -> torch.Tensor:
        """The feature map (b, channels, height, width) in what the submodule returned."""
        value = _tensor(output)
        if self.layout == "channels last":
            return value.permute(0, 3, 1, 2)
        if self.layout == "tokens":
            grid = value[:, self.prefix :].transpose(1, 2)
            return grid.reshape(len(value), self.channels, self.height, self.width)
        return value


class _Finished(Exception):
    """Ends a forward pass once the last stage has been read."""


class Tapped(nn.Module):
    """A network read at ``taps``: (b, 3, s, s) -> their feature maps; what lies behind the last is not run.

    ``channels``: widths of the feature maps. The network is used as it is; give :func:`skeleton` of one that
    must not change.
    """

    def __init__(self, network: nn.Module, taps: Sequence[Tap]):
        super().__init__()
        self.network, self.taps = network, tuple(taps)
        self.channels = tuple(tap.channels for tap in taps)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps: dict[str, torch.Tensor] = {}

        def keep(tap: Tap):
            def hook(module, inputs, output) -> None:
                maps[tap.name] = tap.read(output).clone()  # the network may go on in place
                if len(maps) == len(self.taps):
                    raise _Finished

            return hook

        hooks = [self.network.get_submodule(tap.name).register_forward_hook(keep(tap)) for tap in self.taps]
        try:
            with suppress(_Finished):
                self.network(x)
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(maps[tap.name] for tap in self.taps)


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


def skeleton(network: nn.Module) -> nn.Module:
    """The same network with modules and buffers of its own; values of parameters are shared, not copied.

    New values may be assigned to its parameters (as :func:`naslib_gennas.proxy.parameters.adopt` does), but the
    shared ones must not be changed in place.
    """
    shared = {
        id(p): nn.Parameter(p.detach(), requires_grad=p.requires_grad and p.is_floating_point())
        for p in network.parameters()
    }
    try:
        return copy.deepcopy(network, shared)
    except Exception as error:  # whatever a user's module does when copied
        raise ModelError(
            f"{_title(network)} cannot be copied ({_reason(error)}); give a function that returns a new one"
        ) from error


def find_stages(network: nn.Module, size: int, names: Optional[Sequence[str]] = None) -> tuple[Tap, ...]:
    """The three stages of ``network`` for images of ``size`` pixels a side; it is not changed.

    names: three submodules whose outputs to use instead, in any order. Raises ModelError, one sentence, if the
    network does not run on such images or has no three usable feature maps.
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
            f"{_title(network)} has no {COUNT} usable feature maps at {size} x {size} pixels (resolutions found: "
            f"{found}{_hint(network, calls)}); name {COUNT} submodules as its stages"
        )
    return taps


def check_model(network) -> None:
    """ModelError unless ``network`` is a module that images alone can be given to."""
    if not isinstance(network, nn.Module):
        raise ModelError(f"expected a torch.nn.Module, got {type(network).__name__}")
    if isinstance(network, torch.jit.ScriptModule):
        raise ModelError(f"{_title(network)} is a TorchScript module; give the Python module it was made from")
    for name, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ModelError(f"the parameter {name} of {_title(network)} has no shape yet; run the model once")
    needed = [
        p.name
        for p in inspect.signature(network.forward).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if len(needed) > 1:
        raise ModelError(
            f"the forward of {_title(network)} needs several inputs ({', '.join(needed)}); wrap it in a module "
            "whose forward takes the images only"
        )


def freeze_unused(tapped: Tapped, size: int) -> None:
    """Parameters on which no stage depends (a classifier, for instance) need no gradient."""
    probe = Tapped(skeleton(tapped.network), tapped.taps)
    loss = sum(stage.float().sum() for stage in probe.train()(probe_images(probe, size)))
    own = [(p, q) for p, q in zip(tapped.network.parameters(), probe.network.parameters()) if q.requires_grad]
    if not loss.requires_grad:
        return
    gradients = torch.autograd.grad(loss, [q for _, q in own], allow_unused=True)
    for (parameter, _), gradient in zip(own, gradients):
        parameter.requires_grad_(gradient is not None)


def probe_images(network: nn.Module, size: int) -> torch.Tensor:
    """Standard normal (2, 3, size, size) where the network is, and of its type; always the same."""
    images = torch.randn(PROBE_BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
    like = next((p for p in network.parameters() if p.is_floating_point()), images)
    return images.to(like.device, like.dtype)


def _probe(network: nn.Module, size: int) -> list[_Call]:
    """What every submodule of ``network``, which may change, returns, in order of completion."""
    calls: list[_Call] = []
    names = {module: name for name, module in network.named_modules()}
    running: list[str] = []
    grids = _grids(network)
    pooled, last = False, None

    def before(module, inputs) -> None:
        running.append(names[module])

    def after(module, inputs, output) -> None:
        nonlocal pooled, last
        name = running.pop()
        tap = _as_tap(name, output, grids) if name else None  # the network itself is no stage
        if tap is None:
            return
        weighted = any(True for _ in module.parameters())
        pooled = tap.height * tap.width == 1 and (pooled or (not weighted and _pools(module, inputs, grids)))
        handed_on = last is not None and last is _tensor(output)
        last = _tensor(output)
        calls.append(_Call(tap, name.count(".") + 1, type(module), weighted, pooled, handed_on))
        if not bool(torch.isfinite(last).all()):
            raise ModelError(f"the part {name} of {_title(network)} gives values that are not finite")

    for module in network.modules():
        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)
    with torch.no_grad(), own_randomness(0, torch.device("cpu")):
        try:
            network.train()(probe_images(network, size))
        except ModelError:
            raise
        except Exception as error:
            if _last_of_each_resolution(calls) is None:
                raise ModelError(_failure(network, size, running, error)) from error
    return calls


def _last_of_each_resolution(calls: Sequence[_Call]) -> Optional[tuple[Tap, ...]]:
    """The last three resolutions, looked for from the outermost submodules inwards, without a gap if possible."""
    first = None
    for depth in range(1, 1 + max((call.depth for call in calls), default=0)):
        chain = _falling(calls, depth)[-COUNT:]
        if len(chain) == COUNT:
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
    rows: dict[tuple, dict[str, _Call]] = {}
    for call in live:
        if (call.tap.height, call.tap.width) == (live[-1].tap.height, live[-1].tap.width):
            parent = call.tap.name.rpartition(".")[0]
            rows.setdefault((call.depth, parent, call.module), {})[call.tap.name] = call
    for _, row in sorted(rows.items(), key=lambda item: item[0][0]):
        if len(row) >= COUNT:
            blocks = list(row.values())
            return tuple(blocks[-(-len(blocks) * (i + 1) // COUNT) - 1].tap for i in range(COUNT))
    return None


def _declared(network: nn.Module, calls: Sequence[_Call]) -> Optional[tuple[Tap, ...]]:
    """The last three resolutions of timm's ``feature_info``, where the model has one."""
    taps = {call.tap.name: call.tap for call in calls}
    info = getattr(network, "feature_info", None) or ()
    if not isinstance(info, (list, tuple)):
        info = getattr(info, "info", ())
    found = [taps[entry["module"]] for entry in info if isinstance(entry, dict) and entry.get("module") in taps]
    last = {(tap.height, tap.width): tap for tap in found}  # of each resolution the last
    chosen = sorted(last.values(), key=lambda tap: -tap.height * tap.width)[-COUNT:]
    return tuple(chosen) if len(chosen) == COUNT else None


def _named(network: nn.Module, names: Sequence[str], calls: Sequence[_Call]) -> tuple[Tap, ...]:
    taps = {call.tap.name: (place, call.tap) for place, call in enumerate(calls)}
    for name in names:
        if name not in taps:
            raise ModelError(f"the submodule {name} of {_title(network)} returns no feature map (b, c, h, w)")
    return tuple(tap for _, tap in sorted((taps[name] for name in names), key=lambda found: found[0]))


def _check_names(network: nn.Module, names: Sequence[str]) -> None:
    if isinstance(names, str) or len(set(names)) != COUNT or len(names) != COUNT:
        raise ModelError(f"name {COUNT} different submodules as stages, got {names!r}")
    there = [name for name, _ in network.named_modules() if name]
    for name in names:
        if name not in there:
            shown = [other for other in there if other.count(".") <= name.count(".")]
            raise ModelError(f"{_title(network)}: {unknown('submodule', name, shown)}")


def _as_tap(name: str, output, grids: Sequence[tuple[int, int]]) -> Optional[Tap]:
    """How to read ``output`` as a feature map; None if it is none."""
    value = _tensor(output)
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


def _pools(module: nn.Module, inputs, grids) -> bool:
    """Whether ``module``, without parameters, averages a whole map away; a pool of a small kernel does not."""
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        kernel = module.kernel_size
        if max(kernel if isinstance(kernel, tuple) else (kernel,)) <= 3:
            return False
    tap = _as_tap("", inputs[0], grids) if inputs else None
    return tap is not None and tap.height * tap.width > 1


def _tensor(output) -> Optional[torch.Tensor]:
    """The tensor that a submodule returned, alone or first in a tuple; None for several feature maps."""
    if isinstance(output, (tuple, list)) and output:
        maps = [item for item in output if isinstance(item, torch.Tensor) and item.dim() == 4]
        return _tensor(output[0]) if len(maps) <= 1 else None
    return output if isinstance(output, torch.Tensor) else None


def _failure(network: nn.Module, size: int, running: Sequence[str], error: Exception) -> str:
    part = running[-1] if running else ""
    where = f"its part {part}" if part else "its forward"
    module = network.get_submodule(part)
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        kind = type(module).__name__
        return f"{_title(network)} expects integers, {where} being an {kind}; only networks of images can be scored"
    if isinstance(module, nn.Conv2d) and module.in_channels != 3 and "channels" in str(error):
        return f"{_title(network)} does not take images of 3 channels: {where} has {module.in_channels} inputs"
    return (
        f"{_title(network)} does not run on images of {size} x {size} pixels: {where} ({type(module).__name__}) "
        f"says {_reason(error)!r}; if it accepts one size only, name that as the input size"
    )


def _hint(network: nn.Module, calls: Sequence[_Call]) -> str:
    if calls and any(call.tap.layout == "tokens" for call in calls):
        return ""
    if any(isinstance(module, (nn.MultiheadAttention, nn.LayerNorm)) for module in network.modules()):
        return "; token sequences can be used where the model has an attribute patch_grid = (rows, columns)"
    return ""


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 160 else lines[0][:160] + "..."


def _title(network) -> str:
    return type(network).__name__
