"""Stages of anybody's modules: which are found, that modules stay as they are, and what is refused."""

import json
import pickle
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from naslib_gennas import Scorer
from naslib_gennas.cli import main
from naslib_gennas.errors import ArchitectureError, MissingPackageError, ModelError, UnknownNameError
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.proxy.stages import find_stages
from naslib_gennas.proxy.taps import Tapped
from naslib_gennas.spaces.modules.networks import named_modules
from naslib_gennas.spaces.modules.space import ModuleSpace

PRESET = load_preset("fast").with_fidelity(steps=3, batch_size=4)


class Block(nn.Module):
    """A bottleneck whose first convolution has the size of the stage before, as in ResNets."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(outputs, outputs, 1), nn.Sigmoid())
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu_(y * self.squeeze(y) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        layers = [nn.Sequential(Block(8, 8, 1), Block(8, 8, 1))]
        layers += [nn.Sequential(Block(w // 2, w, 2), Block(w, w, 1)) for w in (16, 32)]
        self.body = nn.Sequential(*layers)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.pool(self.body(self.stem(x))).flatten(1))


class Transformer(nn.Module):
    def __init__(self, depth=6, grid=(4, 4), side=16):
        super().__init__()
        self.side = side
        self.embed, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(depth)))
        self.head = nn.Linear(8, 10)
        if grid:
            self.patch_grid = grid

    def forward(self, x):
        assert x.shape[-1] == self.side, f"size {x.shape[-1]} does not match {self.side}"
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        return self.head(self.blocks(torch.cat([self.token.expand(len(x), -1, -1), tokens], dim=1))[:, 0])


class Last(nn.Module):
    """Channels-last maps, as Swin transformers have them."""

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList(nn.Linear(4 * w, 2 * w) for w in (3, 6, 12))
        self.outs = nn.ModuleList(nn.LayerNorm(w) for w in (6, 12, 24))

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        for step, out in zip(self.steps, self.outs):
            x = torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=3)
            x = out(step(x))
        return x.mean(dim=(1, 2))


def names(network, size=16, **options):
    return [tap.name for tap in find_stages(network, size, **options)]


def test_last_map_of_each_resolution():
    taps = find_stages(ResNet(), 32)
    assert [tap.name for tap in taps] == ["body.0", "body.1", "body.2"]
    assert [(tap.channels, tap.height, tap.width) for tap in taps] == [(8, 16, 16), (16, 8, 8), (32, 4, 4)]


def test_plain_convolutions_and_gaps():
    plain = nn.Sequential(*(nn.Conv2d(3 if i == 0 else 4, 4, 3, 2, 1) for i in range(4)))
    assert names(plain) == ["1", "2", "3"]
    hidden = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(2), nn.Sequential(*plain[1:]))
    assert names(hidden, 64) == ["2.0", "2.1", "2.2"]  # and not 0, 1, 2, between which resolutions are missing


def test_pooled_maps_are_no_stage():
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 10, 1))
    network = nn.Sequential(*(nn.Conv2d(3 if i == 0 else 8, 8, 3, 2, 1) for i in range(3)), head)
    assert names(network, 32) == ["0", "1", "2"]


def test_tokens_become_a_grid():
    taps = find_stages(Transformer(), 16)
    assert [tap.name for tap in taps] == ["blocks.1", "blocks.3", "blocks.5"]
    assert {(tap.layout, tap.prefix, tap.height, tap.width) for tap in taps} == {("tokens", 1, 4, 4)}
    sequence = torch.arange(17.0).view(1, 17, 1).expand(2, 17, 8)
    grid = taps[0].read(sequence)
    assert grid.shape == (2, 8, 4, 4) and grid[0, 0].flatten().tolist() == list(range(1, 17))


def test_channels_last_maps_are_turned():
    taps = find_stages(Last(), 16)
    assert [(tap.channels, tap.height, tap.layout) for tap in taps] == [
        (w, s, "channels last") for w, s in ((6, 8), (12, 4), (24, 2))
    ]


def test_one_resolution_gives_thirds():
    same = nn.Sequential(nn.Conv2d(3, 4, 2, 2), *(Block(4, 4, 1) for _ in range(9)))
    assert names(same) == ["3", "6", "9"]


def test_stages_by_name_in_the_order_of_the_network():
    assert names(ResNet(), names=["body.2", "stem", "body.1"]) == ["stem", "body.1", "body.2"]
    with pytest.raises(ModelError, match="did you mean body.1"):
        names(ResNet(), names=["body.11", "stem", "body.2"])
    with pytest.raises(ModelError, match="3 different submodules"):
        names(ResNet(), names=["stem", "stem", "body.2"])
    with pytest.raises(ModelError, match="head of ResNet returns no feature map"):
        names(ResNet(), names=["head", "stem", "body.2"])


def test_tapped_reads_what_the_submodules_return_and_stops():
    network = ResNet().eval()
    network.head.forward = None  # never reached
    stages = Tapped(network, find_stages(network, 32))(x := torch.randn(2, 3, 32, 32))
    expected = network.body[0](network.stem(x))
    assert torch.equal(stages[0], expected) and torch.equal(stages[1], network.body[1](expected.clone()))
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("make", [ResNet, Transformer])
def test_given_modules_stay_as_they_are(make):
    torch.manual_seed(0)
    network = make().eval()
    for parameter in list(network.parameters())[:1]:
        parameter.requires_grad_(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    flags = [p.requires_grad for p in network.parameters()]
    state = torch.get_rng_state()
    score = Scorer.for_modules({"net": network}, PRESET).score("net")
    assert score.status == "ok" and score.message.startswith("stages ")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert flags == [p.requires_grad for p in network.parameters()] and not network.training
    assert all(p.grad is None for p in network.parameters())
    assert torch.equal(state, torch.get_rng_state())


def test_values_are_shared_until_training_moves_them_to_its_own_vector():
    network = ResNet()
    built = ModuleSpace({"net": network}).build(ModuleSpace({"net": network}).parse("net"), PRESET.fidelity)
    theirs = {p.data_ptr() for p in network.parameters()}
    assert {p.data_ptr() for p in built.parameters()} == theirs


def test_functions_are_seeded_and_dropout_too():
    first, again, other = (
        Scorer.for_modules({"net": Transformer}, PRESET, seed=seed).score("net").score for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_classifier_is_not_trained():
    network = ResNet()
    scored = Scorer.for_modules({"net": ResNet}, PRESET).score("net")
    heads = sum(2 * w + 64 * w + 64 for w in (8, 16, 32))
    trained = sum(p.numel() for p in network.parameters()) - 330
    assert scored.details["parameters"] == trained + heads - _unused_heads(heads)


def _unused_heads(heads):
    """Parameters of the heads of stages that the preset does not use."""
    widths = (8, 16, 32)
    used = [(w, stage.channels) for w, stage in zip(widths, PRESET.task.stages) if stage.signals]
    return heads - sum(2 * w + c * w + c for w, c in used)


def test_input_size():
    scorer = Scorer.for_modules({"net": lambda: Transformer(side=32, grid=(8, 8))}, PRESET, input_size=32)
    assert scorer.preset.fidelity.signal_size == 8
    assert "8x8" in scorer.score("net").message


class TwoInputs(nn.Module):
    def forward(self, images, mask):
        return images


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 4)

    def forward(self, x):
        return self.words(x)


class Infinite(ResNet):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.body[1][0].conv1.bias, float("inf"))


REFUSED = {
    "several inputs": (TwoInputs, r"forward of TwoInputs needs several inputs \(images, mask\)"),
    "integers": (Words, "Words expects integers, its part words"),
    "not finite": (Infinite, "the part body.1.0.conv1 of Infinite gives values that are not finite"),
    "one size": (
        lambda: Transformer(side=24),
        "does not run on images of 16 x 16 .*size 16 does not match 24.*input size",
    ),
    "no grid": (lambda: Transformer(grid=None), r"no 3 usable feature maps .*patch_grid = \(rows, columns\)"),
    "no maps": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 10)), "no 3 usable feature maps"),
    "grey images": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3)), "3 channels: its part 0 has 1 inputs"),
    "no shape yet": (lambda: nn.Sequential(nn.LazyConv2d(4, 3)), "parameter 0.weight of Sequential has no shape yet"),
    "no module": (lambda: 3, "expected a torch.nn.Module, got int"),
    "TorchScript": (lambda: torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8)), "TorchScript"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_part(case):
    make, message = REFUSED[case]
    space = ModuleSpace({"mine": make})
    with pytest.raises(ModelError, match=message) as caught:
        space.build(space.parse("mine"), PRESET.fidelity)
    assert str(caught.value).startswith("mine: ") and "\n" not in str(caught.value)
    score = Scorer.for_modules({"mine": make}, PRESET).score("mine")
    assert score.status == "failed" and score.message == str(caught.value)


def test_a_module_space_is_a_space():
    space = ModuleSpace({"a": ResNet, "b": Transformer})
    assert [str(arch) for arch in space] == ["a", "b"]
    assert space.mutate(space.parse("a"), np.random.default_rng(0)) == space.parse("b")
    twin = pickle.loads(pickle.dumps(space))
    assert list(twin) == list(space) and twin.modules == space.modules and twin.source == "modules"
    with pytest.raises(ArchitectureError, match="no network is called 'c'"):
        space.parse("c")
    with pytest.raises(ModelError, match="no networks"):
        ModuleSpace({})


MY_NETS = """
from torch import nn
def good():
    return nn.Sequential(*(nn.Conv2d(3 if i == 0 else 4, 4, 3, 2, 1) for i in range(4)))
