"""Every runner of a NASLib checkout, run for a few seconds on invented accuracies: does it work?"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ..errors import GenNASError
from ..spaces.base import load_space
from ..spaces.pasted import OUR_NAMES
from ..tables import Table
from .locate import layout_of, require
from .runner import run_stock
from .runner_config import DATASETS, OPTIMIZERS, Config

ARCHITECTURES = 40  # that the invented tables list; they answer for all
SEARCH = {"epochs": 8, "population_size": 4, "sample_size": 2, "num_init": 4, "k": 2, "num_candidates": 6}
FEATURES = ["gennas", "l2_norm"]  # a measure of ours and one of NASLib's, of hardly any cost
SIZES = {"test_size": 6, "train_size": 6, "train_size_single": 4, "n_models": 2, "start_idx": 0, "batch_size": 8}


@dataclass(frozen=True)
class Check:
    """One configuration of a runner on a space: ``problem`` is empty where it works, ``seconds`` is what it took."""

    runner: str
    what: str
    space: str
    problem: str
    seconds: float


class InventedTable(Table):
    """Accuracies between 50 and 100 that nobody measured, the same for the same architecture.

    >>> table = InventedTable("nasbench201")
    >>> 50 <= table.value("5") == table.value(table.space.parse("5")) <= 100
    True
    """

    def __init__(self, space: str):
        there, rng = load_space(space), np.random.default_rng(0)
        texts = list(dict.fromkeys(str(there.sample(rng)) for _ in range(ARCHITECTURES)))
        super().__init__(pd.DataFrame({"arch": texts, "accuracy": 0.0}), there, name="of invented accuracies")
        self.frame["accuracy"] = [self.value(text) for text in texts]

    def value(self, arch: Any, metric: str | None = None) -> float:
        digest = hashlib.sha256(str(self.space.parse(str(arch))).encode()).digest()
        return 50 + 50 * int.from_bytes(digest[:4], "big") / 2**32


def check_runners(
    spaces: Sequence[str] = ("nasbench201",), naslib: str | os.PathLike[str] | None = None
) -> Iterator[Check]:
    """Runs them one after another, each in a folder that is removed; ``spaces`` are NASLib's names.

    Raises MissingPackageError without NASLib, InputError for a folder that is none.

    >>> [check.problem for check in check_runners() if check.runner == "zc"]  # doctest: +SKIP
    ['', '', '']
    """
    layout = layout_of(require(naslib))
    for space in spaces:
        table = InventedTable(OUR_NAMES.get(space, space))
        for runner, what, config in _jobs(layout.name):
            if runner in layout.runners:
                common = {"search_space": space, "dataset": DATASETS[space][0], "seed": 0, **SIZES}
                yield _check(runner, what, {**common, **config}, table, naslib)


def _jobs(branch: str) -> Iterator[tuple[str, str, Config]]:
    """(runner, what it is about, its configuration)"""
    for predictor in ("gennas", "l2_norm", "params"):
        yield "zc", predictor, {"predictor": predictor}
    yield "zc-benchmarks", "gennas", {"predictor": "gennas"}
    yield "xgb", "with gennas", {"zc_names": FEATURES}
    yield "predictors", "gennas", {"predictor": "gennas"}
    yield "predictors", "params", {"predictor": "params"}
    for optimizer in OPTIMIZERS[branch]:
        yield "bbo", f"{optimizer} by gennas", {"optimizer": optimizer, "fitness": "gennas", "search": SEARCH}
        yield "bbo", optimizer, {"optimizer": optimizer, "search": SEARCH}
        if optimizer in ("bananas", "npenas"):
            search = {**SEARCH, "zc_names": FEATURES}
            yield "bbo", f"{optimizer} with gennas", {"optimizer": optimizer, "search": search}
            search = {**SEARCH, "predictor_type": "gennas"}
            yield "bbo", f"{optimizer} on gennas", {"optimizer": optimizer, "search": search}


def _check(runner: str, what: str, config: Config, table: Table, naslib: str | os.PathLike[str] | None) -> Check:
    started = time.perf_counter()
    problem = ""
    with tempfile.TemporaryDirectory() as folder, _silence():
        given = {**config, "out_dir": folder, "gennas": {"preset": "instant"}}
        file = Path(folder) / "config.yaml"
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        try:
            run_stock(runner, file, table=table, naslib=naslib, say=lambda line: None)
        except GenNASError as error:
            problem = str(error).replace(f"{file}: ", "")
    return Check(runner, what, str(config["search_space"]), problem, time.perf_counter() - started)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The scripts write much."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
