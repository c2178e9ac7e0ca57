"""EcoNAS's four factors and ppl@N: what they train, on what, against independent numbers; bad input."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from naslib_gennas import Scorer, load_space
from naslib_gennas.cli import main
from naslib_gennas.errors import InputError
from naslib_gennas.scoring.econas import Classifier, EcoNASScorer, Factors
from naslib_gennas.scoring.perplexity import BATCH, Corpus, PerplexityScorer, mean_loss, train

GOOD = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """Two classes that a convolution tells apart at once."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("stripes") / "stripes.npz"
    labels = rng.integers(2, size=120)
    wave = np.where(np.arange(16) % 4 < 2, 1.0, 0.0)
    images = np.array([np.tile(wave, (16, 1)) if label else np.tile(wave, (16, 1)).T for label in labels])
    noisy = np.clip(images[..., None] + rng.normal(0, 0.05, (120, 16, 16, 3)), 0, 1).astype(np.float32)
    np.savez(path, x=noisy, y=labels)
    return str(path)


# --- EcoNAS


def test_what_can_be_learnt_is_learnt_and_the_factors_matter(stripes):
    gennas = Scorer("nasbench201", "tiny", images=stripes)
    scorer = EcoNASScorer("c4r8e5", gennas)
    score = scorer.score(GOOD)
    assert score.status == "ok" and score.value > 90 and score.measure == "econas:c4r8e5"
    assert scorer.score(GOOD).value == score.value and scorer.score("0").value is not None
    less = EcoNASScorer("c4r8s8e1", gennas).score(GOOD)
    assert less.value < score.value and less.seconds < score.seconds


def test_the_network_and_the_data_are_the_reduced_ones(stripes, monkeypatch):
    seen = {}

    def spy(self, backbone, classes):
        seen.update(backbone=backbone, classes=classes)
        raise RuntimeError("enough")

    monkeypatch.setattr(Classifier, "__init__", spy)
    scorer = EcoNASScorer("c6r8s3e1", Scorer("nasbench201", "tiny", images=stripes))
    assert scorer.score(GOOD).status == "failed"
    assert seen["backbone"].channels == (6, 12, 24) and seen["classes"] == 2
    data = scorer._data.labelled
    assert data.images.shape == (30, 3, 8, 8) and len(data.test_images) == 30  # of 90 and 30
    whole = EcoNASScorer("r8e1", Scorer("nasbench201", "tiny", images=stripes))._data.labelled
    assert torch.equal(whole.images[::3], data.images) and torch.equal(whole.test_images, data.test_images)


@pytest.mark.parametrize("text", ["", "10", "e0", "c0e1", "e5c8", "c8 e5", "e12345", "c-1e1"])
def test_factors_of_another_form(text):
    with pytest.raises(InputError, match="such as econas:c8r16s2e10"):
        Factors.parse(text)


def test_econas_needs_networks_for_images():
    with pytest.raises(InputError, match="nasbench_nlp has none"):
        EcoNASScorer("e1", Scorer("nasbench_nlp", "instant"))


def test_econas_is_a_measure(stripes):
    words = ["score", "--space", "nasbench201", "--images", stripes, "--measure", "econas:c4r8s4e1", GOOD, "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0 and 0 <= json.loads(done.stdout)["scores"][0]["score"] <= 100
    both = CliRunner().invoke(main, [*words[:6], "rank(econas:c4r8s4e1,params)", GOOD, "5", "--json"])
    assert both.exit_code == 0, both.stderr


# --- ppl@N


class Tiny(torch.nn.Module):
    """words (t, b) -> logits (t, b, n), states."""

    def __init__(self, words):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.gru = torch.nn.Embedding(words, 16), torch.nn.GRU(16, 32)
        self.out = torch.nn.Linear(32, words)

    def forward(self, words, states=None):
        x, state = self.gru(self.embedding(words), None if states is None else states[0][0])
        return self.out(x), [[state]]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(" ".join(["one", "two", "three", "four", "five"] * 500))
    return path


def test_a_corpus_is_columns_of_the_text(text):
    corpus = Corpus(text)
    assert corpus.words == 6 and corpus.train.shape == (112, BATCH) and corpus.test.shape == (12, BATCH)
    assert len(set(corpus.train[:5, 0].tolist())) == 5 and corpus.train[0, 0] == corpus.train[5, 0]
    text.write_text(" ".join(f"w{number}" for number in range(12_000)))
    rare = Corpus(text)
    assert rare.words == 10_000 and int((torch.cat([rare.train, rare.test]) == 0).sum()) >= 2000


def test_training_lowers_the_perplexity_of_what_repeats(text):
    corpus = Corpus(text)
    model = Tiny(corpus.words)
    before = mean_loss(model, corpus.test)
    assert before == pytest.approx(math.log(corpus.words), abs=0.3)
    train(model, corpus.train, 40)
    assert mean_loss(model, corpus.test) < 0.3 * before


def test_mean_loss_carries_states_and_counts_every_word(text):
    corpus = Corpus(text)
    model, words = Tiny(corpus.words).eval(), corpus.train
    logits, _ = model(words[:-1])
    whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), words[1:].flatten())
    assert mean_loss(model, words) == pytest.approx(whole.item(), rel=1e-5)


def test_ppl_of_the_benchmarks_network(text):
    space = load_space("nasbench_nlp")
    state = torch.get_rng_state()
    scorer = PerplexityScorer(f"{text}@1", Scorer("nasbench_nlp", "instant"))
    score = scorer.score(space.example)
    assert score.status == "ok" and -3 < score.value < 0 and torch.equal(torch.get_rng_state(), state)
    assert scorer.score(space.example).value == score.value
    assert scorer.identity()["text_digest"] == Corpus(text).digest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.txt", "a text file and epochs from 1 are needed"),
        ("text.txt@0", "a text file and epochs from 1 are needed"),
        ("none.txt@1", "cannot read the text"),
        ("short.txt@1", "has 3 words; 2000 are needed"),
        ("odd.txt@1", "it is no text in UTF-8"),
    ],
)
def test_texts_that_cannot_be_used(name, message, text):
    (text.parent / "short.txt").write_text("one two three")
    (text.parent / "odd.txt").write_bytes(b"\xff\xfe\x00" * 100)
    with pytest.raises(InputError, match=message):
        PerplexityScorer(str(text.parent / name), Scorer("nasbench_nlp", "instant"))
    with pytest.raises(InputError, match="nasbench201 see images, take cls@N"):
        PerplexityScorer(f"{text}@1", Scorer("nasbench201", "tiny"))
