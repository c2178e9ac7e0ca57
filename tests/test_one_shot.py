"""Weight sharing: gradients and draws against independent ones, real learning, data, resume, bad input."""

from __future__ import annotations

import json
import pickle
import random

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from torch.func import functional_call

from naslib_gennas import load_space
from naslib_gennas.cli import main
from naslib_gennas.errors import ImageError, InputError, RunError
from naslib_gennas.one_shot import METHODS, OneShotSettings, Supernet, darts, load_labelled, search_one_shot
from naslib_gennas.one_shot.search import CHECKPOINT
from naslib_gennas.one_shot.supernet import SHAPE, one_hot
from naslib_gennas.runs.run import Run
from naslib_gennas.spaces.nasbench201.encoding import NASBench201Architecture

SPACE = load_space("nasbench201")
SMALL = OneShotSettings(epochs=6, batch_size=16, channels=4, cells=1, image_size=12, candidates=20)


def gratings(count=160, size=12):
    """Stripes in four directions, with noise."""
    rng = np.random.default_rng(0)
    labels, (rows, columns) = rng.integers(4, size=count), np.mgrid[:size, :size]
    images = []
    for label in labels:
        angle, phase = np.pi * label / 4, rng.uniform(0, 2 * np.pi)
        wave = np.sin(1.5 * (np.cos(angle) * rows + np.sin(angle) * columns) + phase)
        images.append(np.clip(0.5 + 0.3 * wave[..., None] + rng.normal(0, 0.1, (size, size, 3)), 0, 1))
    return np.array(images, dtype=np.float32), labels


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "gratings.npz"
    images, labels = gratings()
    np.savez(path, x=images, y=labels)
    return path


@pytest.fixture(scope="module")
def data(source):
    return load_labelled(source, 12)


def made(name, settings=SMALL, classes=4, dtype=torch.float32):
    torch.manual_seed(0)
    supernet = Supernet(settings.channels, settings.cells, classes).to(dtype)
    return METHODS[name](supernet, settings, torch.Generator().manual_seed(0))


def batch(seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 3, 8, 8, generator=generator, dtype=dtype), torch.tensor([0, 1, 2, 3, 0, 1])


# --- the supernet


def test_a_chosen_architecture_is_the_mixture_with_all_weight_on_it():
    torch.manual_seed(0)
    net, (x, _) = Supernet(4, 2, 3), batch(0)
    for seed in range(5):
        ops = np.random.default_rng(seed).integers(5, size=6).tolist()
        weights = one_hot(ops, x.device)
        assert torch.allclose(net(x, weights, ops), net(x, weights), atol=1e-5)
    assert not torch.allclose(net(x, one_hot([3] * 6, x.device)), net(x, one_hot([2] * 6, x.device)))


def test_cells_against_plain_formulas():
    torch.manual_seed(0)
    net = Supernet(4, 1, 3).double()
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    weights = torch.rand(6, 5, dtype=torch.float64)
    cell = net.stacks[0][0]

    def edge(number, value):
        convs = [next(m for m in cell.edges[number].convs[str(op)] if hasattr(m, "kernel_size")) for op in (2, 3)]
        terms = [value] + [
            F.batch_norm(F.conv2d(value.relu(), c.weight, padding=c.padding), None, None, training=True) for c in convs
        ]
        terms.append(F.avg_pool2d(value, 3, 1, 1, count_include_pad=False))
        return sum(weights[number, op + 1] * term for op, term in enumerate(terms))

    first = edge(0, x)
    second = edge(1, x) + edge(2, first)
    last = edge(3, x) + edge(4, first) + edge(5, second)
    assert torch.allclose(cell(x, weights), last, rtol=1e-9)


# --- the methods


