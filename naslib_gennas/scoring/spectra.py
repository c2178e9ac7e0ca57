"""What untrained networks can explain, frequency by frequency: the spectrum behind a score in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from ..proxy.closed_form import spectrum
from ..proxy.tasks import Expected
from ..runs.run import Record
from .gennas import GenNASScorer


@dataclass(frozen=True)
class Spectra:
    """Shares of waves that the read-out of one stage explains.

    Attributes:
        stage: from 1; the one that counts most in the score.
        size: t, pixels a side of the maps.
        shares: text of an architecture -> rows by vertical frequency 0, 1/t .. 1/2, columns by horizontal, 0 to 1.
    """

    stage: int
    size: int
    shares: Mapping[str, Sequence[Sequence[float]]]

    def as_record(self) -> Record:
        return asdict(self)


def spectra(scorer: GenNASScorer, texts: Sequence[str]) -> Spectra | None:
    """Of architectures given by their texts; None unless the preset's first task is solved in closed form on images.

    >>> found = spectra(GenNASScorer("nasbench201", "instant"), ["5"])
    >>> found.stage, found.size, len(found.shares["5"])
    (1, 8, 5)
    """
    if scorer.preset.fidelity.solver != "ridge" or scorer.preset.kind != "cnn":
        return None
    reader = scorer.reader()
    batch = reader.batch
    if not isinstance(batch, Expected):
        return None
    used = max(range(len(batch.used)), key=lambda place: batch.weights[batch.used[place]])
    archs = [scorer.space.reduced(scorer.space.parse(text)) for text in texts]
    unique = list(dict.fromkeys(archs))
    found: dict[object, list[list[float]]] = {}
    size = 0
    for places, rows in reader.read(unique):
        shares = folded(spectrum(rows[used].cpu(), batch.images, reader.preset.fidelity.ridge))
        size = round((rows[used].shape[1] / batch.images) ** 0.5)
        found.update((unique[place], shares[i].tolist()) for i, place in enumerate(places))
    return Spectra(batch.used[used] + 1, size, {text: found[arch] for text, arch in zip(texts, archs)})


def folded(shares: torch.Tensor) -> torch.Tensor:
    """(a, t, t) -> (a, t/2 + 1, t/2 + 1): frequencies f and 1 - f are the same wave, or its mirror image; their mean.

    >>> folded(torch.tensor([[[1.0, 2.0, 3.0, 4.0]] * 4]))[0, 0]
    tensor([1., 3., 3.])
    """
    size = shares.shape[-1]
    half = size // 2 + 1
    mirror = (-torch.arange(half)) % size
    rows = (shares[:, :half] + shares[:, mirror]) / 2
    folded_shares: torch.Tensor = (rows[:, :, :half] + rows[:, :, mirror]) / 2
    return folded_shares
