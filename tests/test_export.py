"""Exported networks: the same network again, from the file alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from naslib_gennas.cli import main
from naslib_gennas.commands.export.codegen import CodeError, source_of
from naslib_gennas.commands.export.export import export, network_code
from naslib_gennas.errors import ArchitectureError, InputError, UnknownNameError
from naslib_gennas.spaces import load_space

DEAD_EDGES = "|none~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"
DISCONNECTED = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def samples():
    rng = np.random.default_rng(0)
    for name, count in (("nasbench201", 3), ("nasbench101", 2), ("nds_darts", 1)):
        space = load_space(name)
        yield from ((name, str(space.sample(rng))) for _ in range(count))
    yield "nasbench201", DEAD_EDGES
    yield "nasbench201", DISCONNECTED
    yield "nasbench101", "2:1:"


@pytest.mark.parametrize(("name", "text"), list(samples()))
def test_code_is_the_same_network(name, text):
    space = load_space(name)
    original = space.build_network(space.parse(text), classes=7)
    scope = {}
    exec(network_code(space, text, classes=7), scope)
    rebuilt = scope["Network"]()
    before, after = original.state_dict(), rebuilt.state_dict()
    assert {key: value.shape for key, value in before.items()} == {key: value.shape for key, value in after.items()}
    assert list(before) == list(after)
    rebuilt.load_state_dict(before)
    original, rebuilt = original.double(), rebuilt.double()  # 1x1 convolutions may be matrix products
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64)  # not the size that the code was made with
    with torch.no_grad():
        for training in (True, False):
            assert torch.allclose(original.train(training)(x), rebuilt.train(training)(x), rtol=1e-6)
    assert rebuilt(x).shape == (2, 7)


def test_code_needs_pytorch_only_and_trains(tmp_path):
    export("nasbench201", load_space("nasbench201").example, tmp_path / "net.py")
    program = """
import sys
from dataclasses import replace
sys.modules["naslib_gennas"] = None
import torch
from net import Network
torch.manual_seed(0)
network = Network()
x, y = torch.randn(8, 3, 8, 8), torch.arange(8)
optimizer = torch.optim.SGD(network.parameters(), 0.05)
losses = []
for _ in range(8):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(network(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0], losses
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201"])
def test_module_and_its_json(name, tmp_path):
    space = load_space(name)
    state = torch.get_rng_state()
    facts = export(name, space.example, tmp_path / "net.pt", classes=100, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    network = torch.load(tmp_path / "net.pt", weights_only=False)
    assert isinstance(network, nn.Module) and network.training
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 100)
    assert json.loads((tmp_path / "net.json").read_text()) == facts.as_record()
    assert facts.arch == space.example and facts.space == name
    assert facts.parameters == sum(p.numel() for p in network.parameters())
    export(name, space.example, tmp_path / "again.pt", classes=100, seed=3)
    again = torch.load(tmp_path / "again.pt", weights_only=False)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters()))


def test_parameters_are_the_published_ones(tmp_path):
    """1.531546 M with 3x3 convolutions on all edges: NATS-Bench's API."""
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    assert export("nasbench201", text, tmp_path / "net.py").parameters == 1_531_546


def test_bad_input(tmp_path):
    text = load_space("nasbench201").example
    with pytest.raises(InputError, match=r"\.pt or \.py; got 'net.onnx'"):
        export("nasbench201", text, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="cannot write .*missing"):
        export("nasbench201", text, tmp_path / "missing" / "net.py")
    with pytest.raises(InputError, match="cannot write .*missing"):
        export("nasbench201", text, tmp_path / "missing" / "net.pt")
    with pytest.raises(InputError, match="at least 1 class"):
        export("nasbench201", text, tmp_path / "net.pt", classes=0)
    with pytest.raises(ArchitectureError):
        export("nasbench201", "|none~0|", tmp_path / "net.pt")
    with pytest.raises(UnknownNameError, match="did you mean"):
        export("nasbench2001", text, tmp_path / "net.pt")
    assert not list(tmp_path.iterdir())


