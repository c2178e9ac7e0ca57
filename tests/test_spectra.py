"""Spectra of runs in closed form, and their picture in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from naslib_gennas import Scorer
from naslib_gennas.cli import main
from naslib_gennas.proxy.closed_form import expected_loss
from naslib_gennas.proxy.tasks import Sin1D, Stage
from naslib_gennas.scoring.spectra import spectra


def test_a_spectrum_is_what_is_left_of_waves_of_one_frequency():
    scorer = Scorer("nasbench201", "instant")
    found = spectra(scorer, ["5", "77"])
    assert (found.stage, found.size) == (1, 8)
    reader = scorer.reader()
    arch = scorer.space.reduced(scorer.space.parse("77"))
    ((_, (rows,)),) = reader.read([arch])
    for step in (1, 3):  # of one direction each: the mean of both is Sin1D's
        moments = Stage(signals=[Sin1D(frequencies=[step / 8])]).moments(torch.zeros(4, 3, 16, 16), 8)
        left = float(expected_loss(rows, 4, 1.0, moments)) / moments.power(4, 64)
        shares = found.shares["77"]
        assert (shares[0][step] + shares[step][0]) / 2 == pytest.approx(1 - left, abs=1e-5)


def test_presets_that_train_and_recurrent_ones_have_none():
    assert spectra(Scorer("nasbench201", "tiny"), ["5"]) is None
    assert spectra(Scorer("nasbench_nlp", "instant"), []) is None


def test_the_report_draws_the_spectrum(tmp_path):
    runner = CliRunner()
    table = str(Path(__file__).parent / "data" / "digits.csv.gz")
    options = ["--space", "nasbench201", "--table", table, "--preset", "instant", "--sample", "20"]
    options += ["--out", str(tmp_path / "run")]
    assert runner.invoke(main, ["correlate", *options]).exit_code == 0
    kept = json.loads((tmp_path / "run" / "spectra.json").read_text())
    assert len(kept["shares"]) == 20
    assert all(-0.01 <= share <= 1 for rows in kept["shares"].values() for row in rows for share in row)
    made = ["report", str(tmp_path / "run"), "--out", str(tmp_path / "r.html"), "--figures", str(tmp_path / "f")]
    assert runner.invoke(main, made).exit_code == 0
    assert "rho by frequency" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert list((tmp_path / "f").glob("spectrum-*.svg"))
