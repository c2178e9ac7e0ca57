"""Source code of a network: what its modules compute, written as classes that need nothing but PyTorch.

Every module that is not PyTorch's own is traced with its submodules as black boxes; equal modules share a
class. Python's control flow is resolved by running on shapes, so that the code holds for inputs of the size
that it was made with (and of any other for which the network does the same).
"""

from __future__ import annotations

import inspect
import operator
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from ...errors import GenNASError
from ...proxy.layers import DropPath, Subsampled, shared_relu

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_DEFAULTS = (  # what torch.fx spells out
    "inplace=False", "stride=None", "padding=0", "dilation=1", "ceil_mode=False", "return_indices=False",
)  # fmt: skip
_NUMBERED = r"""getattr\((self[\w.\[\]'"]*), "(\d+)"\)"""
_OURS = {shared_relu: F.relu}  # functions of this package: PyTorch's that does the same with the first argument
_WIDTH = 90
_SUBSAMPLED = '''"""Cuts out the pixels that a 1x1 convolution with a stride looks at, then convolves with stride 1.

With fewer than 16 inputs PyTorch's own backward pass writes outside its memory on some CPUs.
"""

def forward(self, x):
    rows, columns = self.stride
    return F.conv2d(x[:, :, ::rows, ::columns], self.weight, self.bias)'''


_DROP_PATH = '''"""Drops all of an example's map with probability p in training; scales what is left by 1 / (1 - p)."""

def forward(self, x):
    return x * F.dropout(torch.ones_like(x[:, :1, :1, :1]), self.p, self.training)'''
_REWRITTEN: dict[type, str] = {Subsampled: _SUBSAMPLED, DropPath: _DROP_PATH}  # layer of this package -> its code


class CodeError(GenNASError):
    """A network that cannot be written as code of its own."""


def source_of(network: nn.Module, example: torch.Tensor) -> str:
    """Classes that rebuild ``network``; the last one is ``Network``, made without arguments.

    The names in the state dict are the same. ``example``: a batch of inputs. Raises CodeError for networks
    with parameters outside PyTorch's own layers, or whose path depends on values.

    >>> class Halved(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(3, 8, 1, bias=False)
    ...
    ...     def forward(self, x):
    ...         return self.conv(F.avg_pool2d(x, 2))
    >>> print(source_of(Halved(), torch.zeros(1, 3, 4, 4)))
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1, bias=False)
    <BLANKLINE>
        def forward(self, x):
            avg_pool2d = F.avg_pool2d(x, 2)
            conv = self.conv(avg_pool2d)
            return conv
    """
    classes = _Classes(_observe(network, example))
    classes.name_of(network, "Network")
    return "\n\n\n".join(classes.code)


Arguments = tuple[Any, ...]
Calls = dict[nn.Module, list[tuple[Arguments, Any]]]  # (arguments, result) of every call of a module, in order


def _observe(network: nn.Module, example: torch.Tensor) -> Calls:
    calls: Calls = defaultdict(list)

    def note(module: nn.Module, arguments: Arguments, result: Any) -> None:
        calls[module].append((arguments, result))

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


class _Classes:
    """The classes written so far; those that are used come before those that use them."""

    def __init__(self, calls: Calls):
        self.calls = calls
        self.code: list[str] = []
        self._names: dict[str, str] = {}  # body -> class name

    def name_of(self, module: nn.Module, wanted: str | None = None) -> str:
        return self._written(type(module).__name__, "nn.Module", self._body(module), wanted)

    def _written(self, kind: str, base: str, body: str, wanted: str | None = None) -> str:
        """The name of the class of that body, which is written now if it was not before."""
        if body not in self._names:
            taken = set(self._names.values()) | {"Network"}
            names = [kind, *(f"{kind}{number}" for number in range(2, len(taken) + 3))]
            name = wanted or next(name for name in names if name not in taken)
            self._names[body] = name
            self.code.append(f"class {name}({base}):\n{textwrap.indent(body, '    ')}")
        return self._names[body]

    def _body(self, module: nn.Module) -> str:
        own = [*module._parameters, *module._buffers]
        if own:
            raise CodeError(f"{type(module).__name__} holds {own[0]} itself, outside PyTorch's own layers")
        children = [f"self.{name} = {self._expression(child)}" for name, child in module.named_children()]
        lines = ["super().__init__()", *children]
        initialiser = "def __init__(self):\n" + textwrap.indent("\n".join(lines), "    ")
        return f"{initialiser}\n\n{_forward(module, self.calls)}"

    def _expression(self, module: nn.Module) -> str:
        if isinstance(module, _CONTAINERS):
            return self._container(module)
        layer = _layer_class(module)
        if layer is nn.Module:
            return f"{self.name_of(module)}()"
        name = f"nn.{layer.__name__}"
        if type(module) in _REWRITTEN:
            name = self._written(type(module).__name__, name, _REWRITTEN[type(module)])
        return f"{name}({_arguments(module, layer)})"

    def _container(self, module: nn.Module) -> str:
        children = dict(module.named_children())
        parts = [self._expression(child) for child in children.values()]
        kind = next(kind for kind in _CONTAINERS if isinstance(module, kind))
        if kind is nn.ModuleDict:
            parts = [f"{name!r}: {part}" for name, part in zip(children, parts)]
        if len(parts) > 1 and len(set(parts)) == 1:
            inside = f"[{parts[0]} for _ in range({len(parts)})]"
            return f"nn.{kind.__name__}({'*' if kind is nn.Sequential else ''}{inside})"
        inside = ", ".join(parts)
        if len(inside) > _WIDTH:
            inside = "\n" + textwrap.indent(",\n".join(parts), "    ") + ",\n"
        opening, closing = {nn.Sequential: ("", ""), nn.ModuleList: ("[", "]"), nn.ModuleDict: ("{", "}")}[kind]
        return f"nn.{kind.__name__}({opening}{inside}{closing})"


