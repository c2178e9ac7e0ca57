"""The tables of presets and spaces in the documentation, made from the registries.

    python docs/tables.py            # writes them between their marks

A test says when they are not what they should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from naslib_gennas.proxy.presets import Preset, load_preset, preset_names
from naslib_gennas.spaces import SPACES, load_space

FOLDER = Path(__file__).parent
CELLS_OF_TABLE_1 = [name for name in preset_names() if name.startswith("paper-stage")]
MARK = re.compile(r"(<!-- made by tables.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def presets() -> Iterable[list[str]]:
    yield ["preset", "kind", "how", "cells", "channels", "pixels", "images", "steps", "repeats", "also", "what it is"]
    for name in preset_names():
        if name in CELLS_OF_TABLE_1[1:]:
            continue
        row = _preset(name, load_preset(name))
        yield (
            ["`paper-stage<1-3>-<signal>`", *row[1:-1], "one signal at one stage"] if name in CELLS_OF_TABLE_1 else row
        )


def _preset(name: str, preset: Preset) -> list[str]:
    fidelity = preset.fidelity
    convolutional = preset.kind == "cnn"
    trained = fidelity.solver == "sgd"
    numbers = [fidelity.cells, fidelity.channels, fidelity.input_size] if convolutional else ["", "", ""]
    shown = [*numbers, fidelity.batch_size, fidelity.steps if trained else 0, fidelity.repeats, len(preset.also) or ""]
    how = "trained" if trained else "closed form"
    texts = ["space's" if value is None else str(value) for value in shown]
    return [f"`{name}`", "images" if convolutional else "text", how, *texts, preset.description]


def spaces() -> Iterable[list[str]]:
    yield ["space", "architectures", "that differ", "untrained", "what it is"]
    for name in SPACES.names():
        space = load_space(name)
        counts = ["" if count is None else f"{count:,}" for count in (space.size, space.unique)]
        untrained = "together" if space.shares_parts else "one by one"
        yield [f"`{name}`", *counts, untrained, SPACES[name].description]


TABLES = {"presets": presets, "spaces": spaces}


def text(rows: Iterable[list[str]]) -> str:
    head, *rest = rows
    lines = [head, ["---"] * len(head), *rest]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def filled(page: str) -> str:
    """``page`` with the tables between its marks as they should be."""
    return MARK.sub(lambda found: f"{found[1]}\n{text(TABLES[found[2]]())}\n{found[3]}", page)


def main() -> None:
    for path in FOLDER.glob("*.md"):
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
