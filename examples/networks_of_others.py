"""Which measures work on which kinds of networks that people bring, as a Markdown table.

    python examples/networks_of_others.py --made --out docs/networks.md           # 18 made ones, a few seconds
    python examples/networks_of_others.py --made --libraries --out docs/networks.md   # and 40 of timm and torchvision

A measure has a value, or says in one sentence why it has none. Ends with 1 if anything else happens, such as an error
that is not the package's own. The libraries' networks get random weights; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas import Scorer
from naslib_gennas.measures.base import MEASURES
from naslib_gennas.proxy.layers import own_randomness
from naslib_gennas.scoring.measure import measure_module
from naslib_gennas.spaces.modules.networks import named_modules

ALONE = [name for name in MEASURES.names() if MEASURES[name].function is not None and not MEASURES[name].family]
REGRESSIONS = ("instant", "tiny")
SIZE, IMAGES, CLASSES = 64, 4, 10

TIMM = (
    "resnet18", "resnet26d", "resnext26ts", "seresnet18", "mobilenetv2_050", "mobilenetv3_small_050", "efficientnet_b0",
    "mnasnet_small", "regnetx_002", "regnety_002", "densenet121", "vgg11_bn", "convnext_atto", "convnextv2_atto",
    "repvgg_a0", "ghostnet_050", "dla34", "hrnet_w18_small", "vit_tiny_patch16_224", "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "mixer_s32_224", "poolformer_s12", "levit_128s",
)  # fmt: skip
TORCHVISION = (
    "alexnet", "vgg11", "resnet18", "wide_resnet50_2", "resnext50_32x4d", "densenet121", "googlenet", "inception_v3",
    "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "squeezenet1_1", "efficientnet_b0",
    "regnet_x_400mf", "convnext_tiny", "vit_b_32", "swin_t",
)  # fmt: skip


PREAMBLE = """# Networks that people bring

What works on which kind of network: every measure that needs one network, and two presets. `ok` is a value; a number
is the sentence below, which the command says, too. Of several outputs the first counts (`logits` or `out` of a
dictionary). Half precision is measured in single. The network is neither changed nor copied.

Made by `python examples/networks_of_others.py --made --libraries --out docs/networks.md`: kinds that we made, and
networks of timm and torchvision with random weights, 4 images of 64 x 64. A test repeats the kinds.
"""


class Found(NamedTuple):
    """``why``: the sentence of a measure without a value."""

    value: float | None
    why: str


def body(*last: nn.Module, act: Callable[[], nn.Module] = nn.ReLU, norm: bool = True) -> list[nn.Module]:
    """Three resolutions and a classifier."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 8), (8, 16), (16, 24)):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), *([nn.BatchNorm2d(outputs)] if norm else []), act()]
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *(last or (nn.Linear(24, CLASSES),))]


class Output(nn.Sequential):
    """A network whose output is packed by ``wrap``."""

    def __init__(self, wrap: Callable[[torch.Tensor], Any]):
        super().__init__(*body())
        self.wrap = wrap

    def forward(self, x: torch.Tensor) -> Any:
        return self.wrap(super().forward(x))


class Named(NamedTuple):
    logits: torch.Tensor
    aux: torch.Tensor


class Auxiliary(nn.Module):
    """A second head, read while it trains only."""

    def __init__(self) -> None:
        super().__init__()
        layers = body()
        self.first, self.rest = nn.Sequential(*layers[:6]), nn.Sequential(*layers[6:])
        self.aux = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.first(x)
        logits = self.rest(x)
        return Named(logits, self.aux(x.mean(dim=(2, 3)))) if self.training else logits


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.b.weight = self.a.weight
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(self.b(F.relu(self.a(F.relu(self.stem(x)))))).mean(dim=(2, 3)))


class Counting(nn.Sequential):
    """With parameters of whole numbers, which no gradient reaches."""

    def __init__(self) -> None:
        super().__init__(*body())
        self.steps = nn.Parameter(torch.zeros(3, dtype=torch.long), requires_grad=False)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 16, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(dim=1))


