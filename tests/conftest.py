"""Fixtures shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the published benchmark tables; it lies beside the checkout, or where GENNAS_SHARED says."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("GENNAS_SHARED", default)) / "benchmarks"
    if not folder.is_dir():
        pytest.skip(f"no benchmark tables at {folder}; GENNAS_SHARED can name the folder above")
    return folder
