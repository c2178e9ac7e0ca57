"""Scores: repeatable, shared by isomorphic architectures, failures recorded."""

import numpy as np
import pytest
import torch

from naslib_gennas import Scorer, load_preset
from naslib_gennas.errors import ArchitectureError, DeviceError, SpecError
from naslib_gennas.spaces.nasbench201.encoding import NASBench201Architecture

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


@pytest.fixture
def tiny():
    return load_preset("fast").with_fidelity(channels=4, input_size=8, batch_size=4, steps=4)


def test_same_seed_same_score_bit_for_bit_whatever_the_global_generators(tiny):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    first = Scorer("nasbench201", tiny, seed=5).score(CELL)
    torch.manual_seed(2)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = Scorer("nasbench201", tiny, seed=5).score(CELL)
    assert again.score == first.score and again.curve == first.curve
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert Scorer("nasbench201", tiny, seed=6).score(CELL).score != first.score


def test_the_score_does_not_depend_on_what_was_scored_before(tiny):
    scorer = Scorer("nasbench201", tiny)
    scorer.score("7")
    assert scorer.score(CELL).score == Scorer("nasbench201", tiny).score(CELL).score


def test_isomorphic_architectures_share_a_score_in_any_order(tiny):
    space = Scorer("nasbench201", tiny).space
    key = space.canonical(space.parse("0"))
    twins = [arch for arch in space if space.canonical(arch) == key]
    scores = [Scorer("nasbench201", tiny).score(arch) for arch in twins]
    assert len(twins) > 1 and len({score.score for score in scores}) == 1
    assert [score.arch for score in scores] == [str(arch) for arch in twins]


def test_isomorphic_nasbench101_cells_share_a_score(tiny):
    space = Scorer("nasbench101", tiny).space
    rng = np.random.default_rng(0)
    arch = space.sample(rng)
    twin = space.representative(arch)
    a, b = Scorer("nasbench101", tiny).score(arch), Scorer("nasbench101", tiny).score(twin)
    assert a.score == b.score and a.key == b.key and a.arch == str(arch)


def test_repeats_average_independent_losses(tiny):
    two = Scorer("nasbench201", tiny.with_fidelity(repeats=2)).score(CELL)
    one = Scorer("nasbench201", tiny).score(CELL)
    assert two.score != one.score and two.details["steps"] == 2 * one.details["steps"]


def test_divergence_is_reported_not_scored(tiny):
    result = Scorer("nasbench201", tiny.with_fidelity(learning_rate=1e30, steps=30)).score(CELL)
    assert result.status == "diverged" and result.score is None


def test_out_of_memory_becomes_a_record(tiny, monkeypatch):
    def exhausted(*arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("naslib_gennas.scoring.gennas.build_and_regress", exhausted)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    result = Scorer("nasbench201", tiny).score(CELL)
    assert result.status == "failed" and result.score is None and "out of memory" in result.message


@pytest.mark.parametrize("answers", [True, False])
def test_a_gpu_that_is_lost_ends_the_run_and_a_failed_kernel_one_record(tiny, monkeypatch, answers):
    def broken(*arguments, **keywords):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")

    scorer = Scorer("nasbench201", tiny)
    monkeypatch.setattr("naslib_gennas.scoring.gennas.build_and_regress", broken)
    zeros = torch.zeros
    monkeypatch.setattr(torch, "ones", (lambda size, device: zeros(size)) if answers else broken)
    if answers:
        assert scorer.score(CELL).status == "failed"
    else:
        with pytest.raises(DeviceError, match="does not answer any more after CUDA error.*--resume") as error:
            scorer.score(CELL)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "xla"])
def test_devices_that_do_not_exist(name):
    with pytest.raises(DeviceError):
        Scorer("nasbench201", device=name)


def test_disconnected_cells_score_low(tiny):
    dead = NASBench201Architecture((0,) * 6)
    scorer = Scorer("nasbench201", "fast")
    assert scorer.score(dead).score < scorer.score(CELL).score


@pytest.mark.parametrize("size", [5, 9, 14, 33])
def test_odd_input_sizes_and_callers_without_gradients(tiny, size):
    with torch.no_grad():
        assert Scorer("nasbench201", tiny.with_fidelity(input_size=size)).score(CELL).status == "ok"


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(SpecError, match="seed must be a whole number"):
        Scorer("nasbench201", "tiny", seed)


def test_a_seed_may_be_numpys():
    assert Scorer("nasbench201", "tiny", np.int64(3)).seed == 3


CODES = [4, 0, 3, 1, 4, 3]  # NASLib's


@pytest.mark.parametrize("given", [1, np.int64(1), "1", CODES, tuple(CODES), np.array(CODES)], ids=range(6))
def test_architectures_as_numbers_lists_and_arrays(given):
    scorer = Scorer("nasbench201", "tiny")
    text = "1" if np.ndim(given) == 0 else str(CODES)
    assert scorer.score(given) == scorer.score(scorer.space.parse(text))


@pytest.mark.parametrize("given", [None, object(), 1.5, True, b"1", {1, 2}])
def test_what_is_no_architecture_is_refused_in_one_sentence(given):
    with pytest.raises(ArchitectureError, match="nasbench201") as error:
        Scorer("nasbench201", "tiny").score(given)
    assert "\n" not in str(error.value)
