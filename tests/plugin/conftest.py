"""NASLib for the tests that need the real one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from naslib_gennas.plugin.locate import HOME, layout_of, locate


def pytest_configure(config):
    config.addinivalue_line("markers", "naslib: needs the real NASLib, importable or at NASLIB_HOME")


@pytest.fixture(scope="session")
def naslib_home() -> Path:
    """The NASLib checkout to test against; skips where there is none or its packages are missing."""
    root = locate()
    if root is None:
        pytest.skip(f"NASLib is not importable and {HOME} is not set")
    lacking = [name for name in layout_of(root).packages if importlib.util.find_spec(name) is None]
    if lacking:
        pytest.skip(f"NASLib is there, but not the packages that it needs: {', '.join(lacking)}")
    return root


@pytest.fixture(scope="session")
def fresh_python(naslib_home):
    """Runs code in a process of its own, where NASLib can be found; fails with what it printed."""

    def run(code: str, *arguments: str, home: Path = naslib_home) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            env={**os.environ, "NASLIB_HOME": str(home), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