@pytest.mark.parametrize("momentum", [False, True])
def test_the_second_order_gradient_is_that_of_the_unrolled_step(momentum, monkeypatch):
    monkeypatch.setattr(darts, "SMALL", 1e-5)  # the published .01 crosses kinks of so small a network
    method = made("darts-v2", dtype=torch.float64)
    with torch.no_grad():
        method.alpha = torch.nn.Parameter(method.alpha.double())
    method.alphas = [method.alpha]
    method.alpha_optimizer = torch.optim.SGD(method.alphas, lr=0.0)
    train, valid = batch(1, torch.float64), batch(2, torch.float64)
    if momentum:
        method.learn_weights(train)
    net, rate = method.supernet, method.optimizer.param_groups[0]["lr"]
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    weights = {name: value.clone().requires_grad_() for name, value in before.items()}

    def loss(values, pair):
        logits = functional_call(net, values, (pair[0], F.softmax(method.alpha, dim=1)))
        return F.cross_entropy(logits, pair[1])

    inner = torch.autograd.grad(loss(weights, train), list(weights.values()), create_graph=True)
    moved = {}
    for (name, value), gradient, weight in zip(weights.items(), inner, net.parameters()):
        moment = method.optimizer.state.get(weight, {}).get("momentum_buffer")
        step = gradient + SMALL.weight_decay * value + (0 if moment is None else SMALL.momentum * moment)
        moved[name] = value - rate * step
    (exact,) = torch.autograd.grad(loss(moved, valid), [method.alpha])
    method.learn_architecture(train, valid)
    found = method.alpha.grad
    assert torch.allclose(found, exact, rtol=1e-4, atol=1e-7)
    first = torch.autograd.grad(loss(before, valid), [method.alpha])[0]
    assert float((first - exact).norm()) > 0.1 * float(exact.norm())
    assert all(torch.equal(weight, before[name]) for name, weight in net.named_parameters())  # put back


def test_gdas_draws_by_gumbel_and_passes_the_gradient_on():
    method = made("gdas")
    method.begin(0)
    with torch.no_grad():
        method.alpha.copy_(torch.linspace(-1, 1, 30).reshape(SHAPE))
    counts = np.zeros(SHAPE)
    for _ in range(3000):
        weights, chosen = method.mixture()
        counts[range(6), chosen] += 1
    assert torch.allclose(weights.detach(), one_hot(chosen, weights.device), atol=1e-6)
    assert np.abs(counts / 3000 - F.softmax(method.alpha, dim=1).detach().numpy()).max() < 0.035
    with torch.no_grad():
        method.alpha[:, 0] = -30.0  # then every edge leads somewhere
    method.learn_architecture(batch(0), batch(1))
    assert float(method.alpha.grad[:, 1:].abs().min()) > 0  # of operations that were not computed, too
    method.begin(SMALL.epochs - 1)
    assert method.temperature == pytest.approx(0.1)


def test_the_controller_learns_what_is_rewarded(monkeypatch):
    method = made("enas")
    monkeypatch.setattr(method, "accuracy", lambda arch, pair: 100 * arch.ops.count(3) / 6)

    def share():
        method.generator.manual_seed(1)
        return np.mean([method.controller.sample(method.generator)[0].count(3) / 6 for _ in range(200)])

    before = share()
    for _ in range(400):
        method.learn_architecture(batch(0), batch(1))
    assert before < 0.3 and share() > 0.5


def test_candidates_of_setn_follow_its_parameters(monkeypatch, data):
    method = made("setn")
    with torch.no_grad():
        method.alpha.fill_(-20.0)
        method.alpha[:, 3] = 20.0
    assert method.find(data).ops == (3,) * 6
    drawn = np.array([method.uniform().ops for _ in range(2000)])
    assert np.abs(np.bincount(drawn.ravel(), minlength=5) / drawn.size - 0.2).max() < 0.02


def test_the_best_candidate_is_found(data, monkeypatch):
    method = made("rsps")
    monkeypatch.setattr(method, "accuracy", lambda arch, pair: float(arch.ops.count(2)))
    drawn = []
    monkeypatch.setattr(method, "uniform", lambda: drawn.append(NASBench201Architecture(next(pool))) or drawn[-1])
    pool = iter([(0, 0, 0, 0, 0, 2), (2, 2, 2, 2, 2, 2), (0, 2, 2, 0, 0, 0)] * 10)
    assert method.find(data).ops == (2,) * 6 and len(drawn) == SMALL.candidates


# --- real learning


@pytest.mark.parametrize("name", METHODS.names())
def test_it_learns_and_repeats_and_leaves_global_generators_alone(name, data):
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    found = search_one_shot(name, data, SMALL, Run(None, {}))
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    losses = [epoch.loss for epoch in found.epochs]
    assert len(losses) == 6 and min(losses[3:]) < losses[0] - 0.1
    assert SPACE.parse(found.arch).ops and 0 <= found.accuracy <= 100
    short = OneShotSettings(**{**vars(SMALL), "epochs": 1})
    assert (
        search_one_shot(name, data, short, Run(None, {})).arch == search_one_shot(name, data, short, Run(None, {})).arch
    )