def bad():
    return nn.Linear(3, 3)
"""


@pytest.fixture
def my_nets(tmp_path, monkeypatch):
    (tmp_path / "nets_of_this_test.py").write_text(MY_NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield "nets_of_this_test"
    sys.modules.pop("nets_of_this_test", None)


def test_command_line(my_nets):
    arguments = ["score", "--model", f"{my_nets}:good", "--model", f"{my_nets}:bad", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    records = json.loads(result.stdout)["scores"]
    assert [record["status"] for record in records] == ["ok", "failed"]
    assert "stages 1 " in records[0]["message"] and "does not run" in records[1]["message"]


@pytest.mark.parametrize("model, message", [
    ("no_such_module_at_all:net", "no_such_module_at_all cannot be imported: No module named"),
    ("{}:god", "did you mean good"),
    ("{}:bad", "cannot be multiplied"),
    ("{}", "a model is named module:function"),
])  # fmt: skip
@pytest.mark.parametrize("options", [(), ("--on-error", "stop"), ("--measure", "naswot")])
def test_the_only_network_fails(my_nets, model, message, options):
    """One sentence and the exit code for wrong input; nothing that looks like a result."""
    result = CliRunner().invoke(main, ["score", "--model", model.format(my_nets), "--json", *options])
    assert result.exit_code == 2 and result.stdout == ""
    error = [line for line in result.stderr.splitlines() if not line.startswith(("scoring", "measuring"))]
    assert len(error) == 1 and error[0].startswith("error: ") and message in error[0]


def test_the_failure_of_the_only_network_is_recorded(my_nets, tmp_path):
    arguments = ["score", "--model", f"{my_nets}:bad", "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(main, arguments).exit_code == 2
    assert CliRunner().invoke(main, [*arguments, "--resume"]).exit_code == 2
    (record,) = map(json.loads, (tmp_path / "run" / "results.jsonl").read_text().splitlines())
    assert record["status"] == "failed" and "does not run" in record["message"]


def test_command_line_refusals(my_nets):
    both = CliRunner().invoke(main, ["score", "--model", f"{my_nets}:good", "--space", "nasbench201"])
    assert both.exit_code == 2 and "exclude each other" in both.stderr
    sizes = CliRunner().invoke(main, ["score", "--space", "nasbench201", "--input-size", "8", "5"])
    assert sizes.exit_code == 2 and "--input-size" in sizes.stderr


def test_absent_libraries_are_named():
    try:
        import timm  # noqa: F401
    except ImportError:
        with pytest.raises(MissingPackageError, match="pip install timm"):
            named_modules(timm=["resnet*"])


TIMM = {
    "resnet18": ["layer2", "layer3", "layer4"],
    "mobilenetv3_small_050": None,
    "vit_tiny_patch16_224": ["blocks.3", "blocks.7", "blocks.11"],
    "swin_tiny_patch4_window7_224": ["layers.1", "layers.2", "layers.3"],
    "convnext_atto": ["stages.1", "stages.2", "stages.3"],
}


@pytest.mark.parametrize("name", TIMM)
def test_timm_models(name):
    pytest.importorskip("timm", reason="timm is not installed")
    (source,) = named_modules(timm=[name]).values()
    taps = find_stages(source(64), 64)
    assert TIMM[name] is None or [tap.name for tap in taps] == TIMM[name]
    assert [tap.height for tap in taps] == ([4, 4, 4] if "vit" in name else [8, 4, 2])


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_32", "swin_t"])
def test_torchvision_models(name):
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    (source,) = named_modules(torchvision=[name]).values()
    taps = find_stages(source(64), 64)
    assert [tap.height for tap in taps] == ([2, 2, 2] if "vit" in name else [8, 4, 2])


def test_unknown_models_of_a_library():
    pytest.importorskip("timm", reason="timm is not installed")
    with pytest.raises(UnknownNameError, match="resnet"):
        named_modules(timm=["resnet18x"])
