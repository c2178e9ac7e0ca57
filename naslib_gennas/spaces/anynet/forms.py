"""Other ways to write AnyNet networks: records as dictionaries, and the configurations of pycls and timm.

pycls: Radosavovic et al., "Designing Network Design Spaces", CVPR 2020, https://arxiv.org/abs/2003.13678; widths and
depths of a RegNet follow its equations 2 to 4.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..forms import Form, as_json, is_list
from .encoding import BASIC, BOTTLENECK, KEYS, AnyNetArchitecture, Rules, parse_net

BLOCKS = {"res_basic_block": BASIC, "res_bottleneck_block": BOTTLENECK}
WIDTH_STEP = 8
"""Widths of a RegNet are multiples of it."""


def of_record(value: Any, rules: Rules) -> Optional[AnyNetArchitecture]:
    """``net`` of an NDS record, or the record, as a Python dictionary."""
    if not isinstance(value, dict) or not ("net" in value or set(KEYS) & set(value)):
        return None
    return parse_net(as_json(value.get("net", value)), rules)


def of_anynet(value: Any, rules: Rules, stem_stride: int) -> Optional[AnyNetArchitecture]:
    """The section ANYNET of a configuration of pycls: DEPTHS, WIDTHS, BOT_MULS, GROUP_WS of the stages."""
    section = _section(value, "anynet")
    if section is None or not {"depths", "widths"} <= set(section):
        return None
    stages = rules.stages - 1
    for key in ("depths", "widths", "bot_muls", "group_ws"):
        if key in section and (not is_list(section[key]) or len(section[key]) != stages):
            raise ValueError(f"{key.upper()} is {section[key]!r}, expected a list of {stages} numbers")
    stem = section.get("stem_w", section["widths"][0])
    ratios = [float(ratio) for ratio in section.get("bot_muls", [1.0] * stages)]
    bottleneck = rules.block == BOTTLENECK
    inner = [max(1, round(width * ratio)) for width, ratio in zip(section["widths"], ratios)]
    groups = [max(1, size // group) for size, group in zip(inner, section.get("group_ws", inner))]
    named = str(section.get("block_type", rules.block))
    net = {
        "block_type": BLOCKS.get(named, named),
        "bot_muls": [1.0, *ratios] if bottleneck else [],
        "ds": [1, *section["depths"]],
        "num_gs": [1, *groups] if bottleneck else [],
        "ss": [stem_stride, *rules.strides],
        "ws": [stem, *section["widths"]],
    }
    return parse_net(as_json(net), rules)


def of_regnet(value: Any, rules: Rules, stem_stride: int) -> Optional[AnyNetArchitecture]:
    """DEPTH, W0, WA, WM and GROUP_W of pycls, or depth, w0, wa, wm and group_size of timm."""
    section = _section(value, "regnet")
    if section is None or not {"w0", "wa", "wm", "depth"} <= set(section):
        return None
    group = section.get("group_w", section.get("group_size", WIDTH_STEP))
    w0, wa, wm = (float(section[key]) for key in ("w0", "wa", "wm"))
    widths, depths = regnet_stages(w0, wa, wm, int(section["depth"]))
    if len(widths) != rules.stages - 1:
        raise ValueError(
            f"this RegNet has {len(widths)} stages of widths {widths}, and {rules.space} has {rules.stages - 1}; "
            "score it as a network of your own (--timm)"
        )
    sizes = [min(group, width) for width in widths]
    fitted = [round(width / size) * size for width, size in zip(widths, sizes)]
    return of_anynet({"depths": depths, "widths": fitted, "group_ws": sizes, "stem_w": 32}, rules, stem_stride)


def regnet_stages(w0: float, wa: float, wm: float, depth: int) -> tuple[list[int], list[int]]:
    """Widths and depths of the stages of a RegNet, before groups are fitted.

    >>> regnet_stages(w0=24, wa=36.44, wm=2.49, depth=13)  # RegNetX-200MF
    ([24, 56, 152, 368], [1, 1, 4, 7])
    """
    if not (w0 > 0 and wa >= 0 and wm > 1 and 0 < depth < 1000):
        raise ValueError(f"W0 {w0}, WA {wa}, WM {wm} and DEPTH {depth} make no RegNet")
    steps = (round(math.log((w0 + wa * block) / w0) / math.log(wm)) for block in range(depth))
    blocks = [int(round(w0 * wm**step / WIDTH_STEP) * WIDTH_STEP) for step in steps]
    widths = sorted(set(blocks))
    return widths, [blocks.count(width) for width in widths]


def _section(value: Any, name: str) -> Optional[Mapping[str, Any]]:
    """Lower-case keys of the section ``name``, or of the mapping itself."""
    if not isinstance(value, dict):
        return None
    lower = {str(key).lower(): item for key, item in value.items()}
    section = lower.get(name, lower)
    return {str(key).lower(): item for key, item in section.items()} if isinstance(section, dict) else None


def forms(rules: Rules, stem_stride: int) -> tuple[Form, ...]:
    """The forms of a space with these rules, whose stem divides the size of an image by ``stem_stride``."""
    stages = range(1, rules.stages)
    numbers: Sequence[str] = [", ".join(str(base * 2**stage) for stage in stages) for base in (1, 16)]
    more = f", GROUP_WS: [{', '.join('8' for _ in stages)}]" if rules.block == BOTTLENECK else ""
    anynet = f"{{ANYNET: {{DEPTHS: [{numbers[0]}], WIDTHS: [{numbers[1]}]{more}}}}}"
    found = (
        Form("a record of NDS", str(json.loads(rules.example)), lambda value: of_record(value, rules)),
        Form("AnyNet of pycls (YAML)", anynet, lambda value: of_anynet(value, rules, stem_stride)),
    )
    if rules.block != BOTTLENECK:
        return found
    regnet = "RegNetCfg(w0=24, wa=36.0, wm=2.5, depth=4, group_size=8)"
    return (*found, Form("RegNet of pycls or timm", regnet, lambda value: of_regnet(value, rules, stem_stride)))
