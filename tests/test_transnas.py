"""TransNAS-Bench-101: counts of the paper, text forms, and networks against plainly counted ones."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from naslib_gennas import Scorer
from naslib_gennas.errors import ArchitectureError
from naslib_gennas.proxy.fidelity import Fidelity
from naslib_gennas.proxy.layers import uninitialised
from naslib_gennas.spaces import load_space
from naslib_gennas.spaces.transnas.encoding import TransNASMicroArchitecture
from naslib_gennas.spaces.transnas.networks import MicroCell

MICRO, MACRO = "transnas101_micro", "transnas101_macro"


def parameters(space, text):
    with uninitialised():
        network = space.build_network(space.parse(text))
    return sum(p.numel() for p in network.parameters())


def plain_count(blocks, last):
    """Stem 3 -> 32 -> 64, ``blocks`` and a classifier of 75 classes; convolutions with BatchNorm, no bias."""
    return normed(3, 32, 9) + normed(32, 64, 9) + sum(blocks) + (last + 1) * 75


def normed(inputs, outputs, area):
    return inputs * outputs * area + 2 * outputs


def test_numbers_of_architectures():
    micro, macro = load_space(MICRO), load_space(MACRO)
    assert len(set(micro)) == micro.size == 4096
    assert len({micro.canonical(arch) for arch in micro}) == micro.unique
    assert len(set(macro)) == macro.size == 3256
    drawn = {macro.sample(np.random.default_rng(seed)) for seed in range(300)}
    assert drawn < set(macro) and len({len(arch.modules) for arch in drawn}) == 3


def test_parameters_of_micro_networks():
    space, widths = load_space(MICRO), [(64, 128), (128, 128), (128, 256), (256, 256), (256, 512)]
    convolutions = [3 * normed(c, d, 9) + 3 * normed(d, d, 9) + 6 * normed(d, d, 9) for c, d in widths]
    assert parameters(space, "64-41414-3_33_333") == plain_count(convolutions, 512)
    small = [normed(c, d, 1) + normed(d, d, 1) for c, d in widths]
    assert parameters(space, "64-41414-0_00_200") == plain_count(small, 512)
    reductions = [normed(c, d, 1) for c, d in widths if c != d]  # two halves of a factorised reduction
    assert parameters(space, "64-41414-0_00_100") == plain_count(reductions, 512)
    assert parameters(space, "64-41414-0_00_003") > plain_count([], 512)  # dead edges count as in the benchmark


def test_parameters_of_macro_networks():
    space = load_space(MACRO)
    blocks, width = [], 64
    for digit in "1234":
        outputs, shape = width * (2 if digit in "24" else 1), digit in "234"
        blocks.append(normed(width, outputs, 9) + 3 * normed(outputs, outputs, 9) + shape * normed(width, outputs, 1))
        width = outputs
    assert parameters(space, "64-1234-basic") == plain_count(blocks, width)


@pytest.mark.parametrize("stride", [1, 2])
def test_cell_equals_its_definition(stride):
    torch.manual_seed(0)
    ops = (3, 1, 2, 1, 3, 1)
    cell = MicroCell(ops, 4, 4 * stride, stride).eval()
    x = torch.randn(2, 4, 8, 8)

    def convolved(index, value):
        return cell.convs[index](F.relu(value))[0]

    def skipped(index, value):
        return cell.skips[index](F.relu(value)) if stride > 1 else value

    first = convolved(0, x)
    second = skipped(0, x) + convolved(1, first)
    expected = skipped(1, x) + convolved(2, first) + second
    assert torch.allclose(cell(x), expected, atol=1e-6)
    assert expected.shape == (2, 4 * stride, 8 // stride, 8 // stride)


def test_dead_edges_are_not_built_but_their_parameters_are_counted():
    arch = TransNASMicroArchitecture((0, 0, 3, 1, 2, 3))
    assert arch.live().ops == (0, 0, 0, 1, 0, 0)
    assert TransNASMicroArchitecture((3, 3, 3, 0, 0, 0)).live().ops == (0,) * 6


def test_exchanged_nodes_share_a_key_unless_joined():
    space = load_space(MICRO)
    for ops in itertools.product((0, 1, 3), repeat=6):
        a, b, joined, d, e, f = ops
        other = space.canonical(TransNASMicroArchitecture((b, a, joined, d, f, e)))
        if joined == 0:
            assert other == space.canonical(TransNASMicroArchitecture(ops))


def test_stages_of_macro_networks_follow_the_skeleton():
    space = load_space(MACRO)
    arch = space.parse("64-414141-basic")
    assert space.stage_strides(arch) == (2, 4, 8)
    stages = space.build(arch, Fidelity(channels=8, cells=1))(torch.randn(2, 3, 32, 32))
    assert [tuple(stage.shape[1:]) for stage in stages] == [(16, 16, 16), (32, 8, 8), (64, 4, 4)]


def test_mutations_of_macro_skeletons_are_one_edit_away():
    space, rng = load_space(MACRO), np.random.default_rng(0)
    for _ in range(200):
        parent = space.sample(rng)
        child = space.mutate(parent, rng)
        assert abs(len(child.modules) - len(parent.modules)) <= 1 and space.parse(str(child)) == child != parent


@pytest.mark.parametrize("text", ["64-41414-1_02_333", "64-1234-basic"])
def test_scores(text):
    name = MACRO if text.endswith("basic") else MICRO
    assert Scorer(name, "fast").score(text).status == "ok"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (MICRO, "64-41414-1_02_334", "operations 0 to 3"),
        (MICRO, "32-41414-1_02_333", "does not read 64-41414-a_bc_def"),
        (MICRO, "64-1234-basic", "transnas101_micro"),
        (MACRO, "64-41414-1_02_333", "4 to 6 digits"),
        (MACRO, "64-123-basic", "4 to 6 digits"),
        (MACRO, "64-1111-basic", "halve the size"),
        (MACRO, "64-4444-basic", "double the channels"),
    ],
)
def test_refusals(name, text, message):
    with pytest.raises(ArchitectureError, match=message):
        load_space(name).parse(text)