class Rows(nn.Module):
    """Reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(3 * SIZE, 32, 2, batch_first=True), nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.rnn(x.permute(0, 2, 3, 1).flatten(2))
        return self.head(out[:, -1])


class OtherSize(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 112 * 112, CLASSES))


MADE: dict[str, Callable[[], nn.Module]] = {
    "convolutions and BatchNorm": lambda: nn.Sequential(*body()),
    "without normalisation": lambda: nn.Sequential(*body(norm=False)),
    "activations in place": lambda: nn.Sequential(*body(act=lambda: nn.ReLU(inplace=True))),
    "SiLU": lambda: nn.Sequential(*body(act=nn.SiLU)),
    "a dictionary comes out": lambda: Output(lambda logits: {"logits": logits, "features": logits}),
    "a tuple comes out": lambda: Output(lambda logits: (logits, logits)),
    "a named tuple comes out": lambda: Output(lambda logits: Named(logits, logits)),
    "a head for training only": Auxiliary,
    "tied weights": Tied,
    "weight_norm": lambda: nn.Sequential(*body(nn.utils.parametrizations.weight_norm(nn.Linear(24, CLASSES)))),
    "spectral_norm": lambda: nn.Sequential(*body(nn.utils.parametrizations.spectral_norm(nn.Linear(24, CLASSES)))),
    "lazy layers": lambda: nn.Sequential(*body(nn.LazyLinear(CLASSES))),
    "channels last": lambda: nn.Sequential(*body()).to(memory_format=torch.channels_last),
    "half precision": lambda: nn.Sequential(*body()).half(),
    "whole numbers as parameters": Counting,
    "a transformer": Attention,
    "recurrent": Rows,
    "no convolution": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, CLASSES)
    ),
    "made for another size": OtherSize,
}
"""Kind -> network of it."""


def library_networks() -> dict[str, Callable[[], nn.Module]]:
    """Name -> maker, of timm and torchvision; both must be installed."""
    sources = {
        **named_modules(timm=TIMM),
        **named_modules(torchvision=TORCHVISION),
    }
    return {name: lambda source=source: source(SIZE) for name, source in sources.items()}


def examined(make: Callable[[], nn.Module], names: Iterable[str]) -> dict[str, Found]:
    """Every measure of a network, and the regressions of ``REGRESSIONS``."""
    with own_randomness(0, torch.device("cpu")):
        network = make()
    images = torch.randn(IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = measure_module(network, names, images=images)
        for preset in REGRESSIONS:
            scorer = Scorer.for_modules({"network": network}, preset=preset, input_size=SIZE)
            scores[f"gennas@{preset}"] = scorer.score("network")
    return {name: Found(score.value, score.message or "") for name, score in scores.items()}


def table(rows: dict[str, dict[str, Found]]) -> str:
    """Markdown: a tick, or the number of the sentence below."""
    sentences: dict[str, int] = {}
    lines = []
    for name, found in rows.items():
        cells = []
        for value, why in found.values():
            cells.append("ok" if value is not None else str(sentences.setdefault(_shortened(why), len(sentences) + 1)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    columns = next(iter(rows.values()))
    head = [f"| network | {' | '.join(f'`{column}`' for column in columns)} |", f"| --- |{' --- |' * len(columns)}"]
    notes = [f"{number}. {sentence}" for sentence, number in sentences.items()]
    return "\n".join([*head, *lines, "", *notes])


def _shortened(why: str) -> str:
    line = " ".join(why.split())
    return line if len(line) < 220 else line[:217] + "..."


def foreign(found: Found) -> bool:
    """Whether an error of another package came through, such as a KeyError."""
    return found.value is None and (not found.why or found.why.split(":")[0].endswith(("Error", "Exception")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--libraries", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    networks = {**(MADE if arguments.made else {}), **(library_networks() if arguments.libraries else {})}
    rows, wrong = {}, []
    for name, make in networks.items():
        started = time.monotonic()
        rows[name] = examined(make, ALONE)
        wrong += [f"{name}, {measure}: {found.why}" for measure, found in rows[name].items() if foreign(found)]
        values = sum(found.value is not None for found in rows[name].values())
        print(f"{name}: {values} of {len(rows[name])}, {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    text = table(rows)
    if arguments.out:
        arguments.out.write_text(f"{PREAMBLE}\n{text}\n", encoding="utf-8")
    print(text)
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