def _layer_class(module: nn.Module) -> type:
    """PyTorch's own layer that ``module`` is or extends; ``nn.Module`` if it is neither."""
    return next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn."))


def _arguments(module: nn.Module, kind: type) -> str:
    """What one of PyTorch's own layers, or a layer that extends it, is made with."""
    arguments = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("device", "dtype") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if isinstance(value, (torch.Tensor, type(None))) and isinstance(parameter.default, bool):
            value = value is not None  # bias
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if parameter.default is inspect.Parameter.empty:
            arguments.append(repr(value))
        elif value != parameter.default:
            arguments.append(f"{name}={value!r}")
    return ", ".join(arguments)


def _forward(module: nn.Module, calls: Calls) -> str:
    """The method ``forward`` of one module."""
    if module not in calls:
        return "# Never called itself: it holds parameters."
    try:
        graph = _ShapeTracer(module, calls).trace(module)
    except (fx.proxy.TraceError, TypeError, NameError, NotImplementedError) as error:
        raise CodeError(f"{type(module).__name__} cannot be traced: {error}") from error
    for node in reversed(graph.nodes):
        node.type = None
        if not node.users and node.op.startswith("call") and not isinstance(node.meta["value"], torch.Tensor):
            graph.erase_node(node)  # a question about shapes, answered
    return _tidy(graph.python_code("self").src, module)


def _tidy(code: str, module: nn.Module) -> str:
    """What torch.fx writes, as a person would."""

    def item(match: re.Match[str]) -> str:
        """``getattr(self.cells, "0")`` as ``self.cells[0]``."""
        owner, name = match.groups()
        place = module.get_submodule(re.sub(r"\[[\"']?(\w+)[\"']?\]", r".\1", owner)[len("self.") :])
        return f"{owner}[{name!r}]" if isinstance(place, nn.ModuleDict) else f"{owner}[{name}]"

    code = re.sub(r";  \w+( = \w+)* = None", "", code)  # frees memory early
    while re.search(_NUMBERED, code):  # nested ones from the inside out
        code = re.sub(_NUMBERED, item, code)
    for long, short in (("torch.nn.functional.", "F."), ("torch._C._nn.", "F."), ("torch.functional.", "torch.")):
        code = code.replace(long, short)
    code = re.sub(r"(?<![.\w])device\(", "torch.device(", code)
    code = re.sub(r"([(,] ?)(\w+) = ", r"\1\2=", code)
    code = re.sub(rf", (?:{'|'.join(_DEFAULTS)})(?=[,)])", "", code)
    code = re.sub(r"def forward\((.*?)\)(?: -> .*)?:", r"def forward(\1):", code)
    return "\n".join(line.rstrip() for line in code.strip().splitlines())


class _Valued(fx.Proxy):
    """Knows what it stands for, where Python needs a number."""

    def __len__(self) -> int:
        return len(self.node.meta["value"])

    def __index__(self) -> int:
        return operator.index(self.node.meta["value"])


class _ShapeTracer(fx.Tracer):
    """Traces one module, its children as black boxes, answering Python's questions by computing along."""

    def __init__(self, module: nn.Module, calls: Calls):
        super().__init__()
        self._arguments = iter(calls[module][0][0])
        self._results = {id(child): (result for _, result in made) for child, made in calls.items()}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def create_proxy(
        self, kind: str, target: Any, args: Arguments, kwargs: dict[str, Any], *more: Any, **named: Any
    ) -> fx.Proxy:
        if target in _OURS:
            target, args = _OURS[target], args[:1]
        proxy = super().create_proxy(kind, target, args, kwargs, *more, **named)
        node = proxy.node
        if kind != "output":
            values = fx.node.map_arg((node.args, node.kwargs), lambda n: n.meta["value"])
            with torch.no_grad():
                node.meta["value"] = self._compute(kind, target, *values)
        return proxy

    def _compute(self, kind: str, target: Any, args: Arguments, kwargs: dict[str, Any]) -> Any:
        if kind == "placeholder":
            return next(self._arguments)
        if kind == "call_module":
            return next(self._results[id(self.root.get_submodule(target))])
        if kind == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        if kind == "call_function":
            return target(*args, **kwargs)
        raise CodeError(f"{type(self.root).__name__} reads its attribute {target} as a tensor")

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Valued(node, self)

    def to_bool(self, obj: fx.Proxy) -> bool:
        return bool(obj.node.meta["value"])

    def iter(self, obj: fx.Proxy) -> Iterator[fx.Proxy]:
        count = len(obj.node.meta["value"])
        return iter([self.create_proxy("call_function", operator.getitem, (obj, i), {}) for i in range(count)])
