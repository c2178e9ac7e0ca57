"""Language models trained in short: ``ppl:FILE@3``, the log perplexity after 3 epochs on a text of yours."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any, Optional

import torch
import torch.nn.functional as F

from ..errors import InputError, UnscorableError
from ..proxy.layers import own_randomness
from ..proxy.surroundings import threads
from ..runs.run import Record
from .gennas import GenNASScorer
from .protocol import BaseScorer
from .score import Score
from .sources import SOURCES

WORDS = 10_000  # most frequent ones; the others are one
BATCH, STEPS = 20, 35  # lines side by side, and words that the gradient goes back
HELD_OUT = 10  # the last tenth
RATE, DECAY, CLIP = 1e-3, 1.2e-6, 0.25  # of Adam, as for the proxy tasks of recurrent networks; of the gradient's norm


class Corpus:
    """The words of a text as numbers, in ``BATCH`` columns: to train on (n, b) and held out (m, b).

    InputError for a file that cannot be read or has fewer than 2,000 words.
    """

    def __init__(self, path: Path):
        try:
            content = path.read_bytes()
            words = content.decode("utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise InputError(f"cannot read the text {path}: {reason}") from None
        if len(words) < 100 * BATCH:
            raise InputError(f"{path} has {len(words)} words; {100 * BATCH} are needed to train on")
        known = {word: place for place, (word, _) in enumerate(Counter(words).most_common(WORDS - 1), start=1)}
        numbers = torch.tensor([known.get(word, 0) for word in words])
        cut = len(numbers) - len(numbers) // HELD_OUT
        self.train, self.test = _columns(numbers[:cut]), _columns(numbers[cut:])
        self.words = len(known) + 1
        self.digest = hashlib.sha256(content).hexdigest()[:16]


class PerplexityScorer(BaseScorer):
    """Minus the log perplexity a word of the benchmark's language model on the last tenth of a text.

    The model is the benchmark's full-size one; a score is minutes of a CPU. InputError for another form than
    ``FILE@N``, a file that cannot be used, or networks that are not recurrent.
    """

    def __init__(self, text: str, gennas: GenNASScorer):
        path, at, epochs = text.rpartition("@")
        if not at or not epochs.isdecimal() or not 1 <= int(epochs) <= 9999:
            raise InputError(f"ppl:{text[:80]}: a text file and epochs from 1 are needed, such as ppl:FILE@3")
        if gennas.space.kind != "rnn":
            raise InputError(f"ppl trains language models; those of {gennas.space.name} see images, take cls@N")
        self.space, self.seed, self.device = gennas.space, gennas.seed, gennas.device
        self.epochs, self.measure = int(epochs), f"ppl:{text}"
        self._path = Path(path)
        self._digest = Corpus(self._path).digest
        self._corpus: Optional[Corpus] = None

    def identity(self) -> Record:
        where = {"space": self.space.source, "seed": self.seed, "device": str(self.device), "threads": threads()}
        return {"measure": self.measure, **where, "text_digest": self._digest}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_corpus": None}

    def compute(self, arch: Any, key: str) -> Score:
        started = time.perf_counter()
        self._corpus = self._corpus or Corpus(self._path)
        with own_randomness(self.seed, self.device):
            model = self.space.build_network(self.space.reduced(arch), self._corpus.words).to(self.device)
            train(model, self._corpus.train.to(self.device), self.epochs)
        loss = mean_loss(model, self._corpus.test.to(self.device))
        if not math.isfinite(loss):
            raise UnscorableError(f"the log perplexity is {loss}")
        return Score(str(arch), key, -loss, "ok", time.perf_counter() - started, self.measure)


def train(model: torch.nn.Module, words: torch.Tensor, epochs: int) -> None:
    """Adam on the next word, states carried on from one piece of the text to the next."""
    optimizer = torch.optim.Adam(model.parameters(), RATE, weight_decay=DECAY)
    model.train()
    for _ in range(epochs):
        states: Any = None
        for start in range(0, len(words) - 1, STEPS):
            logits, states = _piece(model, words, start, states)
            loss = _loss(logits, words, start)
            if not torch.isfinite(loss):
                return
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            states = [[state.detach() for state in layer] for layer in states]


def mean_loss(model: torch.nn.Module, words: torch.Tensor) -> float:
    """Cross-entropy a word, in nats."""
    model.eval()
    total, states = 0.0, None
    with torch.no_grad():
        for start in range(0, len(words) - 1, STEPS):
            logits, states = _piece(model, words, start, states)
            total += float(_loss(logits, words, start)) * len(logits)
    return total / (len(words) - 1)


def _piece(model: torch.nn.Module, words: torch.Tensor, start: int, states: Any) -> tuple[torch.Tensor, Any]:
    logits, after = model(words[start : min(start + STEPS, len(words) - 1)], states)
    return logits, after


def _loss(logits: torch.Tensor, words: torch.Tensor, start: int) -> torch.Tensor:
    targets = words[start + 1 : start + 1 + len(logits)]
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _columns(numbers: torch.Tensor) -> torch.Tensor:
    length = len(numbers) // BATCH
    return numbers[: length * BATCH].reshape(BATCH, length).t().contiguous()


@SOURCES.register("ppl")
def perplexity(text: str, gennas: GenNASScorer) -> PerplexityScorer:
    """The scorer of ``FILE@N`` on the space, seed and device of ``gennas``."""
    return PerplexityScorer(text, gennas)