def test_command(tmp_path):
    text = load_space("nasbench201").example
    out = tmp_path / "net.py"
    done = CliRunner().invoke(main, ["export", text, "--space", "nasbench201", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["load"] == "from net import Network; Network()"
    assert out.exists() and (tmp_path / "net.json").exists()
    done = CliRunner().invoke(main, ["export", text, "--space", "nasbench201", "--out", str(tmp_path / "net")])
    assert done.exit_code == 2 and "net.py" not in done.output


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.scale


class Moody(nn.Module):
    def forward(self, x):
        return x + len([pixel for pixel in x.flatten().tolist() if pixel > 0])


def test_parameters_outside_layers_cannot_be_code():
    with pytest.raises(CodeError, match="Scaled holds scale"):
        source_of(nn.Sequential(Scaled()), torch.ones(1, 3, 4, 4))


@pytest.mark.parametrize("module", [Scaled, Moody])
def test_spaces_whose_networks_cannot_be_code_still_export_modules(module, tmp_path, monkeypatch):
    space = load_space("nasbench201")
    monkeypatch.setattr(type(space), "build_network", lambda self, arch, classes=10: module())
    with pytest.raises(InputError, match=r"cannot be written as code .* export a \.pt"):
        export(space, space.example, tmp_path / "net.py")
    assert not list(tmp_path.iterdir())
    export(space, space.example, tmp_path / "net.pt")


class Branching(nn.Module):
    """Control flow on shapes, unpacking, constants."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.dropout = nn.Dropout(0.0)
        self.widen = nn.Conv2d(3, 6, (1, 3), padding="same", groups=3)
        self.branches = nn.ModuleDict({"0": nn.ModuleList([nn.ReLU(), nn.ELU(0.5)]), "last": nn.Identity()})

    def forward(self, x):
        if x.shape[1] == 3:
            x = self.widen(x)
        first, second = torch.split(self.pool(x), [2, 4], dim=1)
        first = self.branches["0"][1](first) + self.branches["last"](first)
        first = torch.cat([first] * first.dim(), dim=1)[:, range(x.shape[1])[1] :]
        total = sum(t.mean(1, keepdim=True) for t in (first, second))
        total += 0.5
        return self.dropout(total).flatten(1)


@pytest.mark.skipif(torch.__version__.startswith("2.1."), reason="torch 2.1 cannot trace it; a .pt can be had")
def test_shapes_are_resolved():
    original, x = Branching(), torch.randn(2, 3, 5, 5)
    scope = {}
    exec("import torch\nimport torch.nn.functional as F\nfrom torch import nn\n" + source_of(original, x), scope)
    rebuilt = scope["Network"]()
    rebuilt.load_state_dict(original.state_dict())
    assert torch.equal(original(x), rebuilt(x))


def test_nothing_is_overwritten_unasked(tmp_path):
    """Not even a file that only has the name of the description beside the network."""
    (tmp_path / "net.json").write_text("mine")
    words = ["export", "--space", "nasbench201", "5", "--out", str(tmp_path / "net.py")]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2 and "net.json would be overwritten" in refused.stderr
    assert (tmp_path / "net.json").read_text() == "mine" and not (tmp_path / "net.py").exists()
    assert CliRunner().invoke(main, [*words, "--force"]).exit_code == 0
    assert json.loads((tmp_path / "net.json").read_text())["file"] == "net.py"


def test_networks_of_cells_with_auxiliary_head_and_drop_path(tmp_path):
    space = load_space("nds_darts")
    arch = replace(space.parse(space.example), depth=5, width=4)
    facts = export(space, arch, tmp_path / "net.py", classes=7, auxiliary=True, drop_path=0.4)
    assert facts.texts["genotype"].startswith("Genotype(normal=[(") and "'reduce_concat" not in facts.texts["genotype"]
    scope = {}
    exec((tmp_path / "net.py").read_text(), scope)
    torch.manual_seed(0)
    network = scope["Network"]()
    assert facts.parameters == sum(parameter.numel() for parameter in network.parameters())
    drops = [module for module in network.modules() if type(module).__name__ == "DropPath"]
    assert len(drops) == 5 and {module.p for module in drops} == {0.4}
    x, y = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    assert not torch.equal(network(x)[0], network(x)[0])
    for module in drops:
        module.p = 0.0  # as a schedule begins
    optimizer, losses = torch.optim.SGD(network.parameters(), lr=0.05), []
    for _ in range(12):
        logits, auxiliary = network(x)
        loss = nn.functional.cross_entropy(logits, y) + 0.4 * nn.functional.cross_entropy(auxiliary, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0] and all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--auxiliary"], "networks of nasbench201 have no auxiliary head and no drop path, those of cells do"),
        (["--drop-path", "1"], "a probability from 0 to below 1; got 1"),
        (["--drop-path", "nan"], "a probability from 0 to below 1; got nan"),
    ],
)
def test_what_cannot_be_trained_that_way(words, message, tmp_path):
    arguments = ["export", "--space", "nasbench201", "5", "--out", str(tmp_path / "net.py"), *words]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2 and message in done.stderr and not list(tmp_path.iterdir())
