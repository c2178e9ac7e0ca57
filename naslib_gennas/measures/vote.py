"""Majority vote of three measures."""

from __future__ import annotations

from .base import MEASURES, Measure

MEASURES.register("vote")(
    Measure(
        "vote",
        None,
        source="Abdelfattah et al., ICLR 2021, https://arxiv.org/abs/2101.08134, Section 3.3",
        passes="those of its members",
        memory="that of its members",
        needs_labels=True,
        rnn=False,
        expression="vote(synflow,jacob_cov,snip)",
    )
)
