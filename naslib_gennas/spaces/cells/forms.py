"""Other ways to write networks of two cells."""

from __future__ import annotations

import json
from typing import Any, Callable, Optional

from ..forms import Form, as_json, is_list
from .encoding import INPUTS, KINDS, Cell, CellArchitecture, Rules, cells_of_genotype, parse_net

Made = Callable[[Cell, Cell], Any]


def of_genotype(value: Any, rules: Rules, made: Made) -> Optional[Any]:
    """``normal`` and ``reduce``: two pairs (operation, input) a node; without ``_concat`` all nodes are read."""
    if not isinstance(value, dict) or not set(KINDS) <= set(value):
        return None
    cells = {}
    for kind in KINDS:
        edges, concat = value[kind], value.get(f"{kind}_concat", range(INPUTS, INPUTS + rules.nodes))
        if is_list(edges) and edges and all(is_list(edge) and edge and is_list(edge[0]) for edge in edges):
            edges = [edge for node in edges for edge in node]  # grouped by node
        pairs = [list(edge) if is_list(edge) else edge for edge in edges] if is_list(edges) else edges
        cells[kind] = pairs, list(concat) if isinstance(concat, (list, tuple, range)) else concat
    return made(*cells_of_genotype(cells, rules))


def of_net(value: Any, rules: Rules) -> Optional[CellArchitecture]:
    """``net`` of an NDS record, or the record, as a Python dictionary."""
    if not isinstance(value, dict) or not {"net", "genotype"} & set(value):
        return None
    return parse_net(as_json(value.get("net", value)), rules)


def genotype(arch: CellArchitecture) -> str:
    """The cells as DARTS writes them; depth and width are no part of it."""
    cells = zip(KINDS, (arch.normal, arch.reduce))
    parts = [f"{kind}={list(cell.edges)}, {kind}_concat={list(cell.concat)}" for kind, cell in cells]
    return f"Genotype({', '.join(parts)})"


def genotype_forms(rules: Rules, made: Made, example: CellArchitecture) -> tuple[Form, ...]:
    """Of a space, with ``example`` in each of them."""
    form = Form("a genotype", genotype(example), lambda value: of_genotype(value, rules, made))
    if not rules.example.startswith("{"):
        return (form,)
    return form, Form("a record of NDS", str(json.loads(rules.example)), lambda value: of_net(value, rules))
