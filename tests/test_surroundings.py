"""Scores do not depend on what a caller's program has set, and leave it as it was."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from naslib_gennas import Scorer
from naslib_gennas.errors import SpecError
from naslib_gennas.proxy import surroundings
from naslib_gennas.scoring.measure import measure_scorers

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
MEASURES = (
    "synflow naswot jacob_cov snip grasp fisher grad_norm l2_norm plain zen epe_nas zico params flops "
    "swap meco ntk trainability"
).split()
PRESETS = {"tiny": "nasbench201", "instant": "nasbench201", "hybrid": "nasbench201", "rnn-fast": "nasbench_nlp"}


@contextmanager
def held(get, put, value):
    before = get()
    put(value)
    try:
        yield
    finally:
        put(before)


@contextmanager
def both(one, other):
    with one, other:
        yield


HOSTILE = {
    "float64": lambda: held(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "float16": lambda: held(torch.get_default_dtype, torch.set_default_dtype, torch.float16),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "two threads, numpy errors": lambda: both(
        held(torch.get_num_threads, torch.set_num_threads, 2), np.errstate(all="raise")
    ),
    "another device": lambda: torch.device("meta"),
    "no oneDNN, precision": lambda: both(
        torch.backends.mkldnn.flags(enabled=False),
        held(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
    ),
    "deterministic": lambda: held(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True),
    "anomalies": lambda: torch.autograd.detect_anomaly(check_nan=False),
}


def scores():
    found = {}
    for preset, space in PRESETS.items():
        scorer = Scorer(space, preset=preset)
        found[preset] = scorer.score(CELL if space == "nasbench201" else scorer.space.example)
    for scorer in measure_scorers(MEASURES, Scorer("nasbench201", "tiny"), batch_size=4, image_size=16):
        found[scorer.measure] = scorer.score(CELL)
    pixels = np.random.default_rng(0).standard_normal((64, 3, 16, 16), dtype=np.float32)
    images = torch.from_numpy(pixels)
    found["images"] = Scorer("nasbench201", "tiny", images=images).score(CELL)
    return {name: (score.value, score.status, score.message) for name, score in found.items()}


def settings():
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.backends.mkldnn.enabled,
        torch.get_float32_matmul_precision(),
        torch.empty(0).device.type,
        (torch.eye(2, device="cpu", dtype=torch.float32) @ torch.eye(2, device="cpu", dtype=torch.float32)).dtype,
    )


@pytest.fixture(scope="module")
def plain():
    found = scores()
    assert all(status == "ok" for _, status, _ in found.values()), found
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_scores_are_the_same(name, plain):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of anomaly detection
        with HOSTILE[name]():
            before = settings()
            found = scores()
            assert settings() == before
    assert found == plain


def test_threads_are_chosen_here(monkeypatch):
    monkeypatch.setattr(surroundings, "_threads", 1)
    surroundings.use_threads(2)
    with surroundings.settled():
        assert torch.get_num_threads() == 2
    assert Scorer("nasbench201", "tiny").identity()["threads"] == 2
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(SpecError, match="threads must be a whole number from 1"):
            surroundings.use_threads(wrong)


def test_images_are_told_apart_by_content(tmp_path):
    from click.testing import CliRunner

    from naslib_gennas.cli import main

    path = tmp_path / "images.npz"
    rng = np.random.default_rng(0)

    def draw():
        np.savez(path, images=rng.integers(0, 256, (16, 16, 16, 3), dtype=np.uint8))

    words = [
        "score",
        "--space",
        "nasbench201",
        "--preset",
        "tiny",
        "--images",
        str(path),
        "--out",
        str(tmp_path / "run"),
    ]
    draw()
    assert CliRunner().invoke(main, [*words, "5"]).exit_code == 0
    assert CliRunner().invoke(main, [*words, "5", "--resume"]).exit_code == 0
    draw()
    other = CliRunner().invoke(main, [*words, "5", "77", "--resume"])
    assert other.exit_code != 0 and "images_digest" in other.stderr