@pytest.mark.parametrize("name", ["darts-v1", "darts-v2", "gdas", "setn", "enas"])
def test_what_describes_the_architecture_moves(name, data):
    method = made(name)
    before = [alpha.detach().clone() for alpha in method.alphas]
    train, valid = data.halves()
    for start in range(0, 64, 16):
        pair = train.images[start : start + 16], train.labels[start : start + 16]
        method.learn_architecture(pair, (valid.images[:16], valid.labels[:16]))
    assert any(not torch.equal(old, new.detach()) for old, new in zip(before, method.alphas))


# --- resume


class Killed(BaseException):
    pass


@pytest.mark.parametrize("name", ["gdas", "enas", "darts-v2"])
def test_a_killed_run_goes_on_to_the_same_end(name, data, tmp_path, monkeypatch):
    settings = OneShotSettings(**{**vars(SMALL), "epochs": 4})
    whole = search_one_shot(name, data, settings, Run(None, {}))
    append, lines = Run.append, []

    def dies(self, record):
        if len(lines) == 2:
            raise Killed  # the checkpoint is written, the line is not
        lines.append(record)
        append(self, record)

    with Run(tmp_path / "run", {}) as run:
        monkeypatch.setattr(Run, "append", dies)
        with pytest.raises(Killed):
            search_one_shot(name, data, settings, run)
        monkeypatch.setattr(Run, "append", append)
    with Run(tmp_path / "run", {}, resume=True) as run:
        assert len(run.records) == 2
        found = search_one_shot(name, data, settings, run)
    assert found.arch == whole.arch and found.accuracy == whole.accuracy
    assert [epoch.loss for epoch in found.epochs] == [epoch.loss for epoch in whole.epochs]


def test_checkpoints_that_cannot_be_used(data, tmp_path):
    with Run(tmp_path / "run", {}) as run:
        search_one_shot("rsps", data, OneShotSettings(**{**vars(SMALL), "epochs": 2}), run)
    kept = (tmp_path / "run" / CHECKPOINT).read_bytes()
    (tmp_path / "run" / CHECKPOINT).write_bytes(kept[:100])
    with Run(tmp_path / "run", {}, resume=True) as run, pytest.raises(RunError, match="cannot be read"):
        search_one_shot("rsps", data, SMALL, run)
    (tmp_path / "run" / CHECKPOINT).unlink()
    with Run(tmp_path / "run", {}, resume=True) as run, pytest.raises(RunError, match="has epochs but no checkpoint"):
        search_one_shot("rsps", data, SMALL, run)


# --- data


def test_cifar_files(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(20, 3072), dtype=np.uint8)
    labels = [number % 5 for number in range(20)]
    for number in (1, 2):
        half = slice(10 * number - 10, 10 * number)
        with open(tmp_path / f"data_batch_{number}", "wb") as file:
            pickle.dump({b"data": pixels[half], b"labels": labels[half]}, file, protocol=2)
    found = load_labelled(tmp_path, 32)
    np.savez(tmp_path / "same.npz", x=pixels.reshape(-1, 3, 32, 32), y=np.array(labels))
    same = load_labelled(tmp_path / "same.npz", 32)
    assert torch.allclose(found.images, same.images, atol=1e-5) and found.labels.tolist() == labels
    assert found.classes == 5 and [len(half.labels) for half in found.halves()] == [10, 10]


class Evil:
    def __reduce__(self):
        return print, ("never",)


def test_files_that_would_run_something(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ImageError, match="it would run"):
        load_labelled(tmp_path)


