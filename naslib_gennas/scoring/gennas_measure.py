"""Regression on synthetic signals: what this package is about, among the other measures."""

from __future__ import annotations

from ..measures.base import GENNAS, MEASURES, Measure

MEASURES.register(GENNAS)(
    Measure(
        GENNAS,
        None,
        formula="- regression loss on the synthetic signals of --preset; gennas@PRESET: of a shipped preset.",
        source="Li et al., NeurIPS 2021, https://arxiv.org/abs/2108.01899; naslib_gennas.scoring.gennas",
        passes="as many forward and backward passes as the preset has steps, on a small network",
        memory="activations of the small network, three copies of its parameters",
    )
)
