"""AnyNet spaces of NDS against the benchmark's own records, and against ResNets written out plainly."""

import gzip
import json

import numpy as np
import pytest
import torch

from naslib_gennas.errors import ArchitectureError
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.spaces import SPACES, load_space
from naslib_gennas.spaces.anynet.encoding import similarity_vector

FILES = {"ResNeXt-A_in": "nds_resnext_a_in", "ResNet_lr-wd_in": "nds_resnet_in", "Vanilla_lr-wd_in": "nds_resnet_in"}
SPACES_HERE = [f"nds_{family}{end}" for family in ("resnet", "resnext_a", "resnext_b") for end in ("", "_in")]


def records(shared, name):
    with gzip.open(shared / "nds" / f"{name}.json.gz", "rt") as file:
        return json.load(file)


@pytest.mark.parametrize("name", FILES)
def test_parameters_and_flops_of_all_records(shared, name):
    space = load_space(FILES[name])
    for record in records(shared, name):
        arch = space.parse(json.dumps(record["net"]))
        assert json.loads(str(arch)) == record["net"]
        assert space.counts(arch) == (record["params"], record["flops"])


@pytest.mark.parametrize("name", FILES)
def test_networks_have_the_published_parameters(shared, name):
    space = load_space(FILES[name])
    for record in sorted(records(shared, name), key=lambda r: sum(r["net"]["ds"]))[:12]:
        with uninitialised():
            network = space.build_network(space.parse(json.dumps(record["net"])))
        assert sum(p.numel() for p in network.parameters()) == record["params"]


@pytest.mark.parametrize("name", SPACES_HERE)
def test_counts_are_those_of_the_network(name):
    space = load_space(name)
    arch = space.sample(np.random.default_rng(3))
    with uninitialised():
        network = space.build_network(arch, 7)
    assert sum(p.numel() for p in network.parameters()) == space.counts(arch, 7)[0]


def test_resnet_18_of_torchvision_has_its_parameters():
    net = {"block_type": "res_basic_block", "bot_muls": [], "num_gs": [], "ss": [4, 1, 2, 2, 2]}
    arch = load_space("nds_resnet_in").parse(json.dumps({**net, "ds": [1, 2, 2, 2, 2], "ws": [64, 64, 128, 256, 512]}))
    assert load_space("nds_resnet_in").counts(arch)[0] == 11_689_512


@pytest.mark.parametrize("name", SPACES_HERE)
def test_samples_hold_published_values_only(name):
    space, rng = load_space(name), np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(300)]
    for key, values in space.choices.items():
        for stage in range(1, space.stages):
            assert {getattr(arch, key)[stage] for arch in drawn} == set(values)


def test_sizes_are_the_published_ones():
    sizes = [load_space(f"nds_{family}").size for family in ("resnet", "resnext_a", "resnext_b")]
    assert sizes == [1_259_712, 11_390_625, 52_734_375]


def test_the_child_is_similar_and_from_the_fixed_subspace():
    space, rng = load_space("nds_resnext_a"), np.random.default_rng(0)
    parent = space.sample(rng)
    near = [np.abs(similarity_vector(space.mutate(parent, rng)) - similarity_vector(parent)).sum() for _ in range(5)]
    far = [np.abs(similarity_vector(space.sample(rng)) - similarity_vector(parent)).sum() for _ in range(50)]
    assert max(near) < np.quantile(far, 0.1)


def test_a_list_restricts_sampling_and_mutation():
    full, rng = load_space("nds_resnet"), np.random.default_rng(0)
    given = [full.sample(rng) for _ in range(5)]
    space = type(full)([str(arch) for arch in given])
    assert {space.sample(rng) for _ in range(100)} == set(given)
    assert space.mutate(given[0], rng) in given[1:]
    with pytest.raises(ArchitectureError, match="no other architecture"):
        type(full)(given[:1]).mutate(given[0], rng)


def test_ratio_zero_means_one_and_unused_numbers_do_not_matter():
    space = load_space("nds_resnext_a")
    zero = space.example.replace('"bot_muls": [1.0, 0.5', '"bot_muls": [0.0, 0.5')
    assert zero != space.example and space.canonical(space.parse(zero)) == space.canonical(space.parse(space.example))
    basic = load_space("nds_resnet")
    written = basic.example.replace('"bot_muls": []', '"bot_muls": [0.0, 0.0, 0.0, 0.0]')
    assert basic.canonical(basic.parse(written)) == basic.canonical(basic.parse(basic.example))


def test_the_paper_s_proxy_network():
    space = load_space("nds_resnext_a_in")
    arch = space.parse(space.example)
    backbone = space.build(arch, Fidelity())
    assert backbone.stem[0].weight.shape == (12, 3, 3, 3) and backbone.channels == arch.ws[1:]
    stages = backbone(torch.randn(2, 3, 32, 32))
    assert [stage.shape[-1] for stage in stages] == [32, 16, 8]
    assert all(stage.min() < 0 for stage in stages)  # before the last ReLU


@pytest.mark.parametrize("name", SPACES_HERE)
def test_small_proxies_keep_groups_and_order(name):
    space, rng = load_space(name), np.random.default_rng(0)
    for _ in range(200):
        arch = space.sample(rng)
        proxy = space.proxy(arch, Fidelity(cells=2, channels=32))
        assert all(proxy.inner(stage) % proxy.groups()[stage] == 0 for stage in range(len(proxy.ds)))
        assert all(a <= b for a, b in zip(*np.array([sorted(proxy.ds)[:-1], sorted(proxy.ds)[1:]])))


def test_aliases():
    assert (
        load_space("nds_resnext-a").name == "nds_resnext_a"
        and load_space("nds_resnext-b_in").name == "nds_resnext_b_in"
    )
    assert "nds_resnext-a" not in SPACES.names()


BROKEN = [
    ('{"block_type": "x"', "not JSON"),
    ("3", "must be a JSON object"),
    ({"ds": None}, "lacks ds"),
    ({"more": 1}, "no key 'more'"),
    ({"block_type": "res_bottleneck"}, "did you mean res_bottleneck_block"),
    ({"ds": [1, 2, 2]}, "ds must be a list of 4 numbers"),
    ({"ws": [16, 16, 2.5, 16]}, "ws holds 2.5"),
    ({"ds": [1, 0, 1, 1]}, "ds holds 0"),
    ({"ss": [1, 2, 2, 2]}, r"ss must be \[1, 4 or 8, 1, 2, 2\]"),
    ({"num_gs": [1, 3, 2, 2]}, "no multiple of 3 groups"),
    ({"bot_muls": [1.0, -1.0, 1.0, 1.0]}, "bot_muls holds -1.0"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=str)
def test_refusals(change, message):
    space = load_space("nds_resnext_a")
    if isinstance(change, dict):
        net = {**json.loads(space.example), **change}
        change = json.dumps({key: value for key, value in net.items() if value is not None})
    with pytest.raises(ArchitectureError, match=message) as caught:
        space.parse(change)
    assert "nds_resnext_a" in str(caught.value)
