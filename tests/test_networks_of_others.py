"""Kinds of networks that people bring, of examples/networks_of_others.py: a value or a sentence for every measure."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).resolve().parents[1] / "examples" / "networks_of_others.py"


def load():
    spec = importlib.util.spec_from_file_location("networks_of_others", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


others = load()
FEWEST = {  # measures with a value; all where nothing is said
    "SiLU": 15,
    "weight_norm": 15,
    "spectral_norm": 15,
    "lazy layers": 0,
    "a transformer": 13,
    "recurrent": 12,
    "no convolution": 13,
    "made for another size": 2,
}


@pytest.mark.parametrize("kind", others.MADE)
def test_a_value_or_a_sentence_for_every_measure(kind):
    found = others.examined(others.MADE[kind], others.ALONE)
    assert not {name: one.why for name, one in found.items() if others.foreign(one)}
    assert all(one.value is not None or "\n" not in one.why for one in found.values())
    assert sum(one.value is not None for one in found.values()) >= FEWEST.get(kind, len(found)), found


def values(kind):
    return {name: found.value for name, found in others.examined(others.MADE[kind], others.ALONE).items()}


@pytest.mark.parametrize(
    "kind", ["a dictionary comes out", "a tuple comes out", "a named tuple comes out", "channels last"]
)
def test_what_the_same_network_is_packed_in_changes_nothing(kind):
    assert values(kind) == pytest.approx(values("convolutions and BatchNorm"), rel=5e-3)


def test_whole_numbers_among_the_parameters_change_their_count_only():
    plain, counting = values("convolutions and BatchNorm"), values("whole numbers as parameters")
    assert counting.pop("params") == plain.pop("params")  # none that learns
    plain.pop("gennas@instant")  # its term for the size counts all
    assert counting == pytest.approx({**plain, "gennas@instant": counting["gennas@instant"]}, rel=1e-6)


def test_half_precision_is_measured_in_single():
    half, plain = values("half precision"), values("convolutions and BatchNorm")
    for name in ("params", "flops", "naswot"):
        assert half[name] == pytest.approx(plain[name], rel=1e-2)
    assert half["synflow"] == pytest.approx(plain["synflow"], rel=1e-3)


def test_the_network_stays_as_it_was():
    network = others.MADE["half precision"]()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    others.examined(lambda: network, others.ALONE)
    assert all(value.dtype == before[name].dtype for name, value in network.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_table_in_the_documentation_is_of_these_kinds():
    text = (PATH.parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
    for kind in others.MADE:
        assert f"| {kind} |" in text
