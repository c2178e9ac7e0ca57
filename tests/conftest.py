"""Fixtures shared by the tests."""

from __future__ import annotations

import inspect
import os
from functools import partialmethod
from pathlib import Path

import pytest
from click.testing import CliRunner

from naslib_gennas.proxy.surroundings import use_threads


@pytest.fixture(scope="session", autouse=True)
def streams_apart():
    """click before 8.2 mixes standard error into standard output unless told not to."""
    with pytest.MonkeyPatch.context() as patch:
        if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters:
            patch.setattr(CliRunner, "__init__", partialmethod(CliRunner.__init__, mix_stderr=False))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the published benchmark tables; it lies beside the checkout, or where GENNAS_SHARED says."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("GENNAS_SHARED", default)) / "benchmarks"
    if not folder.is_dir():
        pytest.skip(f"no benchmark tables at {folder}; GENNAS_SHARED can name the folder above")
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """A command sets the threads of its process, which is the tests'."""
    yield
    use_threads(1)
