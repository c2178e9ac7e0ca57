"""Every kind of convolution that the spaces build survives its backward pass, with every set of CPU instructions.

A kernel that writes outside its memory kills the interpreter, so the passes run in processes of their own: this file
is their program, too. What they print last is what they died of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import naslib_gennas
from naslib_gennas.commands.export.codegen import source_of
from naslib_gennas.proxy.layers import FactorizedReduce, Pointwise, SplitConv, Subsampled, conv
from naslib_gennas.proxy.parameters import initialise
from naslib_gennas.proxy.regression import Head
from naslib_gennas.scoring.measure import measure_module
from naslib_gennas.spaces.anynet.networks import Bottleneck, Double
from naslib_gennas.spaces.cells.networks import dense, depthwise, factored
from naslib_gennas.spaces.transnas.networks import BasicBlock

PASSES, BATCH, SIZE = 20, 2, 16
LARGE_PASSES, LARGE_BATCH, LARGE_SIZE = 5, 4, 128  # where AVX-512 fails, too
LIMIT = "ONEDNN_MAX_CPU_ISA"
ALL = "all that the machine has"
INSTRUCTIONS = ("AVX2", ALL) if "AVX512" in torch.backends.cpu.get_cpu_capability() else (ALL,)
MEASURES = ("params", "flops", "l2_norm", "snip", "fisher", "synflow", "grasp", "naswot")


def pointwise(channels: int) -> Iterator[tuple[str, nn.Module]]:
    yield "conv", conv(channels, 32)
    yield "Pointwise", Pointwise(channels, 32)
    yield "FactorizedReduce", FactorizedReduce(channels, 8)
    yield "Head", Head(channels, 6, 4)


def strided_pointwise(channels: int) -> Iterator[tuple[str, nn.Module]]:
    yield "conv", conv(channels, 32, 1, 2)
    yield "dense", dense(channels, 1, 2)
    yield "BasicBlock", BasicBlock(channels, 8, 2).shortcut
    yield "Double", Double(channels, 2 * channels, 2, residual=True).shortcut


def grouped(channels: int) -> Iterator[tuple[str, nn.Module]]:
    for groups in (group for group in (1, 2, 4, 8) if channels % group == 0):
        for stride in (1, 2):
            yield f"{groups} groups", Bottleneck(channels, 16, stride, channels, groups).b


def depthwise_of_all_kernels(channels: int) -> Iterator[tuple[str, nn.Module]]:
    for kernel in (3, 5, 7):
        for stride in (1, 2):
            yield f"depthwise {kernel}", depthwise(channels, kernel, stride, dilation=1)
            yield f"dilated {kernel}", depthwise(channels, kernel, stride, dilation=2)


def dense_of_all_kernels(channels: int) -> Iterator[tuple[str, nn.Module]]:
    for stride in (1, 2):
        yield "dense 3", dense(channels, 3, stride)
        yield "stem 7", conv(channels, 16, 7, stride)
        yield "factored 3", factored(channels, 3, stride)
        yield "factored 7", factored(channels, 7, stride)


KINDS = (pointwise, strided_pointwise, grouped, depthwise_of_all_kernels, dense_of_all_kernels)


def sweep() -> None:
    """Prints each case before it runs."""
    torch.set_num_threads(1)
    for channels in (*range(1, 10), 12, 15, 16):
        for layers in KINDS:
            for name, layer in layers(channels):
                exercise(name, layer, channels, SIZE, BATCH, PASSES)
    for channels in (1, 4, 7, 8, 12, 15, 16, 20):
        exercise("conv", conv(channels, 16, 1, 2), channels, LARGE_SIZE, LARGE_BATCH, LARGE_PASSES)


def exercise(name: str, layer: nn.Module, channels: int, size: int, batch: int, passes: int) -> None:
    initialise(layer, torch.Generator().manual_seed(0))
    for layout in (torch.channels_last, torch.contiguous_format):
        print(f"{name}: {channels} channels of {size} x {size}, {layout}: {layer}".replace("\n", " "), flush=True)
        images = torch.randn(batch, channels, size, size).to(memory_format=layout).requires_grad_()
        for _ in range(passes):
            torch.autograd.grad(layer(images).square().sum(), [images, *layer.parameters()])


def test_backward_passes_stay_in_their_memory():
    started = {instructions: start(instructions) for instructions in INSTRUCTIONS}  # at the same time
    ended = {instructions: process.communicate() for instructions, process in started.items()}
    for instructions, (out, error) in ended.items():
        code, cases = started[instructions].returncode, out.splitlines()
        assert code == 0, f"{instructions}: ended with {code} after {cases[-1:]}\n{error}"


def start(instructions: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != LIMIT}
    if instructions != ALL:
        environment[LIMIT] = instructions
    package = str(Path(naslib_gennas.__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [environment.get("PYTHONPATH")])])
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, __file__], env=environment, stdout=pipe, stderr=pipe, text=True)


def values_and_gradients(function, *tensors):
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    result = function(*tensors)
    down = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result)
    return [result, *torch.autograd.grad((result * down).sum(), tensors)]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("channels", [1, 3, 4, 8, 15, 16])
def test_strided_1x1_convolution_is_pytorchs(channels, stride, layout):
    generator = torch.Generator().manual_seed(channels)
    layer = conv(channels, 12, 1, stride)
    assert isinstance(layer, Subsampled) == (channels < 16), "wider ones are as they were, bit for bit"
    weight = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
    for height, width in ((16, 16), (9, 16), (7, 5)):
        x = torch.randn(2, channels, height, width, generator=generator, dtype=torch.float64).to(memory_format=layout)

        def ours(x, weight):
            return torch.func.functional_call(layer, {"weight": weight}, (x,))

        def theirs(x, weight):
            return F.conv2d(x, weight, stride=stride)

        for a, b in zip(values_and_gradients(ours, x, weight), values_and_gradients(theirs, x, weight)):
            assert torch.allclose(a, b, rtol=1e-6, atol=1e-9)


class Narrow(nn.Module):
    """A network whose second convolution is of the kind that PyTorch's own crashes with, of two branches."""

    def __init__(self, subsampled: bool):
        super().__init__()
        self.first = conv(3, 4, 3)
        self.split = SplitConv(4, [3, 5], 1, 2)
        if not subsampled:
            self.split.conv = nn.Conv2d(4, 8, 1, 2, bias=False)
            self.split.conv.branches = 2
        self.classifier = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.cat(self.split(F.relu(self.first(x))), dim=1).mean(dim=(2, 3)))