def test_a_folder_a_class(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name, shade in (("cat", 0), ("dog", 255)):
        (tmp_path / name).mkdir()
        for number in range(4):
            image.new("RGB", (10, 10), (shade,) * 3).save(tmp_path / name / f"{number}.png")
    found = load_labelled(tmp_path, 8)
    assert found.classes == 2 and found.labels.tolist() == [0] * 4 + [1] * 4
    assert float(found.images[:4].max()) < float(found.images[4:].min())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((9, 8, 8, 3), np.uint8)}, "has no labels"),
        ({"x": np.zeros((9, 8, 8, 3), np.uint8), "y": np.zeros(9, int)}, "9 images of 1 classes"),
        ({"x": np.zeros((4, 8, 8, 3), np.uint8), "y": np.arange(4)}, "4 images of 4 classes"),
        ({"x": np.zeros((9, 8, 8, 3), np.uint8), "y": np.arange(8)}, "9 images and 8 labels"),
    ],
)
def test_images_that_cannot_be_used(arrays, message, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ImageError, match=message):
        load_labelled(tmp_path / "data.npz", 8)


# --- commands


def test_command(source, tmp_path):
    archs = [str(arch) for arch in SPACE]
    table = tmp_path / "table.csv"
    pd.DataFrame({"arch": archs, "cifar10_test": np.arange(len(archs), dtype=float)}).to_csv(table, index=False)
    words = ["one-shot", "darts-v1", "--data", source, "--epochs", 2, "--channels", 4, "--cells", 1, "--image-size", 12]
    words += ["--batch-size", 16, "--out", tmp_path / "run", "--table", table]
    done = CliRunner().invoke(main, list(map(str, [*words, "--json"])))
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["accuracy"] == archs.index(found["arch"]) and found["rank"] == 15625 - found["accuracy"]
    assert found["images"] == 160 and found["classes"] == 4 and len(found["losses"]) == 2
    again = CliRunner().invoke(main, list(map(str, [*words, "--resume"])))
    assert again.exit_code == 0 and found["arch"] in again.stdout
    gdas = CliRunner().invoke(main, list(map(str, ["one-shot", "gdas", *words[2:-4], "--epochs", 1])))
    assert "printed: searched on all of CIFAR-10: CIFAR-10 93.61" in gdas.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one-shot", "gdass", "--data", "x.npz"], "did you mean gdas"),
        (["one-shot", "gdas", "--data", "none.npz"], "does not exist"),
        (["one-shot", "gdas", "--data", "none.npz", "--epochs", "0"], "epochs must be at least 1, got 0"),
        (["one-shot", "gdas", "--data", "none.npz", "--device", "cuda:77"], "not available"),
        (["one-shot", "gdas", "--data", "none.npz", "--metric", "m"], "--metric is a column of --table"),
        (["one-shot", "gdas", "--data", "none.npz", "--seed", "-1"], "whole number of at least 0"),
        (["benchmark", "--suite", "table2", "--one-shot", "x.npz"], "only table3 has methods that share weights"),
        (["benchmark", "--space", "nasbench201", "--table", "t", "--one-shot", "x.npz"], "are for --suite"),
    ],
)
def test_bad_input(words, message):
    done = CliRunner().invoke(main, words)
    assert done.exit_code in (1, 2) and message in done.stderr and "Traceback" not in done.stderr


def test_settings_that_cannot_be():
    with pytest.raises(InputError, match="candidates must be at least 1"):
        OneShotSettings(candidates=0)


def test_table_3_with_weight_sharing(source, tmp_path, monkeypatch):
    from naslib_gennas.commands.suites.spec import suite_data

    small = {"epochs": 1, "channels": 4, "cells": 1, "image_size": 12, "batch_size": 16, "candidates": 5, "seeds": 2}
    monkeypatch.setitem(suite_data()["quick"], "one_shot", small)
    archs = [str(arch) for arch in SPACE]
    table = tmp_path / "table.csv"
    pd.DataFrame({"arch": archs, "cifar10_test": np.arange(len(archs), dtype=float)}).to_csv(table, index=False)
    words = ["benchmark", "--suite", "table3", "--quick", "--method", "Optimal", "--table", f"nasbench201:{table}"]
    done = CliRunner().invoke(main, [*words, "--one-shot", str(source), "--out", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.stderr
    rows = {row["method"]: row for row in json.loads(done.stdout)["rows"] if row["row"] == "CIFAR-10"}
    assert rows["GDAS"]["printed"] == "93.61±0.09" and 0 <= rows["GDAS"]["value"] < 15625
    assert rows["DARTS-V1"]["printed"] is None and "mean of 2" in rows["ENAS"]["note"]
    assert {"RSPS", "DARTS-V2", "SETN"} <= set(rows) and rows["NASWOT"]["value"] is None