def test_initialisation_and_measures_see_the_same_layer():
    pair = [Narrow(subsampled) for subsampled in (True, False)]
    assert [isinstance(network.split.conv, Subsampled) for network in pair] == [True, False]
    for network in pair:
        initialise(network, torch.Generator().manual_seed(1), weights="xavier")
        network.double()  # in which PyTorch's own does not crash
    ours, theirs = (network.state_dict() for network in pair)
    assert list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in ours)
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for name in MEASURES:
        import_module(f"naslib_gennas.measures.{name}")  # which registers it
    found, expected = (measure_module(network, MEASURES, images, torch.arange(4) % 3) for network in pair)
    for name in MEASURES:
        assert found[name].value == pytest.approx(expected[name].value, rel=1e-9), name


def test_exported_code_has_the_same_layer():
    original, x = Narrow(subsampled=True), torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    initialise(original, torch.Generator().manual_seed(1))
    code = source_of(original, x)
    assert "self.conv = Subsampled(4, 8, 1, stride=2, bias=False)" in code
    scope = {}
    exec("import torch\nimport torch.nn.functional as F\nfrom torch import nn\n" + code, scope)
    rebuilt = scope["Network"]()
    rebuilt.load_state_dict(original.state_dict())
    original, rebuilt, x = original.double(), rebuilt.double(), x.double()
    assert torch.allclose(original(x), rebuilt(x), rtol=1e-6)
    results = [
        torch.autograd.grad(net(x).sum(), [net.first.weight, net.split.conv.weight]) for net in (original, rebuilt)
    ]
    assert all(torch.allclose(a, b, rtol=1e-6) for a, b in zip(*results))
    assert type(rebuilt.split.conv).__mro__[1] is nn.Conv2d


if __name__ == "__main__":
    sweep()
